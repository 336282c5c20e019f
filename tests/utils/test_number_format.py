"""Numbers as text."""

import pytest

from rlaudio.utils.number_format import (
    counted,
    duration,
    of_all,
    p_value,
    percent,
    short_number,
    signed,
    thousands,
)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (counted(0, "voter"), "0 voters"),
        (counted(1, "step"), "1 step"),
        (counted(2000, "question"), "2,000 questions"),
        (percent(0.3849), "38.5"),
        (percent(1.0), "100.0"),
        (percent(None), "\N{EN DASH}"),
        (signed(-0.016), "\N{MINUS SIGN}1.6"),
        (signed(-0.0001), "0.0"),
        (short_number(12_800), "12,800"),
        (short_number(2.5e-5), "2.5e\N{MINUS SIGN}5"),
        (p_value(0.0004), "< 0.001"),
        (duration(143.2), "2 min 23 s"),
        (thousands(571118), "571,118"),
        (of_all(12, 3000), "12 of 3,000"),
        (short_number(-12345.6), "\N{MINUS SIGN}12,346"),
        (duration(59.97), "60.0 s"),
        (duration(7_260), "2 h 1 min"),
    ],
)
def test_numbers_are_written_for_reading(written, expected):
    assert written == expected
