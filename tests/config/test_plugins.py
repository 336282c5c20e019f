"""Plug-ins are found by name or path, checked without being imported, and called with typed options."""

import sys

import pytest

from rlaudio.config.option_values import OptionError
from rlaudio.config.plugins import bind, load, signature_of
from tests.factories import make_completion, make_question

REWARD = """
from __future__ import annotations
import a_library_that_nobody_has
from typing import Literal
Mode = Literal["exact", "robust"]

def my_reward(question, completion, *, mode: Mode = "exact", low: int = 20, share: float = 0.5) -> float:
    return low * share
"""


def test_an_option_given_as_text_becomes_its_type(write):
    path = write("my_reward.py", REWARD)
    bound = bind("reward", {"use": str(path), "low": "3", "share": "1e-2"})
    assert dict(bound.options) == {"mode": "exact", "low": 3, "share": 0.01}


@pytest.mark.parametrize(
    ("kind", "default"), [("tuple[float, ...]", (0.9, 0.5)), ("Sequence[float]", [0.9, 0.5])]
)
def test_a_default_is_what_the_same_values_in_a_recipe_are(write, kind, default):
    path = write(
        "several.py",
        "from collections.abc import Sequence\n"
        f"def several(question, completion, *, betas: {kind} = (0.9, 0.5)) -> float: ...\n",
    )
    left, given = bind("reward", str(path)), bind("reward", {"use": str(path), "betas": [0.9, 0.5]})
    assert left.options["betas"] == given.options["betas"] == default
    assert left == given


def test_binding_imports_nothing(write):
    before = set(sys.modules)
    bind("reward", {"use": str(write("my_reward.py", REWARD)), "low": 1})
    bind("model", {"use": "qwen2_5_omni", "path": "tiny/base"})
    assert not {name for name in set(sys.modules) - before if name.startswith(("torch", "transformers"))}


def test_an_unknown_option_suggests_the_closest_and_lists_all():
    with pytest.raises(
        OptionError, match=r"unknown option 'klx'; did you mean 'kl'\? Known: aggregate, clip, "
    ):
        bind("algorithm", {"use": "grpo", "klx": 0.1})


def test_of_names_as_close_the_one_of_the_same_letters_is_suggested():
    with pytest.raises(ValueError, match="did you mean 'grpo'"):
        bind("algorithm", "gpro")


def test_a_file_that_is_named_without_its_ending_is_told_how_to_name_it(write):
    path = write("my_reward.py", REWARD)
    with pytest.raises(ValueError, match=r"; for the file my_reward\.py write \./my_reward\.py"):
        bind("reward", "my_reward", path.parent)


def test_a_reward_of_another_trainer_is_told_how_it_is_used(write):
    path = write("theirs.py", "def theirs(prompts, completions, **columns):\n    return [0.0]\n")
    with pytest.raises(ValueError, match="one written for TRL or verl is used with style: trl, trl_chat or"):
        bind("reward", str(path))


def test_a_missing_option_is_named():
    with pytest.raises(OptionError, match="option path is missing"):
        bind("data", "audiomcq")


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [("low", "many", "valid integer"), ("mode", "exakt", "'exact' or 'robust'"), ("share", None, "number")],
)
def test_a_value_of_the_wrong_type_is_shown(write, option, value, message):
    with pytest.raises(OptionError, match=rf"option {option}: .*{message}.*found {value!r}"):
        bind("reward", {"use": str(write("my_reward.py", REWARD)), option: value})


def test_a_type_that_only_the_import_knows_is_checked_on_the_first_call(write):
    text = """
from rlaudio.types import ContributionLabel
def mine(question, completion, *, only: ContributionLabel = "weak") -> str:
    return only
"""
    path = str(write("mine.py", text))
    assert bind("reward", {"use": path, "only": "strong"})(None, None) == "strong"
    with pytest.raises(OptionError, match="'weak' or 'strong'"):
        bind("reward", {"use": path, "only": "both"}).function  # noqa: B018


def test_a_type_that_only_the_file_of_a_base_knows_is_checked_on_the_first_call(write):
    text = """
from dataclasses import dataclass
from rlaudio.planning.memory import UpdateShape
@dataclass(frozen=True, kw_only=True)
class Mine(UpdateShape):
    tokens: int = 0
    head_rows: int = 1
    chunk: int = 1
    checkpointing: bool = False
"""
    path = str(write("mine.py", text))
    assert bind("algorithm", {"use": path, "attention": "cpu"})().attention == "cpu"
    with pytest.raises(OptionError, match=r"option attention: .*'eager', 'cpu' or 'gpu'; found 'tpu'"):
        bind("algorithm", {"use": path, "attention": "tpu"})()


ASKS = """
def asks(question, completion, *, scorer, bonus: float = 1.0):
    return bonus * scorer(question, completion.text).right
"""
LENGTH = """
from rlaudio.types import Verdict
def length(question, text, *, letters: int = 5, strict: bool = False):
    return Verdict(right=len(text) == letters, read=None)
"""


def test_the_scorer_of_a_users_reward_is_a_plug_in_with_options(write):
    path = write("asks.py", ASKS)
    write("length.py", LENGTH)
    spec = {"use": "./asks.py", "bonus": 3, "scorer": {"use": "./length.py", "letters": "7"}}
    reward = bind("reward", spec, path.parent)
    assert [reward(make_question(), make_completion(text)) for text in ("a puppy", "a dog")] == [3.0, 0.0]
    assert reward.spec()["scorer"] == {"use": str(path.parent / "length.py"), "letters": 7, "strict": False}


@pytest.mark.parametrize("given", [{}, {"scorer": None}])
def test_a_reward_that_names_no_scorer_takes_the_one_that_it_is_given(write, given):
    reward = bind("reward", {"use": str(write("asks.py", ASKS)), **given})
    exact, robust = bind("scorer", "exact"), bind("scorer", "robust")
    assert reward.with_scorer(exact)(make_question(), make_completion("a dog.")) == 0.0
    assert reward.with_scorer(robust)(make_question(), make_completion("a dog.")) == 1.0
    assert reward.with_scorer(exact).with_scorer(robust) == reward.with_scorer(exact)


def test_a_reward_without_a_scorer_is_given_none():
    reward = bind("reward", "format")
    assert reward.with_scorer(bind("scorer", "exact")) is reward
    with pytest.raises(OptionError, match="unknown option 'scorer'"):
        bind("reward", {"use": "format", "scorer": "exact"})


@pytest.mark.parametrize(
    ("scorer", "said"),
    [
        ("exakt", "option scorer: unknown scorer 'exakt'; did you mean 'exact'"),
        ({"use": "robust", "letter": True}, "option scorer: scorer robust: unknown option 'letter'; did you"),
        ("./gone.py", r"option scorer: scorer \./gone\.py: no file"),
        (3, "option scorer: expected a scorer plug-in as NAME"),
    ],
)
def test_what_is_wrong_with_a_rewards_scorer_is_told_as_its_option(tmp_path, scorer, said):
    with pytest.raises(OptionError, match=f"reward answer_correctness: {said}") as error:
        bind("reward", {"use": "answer_correctness", "scorer": scorer}, tmp_path)
    assert error.value.keys[0] == "scorer"


def test_a_plug_in_is_called_by_its_name_and_the_options_that_are_not_defaults(write):
    path = str(write("length.py", LENGTH))
    for options, label in (
        ({}, "length"),
        ({"letters": 5}, "length"),
        ({"letters": 9}, "length_letters=9"),
        ({"strict": True}, "length_strict"),
    ):
        assert bind("scorer", {"use": path, **options}).label == label


def test_a_bound_plugin_is_called_with_its_options(write):
    path = write("mine.py", "def mine(question, completion, *, a: int = 1, b: int = 2):\n    return a, b")
    assert bind("reward", {"use": str(path), "a": 5})(None, None) == (5, 2)


def test_a_missing_package_is_named_with_the_file(write):
    path = write("my_reward.py", REWARD)
    with pytest.raises(
        ImportError, match=r"reward .*my_reward\.py:\d+: No module named 'a_library.*; install"
    ):
        bind("reward", str(path)).function  # noqa: B018


def test_a_shipped_plugin_is_the_module_that_others_import():
    from rlaudio.algorithms.grpo import GRPO

    assert load("algorithm", "grpo") is GRPO


def test_a_plugin_is_imported_once(write):
    path = str(write("mine.py", "def mine(question, completion): ..."))
    assert load("reward", path) is load("reward", path)


def test_describe_tells_the_options_of_what_ships():
    assert "kl" in {option.name for option in signature_of("algorithm", "grpo").options}


def test_an_option_at_its_default_or_beside_what_it_needs_is_used(write):
    path = write("my_reward.py", REWARD + "\nUSED_WITH = {'low': {'mode': ['robust']}}\n")
    assert list(bind("reward", {"use": str(path), "low": 20}).unused()) == []
    assert list(bind("reward", {"use": str(path), "low": 3, "mode": "robust"}).unused()) == []
    assert list(bind("reward", {"use": str(path), "low": 3}).unused()) == [
        ("low", "mode is exact, not robust")
    ]
