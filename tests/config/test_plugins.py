"""Plug-ins are found by name or path, checked without being imported, and called with typed options."""

import os
import re
import sys
from pathlib import Path

import pytest

from rlaudio.config.plugins import OptionError, bind, describe, find, load
from rlaudio.config.shipped import PACKAGE
from rlaudio.config.signatures import read_signature
from tests.factories import make_completion, make_question

REWARD = """
from __future__ import annotations
import a_library_that_nobody_has
from typing import Literal
Mode = Literal["exact", "robust"]

def my_reward(question, completion, *, mode: Mode = "exact", low: int = 20, share: float = 0.5) -> float:
    return low * share
"""


@pytest.fixture
def write(tmp_path: Path):
    def write(name: str, text: str) -> Path:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


# --- finding -------------------------------------------------------------------------------------


def test_a_bare_name_is_a_file_that_ships():
    assert find("algorithm", "grpo") == PACKAGE / "algorithms" / "grpo.py"


def test_a_folder_can_be_a_plugin():
    assert find("data", "synthetic") == PACKAGE / "worlds" / "synthetic" / "__init__.py"


def test_a_path_is_relative_to_the_given_folder(write):
    path = write("mine.py", "")
    assert find("reward", "./mine.py", path.parent) == path


def test_an_unknown_name_suggests_the_closest_and_lists_all():
    with pytest.raises(
        ValueError, match=r"unknown algorithm 'grop'; did you mean 'grpo'\? Known: cispo, .*grpo, "
    ):
        find("algorithm", "grop")


def test_a_bare_name_of_a_file_beside_the_recipe_is_told_to_be_a_path(write):
    path = write("mine.py", "")
    with pytest.raises(ValueError, match=r"write \./mine\.py"):
        find("reward", "mine", path.parent)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"reward \./gone\.py: no file .*gone\.py"):
        find("reward", "./gone.py", tmp_path)


def test_a_name_cannot_leave_the_folder_that_ships():
    with pytest.raises(ValueError, match="unknown reward"):
        find("reward", "base/../format")


# --- signatures ----------------------------------------------------------------------------------


def test_options_are_read_without_importing_the_file(write):
    signature = read_signature(write("my_reward.py", REWARD))
    assert signature is not None
    assert [str(option) for option in signature.options] == [
        "mode: Mode = 'exact'",
        "low: int = 20",
        "share: float = 0.5",
    ]
    assert signature.given == ("question", "completion")


def test_the_public_name_may_be_a_class_with_capitals(write):
    text = '"""What it is."""\nclass MyPlugin2:\n    def __init__(self, family, *, size: int): ...\n'
    signature = read_signature(write("my_plugin_2.py", text))
    assert signature is not None
    assert (signature.name, signature.summary, signature.given) == ("MyPlugin2", "What it is.", ("family",))
    assert signature.options[0].required


def test_options_of_a_dataclass_are_its_keyword_only_fields(write):
    text = """
from dataclasses import dataclass, field
from typing import ClassVar
@dataclass(frozen=True, kw_only=True)
class Mine:
    rate: float = 0.1
    names: list[str] = field(default_factory=list)
    kind: ClassVar[str] = "mine"
    inner: int = field(init=False, default=3)
"""
    signature = read_signature(write("mine.py", text))
    assert signature is not None
    assert [str(option) for option in signature.options] == ["rate: float = 0.1", "names: list[str] = list()"]


def options_of(path: Path) -> list[str]:
    signature = read_signature(path)
    assert signature is not None
    return [str(option) for option in signature.options]


INHERITING = """
from dataclasses import dataclass
import a_library_that_nobody_has
from rlaudio.algorithms.options import PolicyOptions
@dataclass(frozen=True, kw_only=True)
class Mine(PolicyOptions):
    rate: float = 0.1
    clip_high: float = 0.3
"""


def test_inherited_options_come_first_and_one_that_is_given_again_keeps_its_place(write):
    assert options_of(write("mine.py", INHERITING)) == [
        "kl: float = 0.001",
        "kl_estimate: Literal['k1', 'k2', 'k3'] = 'k3'",
        "clip: float = 0.2",
        "clip_high: float = 0.3",
        "rate: float = 0.1",
    ]


def test_inherited_options_are_checked_as_those_of_the_file_without_importing_it(write):
    path = str(write("mine.py", INHERITING))
    assert bind("algorithm", {"use": path, "kl": "0", "clip": 0.1}).options == {
        "kl": 0.0, "kl_estimate": "k3", "clip": 0.1, "clip_high": 0.3, "rate": 0.1,
    }  # fmt: skip
    with pytest.raises(OptionError, match=r"unknown option 'cip'; did you mean 'clip'\? Known: clip, clip_"):
        bind("algorithm", {"use": path, "cip": 0.1})
    with pytest.raises(OptionError, match=r"option kl_estimate: .*'k1', 'k2' or 'k3'; found 'k4'"):
        bind("algorithm", {"use": path, "kl_estimate": "k4"})


def test_options_are_inherited_from_an_algorithm_that_ships_under_another_name_too(write):
    text = """
from dataclasses import dataclass
from rlaudio.algorithms.grpo import GRPO as Shipped
@dataclass(frozen=True, kw_only=True)
class GRPO(Shipped):
    kl: float = 0.5
"""
    path = write("grpo.py", text)
    assert options_of(path)[:2] == ["kl: float = 0.5", "kl_estimate: Literal['k1', 'k2', 'k3'] = 'k3'"]
    made = bind("algorithm", {"use": str(path), "aggregate": "token"})()
    assert (made.kl, made.clip, made.aggregate) == (0.5, 0.2, "token")


def test_several_bases_are_read_in_the_order_in_which_python_reads_them(write):
    text = """
from dataclasses import dataclass
@dataclass(kw_only=True)
class Root:
    shared: int = 1
@dataclass(kw_only=True)
class Left(Root):
    left: int = 2
@dataclass(kw_only=True)
class Right(Root):
    shared: int = 3
    right: int = 4
@dataclass(kw_only=True)
class Both(Left, Right):
    both: int = 5
class Plain(Left, Right):
    not_a_field: int = 6
"""
    both, plain = write("both.py", text), write("plain.py", text)
    assert options_of(both) == ["shared: int = 1", "right: int = 4", "left: int = 2", "both: int = 5"]
    assert vars(load("algorithm", str(both))()) == {"shared": 1, "right": 4, "left": 2, "both": 5}
    assert options_of(plain) == ["shared: int = 1", "left: int = 2"]  # no dataclass: made as Left is
    assert vars(load("algorithm", str(plain))()) == {"shared": 1, "left": 2}


def test_a_base_that_only_an_import_could_tell_adds_no_options(write):
    text = """
from dataclasses import dataclass
from a_library_that_nobody_has import Base
@dataclass(kw_only=True)
class Mine(Base):
    rate: float = 0.1
"""
    assert options_of(write("mine.py", text)) == ["rate: float = 0.1"]


def test_an_inherited_init_is_that_of_the_class(write):
    text = """
class Base:
    def __init__(self, *, size: int = 3): ...
class Mine(Base):
    pass
"""
    assert options_of(write("mine.py", text)) == ["size: int = 3"]


def test_a_syntax_error_names_file_and_line(write):
    path = write("broken.py", "x = 1\ndef broken(:\n")
    with pytest.raises(ValueError, match=rf"{path}:2: syntax error"):
        bind("reward", str(path))


def test_a_file_without_the_public_name_is_refused(write):
    path = write("mine.py", "def other(question, completion): ...")
    with pytest.raises(ValueError, match="expected a function or class 'mine'"):
        bind("reward", str(path))


def test_a_reward_with_other_positional_parameters_is_refused(write):
    path = write("mine.py", "def mine(prompt, answer): ...")
    with pytest.raises(ValueError, match=r"takes \(prompt, answer\).*\(question, completion\) or \(group\)"):
        bind("reward", str(path))


@pytest.mark.parametrize("name", ["use", "weight"])
def test_an_option_that_a_recipe_could_not_give_is_refused(write, name):
    path = write("mine.py", f"def mine(question, completion, *, {name}=1): ...")
    with pytest.raises(ValueError, match=rf"mine\.py: option {name} of mine could not be given: .*rename"):
        bind("reward", str(path))


def test_of_two_definitions_of_one_name_the_last_counts_as_for_python(write):
    first, last = (f"def mine(question, completion, *, {name}=1):\n    return {name}\n" for name in "ab")
    assert bind("reward", str(write("mine.py", first + last)), None)(None, None) == 1


def test_reading_a_signature_runs_nothing_of_the_file(write, tmp_path):
    text = """
def mine(question, completion, *,
         a: 9**9**9 = 1,
         b: [c for c in ().__class__.__base__.__subclasses__() if c.__name__ == "_wrap_close"][0]
            .__init__.__globals__["system"]("touch ran") = 1,
         c: int = print("ran"),
         d: "print('ran')" = 1): ...
"""
    options = bind("reward", str(write("mine.py", text))).options
    assert (options, list(tmp_path.iterdir())) == ({"a": 1, "b": 1, "d": 1}, [tmp_path / "mine.py"])


def test_a_default_that_is_the_name_of_a_literal_is_that_literal(write):
    text = """
from rlaudio.curricula.stage import RL_STEPS as STEPS
from somewhere import UNHEARD
SHARE: float = 0.25
SIZE = -3
OTHER = SIZE
TWICE = 1
TWICE += 1
MADE = print(1)
def mine(question, completion, *, steps: int = STEPS, share=SHARE, size=OTHER,
         twice=TWICE, made=MADE, unheard=UNHEARD, later=LATER): ...
LATER = 2
"""
    path = write("mine.py", text)
    assert options_of(path) == [
        "steps: int = 1000",
        "share = 0.25",
        "size = -3",
        "twice = TWICE",
        "made = MADE",
        "unheard = UNHEARD",
        "later = LATER",
    ]
    assert bind("reward", str(path)).options == {"steps": 1000, "share": 0.25, "size": -3}


@pytest.mark.parametrize(
    ("bound", "low", "high"),
    [
        ("LOW, HIGH = 1, 2", 1, 2),
        ("[LOW, HIGH] = 1, 2", 1, 2),
        ("LOW = HIGH = 3", 3, 3),
        ("LOW, *HIGH = 1, 2, 3", None, None),
        ("(LOW, _), HIGH = (1, 0), 2", None, None),
    ],
)
def test_a_default_whose_name_is_bound_with_others_has_its_own_part_or_is_not_told(write, bound, low, high):
    path = write("mine.py", f"{bound}\ndef mine(question, completion, *, low=LOW, high=HIGH): ...")
    defaults = bind("reward", str(path)).options
    assert (defaults.get("low"), defaults.get("high")) == (low, high)


def test_a_default_of_a_field_may_be_a_name_of_its_class(write):
    text = """
from dataclasses import dataclass, field
KL = 1
@dataclass(kw_only=True)
class Mine:
    kl: float = 0.5
    other: float = kl
    third: int = field(default=KL)
"""
    path = write("mine.py", text.replace("kl: float = 0.5", "KL = 2\n    kl: float = 0.5"))
    assert options_of(path) == ["kl: float = 0.5", "other: float = 0.5", "third: int = 2"]
    assert vars(load("algorithm", str(path))()) == {"kl": 0.5, "other": 0.5, "third": 2}


def test_a_byte_order_mark_and_an_encoding_are_read_as_python_reads_them(tmp_path):
    marked = b"\xef\xbb\xbfdef mine(question, completion): return 1.0\n"
    coded = "# coding: latin-1\ndef coded(question, completion, *, text='\xe9'): return text\n"
    (tmp_path / "mine.py").write_bytes(marked)
    (tmp_path / "coded.py").write_bytes(coded.encode("latin-1"))
    assert bind("reward", str(tmp_path / "mine.py"))(None, None) == 1.0
    assert bind("reward", str(tmp_path / "coded.py")).options == {"text": "\xe9"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("def mine(question, completion):\0 ...", r"mine\.py.*null bytes"),
        ("def mine(question, completion, *, x=" + "(" * 500 + ")" * 500 + "): ...", r"mine\.py:1: .*nested"),
        ("#" * 5_000_000, r"mine\.py: 5,000,000 bytes; expected Python source of at most"),
    ],
)
def test_a_file_that_cannot_be_parsed_is_named(write, text, said):
    with pytest.raises(ValueError, match=said):
        bind("reward", str(write("mine.py", text)))


def test_a_plug_in_that_is_no_file_is_told_without_opening_it(tmp_path):
    (tmp_path / "folder.py").mkdir()
    os.mkfifo(tmp_path / "pipe.py")
    with pytest.raises(FileNotFoundError, match=r"folder\.py is a folder; expected a file"):
        bind("reward", "./folder.py", tmp_path)
    with pytest.raises(FileNotFoundError, match=r"pipe\.py is a pipe or device; expected a file"):
        bind("reward", "./pipe.py", tmp_path)


# --- options -------------------------------------------------------------------------------------


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


def test_path_options_become_absolute(tmp_path):
    bound = bind("data", {"use": "audiomcq", "path": "./some/data", "audio_root": "../audio"}, tmp_path)
    assert bound.options["path"] == tmp_path / "some/data"
    assert bound.options["audio_root"] == tmp_path.parent / "audio"


@pytest.mark.parametrize("name", ["tiny/base", "Qwen/Qwen2.5-Omni-7B"])
def test_shipped_models_and_hub_names_stay(tmp_path, name):
    assert bind("model", {"use": "qwen2_5_omni", "path": name}, tmp_path).options["path"] == name


@pytest.mark.parametrize("spec", [("model", "qwen2_5_omni"), ("data", "audiomcq")])
def test_a_path_that_is_too_long_is_refused_without_repeating_all_of_it(tmp_path, spec):
    kind, use = spec
    with pytest.raises(
        ValueError, match=r"no path 'xxx.*\(100,002 characters\): File name too long; correct the path$"
    ) as caught:
        bind(kind, {"use": use, "path": "x" * 100_000}, tmp_path)
    assert len(str(caught.value)) < 1000


def test_a_model_folder_becomes_absolute(tmp_path):
    (tmp_path / "mine").mkdir()
    bound = bind("model", {"use": "qwen2_5_omni", "path": "mine"}, tmp_path)
    assert bound.options["path"] == str(tmp_path / "mine")


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


# --- a reward's scorer ----------------------------------------------------------------------------

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


# --- calling -------------------------------------------------------------------------------------


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
    assert "kl" in {option.name for option in describe("algorithm", "grpo").options}


# --- options that need another -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stated", "said"),
    [
        ("{'low': 'exact'}", "USED_WITH is {'low': 'exact'}; expected a literal such as"),
        ("{'low': {'mode': 'exact'}}", "USED_WITH is {'low': {'mode': 'exact'}}; expected a literal"),
        ("['low']", "USED_WITH is ['low']; expected a literal"),
        ("dict(low=1)", "USED_WITH is None; expected a literal such as"),
        ("{'lo': {'mode': ['exact']}}", "USED_WITH names the option 'lo'; expected one of low, mode, share"),
        ("{'low': {'mood': ['exact']}}", "USED_WITH names the option 'mood'; expected one of low, mode"),
    ],
)
def test_what_a_file_says_of_its_options_and_nobody_could_follow_is_refused(write, stated, said):
    path = write("my_reward.py", REWARD + f"\nUSED_WITH = {stated}\n")
    with pytest.raises(ValueError, match=re.escape(said)):
        bind("reward", str(path))


def test_an_option_at_its_default_or_beside_what_it_needs_is_used(write):
    path = write("my_reward.py", REWARD + "\nUSED_WITH = {'low': {'mode': ['robust']}}\n")
    assert list(bind("reward", {"use": str(path), "low": 20}).unused()) == []
    assert list(bind("reward", {"use": str(path), "low": 3, "mode": "robust"}).unused()) == []
    assert list(bind("reward", {"use": str(path), "low": 3}).unused()) == [
        ("low", "mode is exact, not robust")
    ]
