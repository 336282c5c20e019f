"""Labels by probabilities of options, from scripted voters that say how likely they find each."""

import json
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest

from rlaudio.contribution import labelling
from rlaudio.contribution.asking_options import ask_options, spelled_out
from rlaudio.contribution.label_summary import summarise
from rlaudio.contribution.methods.options import options
from rlaudio.contribution.voters import Voter
from rlaudio.data.audiomcq import audiomcq, write_audiomcq
from rlaudio.prompts.builder import PromptBuilder
from rlaudio.rollout.endpoint_worker import EndpointModel
from rlaudio.rollout.scripted import Scripted
from rlaudio.runs.shapes import LABELS
from rlaudio.types import Question
from tests.settings import label_settings
from tests.word_family import WordFamily, questions_on_disk

KNOWN = 0.97  # of an option that a voter is sure of, with four options


class SpellingFamily(WordFamily):
    """Completions are the bytes of their text."""

    def encode_completion(self, text):
        return np.frombuffer(text.encode(), dtype=np.uint8).astype(np.int64)


class Sure:
    """A worker that is sure of the gold option of the questions it knows, by text or by ear, else of none."""

    weights_version = 0

    def __init__(self, knows: str = "", hears: str = "", habit: float = 0.0):
        self.knows, self.hears, self.habit = knows.split(), hears.split(), habit
        self.asked: list[str] = []
        self.closed = False

    def completion_logprobs(self, prompts, completions):
        answers = []
        for prompt, given in zip(prompts, completions, strict=True):
            question = prompt.question
            self.asked.append(question.id)
            assert [bytes(ids.astype(np.uint8)).decode() for ids in given] == [
                f"<answer>{choice}</answer>" for choice in question.choices
            ]
            heard = prompt.features["frames"].shape[1] != 3000 and question.id in self.hears
            shares = np.full(len(given), 0.01)
            if question.id in self.knows or heard:
                shares[question.answer_index] = KNOWN
            shares[0] += self.habit
            answers.append(np.log(shares))
        return answers

    def close(self):
        self.closed = True


def voter(worker, digest="0" * 32) -> Voter:
    return Voter(PromptBuilder(SpellingFamily()), lambda: worker, digest)


@pytest.fixture
def questions(tmp_path):
    return questions_on_disk(tmp_path, 4, text_answerable=[True, True, False, False])


def label(questions, voters, folder, *, weak_from=0.5, with_audio=True, **settings):
    method = partial(options, weak_from=weak_from, with_audio=with_audio)
    return labelling.label(questions, voters, label_settings(folder, **settings), method)


def test_what_text_gives_away_is_weak_and_what_only_the_audio_gives_is_a_gain(tmp_path, questions):
    labels = label(questions, {"a": voter(Sure(knows="q0", hears="q1"))}, tmp_path)
    known, heard, neither, _ = labels.contributions.values()
    assert [known.label, heard.label, neither.label] == ["weak", "strong", "strong"]
    assert [known.score, heard.score, neither.score] == pytest.approx([0.03, 0.75, 0.75])
    assert [known.gain, heard.gain, neither.gain] == pytest.approx([0.0, KNOWN - 0.25, 0.0])
    assert heard.gain_interval == pytest.approx((KNOWN - 0.25, KNOWN - 0.25))
    assert heard.votes["a"]["heard"] == pytest.approx(KNOWN)
    assert heard.votes["a"]["pmi"] == pytest.approx(np.log(97.0))


def test_the_voters_are_averaged(tmp_path, questions):
    voters = {"a": voter(Sure(knows="q0 q1")), "b": voter(Sure(knows="q0"), digest="1" * 32)}
    labels = label(questions, voters, tmp_path)
    scores = [measured.score for measured in labels.contributions.values()]
    assert scores == pytest.approx([0.03, 1 - (KNOWN + 0.25) / 2, 0.75, 0.75])
    np.testing.assert_array_equal(labels.weak, [True, True, False, False])


def test_a_habit_of_taking_the_first_option_is_averaged_away(tmp_path, questions):
    worker = Sure(habit=0.9)
    under_one = label(questions, {"a": voter(worker)}, tmp_path, orders=1)
    under_all = label(questions, {"a": voter(worker)}, tmp_path)
    np.testing.assert_array_equal(under_one.weak, [True, False, False, False])
    assert under_all.scores == pytest.approx([0.75] * 4)
    first = under_all.contributions["q0"]
    assert first.interval[0] < 0.75 < first.interval[1]
    assert under_one.contributions["q0"].interval is None


def test_what_is_labelled_is_read_back_with_the_data(tmp_path, questions):
    write_audiomcq(questions, tmp_path / "train.jsonl")
    measured = label(questions, {"a": voter(Sure(hears="q1"))}, tmp_path).contributions["q1"]
    read = audiomcq(path=tmp_path / "train.jsonl").contributions["q1"]
    assert (read.label, read.score, read.gain) == (measured.label, measured.score, measured.gain)
    assert (read.interval, read.gain_interval) == (measured.interval, measured.gain_interval)
    assert read.method == (
        "weak if p(gold | silence) is at least 0.5: its share among the options, spelled out, mean over 1 "
        "voter and 4 option orders, on 30 s of silence"
    )


def test_without_audio_only_silence_is_asked(tmp_path, questions):
    worker = Sure()
    labels = label(questions, {"a": voter(worker)}, tmp_path, with_audio=False)
    assert len(worker.asked) == 4 * 4
    assert labels.gains is None
    assert {measured.gain for measured in labels.contributions.values()} == {None}


def test_a_question_without_a_clip_has_a_label_and_no_gain(tmp_path, questions):
    questions = [replace(questions[0], clips=()), *questions[1:]]
    labels = label(questions, {"a": voter(Sure(knows="q0", hears="q1"))}, tmp_path)
    assert labels.contributions["q0"].label == "weak" and labels.contributions["q0"].gain is None
    assert labels.contributions["q1"].gain == pytest.approx(KNOWN - 0.25)
    np.testing.assert_array_equal(np.isnan(labels.gains), [True, False, False, False])
    assert summarise(labels).groups[0].gain == pytest.approx((KNOWN - 0.25) / 3)


def test_a_finished_labelling_asks_nothing_again_and_says_so(tmp_path, questions, capsys):
    first = label(questions, {"a": voter(Sure(knows="q0", hears="q1"))}, tmp_path)
    assert "label: a, silence: 1 block" in capsys.readouterr().err
    again = label(questions, {"a": voter(Sure())}, tmp_path, weak_from=0.9)
    assert "label: a, silence (answers that are kept are read, not asked again)" in capsys.readouterr().err
    np.testing.assert_array_equal(first.scores, again.scores)
    asked = Sure()
    label(questions, {"a": voter(asked, digest="2" * 32)}, tmp_path)  # other weights
    label(questions, {"a": voter(asked)}, tmp_path, silence=10.0)  # another control
    assert len(asked.asked) == 4 * 4 * 2 + 4 * 4


def test_a_killed_labelling_goes_on_where_it_was(tmp_path, questions):
    class Killed(Sure):
        def completion_logprobs(self, prompts, completions):
            if "q2" in [prompt.question.id for prompt in prompts]:
                raise KeyboardInterrupt
            return super().completion_logprobs(prompts, completions)

    killed, worker = Killed(), Sure()
    with pytest.raises(KeyboardInterrupt):
        label(questions, {"a": voter(killed)}, tmp_path, batch_questions=4, with_audio=False)
    assert killed.closed
    label(questions, {"a": voter(worker)}, tmp_path, batch_questions=4, with_audio=False)
    assert worker.asked == ["q2"] * 4 + ["q3"] * 4


def test_the_summary_has_the_truth_the_gain_and_other_rules(tmp_path, questions):
    voters = {"a": voter(Sure(knows="q0 q1")), "b": voter(Sure(knows="q0"), digest="1" * 32)}
    summary = summarise(label(questions, voters, tmp_path))
    everything = summary.groups[0]
    assert (everything.auc, everything.gain, everything.chance_floor) == (1.0, 0.0, 0.0)
    assert everything.right_in_silence == {"a": 0.5, "b": 0.25}
    assert [(v.threshold, v.flip_rate) for v in summary.thresholds] == [
        (0.3, 0.0),
        (0.4, 0.0),
        (0.5, 0.0),
        (0.6, 0.0),
        (0.7, 0.25),  # q1, which one of the two knows: 0.61
    ]
    assert [(v.voters, v.flip_rate) for v in summary.leave_one_out] == [(("b",), 0.25), (("a",), 0.0)]
    assert [v.orders for v in summary.fewer_orders] == [1, 2, 3]
    assert json.loads(json.dumps(summary.to_dict()))["tables"]["all"]["all"]["auc"] == 1.0
    LABELS.validate_python({"train": json.loads(json.dumps(summary.to_dict()))})  # what the page reads
    assert summary.to_dict()["thresholds"][0]["title"] == "0.3 by: a, b"
    assert "gain: p(gold | audio) - p(gold | silence)." in summary.table()


# --- bad input -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("question", "message"),
    [
        (Question.multiple_choice("q9", "Who?", ("a", "b"), "c"), "q9: no option that is known to be right"),
        (replace(Question.multiple_choice("q9", "Who?", ("a",), "a"), target=None), "q9: no options"),
    ],
)
def test_a_question_without_a_known_right_option_is_refused_before_voters_are_asked(
    tmp_path, questions, question, message
):
    if question.target is None:
        from rlaudio.types import OpenText

        question = replace(question, target=OpenText("a dog"))
    worker = Sure()
    with pytest.raises(ValueError, match=f"question {message}; expected options and the right one"):
        label([*questions, question], {"a": voter(worker)}, tmp_path)
    assert worker.asked == []


@pytest.mark.parametrize("share", [np.nan, -np.inf])
def test_a_voter_that_gives_no_option_a_log_prob_is_an_error(tmp_path, questions, share):
    worker = SimpleNamespace(
        completion_logprobs=lambda prompts, given: [np.full(4, share) for _ in prompts], close=lambda: None
    )
    with pytest.raises(ValueError, match=r"question q0: its options have log-probs .* expected numbers"):
        label(questions, {"a": voter(worker)}, tmp_path)


def test_a_voter_behind_an_endpoint_is_refused_with_what_to_do(tmp_path, questions):
    model = EndpointModel("endpoint:http://localhost:1#m")
    remote = Voter(PromptBuilder(model), lambda: None, model.digest)
    with pytest.raises(ValueError, match=r"far: an endpoint does not say .* set contribution.use to letters"):
        label(questions, {"far": remote}, tmp_path)


def test_a_worker_that_cannot_say_is_refused_with_what_to_do(tmp_path, questions):
    with pytest.raises(ValueError, match="Scripted samples and does not say how likely given options are"):
        label(questions, {"a": voter(Scripted(lambda prompt, sample: ""))}, tmp_path)


@pytest.mark.parametrize("weak_from", [0.0, 1.0])
def test_a_threshold_that_cannot_decide_is_refused(tmp_path, questions, weak_from):
    with pytest.raises(ValueError, match="expected a probability between 0 and 1"):
        label(questions, {"a": voter(Sure())}, tmp_path, weak_from=weak_from)


# --- the estimator by itself ------------------------------------------------------------------------------


def test_the_estimator_is_called_with_any_worker_and_gives_log_probs_in_the_order_of_the_data(questions):
    family = SpellingFamily()
    of_options = spelled_out(Sure(knows="q0 q1 q2 q3"), family)
    measured = ask_options(questions, PromptBuilder(family), of_options, "silence", silence=30.0)
    for question, each in zip(questions, measured, strict=True):
        assert each.logprobs.shape == (4, 4)
        assert (each.logprobs.argmax(axis=1) == question.answer_index).all()
