"""Which function of a file that was written for another trainer is the reward, and what its options are."""

import pytest

from rlaudio.config.option_values import OptionError
from rlaudio.config.plugins import bind
from rlaudio.config.recipe import load_recipe

SEVERAL = """
def accuracy_reward(completions, solution, **kwargs):
    return [1.0 for _ in completions]

def length_reward(completions, limit: int = 3, *, scale: float = 1.0, prompts=None, **kwargs):
    return [scale * (len(c) > limit) for c in completions]

def strip(text):
    return text
"""
VERL = """
def helper(solution_str):
    return solution_str

def compute_score(data_source, solution_str, ground_truth, extra_info=None, use_penalty: bool = False):
    return 1.0
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "several.py").write_text(SEVERAL, encoding="utf-8")
    (tmp_path / "graded.py").write_text(VERL, encoding="utf-8")
    (tmp_path / "accuracy.py").write_text(SEVERAL.replace("accuracy_reward", "accuracy"), encoding="utf-8")
    return tmp_path


def test_options_are_the_parameters_with_a_default_that_the_trainer_does_not_fill_in(folder):
    spec = {"use": "./several.py", "style": "trl", "function": "length_reward"}
    assert dict(bind("reward", spec, folder).options) == {"limit": 3, "scale": 1.0}
    assert dict(bind("reward", {"use": "./graded.py", "style": "verl"}, folder).options) == {
        "use_penalty": False
    }


def test_the_function_named_like_the_file_goes_before_others(folder):
    assert bind("reward", {"use": "./accuracy.py", "style": "trl"}, folder).function.path.stem == "accuracy"


def test_a_file_with_several_functions_asks_for_a_name(folder):
    with pytest.raises(ValueError, match="accuracy_reward, length_reward; expected one; name it: function"):
        bind("reward", {"use": "./several.py", "style": "trl"}, folder)
    with pytest.raises(ValueError, match="function strip; functions that take 'completions': accuracy"):
        bind("reward", {"use": "./several.py", "style": "trl", "function": "strip"}, folder)


def test_a_file_of_the_other_trainer_is_told(folder):
    with pytest.raises(ValueError, match="functions that take 'completions': none; expected one"):
        bind("reward", {"use": "./graded.py", "style": "trl"}, folder)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"style": "openrlhf"}, "style 'openrlhf'; expected one of trl, trl_chat, verl"),
        ({"function": "length_reward"}, "expected the name of a function in the file, with style"),
        ({"style": "trl", "function": 3}, "function 3; expected the name"),
    ],
)
def test_a_style_that_there_is_none_of_is_refused(folder, keys, message):
    with pytest.raises(ValueError, match=message):
        bind("reward", {"use": "./several.py", **keys}, folder)


def test_options_are_checked_as_those_of_any_plug_in(folder):
    spec = {"use": "./several.py", "style": "trl", "function": "length_reward"}
    with pytest.raises(OptionError, match="limit: "):
        bind("reward", {**spec, "limit": "many"}, folder)
    with pytest.raises(OptionError, match="unknown option 'limmit'; did you mean 'limit'"):
        bind("reward", {**spec, "limmit": 3}, folder)


def test_a_resolved_recipe_names_style_and_function_and_loads_again(folder):
    text = "extends: tiny_weak_to_strong\nrewards:\n  mine: {use: ./several.py, style: trl, "
    (folder / "mine.yaml").write_text(text + "function: length_reward, weight: 0.5}\n", encoding="utf-8")
    recipe = load_recipe(folder / "mine.yaml")
    (folder / "resolved.yaml").write_text(recipe.to_yaml(), encoding="utf-8")
    again = load_recipe(folder / "resolved.yaml").rewards["mine"]
    assert again.reward.style == {"style": "trl", "function": "length_reward"}
    assert again.weight == 0.5 and again.options == {"limit": 3, "scale": 1.0}
