"""Numbers and units in one spelling."""

import pytest

from rlaudio.answers import normalise
from rlaudio.answers.numbers import canonical_numbers


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("007 Secs", "7 s"),
        ("-1.50", "-1.5"),
        ("+3", "3"),
        (".5", "0.5"),
        ("100", "100"),
        ("MP3", "mp3"),
        ("1,000,000", "1000000"),
        ("1 000", "1000"),
        ("1,00", "1,00"),
        ("1e3", "1000"),
        ("10^3", "1000"),
        ("1.5 \u00d7 10^{-2}", "0.015"),
        ("10³", "1000"),
        ("minus 3 dB", "-3 db"),
        ("- 3", "-3"),
        ("50 per cent", "50 %"),
        ("50%", "50 %"),
        ("120bpm", "120 bpm"),
        ("120 beats per minute", "120 bpm"),
        ("twenty-one", "21"),
        ("three claps", "3 claps"),
        ("a hundred", "a 100"),
        ("one hundred and five", "105"),
        ("two thousand", "2000"),
        ("a dozen", "12"),
        ("two dozen", "24"),
        ("dozens", "dozens"),
        ("one point five", "1.5"),
        ("point five seconds", "0.5 s"),
        ("half a second", "0.5 s"),
        ("1/2 a second", "0.5 s"),
        ("1 1/2 seconds", "1.5 s"),
        ("three quarters of an hour", "0.75 h"),
        ("a minute and a half", "1.5 min"),
        ("a quarter note", "a quarter note"),
        ("twenty-one point two seconds", "21.2 s"),
        ("三", "3"),
        ("三次", "三次"),
        ("½", "0.5"),
        ("1½", "1.5"),
        ("3/4", "0.75"),
        ("6/8", "6/8"),
        ("1/3", "1/3"),
        ("80 \u2013 90 bpm", "80-90 bpm"),
        ("10:30", "10:30"),
    ],
)
def test_a_number_has_one_spelling(text, canonical):
    assert canonical_numbers(normalise(text)) == canonical


@pytest.mark.parametrize("text", ["1e999999999", "9" * 30 + "1", "9" * 30 + "2"])
def test_a_number_too_long_for_exact_arithmetic_stays_as_it_is(text):
    assert canonical_numbers(normalise(text)) == text
