"""Options change places only where none says where others stand."""

import pytest

from rlaudio.data.option_orders import orders_of, refers_to_places, tell_of_one_order
from tests.factories import make_question


@pytest.mark.parametrize(
    "options",
    [
        ("a dog", "a cat", "all of the above"),
        ("rain", "wind", "both A and B", "neither"),
        ("rain", "wind", "both 1 and 2 are correct"),
        ("A. dog", "B. cat"),
        ("(a) dog", "(b) cat", "(c) cow"),
        ("a dog", "none of the options above"),
    ],
)
def test_options_that_say_where_others_stand_refer_to_places(options):
    assert refers_to_places(options)


@pytest.mark.parametrize(
    "options",
    [
        ("a dog", "a cat", "a cow"),
        ("A and C", "B and A", "C and B"),  # notes, which all options are
        ("a sound from above", "a sound from below"),
        ("B. dog", "A. cat"),  # letters of something else than places
        ("above", "below"),
        ("1", "2", "3"),
        (),
    ],
)
def test_other_options_refer_to_none(options):
    assert not refers_to_places(options)


def test_orders_are_cyclic_and_the_right_option_moves_along():
    question = make_question(choices=("a", "b", "c"), answer="b")
    orders = list(orders_of(question, 5))
    assert [order.choices for order in orders] == [("a", "b", "c"), ("b", "c", "a"), ("c", "a", "b")]
    assert [order.choices[order.answer_index] for order in orders] == ["b"] * 3
    assert len(list(orders_of(question, 2))) == 2


def test_a_question_whose_options_refer_to_places_keeps_its_order_and_is_told_of(caplog):
    question = make_question(id="fixed", choices=("a dog", "a cat", "all of the above"))
    assert list(orders_of(question, 3)) == [question]
    tell_of_one_order([make_question(), question], "labels")
    assert "labels: 1 of 2 questions keep their one order" in caplog.text and "first: fixed" in caplog.text
    caplog.clear()
    tell_of_one_order([make_question()], "labels")
    assert not caplog.text
