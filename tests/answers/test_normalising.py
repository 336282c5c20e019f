"""Spellings that are one."""

from hypothesis import given
from hypothesis import strategies as st

from rlaudio.answers import normalise
from tests.answers.texts import TEXTS


@given(st.text() | TEXTS)
def test_normalising_twice_changes_nothing_more(text):
    assert normalise(normalise(text)) == normalise(text)


@given(st.text(min_size=1).filter(str.strip))
def test_normalising_ignores_case_of_ascii_and_outer_spaces(text):
    assert normalise(f"  {text}\n") == normalise(text)
