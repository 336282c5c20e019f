"""Recipes are typed YAML in layers; whatever is wrong is told with file, line and key."""

import os
import re
from pathlib import Path

import pytest
import yaml

from rlaudio.config.recipe import load_recipe
from rlaudio.config.shipped import shipped_comparisons, shipped_recipes
from tests.config.conftest import PARENT


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


@pytest.mark.parametrize(
    ("parents", "said"),
    [
        ("./folder", "is a folder; expected a file"),
        ("pipe.yaml", "is a pipe or device; expected a file"),
        ("/dev/zero", "is a pipe or device; expected a file"),
        ("base/tiny.yaml", r"no recipe .*; base/tiny \(without .yaml\) is one that ships"),
        ("rewards", "; for plug-ins: rlaudio list reward"),
        ("reward:format", "; for plug-ins: rlaudio list reward format"),
        ("grpo", "; for the algorithm of that name: rlaudio list algorithm grpo"),
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


def test_a_missing_file_of_a_name_that_ships_suggests_the_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"tiny_weak_to_strong \(without \.yaml\) is one that ships"):
        load_recipe("recipes/tiny_weak_to_strong.yaml")


def test_a_resolved_recipe_is_plain_yaml(parent):
    assert isinstance(yaml.safe_load(load_recipe(parent).to_yaml()), dict)


def test_a_reward_given_by_its_file_alone_is_named_like_the_file(write):
    write("shout.py", "def shout(question, completion, *, bonus: float = 1.0):\n    return bonus\n")
    text = "extends: base/tiny\ncurriculum: sft_only\nrewards: {./shout.py: {weight: 0.5}}\n"
    rewards = load_recipe(write("mine.yaml", text)).rewards
    assert rewards["shout"].weight == 0.5


def test_a_long_chain_of_parents_is_refused(write):
    for number in range(40):
        write(f"r{number}.yaml", f"extends: r{number + 1}.yaml\n")
    with pytest.raises(ValueError, match=r"r\d+\.yaml:1: extends: more than 30 recipes extend each other"):
        load_recipe(write("r.yaml", "extends: r0.yaml\n"))
