"""Accuracies of a group of questions, and what the audio adds."""

import pytest

from rlaudio.evaluation.answer_rows import AnswerRow
from rlaudio.evaluation.scores import group_scores, score_of
from rlaudio.types import Verdict
from tests.factories import make_question


def rows(right, *, counted=None, score=None, truncated=()):
    """Answers to q0, q1, ..., the same verdict by both scorers but that "official" may not count it."""
    made = []
    for number, is_right in enumerate(right):
        verdict = Verdict(is_right, 0 if is_right else None, score=score[number] if score else None)
        official = Verdict(is_right, verdict.read, counted=counted[number] if counted else True)
        question = make_question(id=f"q{number}")
        made.append(
            AnswerRow(
                question, "audio", "", "", {"robust": verdict, "official": official}, number in truncated
            )
        )
    return made


def test_the_own_scorer_counts_every_answer_and_another_those_that_it_counts():
    answers = rows([True, False, False, False], counted=[True, True, False, False])
    strict = score_of(answers, "official", count_all=True)
    other = score_of(answers, "official", count_all=False)
    assert (strict.accuracy, strict.counted) == (0.25, 4) and (other.accuracy, other.counted) == (0.5, 2)
    assert strict.low < 0.25 < strict.high


def test_shares_of_unparsed_and_truncated_answers_are_of_all():
    score = score_of(rows([True, False, False, True], truncated={1}), "robust", count_all=True)
    assert (score.unparsed, score.truncated) == (0.5, 0.25)


def test_graded_answers_are_averaged():
    score = score_of(rows([True, False], score=[0.75, 0.25]), "robust", count_all=True)
    assert score.accuracy == 0.5 and score.unparsed == 0.0


def test_a_scorer_that_counts_none_has_no_score():
    assert score_of(rows([True], counted=[False]), "official", count_all=False) is None
    line = group_scores("all", "all", {"audio": rows([True], counted=[False])}, ["robust", "official"])
    assert line.other_scores == {"official": {}} and line.scores["audio"].accuracy == 1.0


def test_gains_are_own_audio_minus_the_control_and_need_both():
    audio, silence = rows([True, True, True, False]), rows([True, False, False, False])
    line = group_scores("all", "all", {"silence": silence, "audio": audio}, ["robust", "official"])
    assert list(line.gains) == ["silence"] and line.gains["silence"].difference == pytest.approx(0.5)
    assert 0 < line.gains["silence"].p_value < 1 and line.question_count == 4 and line.chance == 0.25
    assert group_scores("all", "all", {"silence": silence}, ["robust"]).gains == {}


def test_the_same_answers_have_no_p_value():
    line = group_scores(
        "all", "all", {"audio": rows([True, False]), "silence": rows([True, False])}, ["robust"]
    )
    assert line.gains["silence"].difference == 0.0 and line.gains["silence"].p_value is None
