"""Rewards meet strange completions before they meet a run."""

import re
from types import SimpleNamespace

from rlaudio.lab.examination import PAID, examination_text, examine
from rlaudio.lab.rescoring import Candidate
from rlaudio.scorers.robust import robust


def examined(reward, seconds=None):
    return examine(Candidate(reward.__name__, reward, 1.0, seconds), robust)


def verdicts(reward):
    return {result.case: result.verdict for result in examined(reward).results}


def correct(question, completion):
    return float(robust(question, completion.text).right)


def test_a_sound_reward_passes():
    examination = examined(correct)
    assert examination.passed
    assert PAID not in {result.verdict for result in examination.results}


def test_exceptions_nan_and_texts_fail_their_case_with_the_reason():
    def fragile(question, completion):
        if not completion.text:
            return float("nan")
        if re.search(f"^{question.answer}$", completion.text):  # options are no regular expressions
            return 1.0
        return "text" if "LaTeX" in completion.text or "\\boxed" in completion.text else 0.0

    examination = examined(fragile)
    reasons = {result.case: result.reason for result in examination.results if result.verdict == "fails"}
    assert not examination.passed
    assert reasons["LaTeX"].startswith("returned 'text'")
    assert any(reason.startswith("raised") for reason in reasons.values())
    assert "empty: returned nan" in examination_text(examination)


def test_a_case_that_is_paid_as_the_right_answer_is_told():
    def tells(question, completion):
        return float(question.answer.lower() in completion.text.lower())

    said = verdicts(tells)
    assert said["right answer negated"] == said["prompt echoed"] == PAID
    assert said["empty"] == "ok"


def test_a_slow_case_fails(monkeypatch):
    monkeypatch.setattr("rlaudio.lab.examination.SLOW_SECONDS", 0.0)
    examination = examined(correct)
    assert {result.verdict for result in examination.results} == {"slow"} and not examination.passed


def test_what_the_first_call_loads_does_not_count_as_slow(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr("rlaudio.lab.rescoring.time", SimpleNamespace(perf_counter=lambda: clock[0]))

    def loads(question, completion):
        clock[0] += 0.0 if clock[0] else 30.0
        return correct(question, completion)

    assert examined(loads).passed


def test_what_ends_a_run_ends_the_examination_with_its_message():
    def leaves(question, completion):
        raise SystemExit(1)

    examination = examined(leaves)
    assert not examination.passed and "reward leaves" in examination.ended
    assert "ended early: reward leaves" in examination_text(examination)


def test_a_reward_of_a_group_gets_the_case_among_ordinary_answers():
    sizes = set()

    def best(group):
        sizes.add(len(group.completions))
        return [float(robust(group.prompt.question, c.text).right) for c in group.completions]

    assert examined(best).passed
    assert min(sizes) >= 2
