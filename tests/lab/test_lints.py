"""Each lint warns of a reward that can be cheated so, with the completion that shows it, and of no other."""

import itertools

import numpy as np
import pytest

from rlaudio.answers import think_spans
from rlaudio.config.plugins import load
from rlaudio.lab.evidence import Evidence
from rlaudio.lab.lints import LINTS, lint
from rlaudio.lab.probes import different
from rlaudio.lab.rescoring import Candidate
from rlaudio.lab.stored import InSilence
from rlaudio.scorers.robust import robust
from tests.factories import make_group, make_question

LONG_RIGHT = "<think>a sharp bark, then another one</think><answer>a dog</answer>"
LONG_WRONG = "<think>a soft sound, then another one</think><answer>a cat</answer>"
TEXTS = ("<answer>a dog</answer>", "<answer>a cat</answer>", LONG_RIGHT, LONG_WRONG, "nothing")


def correct(question, completion):
    return float(robust(question, completion.text).right)


def layout(question, completion):
    return float("<answer>" in completion.text)


def mentions(question, completion):
    return float(question.answer in completion.text)


def wordy(question, completion):
    return correct(question, completion) + 0.01 * len(completion.text.split())


def constant(question, completion):
    return 1.0


def tags_anywhere(question, completion):
    return float(f"<answer>{question.answer}</answer>" in completion.text)


def noisy(question, completion):
    return correct(question, completion) + next(NOISE)


def by_place(group):
    return [correct(group.prompt.question, c) / (1 + place) for place, c in enumerate(group.completions)]


def text_alone(question, completion):
    return float("a cat" in completion.text)


NOISE = itertools.cycle([0.01 * number for number in range(7)])
GROUPS = [make_group(*TEXTS, question=make_question(id=f"q{number}")) for number in range(6)]
SILENT = {f"q{number}": InSilence(False, ("a cat", "<answer>a cat</answer>", "a cow")) for number in range(6)}


def evidence(reward, **fields):
    candidate = Candidate(reward.__name__, reward, 1.0, None)

    def score(groups):
        return candidate.values([groups]).by_group

    verdicts = [[robust(g.prompt.question, c.text) for c in g.completions] for g in GROUPS]
    return Evidence(GROUPS, score(GROUPS), verdicts, SILENT, robust, score, **fields)


def findings(reward, **fields):
    return {finding.lint: finding for finding in lint(evidence(reward, **fields))[0]}


def test_nothing_warns_of_a_reward_that_pays_right_answers_alone():
    said = findings(correct)
    assert list(said) == list(LINTS)
    assert {finding.outcome for finding in said.values()} == {"passes"}


@pytest.mark.parametrize(
    ("reward", "name", "shown"),
    [
        (layout, "pays wrong answers", ("<answer>a cat</answer>", 1.0)),
        (mentions, "pays for listing all options", ("<answer>a dog, a cat, a cow, a bird</answer>", 1.0)),
        (wordy, "grows with length", None),
        (
            tags_anywhere,
            "pays an answer tag inside the thought",
            ("<think><answer>a dog</answer></think><answer>a cat</answer>", 1.0),
        ),
        (constant, "tells no completions apart", ("<answer>a dog</answer>", 1.0)),
        (text_alone, "pays what silence would have answered too", ("<answer>a cat</answer>", 1.0)),
        (by_place, "depends on the order of samples", ("<answer>a dog</answer>", 1.0)),
        (noisy, "is not deterministic", None),
    ],
)
def test_a_lint_warns_with_the_completion_that_shows_it(reward, name, shown):
    finding = findings(reward)[name]
    assert finding.outcome == "warns" and finding.examples
    if shown:
        assert (finding.examples[0].text, finding.examples[0].value) == shown


def woodpecker(question, completion):
    return float("woodpecker" in completion.text)


def test_a_reward_that_pays_for_what_no_completion_says_is_not_said_to_ignore_them():
    (said,) = [finding.said for finding in findings(woodpecker).values() if finding.outcome == "warns"]
    number = sum(len(group.completions) for group in GROUPS) + len(GROUPS) * len(
        different(GROUPS[0].prompt.question)
    )
    assert said.startswith(f"it gave one value to a question for all {number} completions tried; ")
    assert said.endswith("or pays for what none of them says")


def consistent(question, completion):
    return load("reward", "consistency")(question, completion, scorer=robust)


def thoughtful(group):
    return load("reward", "cot_length")(group, scorer=robust)


@pytest.mark.parametrize("reward", [consistent, thoughtful, load("reward", "refusal")])
def test_a_reward_of_the_thought_or_of_declining_is_not_said_to_ignore_completions(reward):
    assert findings(reward)["tells no completions apart"].outcome == "passes"


def test_added_words_show_a_reward_that_grows_with_length():
    few, many = findings(wordy)["grows with length"].examples
    assert many.value > few.value and len(many.text) > len(few.text)


def test_pairs_of_a_group_are_counted_by_hand():
    said = findings(text_alone)["pays wrong answers"].said
    # 2 right and 3 wrong in a group: 6 pairs, of which 2 x 2 wrong ones with a cat are paid more
    assert "of 36 pairs" in said and "gets more in 66.7 %" in said


def test_order_is_not_judged_where_the_same_call_gives_another_value():
    assert findings(noisy)["depends on the order of samples"].outcome == "does not apply"


def test_silence_is_not_judged_where_nothing_is_known_of_it():
    finding = findings(correct)["pays what silence would have answered too"]
    assert finding.said.startswith("0 % of what is paid goes to answers that voters give in silence too")
    unknown = Evidence(**{**vars_of(evidence(correct)), "in_silence": {}})
    assert {f.lint: f for f in lint(unknown)[0]}["pays what silence would have answered too"].outcome == (
        "does not apply"
    )


def test_measured_log_probs_in_silence_go_before_votes():
    likely = [np.log(np.array([0.9, 0.1, 0.9, 0.1, 0.1])) for _ in GROUPS]
    finding = findings(correct, logprobs_in_silence=likely)["pays what silence would have answered too"]
    assert finding.outcome == "warns"
    assert finding.said.startswith("100 % of what is paid goes to completions that the policy gives in sil")


def test_labels_without_voters_count_whole_questions():
    labels = {f"q{number}": InSilence(number < 4, ()) for number in range(6)}
    given = Evidence(**{**vars_of(evidence(correct)), "in_silence": labels})
    said = {f.lint: f for f in lint(given)[0]}["pays what silence would have answered too"].said
    assert said.startswith("66.7 % of what is paid goes to questions that are labelled weak, 66.7 %")


def test_half_of_the_pay_is_no_warning():
    labels = {f"q{number}": InSilence(number < 3, ()) for number in range(6)}
    given = Evidence(**{**vars_of(evidence(correct)), "in_silence": labels})
    finding = {f.lint: f for f in lint(given)[0]}["pays what silence would have answered too"]
    assert finding.outcome == "passes" and finding.said.startswith("50 % of what is paid")


def test_differences_that_warn_are_all_counted():
    calls = itertools.count()

    def drifts(question, completion):
        return 1000.0 + 0.004 * next(calls)

    said = findings(drifts)["is not deterministic"].said
    assert said == "30 of 30 values differ"


def test_the_example_of_growth_is_one_that_has_values():
    def sometimes(question, completion):
        if question.id == "q0" and "well " in completion.text:
            raise ValueError("no value")
        return wordy(question, completion)

    finding = findings(sometimes)["grows with length"]
    assert finding.outcome == "warns"
    assert all(np.isfinite(example.value) for example in finding.examples)


def test_a_reward_that_ends_the_process_ends_the_lints():
    def leaves(question, completion):
        if think_spans(completion.text) and "well " in completion.text:
            raise SystemExit(3)
        return correct(question, completion)

    found_before, why = lint(evidence(leaves))
    assert [finding.lint for finding in found_before] == list(LINTS)[:2]
    assert why.startswith("grows with length: reward leaves")


def vars_of(given):
    fields = ("groups", "values", "verdicts", "in_silence", "scorer", "score", "logprobs_in_silence")
    return {name: getattr(given, name) for name in fields}
