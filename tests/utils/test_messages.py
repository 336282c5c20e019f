"""What messages show of values that may be anything."""

from rlaudio.utils.messages import dotted, shown, with_article


def test_the_article_goes_by_the_first_letter():
    assert [with_article(noun) for noun in ("algorithm", "reward", "Omni")] == [
        "an algorithm",
        "a reward",
        "an Omni",
    ]


def test_a_long_value_is_shown_by_its_beginning_and_its_length():
    assert shown("x" * 5000) == "'" + "x" * 299 + "... (5,002 characters)"


def test_a_value_of_many_entries_or_levels_is_not_written_whole():
    assert shown(list(range(10**6))) == "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, ...]"
    assert shown([[[[[[[[1]]]]]]]]) == "[[[[[[[...]]]]]]]"


def test_a_value_that_cannot_be_written_is_shown_by_its_type():
    assert shown(16**5000) == "<a value of type int whose repr raises ValueError>"


def test_what_steers_a_terminal_or_has_no_utf_8_is_shown_as_an_escape():
    assert shown("\x1b[2J\udc80") == r"'\x1b[2J\udc80'"


def test_keys_are_joined_by_dots_on_one_line():
    assert dotted(("data", "a\nb", 0, "x" * 300)) == "data.a\\nb.0." + "x" * 60 + "..."
