"""The vote on audio contribution: its arithmetic by hand, and labelling with scripted voters."""

import json
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlaudio.audio.controls import silence
from rlaudio.contribution import labelling
from rlaudio.contribution.asking_options import is_answerable
from rlaudio.contribution.label_summary import summarise
from rlaudio.contribution.labelling import OtherAsking
from rlaudio.contribution.methods.vote import vote
from rlaudio.contribution.voters import Voter, folder_digest
from rlaudio.contribution.voting import (
    OrderGain,
    Votes,
    chance_floor,
    cohen_kappa,
    fleiss_kappa,
    flip_rate,
    is_weak,
    leave_one_out_variants,
    luck_ceiling,
    quality,
    threshold_variants,
    without_luck,
)
from rlaudio.data.audiomcq import audiomcq, write_audiomcq
from rlaudio.rollout.scripted import Scripted
from rlaudio.scorers.exact import exact
from rlaudio.scorers.robust import robust
from rlaudio.types import Choice, OpenText
from tests.settings import label_settings
from tests.word_family import questions_on_disk, word_prompts


def bools(text: str) -> np.ndarray:
    """Rows of 1 and 0, one a voter: "110 100"."""
    rows = [[sign == "1" for sign in row] for row in text.split()]
    return np.array(rows if len(rows) > 1 else rows[0])


def votes_of(text: str) -> Votes:
    right = np.atleast_2d(bools(text))
    return Votes(tuple("abcdef"[: len(right)]), right.astype(float), right)


def vote_rule(threshold=2, **asked):
    """Voters that make a question weak, and how they are asked."""
    return threshold, asked


# --- the rule ---------------------------------------------------------------------------------------


def test_an_item_is_weak_if_at_least_two_of_three_voters_are_right():
    right = bools("1110 1100 1000")
    np.testing.assert_array_equal(is_weak(right, 2), [True, True, False, False])


@pytest.mark.parametrize("threshold", [0, 4])
def test_a_threshold_that_cannot_decide_is_refused(threshold):
    with pytest.raises(ValueError, match="expected 1 to 3"):
        is_weak(bools("11 10 00"), threshold)


def test_a_voter_is_right_if_it_is_right_under_more_than_half_of_the_orders():
    votes = Votes(("a",), np.array([[1.0, 0.75, 0.5, 0.25]]), np.ones((1, 4), dtype=bool))
    np.testing.assert_array_equal(votes.right, [[True, True, False, False]])


def test_the_contribution_score_is_one_minus_the_success_in_silence():
    votes = Votes(("a", "b"), np.array([[1.0, 0.5], [1.0, 0.0]]), np.ones((2, 2), dtype=bool))
    np.testing.assert_array_equal(votes.contribution_score, [0.0, 0.75])


# --- luck -------------------------------------------------------------------------------------------


def test_two_of_three_guessers_over_four_options_are_right_in_15_6_percent():
    assert chance_floor([4], voters=3, threshold=2) == pytest.approx(3 / 16 * 3 / 4 + 1 / 64)  # 0.15625


def test_the_chance_floor_is_the_mean_over_items_of_different_numbers_of_options():
    # two options: 3 * 1/8 + 1/8 = 1/2
    assert chance_floor([4, 4, 2, 2], voters=3, threshold=2) == pytest.approx((0.15625 + 0.5) / 2)


def test_the_chance_floor_of_four_orders_counts_three_lucky_guesses():
    one_voter = 4 * (1 / 4) ** 3 * (3 / 4) + (1 / 4) ** 4
    expected = 3 * one_voter**2 * (1 - one_voter) + one_voter**3
    assert chance_floor([4], voters=3, threshold=2, orders=4) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("choices", "voters", "threshold", "orders"), [(4, 3, 2, 1), (3, 5, 2, 3), (2, 4, 3, 4)]
)
def test_the_chance_floor_agrees_with_letting_voters_guess(choices, voters, threshold, orders):
    rng = np.random.default_rng(0)
    guesses = rng.integers(0, choices, size=(100_000, voters, min(orders, choices)))
    right = (guesses == 0).mean(axis=2) > 0.5
    simulated = (right.sum(axis=1) >= threshold).mean()
    floor = chance_floor([choices], voters=voters, threshold=threshold, orders=orders)
    assert floor == pytest.approx(simulated, abs=0.005)


def test_luck_puts_the_ceiling_of_f1_near_093_at_an_even_split():
    assert luck_ceiling(0.5, 0.15625) == pytest.approx(1 / (1 + 0.15625 / 2))  # 0.9275


def test_the_weak_share_without_luck_matches_hand_numbers():
    # half is truly weak, and chance adds 0.15625 of the other half
    assert without_luck(0.5 + 0.5 * 0.15625, 0.15625) == pytest.approx(0.5)
    assert without_luck(0.1, 0.15625) == 0.0
    assert without_luck(1.0, 1.0) == 0.0


@given(st.integers(1, 50), st.integers(0, 50))
def test_the_luck_ceiling_is_the_f1_of_a_perfect_recall_with_lucky_extras(truly_weak, lucky):
    truth = np.array([True] * truly_weak + [False] * 50)
    weak = np.array([True] * (truly_weak + lucky) + [False] * (50 - lucky))
    ceiling = luck_ceiling(truth.mean(), lucky / 50)
    assert quality(weak, truth).f1 == pytest.approx(ceiling)


# --- truth and agreement ----------------------------------------------------------------------------


def test_precision_recall_and_f1_match_hand_numbers():
    result = quality(weak=bools("11100"), text_answerable=bools("11010"))
    assert (result.precision, result.recall, result.f1) == pytest.approx((2 / 3, 2 / 3, 2 / 3))


def test_precision_of_no_weak_label_and_recall_of_no_weak_item_are_none():
    result = quality(weak=bools("00"), text_answerable=bools("00"))
    assert (result.precision, result.recall, result.f1) == (None, None, None)


def test_cohen_kappa_matches_hand_numbers():
    # both right 20, only one 5, only the other 10, both wrong 15 of 50: (0.7 - 0.5) / (1 - 0.5)
    first = bools("1" * 25 + "0" * 25)
    second = bools("1" * 20 + "0" * 5 + "1" * 10 + "0" * 15)
    assert cohen_kappa(first, second) == pytest.approx(0.4)


def test_kappa_of_voters_that_never_vary_is_none():
    assert cohen_kappa(bools("11"), bools("11")) is None
    assert fleiss_kappa(bools("11 11 11")) is None


def test_fleiss_kappa_matches_hand_numbers():
    # items with 3, 3, 1, 0 of 3 right: agreement (1 + 1 + 1/3 + 1) / 4 = 5/6, share right 7/12,
    # expected (7/12)^2 + (5/12)^2 = 74/144
    expected = (5 / 6 - 74 / 144) / (1 - 74 / 144)
    assert fleiss_kappa(bools("1110 1100 1100")) == pytest.approx(expected)


@given(st.integers(1, 9), st.integers(0, 9))
def test_fleiss_kappa_of_identical_voters_is_one(right, wrong):
    voter = [True] * right + [False] * (wrong + 1)
    assert fleiss_kappa(np.array([voter, voter, voter])) == pytest.approx(1.0)


def test_fleiss_kappa_of_independent_voters_is_near_zero():
    right = np.random.default_rng(0).random((3, 20_000)) < 0.4
    assert fleiss_kappa(right) == pytest.approx(0.0, abs=0.02)


def test_the_flip_rate_is_the_share_of_labels_that_differ():
    assert flip_rate(bools("1100"), bools("1010")) == 0.5


def test_every_threshold_is_compared_with_the_one_used():
    variants = threshold_variants(votes_of("1110 1100 1000"), threshold=2)
    assert [(v.threshold, v.weak, v.flip_rate) for v in variants] == [
        (1, 0.75, 0.25),
        (2, 0.5, 0.0),
        (3, 0.25, 0.25),
    ]


def test_leaving_a_voter_out_keeps_the_share_that_must_be_right():
    variants = leave_one_out_variants(votes_of("1110 1100 1000"), threshold=2)
    assert [(v.voters, v.threshold, v.weak, v.flip_rate) for v in variants] == [
        (("b", "c"), 2, 0.25, 0.25),
        (("a", "c"), 2, 0.25, 0.25),
        (("a", "b"), 2, 0.5, 0.0),
    ]


def test_a_single_voter_cannot_be_left_out():
    assert leave_one_out_variants(votes_of("10"), threshold=1) == []


def test_more_orders_gain_what_a_position_habit_cost():
    # the second item is strong; the gold stands first, where all voters look
    first_order = bools("11 11 11")
    success = np.array([[1.0, 0.25]] * 3)
    votes, truth = Votes(("a", "b", "c"), success, first_order), bools("10")
    gain = OrderGain(
        plain=quality(is_weak(votes.first_order, 2), truth).f1,
        debiased=quality(is_weak(votes.right, 2), truth).f1,
    )
    assert (gain.plain, gain.debiased) == (pytest.approx(2 / 3), 1.0)
    assert gain.gain == pytest.approx(1 / 3)


# --- labelling --------------------------------------------------------------------------------------


class Ballot:
    """Opens scripted voters and remembers them: each knows the ids named for it and says "a fish" else."""

    def __init__(self):
        self.workers: list[Scripted] = []

    def voter(self, knows="", *, answer=None, digest="0" * 32, **prompts) -> Voter:
        def recall(prompt, sample):
            return prompt.question.answer if prompt.question.id in knows.split() else "a fish"

        def open_worker() -> Scripted:
            assert all(worker.closed for worker in self.workers), "another voter's worker is still open"
            self.workers.append(Scripted(answer or recall))
            return self.workers[-1]

        return Voter(word_prompts(**prompts), open_worker, digest)

    @property
    def asked(self) -> int:
        return sum(count for worker in self.workers for count, _, _ in worker.calls)


@pytest.fixture
def ballot():
    return Ballot()


@pytest.fixture
def questions(tmp_path):
    return questions_on_disk(
        tmp_path,
        4,
        groups=[{"category": category} for category in ("sound", "sound", "speech", "speech")],
        text_answerable=[True, False, True, False],
    )


def label(questions, voters, folder, rule=vote_rule(), **settings):
    """What the voters make of the questions, by the paper's rule where a test names no other."""
    threshold, asked = rule
    settings = label_settings(folder, **asked, **settings)
    return labelling.label(questions, voters, settings, partial(vote, threshold=threshold))


def three_voters(ballot: Ballot) -> dict[str, Voter]:
    """q0 is known to all, q1 to two, q2 to one, q3 to none."""
    return {"a": ballot.voter("q0 q1 q2"), "b": ballot.voter("q0 q1"), "c": ballot.voter("q0")}


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


def test_the_scorer_of_the_rule_says_which_voters_are_right(tmp_path, questions, ballot):
    voter = ballot.voter(answer=lambda p, s: f"The answer is {p.question.answer}.")
    for scorer, weak, unparsed in ((robust, True, 0.0), (exact, False, 1.0)):
        labels = label(questions, {"a": voter}, folder=tmp_path, rule=vote_rule(threshold=1, scorer=scorer))
        assert labels.weak.tolist() == [weak] * 4
        assert summarise(labels).unparsed == {"a": unparsed}


def test_the_summary_counts_answers_that_name_no_option(tmp_path, questions, ballot):
    voter = ballot.voter(answer=lambda p, s: "a cat" if p.question.id == "q3" else "hm")
    summary = summarise(label(questions, {"a": voter}, folder=tmp_path, rule=vote_rule(threshold=1)))
    assert summary.unparsed == {"a": 0.75}
    assert "Unparsed: a 75.0." in summary.table()


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


def test_without_known_truth_nothing_is_said_about_it(tmp_path, ballot):
    labels = label(questions_on_disk(tmp_path, 3), three_voters(ballot), folder=tmp_path)
    summary = summarise(labels)
    assert summary.quality is None
    assert "F1" not in summary.table()


@pytest.mark.parametrize("threshold", [0, 2])
def test_a_threshold_beyond_the_voters_is_refused_before_anything_is_asked(
    tmp_path, questions, ballot, threshold
):
    with pytest.raises(ValueError, match=f"threshold {threshold} with 1 voters"):
        label(questions, {"a": ballot.voter()}, folder=tmp_path, rule=vote_rule(threshold=threshold))
    assert ballot.workers == []


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


def test_ids_that_stand_twice_are_refused(tmp_path, questions, ballot):
    with pytest.raises(ValueError, match="q0"):
        label([*questions, questions[0]], three_voters(ballot), folder=tmp_path)


# --- models of voters -------------------------------------------------------------------------------


def test_the_digest_of_a_model_folder_changes_with_its_content_and_names(tmp_path):
    def digest(name: str, content: str) -> str:
        folder = tmp_path / f"{name}-{content}"
        folder.mkdir()
        (folder / name).write_text(content)
        return folder_digest(folder)

    assert len({digest("model", "x"), digest("model", "y"), digest("config", "x")}) == 3


# --- asked otherwise --------------------------------------------------------------------------------


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
