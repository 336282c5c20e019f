"""What is said of labels: luck, truth, how sensitive they are."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rlaudio.contribution.label_summary import summarise
from rlaudio.contribution.labelling import label_rows
from rlaudio.contribution.option_shares import OptionLogprobs
from rlaudio.contribution.probability_labels import ProbabilityLabels
from rlaudio.contribution.voting import Votes, luck_ceiling, quality
from tests.contribution.ballots import bools, label, three_voters, vote_rule
from tests.settings import label_settings
from tests.word_family import questions_on_disk


def test_the_summary_has_luck_truth_and_sensitivity(tmp_path, questions, ballot):
    summary = summarise(label(questions, three_voters(ballot), folder=tmp_path))
    everything = summary.groups[0]
    assert (everything.weak, everything.chance_floor) == (0.5, pytest.approx(0.15625))
    assert everything.right_in_silence == {"a": 0.75, "b": 0.5, "c": 0.25}
    assert summary.quality == quality(bools("1100"), bools("1010"))
    assert everything.luck_ceiling == pytest.approx(luck_ceiling(0.5, 0.15625))
    assert [(g.grouping, g.name, g.weak) for g in summary.groups] == [
        ("all", "all", 0.5),
        ("category", "sound", 1.0),
        ("category", "speech", 0.0),
    ]


def test_the_summary_is_json_and_text(tmp_path, questions, ballot):
    summary = summarise(label(questions, three_voters(ballot), folder=tmp_path, rule=vote_rule(orders=4)))
    written = json.loads(json.dumps(summary.to_dict()))
    assert written["tables"]["category"]["sound"]["weak"] == 1.0
    assert written["order_gain"]["gain"] == 0.0
    assert "category: speech" in summary.table()
    assert "weak if at least 2 of 3 voters are right on 30 s of silence" in summary.table()


def test_the_summary_counts_answers_that_name_no_option(tmp_path, questions, ballot):
    voter = ballot.voter(answer=lambda p, s: "a cat" if p.question.id == "q3" else "hm")
    summary = summarise(label(questions, {"a": voter}, folder=tmp_path, rule=vote_rule(threshold=1)))
    assert summary.unparsed == {"a": 0.75}
    assert "Unparsed: a 75.0." in summary.table()


def test_without_known_truth_nothing_is_said_about_it(tmp_path, ballot):
    labels = label(questions_on_disk(tmp_path, 3), three_voters(ballot), folder=tmp_path)
    summary = summarise(labels)
    assert summary.quality is None
    assert "F1" not in summary.table()


def test_the_summary_says_how_many_labels_fewer_orders_would_flip(tmp_path, questions, ballot):
    voters = {name: ballot.voter(answer=lambda p, s: p.question.choices[0]) for name in "abc"}
    summary = summarise(label(questions, voters, folder=tmp_path, rule=vote_rule(orders=4)))
    # under the first order q0 alone is right, under the first two orders nothing is right under most
    assert [(v.orders, v.weak, v.flip_rate) for v in summary.fewer_orders] == [
        (1, 0.25, 0.25),
        (2, 0.0, 0.0),
        (3, 0.0, 0.0),
    ]
    assert "2 of 3: a, b, c, first 1 order" in summary.table()


def test_questions_of_the_papers_sources_stand_beside_its_shares(tmp_path, ballot):
    sources = [{"source": name} for name in ("Tacos", "CompA-R", "Clotho")]
    summary = summarise(
        label(questions_on_disk(tmp_path, 3, groups=sources), three_voters(ballot), folder=tmp_path)
    )
    assert {group.name: group.paper for group in summary.groups} == {
        "all": 0.548,
        "Tacos": pytest.approx(0.267),
        "CompA-R": 0.755,
        "Clotho": None,
    }
    assert "paper: weak share in arXiv:2509.21060." in summary.table()


def test_other_questions_do_not(tmp_path, questions, ballot):
    summary = summarise(label(questions, three_voters(ballot), folder=tmp_path))
    assert {group.paper for group in summary.groups} == {None}
    assert "paper" not in summary.table()


class _CountedLogprobs(OptionLogprobs):
    """Log-probs of options that count how often their shares were asked for."""

    asked = 0

    @property
    def gold_shares(self):
        type(self).asked += 1
        return np.array([0.25, 0.75])


@pytest.mark.parametrize("groups", [1, 4])
def test_the_tables_measure_a_question_once_whatever_the_number_of_groups(tmp_path, groups, monkeypatch):
    monkeypatch.setattr(_CountedLogprobs, "asked", 0)
    named = [{"source": f"s{number % groups}"} for number in range(8)]
    questions = questions_on_disk(tmp_path, 8, groups=named)
    of_voter = [_CountedLogprobs(np.zeros((2, 4)), q.choices, q.answer_index) for q in questions]
    labels = ProbabilityLabels(
        tuple(questions), {"a": of_voter}, {}, 0.5, "the options", label_settings(Path())
    )
    assert len(summarise(labels).groups) == 1 + groups
    assert _CountedLogprobs.asked == 8


def test_the_rows_of_a_vote_count_it_once_whatever_the_number_of_questions(
    questions, ballot, tmp_path, monkeypatch
):
    labels = label(questions, three_voters(ballot), folder=tmp_path)
    counted = []
    score = Votes.contribution_score.fget
    monkeypatch.setattr(Votes, "contribution_score", property(lambda v: counted.append(1) or score(v)))
    assert len(list(label_rows(replace(labels)))) == 4 and len(counted) == 1
