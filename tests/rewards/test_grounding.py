"""The rewards for hearing and for honest answers, with values worked out by hand."""

import pytest

from rlaudio.config.plugins import load
from rlaudio.evaluation.answer_rows import AnswerRow
from rlaudio.evaluation.temptation import tempted
from rlaudio.scorers.exact import exact
from rlaudio.scorers.robust import robust
from rlaudio.types import Verdict
from tests.factories import make_completion, make_group, make_question

repetition = load("reward", "repetition")
consistency = load("reward", "consistency")
grounded = load("reward", "grounded")
refusal = load("reward", "refusal")
counterfactual = load("reward", "counterfactual")

RIGHT, WRONG, OTHER = (f"<answer>{animal}</answer>" for animal in ("a dog", "a cat", "a cow"))


def score(reward, text: str, question=None, **options) -> float:
    return reward(question or make_question(), make_completion(text), **options)


# --- repetition ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a b c a b c", -0.25),  # abc bca cab abc: 3 of 4 differ
        ("a a a a a", -2 / 3),  # 1 of 3
        ("A a a A", -0.5),
        ("a b c d e", 0.0),
        ("a b", 0.0),
        ("", 0.0),
    ],
)
def test_the_share_of_trigrams_that_repeat_is_the_penalty(text, value):
    assert score(repetition, text) == pytest.approx(value)


def test_single_words_are_counted_where_n_is_1_and_the_penalty_scales():
    assert score(repetition, "a b a b", n=1, penalty=0.4) == pytest.approx(-0.2)
    with pytest.raises(ValueError, match="n is 0; expected at least 1"):
        score(repetition, "a", n=0)


@pytest.mark.parametrize("reward", [repetition, refusal])
def test_no_penalty_is_0_and_not_minus_0(reward):
    assert str(score(reward, f"<think>I hear barking.</think>{RIGHT}")) == "0.0"


def test_declining_behind_very_many_thoughts_is_seen_in_time_in_proportion():
    assert score(refusal, "<think>x</think>" * 20_000) == 0.0  # quadratic time would not end


# --- consistency ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("thought", "value"),
    [
        ("I hear barking. It is a dog.", 1.0),
        ("It could be a cat. But it barks: a dog", 1.0),
        ("No, a dog.", 0.5),  # what is denied is not clear
        ("A dog? It meows. So it is a cat.", 0.0),
        ("So it is a cat. That is all.", 0.0),  # the last sentence that names an option
        ("It is a dog or a cat.", 0.5),  # several
        ("It is not a dog.", 0.5),  # denied
        ("I hear something.", 0.5),
        ("It could be a cat\nSo it is a dog", 1.0),
        ("<stage1>A cat?</stage1><stage2>Not a cat</stage2>\n<stage3>A dog</stage3>", 1.0),
        ("<stage2>It barks, a dog.</stage2><stage3>So it is a cat.</stage3>", 0.0),
        ("", 0.5),
    ],
)
def test_the_conclusion_of_the_thought_is_compared_with_the_answer(thought, value):
    text = f"<think>{thought}</think>{RIGHT}"
    assert score(consistency, text, scorer=exact, undecided=0.5) == value


def test_a_second_thought_begins_another_sentence():
    assert score(consistency, f"<think>a cat</think><think>a dog</think>{RIGHT}", scorer=exact) == 1.0


def test_a_wrong_answer_is_consistent_with_a_wrong_thought_and_no_thought_earns_nothing():
    assert score(consistency, f"<think>It is a cat.</think>{WRONG}", scorer=robust) == 1.0
    assert score(consistency, f"<think>It is a cat.</think>{OTHER}", scorer=robust) == 0.0
    assert score(consistency, "<think>It is a cat.</think>hm", scorer=robust) == 0.0
    assert score(consistency, RIGHT, scorer=robust) == 0.0


# --- grounded ------------------------------------------------------------------------------------


@pytest.mark.parametrize("tempting", ["a cat", 1])
def test_what_the_text_suggests_costs_more_than_another_error(tempting):
    question = make_question(extra={"tempting": tempting})
    values = [
        score(grounded, text, question, scorer=robust, penalty=0.5) for text in (RIGHT, WRONG, OTHER, "")
    ]
    assert values == [1.0, -0.5, 0.0, 0.0]


@pytest.mark.parametrize("extra", [{}, {"tempting": "a dog"}, {"tempting": None}])
def test_a_question_that_does_not_mislead_is_worth_the_same_whatever_is_answered(extra):
    question = make_question(extra=extra)
    assert {score(grounded, t, question, scorer=robust, elsewhere=0.2) for t in (RIGHT, WRONG)} == {0.2}


@pytest.mark.parametrize("tempting", ["a horse", 4, -1, True])
def test_a_temptation_that_is_no_option_is_refused(tempting):
    with pytest.raises(ValueError, match=r"question q1 has lure .*; expected one of its options"):
        score(grounded, RIGHT, make_question(extra={"lure": tempting}), scorer=robust, field="lure")


@pytest.mark.parametrize("text", [RIGHT, WRONG, "<answer>A cat, as heard</answer>"])
def test_what_the_reward_punishes_is_what_evaluation_counts_as_tempted(text):
    extra = {"tempting": "a cat, as heard in this clip", "tempting_short": "a cat"}
    question = make_question(choices=("a dog", extra["tempting"], "a cow", "a frog"), extra=extra)
    row = AnswerRow(question, "audio", question.id, text, {"robust": robust(question, text)}, False)
    is_tempted = tempted([row])["unknown"].shares["audio"] == 1.0
    assert score(grounded, text, question, scorer=robust, penalty=0.5) == (-0.5 if is_tempted else 1.0)


def test_any_of_equal_tempting_options_costs():
    question = make_question(choices=("a dog", "a cat", "a cat"), extra={"tempting": "a cat"})
    values = [
        grounded(question, make_completion(""), scorer=lambda *_, place=place: Verdict(False, place))
        for place in (1, 2)
    ]
    assert values == [-1.0, -1.0]


# --- refusal -------------------------------------------------------------------------------------

DECLINED = [
    "<answer>cannot be determined</answer>",
    "<answer>None of the above</answer>",
    "I can\N{RIGHT SINGLE QUOTATION MARK}t tell from this clip.",
    "<think>Is it a dog?</think>There is not enough information.",
    "<think>It is a dog</think><answer>It is impossible to say.</answer>",
]
ANSWERED = [RIGHT, "<think>I cannot tell yet.</think>" + RIGHT, "<think>not enough information", "a dog", ""]


@pytest.mark.parametrize("text", DECLINED)
def test_declining_pays_where_there_is_no_answer_and_costs_elsewhere(text):
    assert score(refusal, text, make_question(extra={"unanswerable": True})) == 1.0
    assert score(refusal, text, penalty=0.5) == -0.5


@pytest.mark.parametrize("text", ANSWERED)
def test_an_answer_is_worth_nothing_here_and_a_doubt_in_the_thought_is_no_refusal(text):
    assert score(refusal, text, make_question(extra={"unanswerable": True})) == 0.0
    assert score(refusal, text) == 0.0


# --- counterfactual ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("silent", "values"),
    [
        ([WRONG, OTHER, WRONG, ""], [1.0, 0.0]),
        ([RIGHT, WRONG, WRONG, WRONG], [0.75, 0.0]),
        ([RIGHT, RIGHT, RIGHT, RIGHT], [0.0, 0.0]),
    ],
)
def test_a_right_answer_is_worth_what_silence_gets_wrong(silent, values):
    assert counterfactual(make_group(RIGHT, WRONG), make_group(*silent), scorer=robust) == values
