"""Options that are hard to tell apart."""

from __future__ import annotations

import pytest

from rlaudio.data.odd_options import odd_options
from tests.factories import make_question


@pytest.mark.parametrize(
    ("options", "odd"),
    [
        (("a dog", "a cat"), []),
        (("a dog", "a dog barks"), ["nested options"]),
        (("dog", "a hot-dog stand"), ["nested options"]),
        (("art", "a cart"), []),
        (("A dog", "a dog "), ["equal options"]),
        (("a dog", "a dog!"), []),
        (("dog and cat", "cat and dog"), ["options of the same words"]),
        (("21.2s", "21.4s"), []),
        (("a", ""), ["empty option"]),
        (
            ("", "", "x y", "y x", "x"),
            ["empty option", "equal options", "options of the same words", "nested options"],
        ),
        ((), []),
    ],
)
def test_what_is_odd_about_options_is_named_once(options, odd):
    assert odd_options(make_question(choices=options, answer="x")) == odd
