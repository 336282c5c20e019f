"""What rewards return, of every library and size: a finite number or a clear failure."""

import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
import torch

from rlaudio.scoring.values import NoValue, value_of, values_of_group


class Odd:
    def __repr__(self):
        raise RuntimeError


class Unreadable:
    def tolist(self):
        raise NotImplementedError("on the meta device")


NUMBERS = [
    True,
    np.bool_(True),
    1,
    1.0,
    Decimal("1.0"),
    Fraction(2, 2),
    np.float16(1),
    np.longdouble(1),
    np.int8(1),
    np.array(1.0),
    torch.tensor(1.0),
    torch.tensor(1.0, requires_grad=True),
    torch.tensor(True),
    torch.tensor(1, dtype=torch.int32),
    torch.tensor(1.0, dtype=torch.bfloat16),
]


@pytest.mark.parametrize("returned", NUMBERS, ids=lambda value: f"{type(value).__name__} {value!r}")
def test_a_number_of_any_library_is_a_value(returned):
    value = value_of(returned)
    assert (value, type(value)) == (1.0, float)


@pytest.mark.parametrize(
    "returned",
    [
        None,
        "1.0",
        b"1",
        1j,
        [1.0],
        {"score": 1.0},
        math.nan,
        -math.inf,
        10**400,
        -(10**5000),
        Fraction(10**400),
        Decimal("sNaN"),
        Decimal("1e400"),
        np.array([1.0]),
        np.datetime64("2026-01-01"),
        torch.tensor([1.0]),
        torch.tensor(math.nan),
        torch.tensor(1j),
        ValueError("returned, not raised"),
        Odd(),
    ],
    ids=lambda value: type(value).__name__,
)
def test_anything_else_is_no_value_and_says_what_was_expected(returned):
    value = value_of(returned)
    assert isinstance(value, NoValue) and not value.stops
    assert value.reason.startswith("returned ") and value.reason.endswith("; expected a finite number")


def test_a_huge_value_is_shortened_in_the_message():
    assert len(value_of(list(range(10**5))).reason) < 500


def test_a_value_whose_reading_fails_says_how():
    assert "cannot be read: NotImplementedError: on the meta device" in value_of(Unreadable()).reason
    assert "cannot be read: NotImplementedError" in values_of_group(Unreadable(), 2)[1].reason


@pytest.mark.parametrize(
    "returned",
    [
        [0.5, 1.5],
        (0.5, 1.5),
        np.array([0.5, 1.5]),
        np.array([0.5, 1.5], dtype=object),
        torch.tensor([0.5, 1.5], requires_grad=True),
        torch.tensor([0.5, 1.5], dtype=torch.bfloat16),
        [torch.tensor(0.5), Fraction(3, 2)],
    ],
    ids=lambda value: f"{type(value).__name__} {value!r}",
)
def test_a_group_takes_a_list_an_array_or_a_tensor_of_numbers(returned):
    assert values_of_group(returned, 2) == [0.5, 1.5]


@pytest.mark.parametrize(
    "returned",
    [1.0, None, "ab", b"ab", {1.0, 2.0}, [1.0], torch.tensor(1.0), torch.ones(3), np.ones((3, 2))],
    ids=repr,
)
def test_a_group_refuses_what_is_no_list_of_its_length(returned):
    reasons = {value.reason for value in values_of_group(returned, 2)}
    assert len(reasons) == 1 and "; expected 2 numbers, one per completion of the group" in reasons.pop()


def test_one_wrong_entry_of_a_group_leaves_the_others():
    first, second, third = values_of_group([1.0, [2.0], 10**400], 3)
    assert first == 1.0
    assert second.reason == "returned [2.0]; expected a finite number"
    assert third.reason.endswith("expected a finite number")


def test_a_coroutine_in_a_list_is_to_be_awaited(recwarn):
    async def late():
        return 1.0

    first, second = values_of_group([late(), 1.0], 2)
    assert first.reason.endswith("expected a finite number: await it") and second == 1.0
    assert not [warning for warning in recwarn if "never awaited" in str(warning.message)]


def test_a_generator_is_to_be_returned_from():
    async def later():
        yield 1.0

    def bit_by_bit():
        yield from (1.0, 2.0)

    assert value_of(later()).reason.endswith("expected a finite number: return it instead of yield")
    assert values_of_group(bit_by_bit(), 2)[0].reason.endswith("group: return it instead of yield")
