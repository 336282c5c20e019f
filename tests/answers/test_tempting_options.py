"""Which option a question tempts with."""

import pytest

from rlaudio.answers.tempting_options import tempting_options
from tests.factories import make_question


@pytest.mark.parametrize(
    ("stated", "places"),
    [
        ("a cow", (2,)),
        (3, (3,)),
        ("a dog", ()),
        (0, ()),
        ("a horse", ()),
        (4, ()),
        (-1, ()),
        (True, ()),
        ([], ()),
    ],
)
def test_the_tempting_option_is_stated_by_its_text_or_its_position_and_is_wrong(stated, places):
    question = make_question(choices=("a dog", "a cat", "a cow", "a frog"), extra={"lure": stated})
    assert tempting_options(question, "lure") == places
