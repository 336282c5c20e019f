"""Counts over questions."""

from pathlib import Path

from rlaudio.data.counts import Durations, count, gold_positions
from rlaudio.types import OpenText, Question
from tests.factories import make_contributions, make_question

QUESTIONS = [
    make_question(id="1", answer="a cow", clip="a.wav", groups={"category": "animals"}),
    make_question(id="2", answer="a dog", clip="a.wav", groups={"category": "animals"}),
    make_question(id="3", choices=("x", "y"), answer="z", clip="b.wav", groups={"category": "letters"}),
    Question("4", "What is heard?", (), OpenText("rain")),
]


def test_positions_are_counted_up_to_the_last_that_is_right():
    assert gold_positions(QUESTIONS) == (1, 0, 1) and gold_positions([]) == ()


def test_every_group_has_its_counts_larger_ones_first_and_each_clip_once():
    seconds = {Path("a.wav"): 2.0, Path("b.wav"): 4.0}
    every, animals, letters = count(QUESTIONS, make_contributions(**{"1": "weak", "3": "strong"}), seconds)
    assert (every.grouping, every.name, every.question_count) == ("all", "all", 4)
    assert every.options == {0: 1, 2: 1, 4: 2}
    assert list(every.contribution.items()) == [("unlabelled", 2), ("weak", 1), ("strong", 1)]
    assert every.durations == Durations(2, 6.0, 2.0, 3.0, 4.0)
    assert (animals.name, animals.durations.clips, letters.name) == ("animals", 1, "letters")
    assert letters.contribution == {"strong": 1}


def test_clips_that_cannot_be_read_have_no_length():
    assert count(QUESTIONS, {}, {})[0].durations == Durations() == Durations.of([])
    assert Durations.of([1800.0, 5400.0]).hours == 2.0
