"""Records by the keys that files have."""

from dataclasses import dataclass

from rlaudio.utils.stored_keys import as_stored


@dataclass(frozen=True)
class Line:
    name: str
    question_count: int
    inner: tuple["Line", ...] = ()


def test_a_number_of_questions_keeps_the_key_and_place_that_files_have():
    stored = as_stored(Line("all", 3, (Line("weak", 1),)))
    assert list(stored.items())[:2] == [("name", "all"), ("questions", 3)]
    assert stored["inner"][0]["questions"] == 1
