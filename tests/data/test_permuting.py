"""Every question with its gold answer in every position."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rlaudio.data.option_orders import refers_to_places
from rlaudio.data.permuting import with_gold_everywhere
from rlaudio.types import Choice, Dataset, OpenText
from tests.factories import make_contributions, make_question


def test_the_gold_option_takes_every_position_and_the_others_keep_their_order():
    orders = with_gold_everywhere([make_question(id="q", choices=("a", "b", "c"), answer="b")])
    assert [(q.id, q.choices, q.answer_index) for q in orders] == [
        ("q#1", ("b", "a", "c"), 0),
        ("q#2", ("a", "b", "c"), 1),
        ("q#3", ("a", "c", "b"), 2),
    ]


def test_a_thousand_questions_of_four_options_are_four_thousand():
    orders = with_gold_everywhere([make_question(id=str(n)) for n in range(1000)])
    assert (len(orders), len({q.id for q in orders})) == (4000, 4000)


def test_of_equal_options_the_gold_one_moves():
    question = replace(make_question(id="q"), target=Choice(("x", "y", "x"), 2, "x"))
    assert [(q.choices, q.answer_index) for q in with_gold_everywhere([question])] == [
        (("x", "x", "y"), 0),
        (("x", "x", "y"), 1),
        (("x", "y", "x"), 2),
    ]


def test_questions_without_a_known_gold_option_are_left_out():
    unknown = replace(make_question(id="a"), target=Choice(("x", "y"), None))
    text = replace(make_question(id="b"), target=OpenText("x"))
    assert len(with_gold_everywhere([unknown, text])) == 0


@pytest.mark.parametrize(
    "option",
    [
        *("All of the above", "none of the above.", "None of the above options are correct", "all the above"),
        *("Either of the two above", "both A and B", "A & C", "Neither (A) nor (B)", "Only B", "B only"),
        *("options a, b", "Both 1 and 2"),
    ],
)
def test_questions_whose_options_refer_to_others_by_place_are_left_out(option):
    assert not with_gold_everywhere([make_question(choices=("dog", "cat", option), answer="dog")])


def test_options_that_carry_the_letters_of_their_places_are_left_out():
    assert not with_gold_everywhere([make_question(choices=("A. dog", "B. cat"), answer="A. dog")])


@pytest.mark.parametrize(
    "options",
    [
        *(("A", "B"), ("A and C", "B and C"), ("1", "2"), ("1 and 2", "3"), ("both", "neither")),
        *(
            ("above", "below"),
            ("a sound above it", "x"),
            ("None of these", "x"),
            ("both a dog and a cat", "x"),
        ),
        *(("A minor", "B minor"), ("only one", "two")),
    ],
)
def test_options_that_are_what_is_asked_are_moved(options):
    assert len(with_gold_everywhere([make_question(choices=options, answer=options[0])])) == len(options)


def test_a_stated_contribution_goes_with_every_order():
    data = Dataset((make_question(id="q", choices=("a", "b")),), make_contributions(q="weak"))
    orders = with_gold_everywhere(data)
    assert {id: c.label for id, c in orders.contributions.items()} == {"q#1": "weak", "q#2": "weak"}
    assert [c.question_id for c in orders.contributions.values()] == ["q#1", "q#2"]


def test_a_question_without_options_refers_to_no_places():
    assert not refers_to_places(())
