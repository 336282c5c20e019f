"""Labels by votes: who is asked what, how often, and what is kept."""

import json
import os
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from rlaudio.audio.controls import silence
from rlaudio.contribution import labelling
from rlaudio.contribution.asking_options import is_answerable
from rlaudio.contribution.label_summary import summarise
from rlaudio.contribution.labelling import OtherAsking
from rlaudio.contribution.methods.vote import vote
from rlaudio.contribution.voting import chance_floor
from rlaudio.data.audiomcq import audiomcq, write_audiomcq
from rlaudio.runs.files import write_rows
from rlaudio.scorers.exact import exact
from rlaudio.scorers.robust import robust
from rlaudio.types import Choice, OpenText
from rlaudio.utils.file_locks import try_lock
from tests.contribution.ballots import Ballot, label, three_voters, vote_rule
from tests.settings import label_settings
from tests.word_family import questions_on_disk


def test_labels_follow_the_votes_in_silence(tmp_path, questions, ballot):
    labels = label(questions, three_voters(ballot), folder=tmp_path)
    measured = [labels.contributions[question.id] for question in questions]
    assert [contribution.label for contribution in measured] == ["weak", "weak", "strong", "strong"]
    assert [contribution.score for contribution in measured] == pytest.approx([0, 1 / 3, 2 / 3, 1])
    assert measured[0].method == "weak if at least 2 of 3 voters are right on 30 s of silence"


@pytest.mark.parametrize(
    ("target", "said"),
    [
        (OpenText("a dog"), "question q3: no options; expected options .* leave it out"),
        (
            Choice(("a dog", "a fish"), None),
            "question q3: no option that is known to be right; .* leave it out",
        ),
    ],
)
def test_a_question_that_no_vote_can_label_is_refused_before_anybody_is_asked(
    tmp_path, questions, ballot, target, said
):
    questions = [*list(questions)[:3], replace(questions[3], target=target)]
    with pytest.raises(ValueError, match=said):
        label(questions, three_voters(ballot), folder=tmp_path)
    assert not ballot.workers
    assert [is_answerable(question) for question in questions] == [True, True, True, False]


def test_workers_are_opened_one_at_a_time_and_all_closed(tmp_path, questions, ballot):
    label(questions, three_voters(ballot), folder=tmp_path)
    assert len(ballot.workers) == 3
    assert all(worker.closed for worker in ballot.workers)


def test_a_worker_is_closed_when_its_voter_fails(tmp_path, questions, ballot):
    def broken(prompt, sample):
        raise MemoryError

    with pytest.raises(MemoryError):
        label(questions, {"a": ballot.voter(answer=broken)}, folder=tmp_path, rule=vote_rule(threshold=1))
    assert ballot.workers[0].closed


@pytest.mark.parametrize(
    ("rule", "seconds"),
    [
        (vote_rule(threshold=1), [30.0] * 4),
        (vote_rule(threshold=1, silence="clip"), [0.1, 0.2, 0.3, 0.4]),
    ],
)
def test_voters_hear_silence_of_the_stated_length(tmp_path, questions, ballot, rule, seconds):
    heard = []
    voter = ballot.voter(answer=lambda prompt, sample: heard.append(prompt.audio_digest) or "")
    label(questions, {"a": voter}, folder=tmp_path, rule=rule)
    assert heard == [silence(length).digest for length in seconds]


def test_labels_are_read_back_with_the_data(tmp_path, questions, ballot):
    write_audiomcq(questions, tmp_path / "train.jsonl")
    label(questions, three_voters(ballot), folder=tmp_path)
    read = audiomcq(path=tmp_path / "train.jsonl")
    measured = [read.contributions[question.id] for question in read]
    assert [contribution.label for contribution in measured] == ["weak", "weak", "strong", "strong"]
    assert measured[1].score == pytest.approx(1 / 3)
    assert measured[1].votes["a"] == {"success": 1.0, "answers": ["a cat"]}


def test_labels_of_other_questions_in_the_folder_stay(tmp_path, questions, ballot):
    voters = three_voters(ballot)
    label(questions[:2], voters, folder=tmp_path)
    label(questions[1:], voters, folder=tmp_path, rule=vote_rule(threshold=3))
    rows = [json.loads(line) for line in (tmp_path / "labels.jsonl").read_text().splitlines()]
    assert {row["id"]: row["contribution"] for row in rows} == {
        "q0": "weak",
        "q1": "strong",  # labelled anew
        "q2": "strong",
        "q3": "strong",
    }


def test_two_files_in_a_folder_keep_labels_of_their_own_under_the_same_ids(tmp_path, questions, ballot):
    others = [replace(question, question="Which is it?") for question in questions]
    write_audiomcq(questions, tmp_path / "train.jsonl")
    write_audiomcq(others, tmp_path / "test.jsonl")
    label(questions, three_voters(ballot), folder=tmp_path)
    assert not audiomcq(path=tmp_path / "test.jsonl").contributions
    label(others, three_voters(ballot), folder=tmp_path)  # whose text no voter knows
    first, second = (audiomcq(path=tmp_path / f"{name}.jsonl") for name in ("train", "test"))
    assert [first.contributions[question.id].label for question in first].count("weak") == 2
    assert [second.contributions[question.id].label for question in second].count("weak") == 0


def test_labels_that_another_process_writes_meanwhile_stay(tmp_path, questions, ballot):
    def meanwhile(prompt, sample):
        (tmp_path / "labels.jsonl").write_text('{"id": "other", "contribution": "weak"}\n')
        return "a cat"

    label(questions, {"a": ballot.voter(answer=meanwhile)}, folder=tmp_path, rule=vote_rule(threshold=1))
    rows = [json.loads(line) for line in (tmp_path / "labels.jsonl").read_text().splitlines()]
    assert [row["id"] for row in rows] == ["other", "q0", "q1", "q2", "q3"]


def test_labels_are_merged_under_the_lock_of_their_folder(tmp_path, questions, ballot, monkeypatch):
    def write(path, rows):
        folder = os.open(tmp_path, os.O_RDONLY)
        assert not try_lock(folder)
        os.close(folder)
        write_rows(path, rows)

    monkeypatch.setattr(labelling, "write_rows", write)
    label(questions, three_voters(ballot), folder=tmp_path)
    assert (tmp_path / "labels.jsonl").exists()


def test_damaged_labels_are_refused_before_a_voter_is_asked(tmp_path, questions, ballot):
    (tmp_path / "labels.jsonl").write_text('{"id": "other", "contribution": "weak"}\n{"id": ')
    with pytest.raises(ValueError, match=r"labels\.jsonl:2: not JSON"):
        label(questions, three_voters(ballot), folder=tmp_path)
    assert not ballot.workers


def test_a_finished_labelling_asks_nothing_again_and_opens_no_worker(tmp_path, questions, ballot):
    first = label(questions, three_voters(ballot), folder=tmp_path)
    again = Ballot()
    second = label(questions, three_voters(again), folder=tmp_path, rule=vote_rule(threshold=3))
    assert again.workers == []
    assert second.answers == first.answers


def test_a_killed_labelling_goes_on_where_it_was(tmp_path, questions, ballot):
    def killed(prompt, sample):
        if prompt.question.id == "q2":
            raise KeyboardInterrupt
        return prompt.question.answer

    rule = vote_rule(threshold=1)
    with pytest.raises(KeyboardInterrupt):
        label(questions, {"a": ballot.voter(answer=killed)}, folder=tmp_path, rule=rule, batch_questions=2)
    again = Ballot()
    labels = label(questions, {"a": again.voter("q2 q3")}, folder=tmp_path, rule=rule, batch_questions=2)
    assert again.asked == 2
    assert labels.weak.all()


@pytest.mark.parametrize(
    "other",
    [
        {"rule": vote_rule(threshold=1, silence=10.0)},
        {"max_new_tokens": 5},
        {"voter": {"digest": "1" * 32}},
        {"voter": {"system": "Listen."}},
        {"style": "thinking"},
    ],
)
def test_answers_given_under_other_circumstances_are_asked_anew(tmp_path, questions, ballot, other):
    label(questions, {"a": ballot.voter()}, folder=tmp_path, rule=vote_rule(threshold=1))
    again = Ballot()
    voter, style = again.voter(**other.pop("voter", {})), other.pop("style", None)
    questions = [replace(question, style=style) for question in questions]
    label(questions, {"a": voter}, folder=tmp_path, **{"rule": vote_rule(threshold=1), **other})
    assert again.asked == 4


def test_more_orders_reuse_the_answers_of_the_first_one(tmp_path, questions, ballot):
    label(questions, {"a": ballot.voter()}, folder=tmp_path, rule=vote_rule(threshold=1))
    again = Ballot()
    label(questions, {"a": again.voter()}, folder=tmp_path, rule=vote_rule(threshold=1, orders=4))
    assert again.asked == 4 * 3


def test_questions_that_read_alike_are_asked_once(tmp_path, ballot):
    alike = [replace(question, question="Who?") for question in questions_on_disk(tmp_path, 4)]
    labels = label(
        alike,
        {"a": ballot.voter(answer=lambda p, s: "a cow")},
        folder=tmp_path,
        rule=vote_rule(threshold=1),
    )
    assert ballot.asked == 1
    np.testing.assert_array_equal(labels.weak, [False, False, True, False])


def test_a_position_habit_fools_one_order_but_not_all_of_them(tmp_path, questions, ballot):
    voters = {name: ballot.voter(answer=lambda p, s: p.question.choices[0]) for name in "abc"}
    plain = label(questions, voters, folder=tmp_path)
    debiased = label(questions, voters, folder=tmp_path, rule=vote_rule(orders=4))
    np.testing.assert_array_equal(plain.weak, [True, False, False, False])
    assert not debiased.weak.any()
    np.testing.assert_array_equal(debiased.votes.contribution_score, [0.75] * 4)


def test_options_that_refer_to_others_by_their_places_are_asked_in_their_one_order(
    tmp_path, questions, ballot, caplog
):
    above = replace(questions[1].target, options=(*questions[1].choices[:-1], "none of the above"))
    asked = [questions[0], replace(questions[1], target=above), *questions[2:]]
    labels = label(asked, {"a": ballot.voter()}, folder=tmp_path, rule=vote_rule(threshold=1, orders=4))
    assert [len(of_question) for of_question in labels.answers["a"]] == [4, 1, 4, 4]
    assert "labels: 1 of 4 questions keep their one order of options" in caplog.text
    one, four = (chance_floor([4], voters=1, threshold=1, orders=n) for n in (1, 4))
    assert labels.floor(labels.questions) == pytest.approx((one + 3 * four) / 4)


def test_the_scorer_of_the_rule_says_which_voters_are_right(tmp_path, questions, ballot):
    voter = ballot.voter(answer=lambda p, s: f"The answer is {p.question.answer}.")
    for scorer, weak, unparsed in ((robust, True, 0.0), (exact, False, 1.0)):
        labels = label(questions, {"a": voter}, folder=tmp_path, rule=vote_rule(threshold=1, scorer=scorer))
        assert labels.weak.tolist() == [weak] * 4
        assert summarise(labels).unparsed == {"a": unparsed}


def test_of_a_voter_that_hardly_ever_names_an_option_one_line_warns(tmp_path, questions, ballot, caplog):
    mute = ballot.voter(answer=lambda p, s: "a cat" if p.question.id == "q3" else "hm")
    plain = ballot.voter(answer=lambda p, s: "a cat", digest="plain")
    summarise(label(questions, {"mute": mute, "plain": plain}, folder=tmp_path))
    (record,) = caplog.records
    assert record.getMessage() == (
        "voter mute, in silence: 75% of the answers name no option and count as wrong, so questions look "
        "strong that may not be; try the other prompt.style or another model (the tiny ones know only the "
        "embedded world)"
    )


def test_of_a_voter_that_names_an_option_every_other_time_nothing_is_said(
    tmp_path, questions, ballot, caplog
):
    voter = ballot.voter(answer=lambda p, s: "a cat" if p.question.id in ("q2", "q3") else "hm")
    summarise(label(questions, {"a": voter}, folder=tmp_path, rule=vote_rule(threshold=1)))
    assert caplog.records == []


@pytest.mark.parametrize("threshold", [0, 2])
def test_a_threshold_beyond_the_voters_is_refused_before_anything_is_asked(
    tmp_path, questions, ballot, threshold
):
    with pytest.raises(ValueError, match=f"threshold {threshold} with 1 voters"):
        label(questions, {"a": ballot.voter()}, folder=tmp_path, rule=vote_rule(threshold=threshold))
    assert ballot.workers == []


def test_ids_that_stand_twice_are_refused(tmp_path, questions, ballot):
    with pytest.raises(ValueError, match="q0"):
        label([*questions, questions[0]], three_voters(ballot), folder=tmp_path)


def test_another_silence_flips_what_its_voters_answer_otherwise(tmp_path, questions, ballot):
    def hears_length(prompt, sample):  # q0 is known on 30 s of silence alone
        knows = prompt.features["frames"].shape[1] == 3000 and prompt.question.id == "q0"
        return prompt.question.answer if knows else "hm"

    voters, settings = {"a": ballot.voter(answer=hears_length)}, label_settings(tmp_path)
    method = partial(vote, threshold=1)
    labels = labelling.label(questions, voters, settings, method)
    kept = (tmp_path / "labels.jsonl").read_text()
    silences = [OtherAsking(silence=silence) for silence in (30.0, 5.0, "clip")]
    others = labelling.asked_otherwise(labels, voters, settings, method, silences)
    assert [(v.silence, v.weak, v.flip_rate) for v in others] == [
        ("30 s of silence", 0.25, 0.0),
        ("5 s of silence", 0.0, 0.25),
        ("silence as long as the clip", 0.0, 0.25),
    ]
    assert (tmp_path / "labels.jsonl").read_text() == kept
    assert "1 of 1: a, 5 s of silence" in summarise(labels, others).table()


def test_another_wording_flips_what_its_voters_answer_otherwise(tmp_path, questions, ballot):
    def knows_when_it_thinks(prompt, sample):
        return prompt.question.answer if prompt.question.style == "thinking" else "hm"

    voters, settings = {"a": ballot.voter(answer=knows_when_it_thinks)}, label_settings(tmp_path)
    method = partial(vote, threshold=1)
    labels = labelling.label(questions, voters, settings, method)
    styles = [OtherAsking(style="thinking"), OtherAsking(style="letters")]
    others = labelling.asked_otherwise(labels, voters, settings, method, styles)
    assert [(v.style, v.weak, v.flip_rate) for v in others] == [("thinking", 1.0, 1.0), ("letters", 0.0, 0.0)]
    assert "1 of 1: a, prompt style thinking" in summarise(labels, others).table()


def test_a_labelling_that_reads_answers_again_says_so(tmp_path, questions, ballot, capsys):
    label(questions, three_voters(ballot), folder=tmp_path)
    assert "label: a: 4 questions" in capsys.readouterr().err
    label(questions, three_voters(ballot), folder=tmp_path)
    said = capsys.readouterr().err
    assert "label: a (answers that are kept are read, not asked again): 4 questions" in said
    assert "label: a:" not in said
