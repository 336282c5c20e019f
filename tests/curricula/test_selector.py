"""Curricula that observe: what they draw after what they saw, and what of them is refused."""

import json
import re
from collections import Counter
from dataclasses import replace
from itertools import cycle
from pathlib import Path

import numpy as np
import pytest

from rlaudio.config.plugins import bind
from rlaudio.curricula.by_both import by_both
from rlaudio.curricula.by_contribution import by_contribution, contribution_weight
from rlaudio.curricula.by_trainability import by_trainability
from rlaudio.curricula.mixture import mixture
from rlaudio.curricula.selector import (
    Observed,
    QuestionResult,
    StepResults,
    Weighted,
    check_drawn,
    stored_state,
)
from rlaudio.curricula.sft_until_format import sft_until_format
from rlaudio.curricula.stage import Stage, check_stages
from tests.factories import make_contributions, make_question

QUESTIONS = [make_question(id=f"q{n}", groups={"category": "ab"[n % 2]}) for n in range(40)]
STATED = make_contributions(**{q.id: "weak" if n < 10 else "strong" for n, q in enumerate(QUESTIONS)})


def rng():
    return np.random.default_rng(0)


def showed(selector, metrics=None, **rates):
    """Let it observe questions with success rates, or (rate, contribution)."""
    pairs = {name: value if isinstance(value, tuple) else (value, None) for name, value in rates.items()}
    results = tuple(QuestionResult(name, rate, audio) for name, (rate, audio) in pairs.items())
    selector.observe(StepResults(results, metrics or {}))


def counts(stage, steps=400, count=4) -> Counter:
    return Counter(q.id for step in range(steps) for q in stage.draw(step * count, count, 0, "rl"))


def weighted(*weights, **options) -> Stage:
    selector = Weighted(weigh=lambda questions, seen: weights, **options)
    return Stage("rl", tuple(QUESTIONS[: len(weights)]), steps=9, selector=selector)


# --- drawing -------------------------------------------------------------------------------------


def test_questions_are_drawn_in_proportion_to_their_weights():
    drawn = counts(weighted(3.0, 1.0, 0.0), steps=4000, count=1)
    assert drawn["q0"] / drawn["q1"] == pytest.approx(3.0, rel=0.1) and "q2" not in drawn


def test_no_question_comes_twice_in_a_step_unless_too_few_have_a_weight():
    assert sorted(q.id for q in weighted(5.0, 0.1, 0.1).draw(0, 3, 0)) == ["q0", "q1", "q2"]
    assert Counter(q.id for q in weighted(1.0, 1.0, 0.0).draw(0, 4, 0)) == {"q0": 2, "q1": 2}


def test_a_draw_follows_from_key_position_and_what_was_observed():
    stage, twin = weighted(*range(1, 9)), weighted(*range(1, 9))
    first = stage.draw(8, 4, 0, "rl")
    stage.draw(0, 4, 0, "rl")
    assert first == stage.draw(8, 4, 0, "rl") == twin.draw(8, 4, 0, "rl")
    assert any(stage.draw(8, 4, 0, "rl") != stage.draw(at, 4, 0, "rl") for at in (12, 16, 20))


def test_a_selector_without_weights_keeps_the_stages_order():
    plain = Stage("sft", tuple(QUESTIONS), epochs=1)
    assert replace(plain, selector=Weighted()).draw(4, 6, 0, "sft") == plain.draw(4, 6, 0, "sft")


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ((0.0, 0.0), "drew no question for a step, of 2 in the stage; expected 2"),
        ((1.0, 0.0), "drew question q0 2 times for one step, of 2 in the stage; expected different ones"),
        ((1.0, -1.0), "question q1 has the weight -1; expected 0 or more"),
        ((float("nan"), 1.0), "question q0 has the weight nan; expected 0 or more"),
    ],
)
def test_what_would_train_on_nothing_or_on_one_question_alone_is_refused(weights, said):
    with pytest.raises(ValueError, match=said):
        weighted(*weights).draw(0, 2, 0, "rl")


def test_a_selector_that_draws_too_few_or_strangers_is_refused():
    class Fixed(Weighted):
        def select(self, questions, count, rng):
            return self.drawn

    selector = Fixed()
    stage = Stage("rl", tuple(QUESTIONS[:4]), steps=1, selector=selector)
    selector.drawn = QUESTIONS[:2]
    with pytest.raises(ValueError, match="drew 2 questions; expected 3 of the stage's 4"):
        stage.draw(0, 3, 0)
    selector.drawn = QUESTIONS[3:6]
    with pytest.raises(ValueError, match="drew q4, which is not in the stage; expected 3"):
        stage.draw(0, 3, 0)


@pytest.mark.parametrize(
    ("drawn", "said"),
    [
        (5, "drew 5; expected 3 questions"),
        (["q0", "q1", "q2"], "drew 'q0', which is not in the stage"),
        (
            [replace(q, question="What?") for q in QUESTIONS[:3]],
            "drew another question with the id q0, which",
        ),
        (cycle(QUESTIONS[:4]), "drew 4 or more questions; expected 3 of the stage's 4"),
    ],
)
def test_what_is_no_draw_of_the_stages_questions_is_refused(drawn, said):
    with pytest.raises(ValueError, match=said):
        check_drawn(drawn, 3, {question.id: question for question in QUESTIONS[:4]})


def test_a_draw_may_be_any_collection():
    stage = {question.id: question for question in QUESTIONS}
    assert check_drawn(iter(QUESTIONS[:2]), 2, stage) == QUESTIONS[:2]


# --- state ---------------------------------------------------------------------------------------


def test_the_state_goes_through_json_and_draws_the_same_again():
    _, stage = by_both(QUESTIONS, STATED, rng())
    for n, question in enumerate(stage.questions):
        showed(stage.selector, {"loss/total": 0.1 * n}, **{question.id: (n % 5 / 4, 1 / 3 - n / 90)})
    _, twin = by_both(QUESTIONS, STATED, rng())
    twin.selector.load_state_dict(json.loads(json.dumps(stage.selector.state_dict())))
    assert twin.selector.state_dict() == stage.selector.state_dict()
    assert all(twin.draw(at, 4, 0) == stage.draw(at, 4, 0) for at in range(0, 40, 4))
    _, fresh = by_both(QUESTIONS, STATED, rng())
    assert any(fresh.draw(at, 4, 0) != stage.draw(at, 4, 0) for at in range(0, 40, 4))


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ({"f": print}, "state_dict is not JSON .*function.*; expected numbers and texts"),
        ({"a": {"b": [{1: 2}]}}, "has the key 1, which JSON makes a text"),
        ([1], r"state_dict is \[1\]; expected a dictionary"),
    ],
)
def test_a_state_that_would_not_come_back_is_refused(state, said):
    selector = Weighted()
    selector.state_dict = lambda: state
    with pytest.raises(ValueError, match=said):
        stored_state(selector)


@pytest.mark.parametrize(
    ("part", "value"),
    [("observe", None), ("finished", "yes"), ("contribution_every", "x"), ("contribution_every", -1)],
)
def test_what_is_no_selector_is_refused(part, value):
    selector = type("Odd", (Weighted,), {part: value})()
    setattr(selector, part, value)
    with pytest.raises(ValueError, match=f"has {value!r} as {part}; expected the methods select, observe"):
        Stage("rl", tuple(QUESTIONS), steps=1, selector=selector)


def test_a_question_without_a_value_keeps_what_was_known_of_it():
    selector = Weighted()
    showed(selector, q0=(0.5, 0.25))
    showed(selector, q0=(float("nan"), None))
    assert selector.seen.success_rates == {"q0": 0.5} and selector.seen.contributions == {"q0": 0.25}


# --- the curricula that ship ---------------------------------------------------------------------


def test_by_contribution_starts_from_labels_and_follows_the_policy_where_it_was_measured():
    sft, rl = by_contribution(QUESTIONS, STATED, rng(), width=0.1)
    check_stages([sft, rl], "by_contribution")
    assert (sft.kind, len(sft.questions), rl.kind, len(rl.questions)) == ("sft", 10, "rl", 30)
    weak = [q.id for q in rl.questions if STATED[q.id].label == "weak"]
    drawn = counts(rl)
    assert weak and sum(drawn[i] for i in weak) < 0.05 * drawn.total()
    for question in rl.questions:
        measured = 0.9 if question.id == weak[0] else 0.0
        showed(rl.selector, **{question.id: (0.5, measured)})
    assert counts(rl, count=1).most_common(1)[0][0] == weak[0]
    assert rl.selector.contribution_every == 10


def test_a_score_of_the_label_counts_more_than_the_label():
    scored = {i: replace(c, score=0.9 if i == "q39" else 0.1) for i, c in STATED.items()}
    rl = Stage("rl", tuple(QUESTIONS), selector=by_contribution(QUESTIONS, scored, rng())[1].selector)
    assert counts(rl, count=1).most_common(1)[0][0] == "q39"


def test_a_measured_gain_of_the_label_counts_more_than_its_score():
    gains = {"q1": 0.9, "q2": 0.0}
    stated = {i: replace(c, score=0.9, gain=gains.get(i)) for i, c in STATED.items()}
    weights = {q.id: contribution_weight(stated, 0.5, 0.2)(q, Observed()) for q in QUESTIONS[:3]}
    assert weights["q0"] == weights["q1"] == pytest.approx(1 / (1 + np.exp(-2)))
    assert weights["q2"] == pytest.approx(1 / (1 + np.exp(2.5)))


def test_a_narrow_width_is_a_step_and_none_is_refused():
    stated = {i: replace(c, gain=-1.0) for i, c in STATED.items()}
    assert contribution_weight(stated, 0.5, 1e-4)(QUESTIONS[0], Observed()) == 0.0
    for curriculum in (by_contribution, by_both):
        with pytest.raises(ValueError, match="width is 0; expected more than 0"):
            curriculum(QUESTIONS, STATED, rng(), width=0.0)


def test_by_trainability_leaves_solved_and_unsolved_questions_mostly_out():
    sft, rl = by_trainability(QUESTIONS, STATED, rng())
    assert {STATED[q.id].label for q in sft.questions} == {"weak"} and len(rl.questions) == 30
    for n, question in enumerate(rl.questions):
        showed(rl.selector, **{question.id: (0.0, 0.5, 1.0)[n % 3]})
    kinds = Counter()
    for i, times in counts(rl, steps=3000, count=1).items():
        kinds[rl.selector.seen.success_rates[i]] += times
    assert kinds[0.5] / kinds[0.0] == pytest.approx(5.0, rel=0.2)
    assert kinds[0.5] / kinds[1.0] == pytest.approx(10.0, rel=0.3)


def test_a_mixture_draws_its_shares_whatever_the_groups_sizes():
    [stage] = mixture(QUESTIONS[1:], {}, rng(), shares={"a": 1.0, "b": 3.0})
    drawn = Counter(q.groups["category"] for step in range(3000) for q in stage.draw(step, 1, 0))
    assert drawn["b"] / drawn["a"] == pytest.approx(3.0, rel=0.15)


def test_a_group_smaller_than_its_share_of_a_step_is_drawn_again_and_keeps_its_share():
    rare = [make_question(id="rare", groups={"category": "c"}), *QUESTIONS]
    [stage] = mixture(rare, {}, rng(), shares={"c": 0.5, "a": 0.25, "b": 0.25})
    steps = [Counter(q.groups["category"] for q in stage.draw(at, 8, 0)) for at in range(0, 80, 8)]
    assert all(step == {"c": 4, "a": 2, "b": 2} for step in steps)
    uneven = Counter(q.groups["category"] for at in range(0, 9000, 3) for q in stage.draw(at, 3, 0))
    assert uneven["c"] / uneven.total() == pytest.approx(0.5, abs=0.02)


def test_a_gate_opens_once_the_group_before_it_succeeds():
    [stage] = mixture(QUESTIONS, {}, rng(), shares={"b": 1.0, "a": 1.0}, opens_at=0.7)

    def groups():
        return {q.groups["category"] for at in range(0, 80, 4) for q in stage.draw(at, 4, 0)}

    assert groups() == {"b"}
    showed(stage.selector, q1=1.0, q3=0.2)
    assert groups() == {"b"}
    showed(stage.selector, q3=0.6)
    assert groups() == {"a", "b"}


def test_a_mixture_of_a_group_that_is_not_there_names_those_that_are():
    with pytest.raises(ValueError, match=r"no question has category 'c'; expected one of \['a', 'b'\]"):
        mixture(QUESTIONS, {}, rng(), shares={"c": 1.0})


def test_sft_ends_once_the_form_of_answers_stands():
    sft, rl = sft_until_format(QUESTIONS, STATED, rng(), unparsed=0.1)
    assert sft.kind == "sft" and rl.selector is None and sft.selector.reads_evaluation
    assert not sft.selector.finished
    showed(sft.selector, {"eval/unparsed": 0.4})
    assert not sft.selector.finished
    showed(sft.selector, {"loss/total": 1.0})
    showed(sft.selector, {"eval/unparsed": 0.1})
    assert sft.selector.finished


def test_the_curriculum_of_the_documentation_draws_what_failed_more_often(tmp_path):
    page = (Path(__file__).parents[2] / "docs" / "training.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(# hardest_first.py\n.*?)```", page, re.DOTALL)
    (tmp_path / "hardest_first.py").write_text(code, encoding="utf-8")
    [stage] = bind("curriculum", "./hardest_first.py", relative_to=tmp_path)(QUESTIONS[:2], {}, rng())
    showed(stage.selector, q0=1.0, q1=0.0)
    drawn = counts(stage, steps=200, count=1)
    assert drawn["q1"] > 5 * drawn["q0"]


def test_what_ends_a_stage_may_be_any_truth_value():
    asleep = Weighted(ends=lambda seen: seen.metrics.get("eval/all_audio"))
    assert Stage("rl", QUESTIONS, steps=1, selector=asleep).selector.finished is False
