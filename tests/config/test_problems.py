"""What is wrong with a recipe is told with file, line and key."""

import pytest

from rlaudio.config.recipe import load_recipe


def test_an_unknown_key_is_told_with_line_and_suggestion(write, parent):
    path = write("child.yaml", "extends: parent.yaml\noptimizer:\n  lr: 1e-6\n  warmpu: 0.1\n")
    with pytest.raises(ValueError, match=rf"{path}:4: optimizer\.warmpu: .*did you mean 'warmup'\?"):
        load_recipe(path)


def test_a_misspelt_key_comes_first_and_is_not_told_as_missing_as_well(write):
    path = write(
        "typo.yaml",
        "model: {use: qwen2_5_omni, path: tiny/base}\ncuriculum: rl_only\nseed: -1\n",
    )
    with pytest.raises(ValueError) as error:
        load_recipe(path)
    typo, *others = str(error.value).splitlines()
    assert typo.startswith(f"{path}:2: curiculum: unknown key 'curiculum'; did you mean 'curriculum'?")
    assert "extends" in typo.partition("Known: ")[2].split(", ")
    assert sorted(line.split(": ")[1] for line in others) == ["data", "seed"]


def test_of_very_many_problems_the_first_are_told(write, parent):
    keys = "".join(f"k{number}: {{a: 1, b: 2}}\n" for number in range(1000))
    path = write("child.yaml", f"extends: parent.yaml\n{keys}")
    with pytest.raises(ValueError) as error:
        load_recipe(path)
    first, *_, last = str(error.value).splitlines()
    assert first.startswith(f"{path}:2: k0: unknown key") and last == "and 970 more"


def test_an_unknown_option_is_told_with_its_own_line(write, parent):
    path = write("child.yaml", "extends: parent.yaml\nalgorithm:\n  use: grpo\n  klx: 0.1\n")
    with pytest.raises(ValueError, match=rf"{path}:4: algorithm\.klx: .*did you mean 'kl'\?"):
        load_recipe(path)


def test_all_problems_are_told_at_once(parent):
    with pytest.raises(ValueError) as error:
        load_recipe(parent, ["seed=-1", "sampling.top_p=2", "curriculum=weak_to_strog"])
    assert len(str(error.value).splitlines()) == 3


def test_a_missing_section_is_told(write):
    with pytest.raises(ValueError, match="model: is missing; expected: model family"):
        load_recipe(write("r.yaml", "seed: 1\n"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("evaluation: {matcher: robust}", "evaluation.matcher is now evaluation.scorer: {use: robust}"),
        ("data: {lessons: {}}", "data.lessons is now data.pretrain"),
        (
            "evaluation: {bootstrap: 9}",
            "evaluation.bootstrap is gone, no interval is resampled; delete it",
        ),
        (
            "rewards: {answer_correctness: {mode: exact}}",
            "rewards.answer_correctness.mode is now scorer: {use: exact}",
        ),
        (
            "rewards: {again: {use: answer_correctness, letters: true}}",
            "rewards.again.letters is now an option of its scorer, {use: robust, letters: true}",
        ),
        (
            "rewards: {cot_length: {mode: robust}}",
            "rewards.cot_length.mode is now scorer: {use: robust}",
        ),
    ],
)
def test_a_key_that_had_another_name_is_told_by_its_new_one(write, parent, text, said):
    path = write("old.yaml", f"extends: parent.yaml\n{text}\n")
    with pytest.raises(ValueError) as error:
        load_recipe(path)
    assert str(error.value) == f"{path}:2: {said}"


def test_an_override_that_had_another_name_is_told_by_its_new_one(parent):
    with pytest.raises(ValueError, match=r"^-o evaluation\.matcher=exact: evaluation\.matcher is now "):
        load_recipe(parent, ["evaluation.matcher=exact"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("data: {train: 3}\n", r"r\.yaml:1: data\.train: expected a data plug-in"),
        ("rewards: [format]\n", r"r\.yaml:1: rewards: "),
        ("sampling: 3\n", r"r\.yaml:1: sampling: expected a map"),
    ],
)
def test_another_kind_of_value_is_told_with_file_and_line(write, text, message):
    with pytest.raises(ValueError, match=message):
        load_recipe(write("r.yaml", text))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("seed: 2020-13-45", "seed: .*valid integer.*'2020-13-45'"),
        ("seed: 2020-10-10", "seed: .*valid integer.*'2020-10-10'"),
        ("seed: true", "seed: expected a number; found a bool"),
        ("optimizer: {lr: .inf}", "optimizer.lr: .*finite number; found inf"),
        ("algorithm: {kl: .nan}", "algorithm.kl: .*finite number; found nan"),
        ("algorithm: {kl: inf}", "algorithm.kl: .*finite number; found 'inf'"),
        ("algorithm: {kl: yes}", "algorithm.kl: .*expected a number; found True"),
        ('prompt: {system: "a\\eb"}', r"prompt.system: .*holds the character U\+001B; expected text"),
        ("prompt: {system: " + "a" * 100_001 + "}", "prompt.system: .*at most 100000 characters"),
        ("sft: {<<: {lr: 1}}", "sft.<<: unknown key '<<'"),
        (
            "model: {path: ~nobody-is-called-so}",
            "model.path: no path '~nobody-is.*': Could not determine home directory; correct the path",
        ),
        ("rewards: {format: {reward: 1}}", "rewards.format.reward: reward format: unknown option 'reward'"),
        ("rewards: {format: {wieght: 1}}", "rewards.format.wieght: .* did you mean 'weight'"),
        ("temperature: 1", "temperature: unknown key .*; there is sampling.temperature$"),
        ("training: {lr: 1}", "training.lr: unknown key .*; there is pretrain.lr, .*optimizer.lr, sft.lr$"),
        ("name: ../../x", "name: expected a name, not a path"),
        ("data: {evaluate: {../x: {use: synthetic}}}", r"data.evaluate.\.\./x: expected a name, not a path"),
        ("data: {evaluate: {/abs: synthetic}}", "data.evaluate./abs: expected a name, not a path"),
        ("rewards: {a/b: {use: format}}", "rewards.a/b: expected a name, not a path"),
        ("sampling: {max_lag: 1}", "sampling.max_lag: completions of older weights need"),
    ],
)
def test_a_value_that_no_recipe_can_mean_is_told_with_line_and_key(write, parent, text, said):
    path = write("odd.yaml", f"extends: parent.yaml\n{text}\n")
    with pytest.raises(ValueError, match=rf"^{path}:[234]: {said}"):
        load_recipe(path)
