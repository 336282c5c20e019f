"""Whether bad rows raise or are listed."""

from __future__ import annotations

import pytest

from rlaudio.data.bad_rows import BadRow, listing_bad_rows, refuse_or_list

ROWS = [BadRow("malformed row", f"reason {number}", f"t.jsonl:{number}") for number in range(7)]


def test_bad_rows_raise_with_their_number_and_the_first_few():
    with pytest.raises(ValueError, match=r"^t\.jsonl: 7 bad rows; fix or remove them:\n") as error:
        refuse_or_list(ROWS, "t.jsonl")
    assert "t.jsonl:4: reason 4" in str(error.value) and str(error.value).endswith("and 2 more")


def test_no_bad_rows_do_nothing():
    refuse_or_list([], "t.jsonl")


def test_bad_rows_are_listed_within_the_context_and_raise_after_it():
    with listing_bad_rows() as rows:
        refuse_or_list(ROWS[:1], "t.jsonl")
        refuse_or_list(ROWS[1:2], "u.jsonl")
    assert rows == ROWS[:2]
    with pytest.raises(ValueError, match="1 bad row;"):
        refuse_or_list(ROWS[:1], "t.jsonl")


def test_a_context_that_ends_by_an_error_lists_no_longer():
    with pytest.raises(KeyError), listing_bad_rows():
        raise KeyError
    with pytest.raises(ValueError, match="1 bad row;"):
        refuse_or_list(ROWS[:1], "t.jsonl")


def test_an_id_that_would_spoil_a_message_is_escaped_and_cut():
    text = str(BadRow("too long", "too long", "t.jsonl:1", "\x1b[31m\n" + "x" * 10_000))
    assert text.isprintable() and len(text) < 200


def test_a_row_of_no_file_is_named_by_its_id():
    assert str(BadRow("missing audio", "gone", id="q7")) == "q7: gone"
