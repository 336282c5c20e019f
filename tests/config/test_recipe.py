"""Recipes are typed YAML in layers; whatever is wrong is told with file, line and key."""

import gzip
import os
import re
from pathlib import Path

import pytest
import yaml

from rlaudio.config.recipe import Recipe, load_recipe
from rlaudio.config.schema import field_table
from rlaudio.config.shipped import shipped_comparisons, shipped_recipes

PARENT = """
model: {use: qwen2_5_omni, path: tiny/base}
data:
  train: {use: audiomcq, path: data}
curriculum: weak_to_strong
algorithm: {use: grpo, kl: 0.001}
rewards:
  answer_correctness: {weight: 2.0, scorer: exact}
  format: {weight: 0.5}
optimizer: {lr: 1e-6, warmup: 0.1}
"""


@pytest.fixture
def write(tmp_path: Path):
    def write(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.fixture
def parent(write) -> Path:
    return write("parent.yaml", PARENT)


# --- what ships ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in shipped_recipes() if not name.startswith("base/")])
def test_recipes_that_ship_are_valid(name):
    assert load_recipe(name).name == name


@pytest.mark.parametrize("name", [name for name in shipped_recipes() if not name.startswith("base/")])
def test_a_resolved_recipe_is_a_recipe_that_resolves_to_itself(name, write):
    recipe = load_recipe(name)
    again = load_recipe(write("elsewhere/recipe.yaml", recipe.to_yaml()))
    assert again == recipe
    assert again.to_yaml() == recipe.to_yaml()


def test_a_comparison_is_no_recipe():
    names = shipped_comparisons()
    assert "compare_strong" in names and not set(names) & set(shipped_recipes())
    with pytest.raises(ValueError, match="this is a comparison, not a recipe; run it with 'rlaudio compare'"):
        load_recipe("compare_strong")


def test_every_field_is_described():
    assert not [key for key, _, _, meaning in field_table() if not meaning]


# --- types ---------------------------------------------------------------------------------------


def test_scientific_notation_that_yaml_takes_for_text_is_a_number(parent):
    assert load_recipe(parent).optimizer.lr == 1e-6


def test_a_bare_plugin_name_is_use(parent):
    assert load_recipe(parent).curriculum.use == "weak_to_strong"


def test_algorithm_and_rollout_have_defaults(write):
    text = "\n".join(line for line in PARENT.splitlines() if not line.startswith("algorithm"))
    recipe = load_recipe(write("r.yaml", text + "\nalgorithm: {kl: 0}\n"))
    assert (recipe.algorithm.use, recipe.algorithm.options["kl"]) == ("grpo", 0.0)
    assert recipe.rollout.use == "transformers"


def test_a_reward_may_stand_twice_under_two_names(parent):
    recipe = load_recipe(parent, ["rewards.brief={use: format, mode: think_answer, weight: 0.1}"])
    assert recipe.rewards["brief"].use == recipe.rewards["format"].use == "format"
    assert recipe.rewards["brief"].weight == 0.1


def test_silence_is_seconds_or_clip(parent):
    assert load_recipe(parent, ["contribution.silence=1.5"]).contribution.silence == 1.5
    assert load_recipe(parent, ["contribution.silence=clip"]).contribution.silence == "clip"


# --- layers --------------------------------------------------------------------------------------


def test_maps_merge_and_everything_else_replaces(write, parent):
    text = "extends: ./parent.yaml\noptimizer: {lr: 2e-6, betas: [0.8, 0.9]}\n"
    recipe = load_recipe(write("child.yaml", text))
    assert (recipe.optimizer.lr, recipe.optimizer.warmup) == (2e-6, 0.1)
    assert recipe.optimizer.betas == (0.8, 0.9)
    assert recipe.algorithm.options["kl"] == 0.001


def test_another_plugin_does_not_inherit_the_options_of_the_first(write, parent):
    recipe = load_recipe(write("child.yaml", "extends: parent.yaml\nalgorithm: sft\n"))
    assert recipe.algorithm.use == "sft"
    assert "kl" not in recipe.algorithm.options


def test_the_same_plugin_keeps_the_options_of_the_parent(write, parent):
    recipe = load_recipe(write("child.yaml", "extends: parent.yaml\nalgorithm: grpo\n"))
    assert recipe.algorithm.options["kl"] == 0.001


def test_null_removes_a_reward(write, parent):
    recipe = load_recipe(write("child.yaml", "extends: parent.yaml\nrewards: {format: null}\n"))
    assert list(recipe.rewards) == ["answer_correctness"]


def test_null_removes_all_held_out_sets_and_others_can_stand_in_their_place(parent, write):
    with_sets = write(
        "sets.yaml",
        "extends: parent.yaml\ndata: {evaluate: {a: {use: jsonl, path: a}, b: {use: jsonl, path: b}}}\n",
    )
    assert load_recipe(with_sets, ["data.evaluate=null"]).data.evaluate == {}
    assert load_recipe(parent, ["data.evaluate=null", "data.evaluate=null"]).data.evaluate == {}
    nothing = write("nothing.yaml", "extends: sets.yaml\ndata:\n  evaluate:\n")
    assert load_recipe(nothing).data.evaluate == {}
    others = ["data.evaluate=null", "data.evaluate={c: {use: jsonl, path: c}}"]
    assert list(load_recipe(with_sets, others).data.evaluate) == ["c"]
    with pytest.raises(ValueError, match=r"data\.evaluate\.c is not there"):
        load_recipe(with_sets, ["data.evaluate.c=null"])


def test_null_for_a_reward_that_is_not_there_is_an_error(parent):
    with pytest.raises(ValueError, match=r"rewards\.formt is not there"):
        load_recipe(parent, ["rewards.formt=null"])


def test_a_recipe_is_named_after_its_own_file(write, parent):
    write("parent.yaml", "name: theirs\n" + PARENT)
    assert load_recipe(parent).name == "theirs"
    assert load_recipe(write("child.yaml", "extends: parent.yaml\n")).name == "child"


def test_parents_have_parents(write, parent):
    write("middle.yaml", "extends: parent.yaml\nseed: 1\nthreads: 3\n")
    recipe = load_recipe(write("child.yaml", "extends: middle.yaml\nseed: 2\n"))
    assert (recipe.seed, recipe.threads, recipe.optimizer.lr) == (2, 3, 1e-6)


def test_a_circle_of_parents_is_told(write):
    write("a.yaml", "extends: b.yaml\n")
    write("b.yaml", "extends: ./a.yaml\n")
    with pytest.raises(ValueError, match=r"circle: .*a\.yaml -> .*b\.yaml -> .*a\.yaml"):
        load_recipe(write("a.yaml", "extends: b.yaml\n"))


def test_a_missing_parent_is_told_with_the_line(write):
    path = write("child.yaml", "seed: 1\nextends: base/tinny\n")
    with pytest.raises(ValueError, match=rf"{path}:2: extends: unknown recipe .*did you mean 'base/tiny'"):
        load_recipe(path)


# --- overrides -----------------------------------------------------------------------------------


def test_overrides_come_last_and_are_typed(parent):
    assert load_recipe(parent, ["optimizer.lr=3e-4"]).optimizer.lr == 3e-4


def test_the_order_of_overrides_does_not_matter(parent):
    overrides = ["curriculum.rl_steps=7", "curriculum.use=rl_only"]
    assert load_recipe(parent, overrides).curriculum == load_recipe(parent, overrides[::-1]).curriculum
    assert load_recipe(parent, overrides).curriculum.options["rl_steps"] == 7


@pytest.mark.parametrize("text", ["optimizer.lr", "=3", "optimizer..lr=3"])
def test_an_override_without_key_and_value_is_refused(parent, text):
    with pytest.raises(ValueError, match="expected KEY=VALUE"):
        load_recipe(parent, [text])


def test_an_override_is_named_in_its_error(parent):
    with pytest.raises(ValueError, match=r"-o optimizer\.lr=fast: optimizer\.lr: .*number.*found 'fast'"):
        load_recipe(parent, ["optimizer.lr=fast"])


# --- scorers -------------------------------------------------------------------------------------


def labels_of(recipe):
    """What evaluation, voters and the reward answer_correctness are scored by."""
    reward = recipe.reward_plugins()["answer_correctness"]
    return [*recipe.evaluation_scorers()], recipe.voting_scorer().label, reward.options["scorer"].label


@pytest.mark.parametrize(
    ("overrides", "scorers"),
    [
        (
            [],
            (["robust", "exact"], "robust", "exact"),
        ),  # the recipe's for all but the reward, which names one
        (["rewards.answer_correctness.scorer=null"], (["robust"], "robust", "robust")),
        (["scorer=exact"], (["exact"], "exact", "exact")),
        (["scorer=exact", "evaluation.scorer=robust"], (["robust", "exact"], "exact", "exact")),
        (["contribution.scorer=exact"], (["robust", "exact"], "exact", "exact")),
        (["scorer={use: robust, letters: true}"], (["robust_letters", "exact"], "robust_letters", "exact")),
        (
            ["rewards.answer_correctness.scorer={use: robust, letters: true}"],
            (["robust", "robust_letters"], "robust", "robust_letters"),
        ),
    ],
)
def test_one_scorer_is_for_all_that_name_none_of_their_own(parent, overrides, scorers):
    assert labels_of(load_recipe(parent, overrides)) == scorers


def test_a_resolved_recipe_still_takes_one_scorer_for_all(parent, write):
    text = load_recipe(parent, ["rewards.answer_correctness.scorer=null"]).to_yaml()
    again = load_recipe(write("resolved.yaml", text), ["scorer=exact"])
    assert labels_of(again) == (["exact"], "exact", "exact")


def test_a_users_scorer_is_found_beside_the_file_that_names_it(write, parent):
    mine = write("sub/mine.py", "def mine(question, text, *, strict: bool = False): ...")
    named = "{use: ./mine.py, strict: true}"
    keys = [f"scorer: {named}", f"evaluation: {{scorer: {named}}}", f"contribution: {{scorer: {named}}}"]
    keys.append(f"rewards: {{answer_correctness: {{scorer: {named}}}}}")
    child = write("sub/child.yaml", "\n".join(["extends: ../parent.yaml", *keys]))
    recipe = load_recipe(child)
    assert labels_of(recipe) == (["mine_strict"], "mine_strict", "mine_strict")
    assert recipe.user_files() == [mine]
    assert load_recipe(write("elsewhere/recipe.yaml", recipe.to_yaml())).scorers() == recipe.scorers()


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("rewards={format: {weight: 0}, answer_correctness: {weight: 0}}", r"rewards: every weight is 0"),
        ("evaluation.controls=[audio, silence, audio]", r"evaluation\.controls: .*audio stands twice"),
        (
            "data.evaluate={a: {use: jsonl, path: a}, A: {use: jsonl, path: a}}",
            r"'a' and 'A' would share a file",
        ),
        ("contribution.silence=1e9", r"contribution\.silence: .* less than or equal to 3600"),
        (
            "contribution.voters=['endpoint:http://x#m', 'endpoint:http://x/v1/#m']",
            r"contribution\.voters: one is named twice",
        ),
        ("sampling.temperature=1e-30", r"sampling\.temperature: .* greater than or equal to 0\.01"),
    ],
)
def test_settings_that_would_do_nothing_or_the_same_twice_are_refused(parent, override, told):
    with pytest.raises(ValueError, match=told):
        load_recipe(parent, [override])


def test_a_plug_in_that_is_now_an_option_of_another_is_told_by_it(parent):
    with pytest.raises(
        ValueError, match=r"algorithm dr_grpo is now \{use: grpo, scale: none, aggregate: constant\}"
    ):
        load_recipe(parent, ["algorithm=dr_grpo"])


def test_a_wrong_option_of_a_rewards_scorer_is_told_with_its_own_place(write, parent):
    child = write(
        "child.yaml", "extends: parent.yaml\nrewards:\n  answer_correctness:\n    scorer: {weight: 1.0}\n"
    )
    message = r"child\.yaml:4: rewards\.answer_correctness\.scorer\.weight: .* unknown option 'weight'"
    with pytest.raises(ValueError, match=message):
        load_recipe(child)


def test_two_scorers_of_one_name_are_refused(write, parent):
    mine = write("exact.py", "def exact(question, text): ...")
    with pytest.raises(
        ValueError, match=rf"call two scorers 'exact': {mine} and .*scorers/exact\.py; rename"
    ):
        load_recipe(parent, [f"scorer={mine}"])


# --- paths ---------------------------------------------------------------------------------------


def test_a_plugin_file_that_is_not_there_is_told_with_where_it_was_looked_for(parent, monkeypatch, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    with pytest.raises(ValueError, match=rf"no file {tmp_path / 'elsewhere/shout.py'}; .* -o in the working"):
        load_recipe(parent, ["rewards.shout={use: ./shout.py}"])


def test_paths_are_relative_to_the_file_that_names_them(write, parent, monkeypatch, tmp_path_factory):
    here = tmp_path_factory.mktemp("here")
    monkeypatch.chdir(here)
    write("sub/mine.py", "def mine(question, completion): ...")
    child = write("sub/child.yaml", "extends: ../parent.yaml\nrewards: {r: ./mine.py}\n")
    overrides = ["data.evaluate.test={use: audiomcq, path: test}"]
    recipe = load_recipe(child, overrides)
    assert recipe.data.train.options["path"] == parent.parent / "data"
    assert recipe.rewards["r"].reward.path == child.parent / "mine.py"
    assert recipe.data.evaluate["test"].options["path"] == here / "test"


def test_a_recipe_that_ships_looks_for_data_in_the_working_folder(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    recipe = load_recipe("weak_to_strong_qwen2_5_omni_7b")
    assert recipe.data.train.options["path"] == tmp_path / "AudioMCQ"


def test_voters_beside_the_recipe_become_absolute(write, parent):
    (parent.parent / "voter").mkdir()
    recipe = load_recipe(write("c.yaml", "extends: parent.yaml\ncontribution: {voters: [voter, tiny/a]}\n"))
    assert recipe.contribution.voters == [str(parent.parent / "voter"), "tiny/a"]


# --- messages ------------------------------------------------------------------------------------


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
    ("text", "message"),
    [
        ("a: [1, 2\nb: 3\n", r"r\.yaml:2: not valid YAML"),
        ("a: 1\na: 2\n", r"r\.yaml:2: a is given twice"),
        ("a: &x 1\nb: *x\n", r"r\.yaml:2: .*aliases"),
        ("- 1\n", "expected a map"),
        ("", "expected a map"),
        ("a: !!python/object:os.system 1\n", r"r\.yaml:1: a: tags .* are not supported"),
        ("data: {train: 3}\n", r"r\.yaml:1: data\.train: expected a data plug-in"),
        ("rewards: [format]\n", r"r\.yaml:1: rewards: "),
        ("sampling: 3\n", r"r\.yaml:1: sampling: expected a map"),
    ],
)
def test_bad_yaml_is_told_with_file_and_line(write, text, message):
    with pytest.raises(ValueError, match=message):
        load_recipe(write("r.yaml", text))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("seed: 010", "seed: 010 is to YAML a number to base 60 or 8"),
        ("seed: 1:30", "seed: 1:30 is to YAML a number to base 60 or 8"),
        ("seed: " + "9" * 5000, "seed: a number of 5,000 digits"),
        ("seed: 9223372036854775808", "seed: 9223372036854775808 does not fit into 64 bits"),
        ("seed: 2020-13-45", "seed: .*valid integer.*'2020-13-45'"),
        ("seed: 2020-10-10", "seed: .*valid integer.*'2020-10-10'"),
        ("seed: true", "seed: expected a number; found a bool"),
        ("optimizer: {lr: .inf}", "optimizer.lr: .*finite number; found inf"),
        ("algorithm: {kl: .nan}", "algorithm.kl: .*finite number; found nan"),
        ("algorithm: {kl: inf}", "algorithm.kl: .*finite number; found 'inf'"),
        ("algorithm: {kl: yes}", "algorithm.kl: .*expected a number; found True"),
        ("name: !!bool maybe", "name: tags .*bool. are not supported"),
        ("prompt: {system: !!binary aGk=}", "prompt.system: tags .*binary. are not supported"),
        ("name: " + "[" * 5000, "name.*: more than 50 maps and lists in each other"),
        ("name: {{a: 1}: 2}", "name.*: a key must be a word"),
        ('name: "a\x07b"', r"not valid YAML: the sign U\+0007 cannot stand in text"),
        ("name: a\x00b", r"not valid YAML: the sign U\+0000 cannot stand in text"),
        ('prompt: {system: "a\\eb"}', r"prompt.system: .*holds the character U\+001B; expected text"),
        ("prompt: {system: " + "a" * 100_001 + "}", "prompt.system: .*at most 100000 characters"),
        ('prompt: {system: "\\ud800"}', r"prompt.system: .*U\+D800, which is no text"),
        ('data: {"\\ud800": 1}', r"data.\?: .*U\+D800, which is no text"),
        ("sft: {<<: {lr: 1}}", "sft.<<: unknown key '<<'"),
        ("---\nseed: 1", "not valid YAML: .*another document"),
        ("sft:\n\tlr: 1", "not valid YAML: found character"),
        ("model: {path: ~nobody-is-called-so}", "model.path: no path '~nobody-is-called-so'"),
        ('model: {path: "a\\0b/"}', r"model.path: .*U\+0000, which is no text"),
        ("rewards: {format: {reward: 1}}", "rewards.format.reward: reward format: unknown option 'reward'"),
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


@pytest.mark.parametrize("content", [b"name: x\nseed: \xff\n", b"\n\x1f\x8b\x08"])
def test_bytes_that_are_not_utf8_are_told_with_their_line(tmp_path, content):
    (tmp_path / "r.yaml").write_bytes(content)
    with pytest.raises(ValueError, match=r"r\.yaml:[12]: not UTF-8 text"):
        load_recipe(tmp_path / "r.yaml")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (gzip.compress(b"seed: 1", mtime=0), "is compressed by gzip; expected YAML in UTF-8; unpack it"),
        ("seed: 1".encode("utf-16"), "is text in UTF-16; expected YAML in UTF-8; .* -f UTF-16 -t UTF-8"),
        ("# é\nseed: 1".encode("utf-16-be"), "is text in UTF-16; expected .* -f UTF-16BE -t UTF-8"),
        ("seed: 1".encode("utf-16-le"), "is text in UTF-16; expected .* -f UTF-16LE -t UTF-8"),
        ("seed: 1".encode("utf-32-be"), "is text in UTF-32; expected .* -f UTF-32BE -t UTF-8"),
        (b"<html></html>", "is an HTML or XML page, .*; expected YAML in UTF-8; fetch the file again"),
    ],
)
def test_a_recipe_that_is_no_text_in_utf8_is_told_with_what_it_is(tmp_path, content, said):
    (tmp_path / "r.yaml").write_bytes(content)
    with pytest.raises(ValueError, match=rf"r\.yaml: {said}"):
        load_recipe(tmp_path / "r.yaml")


def test_an_escape_that_is_no_character_is_told_with_its_line(tmp_path):
    (tmp_path / "r.yaml").write_text('seed: 1\nname: "\\U00110000"\n')
    with pytest.raises(ValueError, match=r"r\.yaml:2: not valid YAML: \\U00110000 is no character; expected"):
        load_recipe(tmp_path / "r.yaml")


def test_a_byte_order_mark_is_skipped(tmp_path):
    (tmp_path / "r.yaml").write_bytes(b"\xef\xbb\xbf" + PARENT.encode())
    assert load_recipe(tmp_path / "r.yaml").curriculum.use == "weak_to_strong"


def test_a_file_too_large_for_a_recipe_is_not_read(tmp_path):
    with (tmp_path / "r.yaml").open("wb") as file:
        file.truncate(2**31)
    with pytest.raises(
        ValueError, match=r"r\.yaml: 2,147,483,648 bytes; expected YAML .*; is it the path of a recipe\?$"
    ):
        load_recipe(tmp_path / "r.yaml")


@pytest.mark.parametrize(
    ("parents", "said"),
    [
        ("./folder", "is a folder; expected a file"),
        ("pipe.yaml", "is a pipe or device; expected a file"),
        ("/dev/zero", "is a pipe or device; expected a file"),
        ("base/../../other", "unknown recipe 'base/../../other'"),
        ("x" * 300 + ".yaml", "File name too long"),
        ("[a]", "expected one recipe's name or path"),
    ],
)
def test_what_cannot_be_extended_is_told_with_the_line(write, tmp_path, parents, said):
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe.yaml")
    path = write("r.yaml", f"seed: 1\nextends: {parents}\n")
    with pytest.raises(ValueError, match=rf"^{path}:2: extends: .*{said}"):
        load_recipe(path)


def test_a_recipe_is_named_like_its_file_with_hyphens_for_what_no_name_has(write):
    assert load_recipe(write(".my recipe (2).yaml", PARENT)).name == "my-recipe-2"


# --- nothing is dropped --------------------------------------------------------------------------


def test_two_rewards_that_would_have_one_name_are_refused(write, parent):
    for folder in ("a", "b"):
        write(f"{folder}/r.py", "def r(question, completion): ...")
    path = write("r.yaml", "extends: parent.yaml\nrewards:\n  ./a/r.py: {}\n  ./b/r.py: {}\n")
    said = (
        rf"^{path}:4: rewards\.\./b/r\.py: would be called r, as \./a/r\.py is \({path}:3\); give one a name"
    )
    with pytest.raises(ValueError, match=said):
        load_recipe(path)


def test_files_of_one_name_in_two_folders_are_two_files(write, parent):
    write("a/r.py", "def r(question, completion): ...")
    mine = write("b/r.py", "def r(question, completion): ...")
    write("a/parent.yaml", "extends: ../parent.yaml\nrewards: {./r.py: {}}\n")
    recipe = load_recipe(write("b/child.yaml", "extends: ../a/parent.yaml\nrewards: {./r.py: {}}\n"))
    assert recipe.rewards["r"].reward.path == mine


@pytest.mark.parametrize("common", ["{use: synthetic, count: 3}", "{use: ./mine.py}"])
def test_common_options_that_no_set_takes_are_refused(write, parent, common):
    path = write("r.yaml", f"extends: parent.yaml\ndata: {{common: {common}}}\n")
    with pytest.raises(ValueError, match=rf"^{path}:2: data\.common .* would be dropped: every set names"):
        load_recipe(path)


def test_a_common_option_that_every_set_has_itself_is_refused(write):
    sets = "train: {split: train, count: 10}, evaluate: {test: {split: test, count: 5}}"
    text = "extends: base/tiny\ncurriculum: sft_only\ndata: {{common: {{use: synthetic, {}}}, {}}}\n"
    path = write("r.yaml", text.format("seed: 7", sets))
    with pytest.raises(ValueError, match=r"-o .*: data\.common\.count would reach no set: .*data\.evaluate"):
        load_recipe(path, ["data.common.count=3"])
    recipe = load_recipe(write("s.yaml", text.format("seed: 7", sets.replace("count: 10", "seed: 1"))))
    assert (recipe.data.train.options["seed"], recipe.data.evaluate["test"].options["seed"]) == (1, 7)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        (
            "data.evaluate.tset.count=5",
            r"in data\.evaluate 'tset'; did you mean 'test'\? Known: other, test$",
        ),
        (
            "rewards.formt.weight=2",
            r"in rewards 'formt'; did you mean 'format'\? Known: .*cot_length, .*format",
        ),
    ],
)
def test_an_option_of_a_name_that_is_not_there_is_refused(write, override, said):
    path = write(
        "r.yaml",
        "extends: base/tiny\ncurriculum: sft_only\nrewards: {format: {}}\ndata: {common: {use: synthetic}, "
        "train: {split: train}, evaluate: {test: {split: test}, other: {split: test}}}\n",
    )
    with pytest.raises(ValueError, match=rf"^-o {re.escape(override)}: unknown name {said}"):
        load_recipe(path, [override])
    new = load_recipe(path, ["data.evaluate.new={split: test}", "rewards.cot_length.weight=0"])
    assert "new" in new.data.evaluate and "cot_length" in new.rewards


def test_a_benchmark_is_named_in_a_word_and_inherits_nothing_from_another_plug_in(write, parent, tmp_path):
    sets = "{mmau: {path: /data/MMAU}, mini: {use: mmau, path: /data/MMAU, limit: 2}, test: {path: t}}"
    text = f"extends: parent.yaml\ndata: {{common: {{use: audiomcq, limit: 3}}, evaluate: {sets}}}\n"
    evaluate = load_recipe(write("r.yaml", text)).data.evaluate
    assert {name: (dataset.use, dataset.options["limit"]) for name, dataset in evaluate.items()} == {
        "mmau": ("mmau", None),
        "mini": ("mmau", 2),
        "test": ("audiomcq", 3),
    }


def test_a_folder_where_a_data_plug_in_is_expected_is_an_error_that_says_how_to_write_it(write, tmp_path):
    path = write("r.yaml", f"extends: base/tiny\ndata: {{evaluate: {{mmau: {tmp_path}}}}}\n")
    with pytest.raises(ValueError, match=rf"data {tmp_path}: is a folder; .* mmau: {{path: {tmp_path}}}"):
        load_recipe(path)


def test_a_name_of_the_hub_is_no_path_unless_there_is_such_a_folder(write, parent, tmp_path):
    text = (
        "extends: parent.yaml\ndata: {evaluate: {mmau: {path: owner/name}, b: {use: mmau, path: o/n.json}}}\n"
    )
    path = write("r.yaml", text)
    evaluate = load_recipe(path).data.evaluate
    assert evaluate["mmau"].options["path"] == Path("owner/name")
    assert evaluate["b"].options["path"] == tmp_path / "o/n.json"
    (tmp_path / "owner/name").mkdir(parents=True)
    assert load_recipe(path).data.evaluate["mmau"].options["path"] == tmp_path / "owner/name"


def test_common_options_that_name_no_plug_in_are_for_every_set(write, parent):
    path = write("r.yaml", "extends: parent.yaml\ndata: {common: {limit: 3}, evaluate: {test: audiomcq}}\n")
    recipe = load_recipe(path, ["data.evaluate.test.path=test"])
    assert [s.options["limit"] for s in (recipe.data.train, recipe.data.evaluate["test"])] == [3, 3]
    with pytest.raises(ValueError, match=rf"^{path}:2: data\.train\.split: .*unknown option 'split'"):
        load_recipe(write("r.yaml", "extends: parent.yaml\ndata: {common: {split: test}}\n"))


def test_another_plug_in_by_its_name_alone_does_not_drop_options_in_silence(parent):
    said = (
        rf"^-o algorithm\.use=dapo: would drop options of grpo: kl \({parent}:6\); .* 'algorithm={{use: dapo"
    )
    with pytest.raises(ValueError, match=said):
        load_recipe(parent, ["algorithm.use=dapo"])
    assert load_recipe(parent, ["algorithm=dapo"]).algorithm.use == "dapo"


def test_an_override_of_several_lines_is_refused(parent):
    with pytest.raises(ValueError, match=r"^-o seed=1 threads: 2: the value has several lines"):
        load_recipe(parent, ["seed=1\nthreads: 2"])


def test_a_parent_cannot_be_laid_over_a_recipe(parent):
    with pytest.raises(
        ValueError, match=r"^-o extends=base/tiny: extends: is a key of a recipe's file alone"
    ):
        load_recipe(parent, ["extends=base/tiny"])


def test_a_file_is_laid_over_a_recipe_before_its_keys(parent, write):
    overlay = write("short.yaml", "seed: 7\noptimizer: {lr: 0.5, warmup: 0.25}\n")
    plain = load_recipe(parent)
    laid = load_recipe(parent, ["optimizer.lr=0.125", str(overlay)])
    assert (laid.seed, laid.optimizer.lr, laid.optimizer.warmup) == (7, 0.125, 0.25)
    same = {"seed": plain.seed, "optimizer": plain.optimizer, "name": plain.name}
    assert laid.model_copy(update=same).to_yaml() == plain.to_yaml()
    assert laid.name == "parent+short"
    assert load_recipe(parent, [str(overlay), "name=mine"]).name == "mine"


def test_of_two_files_the_second_lies_above(parent, write):
    first, second = write("a.yaml", "seed: 7\nthreads: 1\n"), write("b.yaml", "seed: 8\n")
    laid = load_recipe(parent, [str(first), str(second)])
    assert (laid.seed, laid.threads) == (8, 1)


def test_a_problem_in_a_file_that_is_laid_over_a_recipe_is_told_with_its_line(parent, write):
    overlay = write("wrong.yaml", "seed: 7\noptimizer: {rate: 0.5}\n")
    with pytest.raises(ValueError, match=rf"{overlay}:2: optimizer\.rate: unknown key"):
        load_recipe(parent, [str(overlay)])


def test_a_file_to_lay_over_that_does_not_exist_is_told(parent):
    with pytest.raises(ValueError, match=r"-o 'base/equal_budge': .*did you mean 'base/equal_budget'"):
        load_recipe(parent, ["base/equal_budge"])


PAPER = ("sft_all", "grpo_all", "mixed_to_mixed", "weak_to_strong", "mixed_to_strong")


def test_the_equal_budget_is_the_longest_of_the_paper_s_paradigms_of_two_stages():
    budget = load_recipe(f"{PAPER[0]}_qwen2_5_omni_7b", ["base/equal_budget"]).training.run_tokens
    two_stages = []
    for name in PAPER[2:]:
        recipe = load_recipe(f"{name}_qwen2_5_omni_7b")
        steps = recipe.curriculum.options
        completions = recipe.sampling.questions * recipe.sampling.group_size
        two_stages.append(steps["sft_steps"] * recipe.sft.questions + steps["rl_steps"] * completions)
    assert budget == pytest.approx(12 * max(two_stages), rel=0.01)


@pytest.mark.parametrize("name", PAPER)
def test_the_equal_budget_changes_nothing_but_budget_and_schedule(name):
    plain, laid = (load_recipe(f"{name}_qwen2_5_omni_7b", over) for over in ([], ["base/equal_budget"]))
    assert laid.name == f"{plain.name}+equal_budget"
    same = {"name": plain.name, "training": plain.training, "optimizer": plain.optimizer}
    assert laid.model_copy(update=same).to_yaml() == plain.to_yaml()
    assert laid.training.model_copy(update={"run_tokens": None}) == plain.training


def test_a_budget_of_the_run_needs_a_rate_that_does_not_end():
    with pytest.raises(ValueError, match=r"training\.run_tokens: the last stage goes on .* cosine has a"):
        load_recipe("sft_all_qwen2_5_omni_7b", ["training.run_tokens=5"])


def test_the_table_names_a_text_by_its_type():
    assert {key: kind for key, kind, _, _ in field_table()}["prompt.system"] == "str"


NUMBERS = [
    (key, annotation) for key, annotation, _, _ in field_table() if {"int", "float"} & set(annotation.split())
]


def test_every_number_of_the_schema_has_a_smallest_and_a_largest_value():
    assert NUMBERS == []  # `int` and `float` have none, `Count` and its like have


@pytest.mark.parametrize(
    ("override", "bound"),
    [
        ("pretrain={steps: 1000000000000}", "1000000000"),
        ("training.save_every=1000000000000000000", "1000000000"),
        ("sampling.questions=1000000001", "1000000000"),
        ("optimizer.lr=11", "10"),
        ("optimizer.weight_decay=2", "1"),
        ("rewards.format.weight=-1e10", "-1000000000"),
        ("threads=100000", "4096"),
        ("sampling.temperature=1e10", "100"),
    ],
)
def test_a_number_beyond_all_use_is_refused(parent, override, bound):
    with pytest.raises(ValueError, match=rf"(less|greater) than or equal to {bound}; found"):
        load_recipe(parent, [override])


def test_a_missing_file_of_a_name_that_ships_suggests_the_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"tiny_weak_to_strong \(without \.yaml\) is one that ships"):
        load_recipe("recipes/tiny_weak_to_strong.yaml")


def test_fewer_voters_than_the_threshold_are_refused(parent):
    with pytest.raises(ValueError, match="threshold: 2 is out of reach of 1 voter; lower it"):
        load_recipe(parent, ["contribution.voters=[tiny/base]"])


def test_a_resolved_recipe_is_plain_yaml(parent):
    assert isinstance(yaml.safe_load(load_recipe(parent).to_yaml()), dict)


def test_options_common_to_all_data_are_written_once(write, tmp_path):
    recipe = write(
        "shared.yaml",
        """
        extends: base/tiny
        curriculum: sft_only
        data:
          common: {use: synthetic, folder: made, seed: 7}
          train: {split: train, count: 10}
          evaluate: {test: {split: test, seed: 8}}
        """,
    )
    loaded = load_recipe(recipe, ["data.common.text_answerable_share=0.25"])
    train, test = loaded.data.train.options, loaded.data.evaluate["test"].options
    assert train["folder"] == test["folder"] == tmp_path / "made"
    assert (train["seed"], test["seed"]) == (7, 8)
    assert train["text_answerable_share"] == test["text_answerable_share"] == 0.25
    assert "common:" not in loaded.to_yaml()


def test_a_reward_given_by_its_file_alone_is_named_like_the_file(write):
    write("shout.py", "def shout(question, completion, *, bonus: float = 1.0):\n    return bonus\n")
    text = "extends: base/tiny\ncurriculum: sft_only\nrewards: {./shout.py: {weight: 0.5}}\n"
    rewards = load_recipe(write("mine.yaml", text)).rewards
    assert rewards["shout"].weight == 0.5


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("contribution.voters=[tiny/voter_a, tiny/voter_a]", "named twice"),
        ("pretrain={hidden: 100}", "multiple of 32"),
        ("rewards.total={use: format}", "metric reward/total exists"),
        ("evaluation={every: 5}", r"^-o .*: evaluation\.every: needs a held-out set"),
        ("evaluation={batch_questions: 0}", "evaluation.batch_questions"),
        ("mismatch={logprobs: paper, correct: token}", "corrects nothing; set one of them to its default"),
    ],
)
def test_values_that_would_fail_later_are_refused_at_once(write, override, said):
    text = "extends: base/tiny\ncurriculum: sft_only\ndata: {evaluate: {test: null}}\n"
    with pytest.raises(ValueError, match=said):
        load_recipe(write("mine.yaml", text), [override])


# --- contribution: a plug-in beside keys that hold for all ---------------------------------------------


def test_voters_stay_where_what_is_made_of_them_changes():
    recipe = load_recipe("tiny_weak_to_strong", ["contribution.use=options", "contribution.weak_from=0.4"])
    assert recipe.contribution.use.spec() == {"use": "options", "weak_from": 0.4, "with_audio": True}
    assert len(recipe.contribution.voters) == 3 and recipe.contribution.silence == 3.0
    assert recipe.contribution.threshold is None


def test_a_contribution_is_written_as_it_is_read():
    recipe = load_recipe("tiny_weak_to_strong", ["contribution.threshold=3"])
    written = recipe.model_dump(mode="json")["contribution"]
    assert (written["use"], written["threshold"], written["silence"]) == ("vote", 3, 3.0)
    assert Recipe.model_validate(recipe.model_dump(mode="json")) == recipe


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (
            ["contribution={threshold: 1}", "contribution.use=options"],
            r"would drop options of vote: threshold \(-o .*\); to begin anew",
        ),
        (["contribution.treshold=1"], "unknown option 'treshold'; did you mean 'threshold'"),
        (["contribution.voter=[a]"], "unknown key 'voter'; did you mean 'voters'"),
        (["contribution.use=opts"], "unknown contribution 'opts'; did you mean 'options'"),
        (["contribution.threshold=0"], "0 makes every question weak; expected 1 or more"),
        (["contribution.threshold=4"], "4 is out of reach of 3 voters; lower it"),
        (["contribution.threshold=two"], "option threshold: Input should be a valid integer"),
    ],
)
def test_a_contribution_that_cannot_be_measured_is_told_by_its_key(overrides, said):
    with pytest.raises(ValueError, match=said):
        load_recipe("tiny_weak_to_strong", overrides)
