"""Names become files, folders and parts of metrics' names, so they are no paths."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlaudio.utils.names import MAX_BYTES, check_name, plain_name


@pytest.mark.parametrize(
    "name", ["test", "new_speakers", "lr=3e-4", "v1.5", "grpo,kl=0", "Hörprobe", "7b", "_x"]
)
def test_a_name_is_taken_as_it_is(name):
    assert check_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "../x",
        "/abs",
        "a/b",
        "a\\b",
        "a\0b",
        "a\nb",
        "a\x07",
        " a",
        "a b",
        ".hidden",
        "-o",
        "x" * 300,
        "é" * 100,
        "test\n",
    ],
)
def test_a_path_or_a_name_that_no_file_can_have_is_refused(name):
    with pytest.raises(ValueError, match="expected a name, not a path: letters, digits"):
        check_name(name)


@given(st.text())
def test_any_text_can_be_made_a_name(text):
    assert check_name(plain_name(text))


@given(
    st.from_regex(r"[A-Za-z0-9][A-Za-z0-9.=_]*[A-Za-z0-9]", fullmatch=True).filter(
        lambda t: len(t) < MAX_BYTES
    )
)
def test_a_name_stays_when_it_is_made_one(name):
    assert plain_name(name) == name
