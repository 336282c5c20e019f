"""What the source text of a plug-in says of its name and options."""

import re
import sys
import tracemalloc
from pathlib import Path

import pytest

from rlaudio.config.option_values import OptionError
from rlaudio.config.plugins import bind, load
from rlaudio.config.signatures import read_signature

REWARD = """
from __future__ import annotations
import a_library_that_nobody_has
from typing import Literal
Mode = Literal["exact", "robust"]

def my_reward(question, completion, *, mode: Mode = "exact", low: int = 20, share: float = 0.5) -> float:
    return low * share
"""


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


def test_a_dataclass_whose_fields_are_positional_is_told_what_makes_them_options(write):
    path = write(
        "mine.py", "from dataclasses import dataclass\n@dataclass\nclass Mine:\n    beta: float = 1.0\n"
    )
    with pytest.raises(
        ValueError, match=r"Mine takes \(beta\) by position; .* of a dataclass by kw_only=True"
    ):
        bind("algorithm", str(path))


def test_data_with_positional_parameters_is_refused(write):
    path = write("mine.py", "def mine(path): ...")
    with pytest.raises(ValueError, match=r"takes \(path\) by position; a data plug-in takes nothing, and"):
        bind("data", str(path))


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
        ("\ndef mine(question, completion):\0 ...", r"mine\.py:2: holds a null byte; expected Python source"),
        ("d\0e\0f\0 \0m\0", r"mine\.py: is text in UTF-16; expected Python source in UTF-8; convert it"),
        ("def mine(question, completion, *, x=" + "(" * 500 + ")" * 500 + "): ...", r"mine\.py:1: .*nested"),
        ("def mine(question, completion, *, x=" + "-" * 100_000 + "1): ...", r"mine\.py: nested too deeply"),
        ("#" * 5_000_000, r"mine\.py: 5,000,000 bytes; expected Python source of at most"),
    ],
)
def test_a_file_that_cannot_be_parsed_is_named(write, text, said):
    with pytest.raises(ValueError, match=said):
        bind("reward", str(write("mine.py", text)))


@pytest.mark.parametrize(
    ("stated", "said"),
    [
        ("{'low': 'exact'}", "USED_WITH is {'low': 'exact'}; expected a literal such as"),
        ("{'low': {'mode': 'exact'}}", "USED_WITH is {'low': {'mode': 'exact'}}; expected a literal"),
        ("{'low': {1: ['exact']}}", "USED_WITH is {'low': {1: ['exact']}}; expected a literal"),
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


def test_a_helper_with_an_underscore_is_not_the_plugin_whose_name_it_has(tmp_path):
    path = tmp_path / "brevity.py"
    path.write_text(
        "def brevity(question, completion, *, most=3): return _brevity(completion.text, most)\n"
        "def _brevity(text, most): return min(most, len(text))\n",
        encoding="utf-8",
    )
    assert bind("reward", {"use": str(path), "most": 4}).options == {"most": 4}


def cost_of_reading(path: Path) -> tuple[int, int]:
    """Calls of functions while a file is read, and bytes held at most."""
    calls = 0

    def count(*_: object) -> None:
        nonlocal calls
        calls += 1

    profiler = sys.getprofile()
    tracemalloc.start()
    sys.setprofile(count)
    try:
        assert read_signature(path) is not None
        return calls, tracemalloc.get_traced_memory()[1]
    finally:
        sys.setprofile(profiler)
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("first", "each", "last"),
    [
        ("", "def f{n}(): ...", "def mine(): ..."),
        ("", "class C{n}: ...", "def mine(): ..."),
        ("", "A{n} = B{n} = 1", "def mine(*, a=A0): ..."),
        ("", "Mode{n} = list[int]", "def mine(*, a: Mode0): ..."),
        ("", "from os import *; A{n} = 1", "def mine(): ..."),
        ("@dataclass\nclass mine:", "  a{n}: int = 1", ""),
        ("class mine:", "  def f{n}(self): ...", ""),
        ("A = 1\ndef mine(*,", "a{n}: int = A,", "): ..."),
    ],
)
def test_twice_as_many_statements_or_options_take_twice_the_work_and_memory(write, first, each, last):
    def cost(number: int) -> tuple[int, int]:
        lines = [first, *(each.format(n=n) for n in range(number)), last]
        return cost_of_reading(write("mine.py", "\n".join(lines)))

    (calls, held), (calls_of_more, held_by_more) = cost(150), cost(300)
    assert calls_of_more < 2.3 * calls and held_by_more < 2.5 * held


def test_bases_that_many_classes_share_are_read_once(tmp_path):
    """Each of 40 levels has two classes of both of the level below: 2 to the power of 40 ways up."""
    levels = ["@dataclass\nclass A0:\n    first: int = 1", "class B0:\n    pass"]
    for n in range(1, 40):
        levels += [f"class {own}{n}(A{n - 1}, B{n - 1}):\n    pass" for own in "AB"]
    (tmp_path / "plain.py").write_text(
        "\n".join([*levels[1:], "class A0: pass", "class plain(A39, B39): pass"])
    )
    fields = [
        "from dataclasses import dataclass",
        *levels,
        "@dataclass\nclass data(A39, B39):\n    last: int = 2",
    ]
    (tmp_path / "data.py").write_text("\n".join(fields))
    assert read_signature(tmp_path / "plain.py").options == ()
    assert "first" in read_signature(tmp_path / "data.py").given


def test_a_file_is_parsed_once_as_long_as_it_stays_as_it_is(write):
    path = write("my_reward.py", REWARD)
    first = read_signature(path)
    assert read_signature(path) is first
    path.write_text(path.read_text(encoding="utf-8").replace("my_reward", "MyReward"), encoding="utf-8")
    assert read_signature(path).name == "MyReward"
