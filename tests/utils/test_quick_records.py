"""Records made quickly are what their own constructor makes."""

import pickle
from dataclasses import FrozenInstanceError, dataclass

import pytest

from rlaudio.types import Choice, Contribution, Question
from rlaudio.utils.quick_records import maker

VALUES = {
    Choice: (("a", "b"), 1, "b"),
    Contribution: ("q1", "weak", 0.25, None, "given", {"voter": "a"}, None, None),
    Question: ("q1", "What?", (), Choice(("a", "b"), 1), {"source": "x"}, None, {}, None, {}, "file:1"),
}


@pytest.mark.parametrize("kind", VALUES)
def test_a_record_made_quickly_is_one_of_its_own_kind(kind):
    made = maker(kind)(*VALUES[kind])
    assert type(made) is kind
    assert made == kind(*VALUES[kind])
    assert repr(made) == repr(kind(*VALUES[kind]))
    assert pickle.loads(pickle.dumps(made)) == made


def test_a_record_made_quickly_stays_frozen():
    with pytest.raises(FrozenInstanceError):
        maker(Choice)(("a",), 0, "a").gold = 1


def test_a_field_too_few_is_an_error():
    with pytest.raises(TypeError, match="answer"):
        maker(Choice)(("a",), 0)


def test_a_record_without_slots_or_with_checks_is_refused():
    @dataclass(frozen=True)
    class Plain:
        value: int

    @dataclass(frozen=True, slots=True)
    class Checked:
        value: int

        def __post_init__(self):
            raise ValueError

    for kind in (Plain, Checked):
        with pytest.raises(TypeError, match=rf"{kind.__name__} has no slots or checks its fields"):
            maker(kind)
