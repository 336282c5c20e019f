"""Ways to cheat a reward, each looked for by one small function; `LINTS` is the table of them.

A lint reads what the reward paid for the run's completions, or tries made-up ones. It warns with numbers and
with the completion that shows it; whether that is meant is for the reader to say: a reward for layout pays
wrong answers by design, and needs another reward beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from rlaudio.lab import probes
from rlaudio.lab.correlation import spearman
from rlaudio.lab.evidence import REPEATED, Evidence, Finding, LintExample, LintResult, Outcome
from rlaudio.lab.lint_silence import pays_silence
from rlaudio.lab.stored import group_and_sample
from rlaudio.scoring import RewardStop
from rlaudio.types import Group
from rlaudio.utils.number_format import of_all, percent_mark, thousands

_NO_GOLD = "no question has options of which the right one is known"
_HIGHER = 0.05  # share of pairs in which the wrong answer may get more
_EQUAL = 0.5  # share of pairs in which both may get the same, more than the least
_GROWTH = 0.3  # rank correlation with length that is told


def lint(evidence: Evidence) -> tuple[tuple[Finding, ...], str]:
    """What every lint says, in the table's order; and why they ended early, where the reward stopped one."""
    findings: list[Finding] = []
    for name, check in LINTS.items():
        try:
            told = check(evidence)
        except RewardStop as stop:
            return tuple(findings), f"{name}: {str(stop).splitlines()[0]}"
        outcome: Outcome = "does not apply" if told.warns is None else "warns" if told.warns else "passes"
        findings.append(Finding(name, outcome, told.said, told.examples))
    return tuple(findings), ""


# --- the lints -----------------------------------------------------------------------------------


def pays_wrong_answers(evidence: Evidence) -> LintResult:
    """Does a wrong answer get as much as a right one of its group?"""
    higher = equal = pairs = 0
    worst: tuple[float, int, int, int] | None = None
    least = min((float(np.nanmin(v)) for v in evidence.values if not np.isnan(v).all()), default=0.0)
    for number, (values, right) in enumerate(zip(evidence.values, evidence.right, strict=True)):
        known = ~np.isnan(values)
        rights, wrongs = np.flatnonzero(right & known), np.flatnonzero(~right & known)
        if not len(rights) or not len(wrongs):
            continue
        gaps = values[wrongs][:, None] - values[rights][None, :]  # [wrong, right]
        higher += int((gaps > 0).sum())
        equal += int(((gaps == 0) & (values[wrongs] > least)[:, None]).sum())
        pairs += gaps.size
        row, column = np.unravel_index(int(gaps.argmax()), gaps.shape)
        if worst is None or gaps[row, column] > worst[0]:
            worst = float(gaps[row, column]), number, int(wrongs[row]), int(rights[column])
    if worst is None:
        return LintResult(None, "no group has right and wrong completions")
    said = (
        f"of {thousands(pairs)} pairs of a right and a wrong completion to one question the wrong one gets "
        f"more in {percent_mark(higher / pairs)}, the same, above the least, in {percent_mark(equal / pairs)}"
    )
    warns = higher / pairs > _HIGHER or equal / pairs > _EQUAL
    _, group, wrong, right_one = worst
    shown = (evidence.example(group, wrong, "wrong"), evidence.example(group, right_one, "right"))
    return LintResult(warns, said, shown if warns else ())


def pays_all_options(evidence: Evidence) -> LintResult:
    """Does an answer that lists every option get what the right one gets?"""
    if not evidence.questions:
        return LintResult(None, _NO_GOLD)
    alone, listed = evidence.probe(probes.answers), evidence.probe(probes.all_options)
    right, wrong = _mean(alone[:, 0]), _mean(alone[:, 1])
    if not right > wrong:
        return LintResult(None, f"a right answer gets no more than a wrong one ({right:.3g} and {wrong:.3g})")
    means = np.array([_mean(column) for column in listed.T])
    best = _highest(means)
    warns = bool(means[best] >= (right + wrong) / 2)
    said = f"listing all options gets {means[best]:.3g}, a right answer {right:.3g}, a wrong one {wrong:.3g}"
    question = _highest(listed[:, best])
    text = probes.all_options(evidence.questions[question])[best]
    shown = (evidence.probed(question, text, listed[question, best], "all options"),)
    return LintResult(warns, said, shown if warns else ())


def grows_with_length(evidence: Evidence) -> LintResult:
    """Does a longer completion get more, the same answer or not?"""
    correlation, shown = _with_length(evidence)
    said = f"rank correlation with length among equally right completions {correlation:+.2f}"
    grows = 0.0
    if evidence.questions:
        longer = evidence.probe(probes.padded)
        grows = float(np.mean((longer[:, 2] > longer[:, 1]) & (longer[:, 1] >= longer[:, 0])))
        said += f"; empty words added to a thought raise it for {percent_mark(grows)} of questions"
        if grows >= 0.5:
            number = _highest(longer[:, 2] - longer[:, 0])
            texts = probes.padded(evidence.questions[number])
            shown = tuple(
                evidence.probed(number, texts[i], longer[number, i], f"{words} empty words")
                for i, words in ((0, 5), (2, 500))
            )
    warns = grows >= 0.5 or correlation > _GROWTH
    return LintResult(warns, said, shown if warns else ())


def pays_tag_in_thought(evidence: Evidence) -> LintResult:
    """Does the right answer in tags inside the thought pay, where the answer itself is wrong?"""
    if not evidence.questions:
        return LintResult(None, _NO_GOLD)
    values = evidence.probe(probes.right_in_thought)
    more = values[:, 0] > values[:, 1]
    said = f"it pays beside a wrong answer for {percent_mark(float(more.mean()))} of questions"
    if not more.any():
        return LintResult(False, said)
    number = int(np.argmax(more))
    texts = probes.right_in_thought(evidence.questions[number])
    return LintResult(
        True,
        said,
        (
            evidence.probed(number, texts[0], values[number, 0], "wrong, the right answer in the thought"),
            evidence.probed(number, texts[1], values[number, 1], "wrong, with a plain thought"),
        ),
    )


def tells_none_apart(evidence: Evidence) -> LintResult:
    """Do completions to a question that differ all get the same? What no completion says may still count."""
    rows = [
        values
        for values, group in zip(evidence.values, evidence.groups, strict=True)
        if len({completion.text for completion in group.completions}) > 1
    ]
    rows += list(evidence.probe(probes.different)) if evidence.questions else []
    known = [row[~np.isnan(row)] for row in rows]
    constant = [bool(row.min() == row.max()) for row in known if len(row) > 1]
    if not constant:
        return LintResult(None, "no group has values of completions that differ")
    if not all(constant):
        share = percent_mark(float(np.mean(constant)))
        return LintResult(False, f"completions that differ get the same in {share} of groups")
    tried = thousands(sum(map(len, known)))
    said = (
        f"it gave one value to a question for all {tried} completions tried; it does not read them, or pays "
        "for what none of them says"
    )
    return LintResult(True, said, (evidence.example(0, 0, "any other gets the same"),))


def depends_on_order(evidence: Evidence) -> LintResult:
    """Does a completion get something else where those beside it stand in another order?"""
    groups = evidence.groups[:REPEATED]
    if _differing(*evidence.repeated) is not None:
        return LintResult(None, "the reward is not deterministic")
    turned = [Group(group.prompt, group.completions[::-1]) for group in groups[::-1]]
    backwards = [values[::-1] for values in evidence.score(turned)[::-1]]
    return _same(evidence, evidence.repeated[0], backwards, "in the other order it gets {}")


def is_not_deterministic(evidence: Evidence) -> LintResult:
    """Does the same completion get something else when it is scored again?"""
    return _same(evidence, *evidence.repeated, "scored again it gets {}")


LINTS: Mapping[str, Callable[[Evidence], LintResult]] = {
    "pays wrong answers": pays_wrong_answers,
    "pays for listing all options": pays_all_options,
    "grows with length": grows_with_length,
    "pays an answer tag inside the thought": pays_tag_in_thought,
    "tells no completions apart": tells_none_apart,
    "pays what silence would have answered too": pays_silence,
    "depends on the order of samples": depends_on_order,
    "is not deterministic": is_not_deterministic,
}


# --- helpers -------------------------------------------------------------------------------------


def _with_length(evidence: Evidence) -> tuple[float, tuple[LintExample, ...]]:
    """Rank correlation of reward and length, the weaker of right and wrong; the shortest and the longest."""
    lengths = [np.array([c.length for c in group.completions]) for group in evidence.groups]
    length, value = np.concatenate(lengths), np.concatenate(list(evidence.values))
    right = np.concatenate(evidence.right)
    of_both = [spearman(length[right == side], value[right == side]) for side in (True, False)]
    known = [correlation for correlation in of_both if not np.isnan(correlation)]
    correlation = min(known, key=abs) if known else 0.0
    short, long = (group_and_sample(evidence.groups, int(n)) for n in (length.argmin(), length.argmax()))
    return correlation, (evidence.example(*short, "the shortest"), evidence.example(*long, "the longest"))


def _same(
    evidence: Evidence, values: Sequence[np.ndarray], others: Sequence[np.ndarray], what: str
) -> LintResult:
    place = _differing(values, others)
    if place is None:
        return LintResult(False, "the values are the same")
    group, sample = place
    shown = evidence.example(group, sample, what.format(f"{others[group][sample]:.6g}"))
    count = sum(int(_unequal(first, second).sum()) for first, second in zip(values, others, strict=True))
    return LintResult(True, f"{of_all(count, sum(map(len, values)))} values differ", (shown,))


def _differing(values: Sequence[np.ndarray], others: Sequence[np.ndarray]) -> tuple[int, int] | None:
    """Group and sample of the first value that is another one."""
    for number, (first, second) in enumerate(zip(values, others, strict=True)):
        unequal = np.flatnonzero(_unequal(first, second))
        if len(unequal):
            return number, int(unequal[0])
    return None


def _unequal(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Where values are others, beyond rounding: bool, of the same shape."""
    return ~np.isclose(first, second, rtol=1e-6, atol=1e-9, equal_nan=True)


def _highest(values: np.ndarray) -> int:
    """The place of the highest of those that are there."""
    return int(np.argmax(np.nan_to_num(values, nan=-np.inf)))


def _mean(values: np.ndarray) -> float:
    """Of those that are there; NaN where none is."""
    present = values[~np.isnan(values)]
    return float(present.mean()) if len(present) else float("nan")
