"""An evaluation as text: accuracies in percent with their intervals, and what to compare them with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from rlaudio.evaluation.accuracy import Evaluation
from rlaudio.evaluation.answer_rows import grouped
from rlaudio.evaluation.baselines import baselines
from rlaudio.evaluation.scores import GroupScores, Score
from rlaudio.evaluation.statistics import Interval
from rlaudio.types import Control
from rlaudio.utils.number_format import counted, of_all, percent, thousands
from rlaudio.utils.text_table import shown_once, text_table


def accuracy_table(result: Evaluation) -> str:
    """The accuracies in percent with their intervals, and what to compare them with, as text."""
    if not result.published:
        return _unscored(result)
    groups = result.groups()
    header = ["", "questions", "chance", *result.controls]
    apart = len(header)
    header += [f"audio - {control}" for control in groups[0].gains]
    ids = [
        frozenset(row.question.id for of_control in by_control.values() for row in of_control)
        for _, _, by_control in grouped(result.rows)
    ]
    rows, same = shown_once(zip(ids, map(_table_line, groups), strict=True))
    return "\n".join(
        [
            text_table(header, rows, apart=apart),
            "",
            *same,
            f"Percent [95 % interval]; scorer: {result.scorers[0]}; an unparsed answer is wrong.",
            *_provenance_lines(result),
            *_other_lines(groups),
            *_left_out_lines(result),
            _over_controls("Unparsed", {c: percent(s.unparsed) for c, s in groups[0].scores.items()}),
            _over_controls("Truncated", {c: percent(s.truncated) for c, s in groups[0].scores.items()}),
            *_audio_lines(result),
            *_tempted_lines(result),
            *_order_lines(result),
            *_baseline_lines(result),
        ]
    )


def _unscored(result: Evaluation) -> str:
    """What can be said where the right answers are not published."""
    number = counted(len(result.questions), "question")
    unparsed = {control: percent(result.unparsed(control)) for control in result.controls}
    answered = {control: str(result.predicted_positions(control)) for control in result.controls}
    return "\n".join(
        [
            f"The answers to the {number} are not published: no accuracy.",
            _over_controls("Unparsed", unparsed),
            _over_controls("Answered positions", answered),
        ]
    )


def _provenance_lines(result: Evaluation) -> Iterator[str]:
    if result.provenance:
        yield "Asked: " + "; ".join(f"{name} {value}" for name, value in result.provenance.items()) + "."


def _left_out_lines(result: Evaluation) -> Iterator[str]:
    """Why other scorers left answers out, each scorer's most frequent reason."""
    for scorer in result.scorers[1:]:
        verdicts = [row.verdicts[scorer] for row in result.rows]
        reasons = Counter(verdict.reason for verdict in verdicts if not verdict.counted)
        for reason, count in reasons.most_common(1):
            share = f"{of_all(reasons.total(), len(verdicts))} answers"
            yield f"Left out by {scorer}: {share}, {thousands(count)} of them since: {reason}"


def _order_lines(result: Evaluation) -> Iterator[str]:
    stable = result.stable(result.controls[0])
    if stable is not None:
        right, of = result.right_by_order(result.controls[0]), len(result.questions)
        some = f" ({of_all(len(right[0]), of)} questions, those asked in every order)"
        accuracies = ", ".join(map(percent, result.by_order(result.controls[0])))
        title = "Right in every order of the options" + some * (len(right[0]) < of)
        yield f"{title}: {percent(stable)}; by order: {accuracies}."


def _audio_lines(result: Evaluation) -> Iterator[str]:
    s_audio, zero = result.s_audio(), result.zero_contribution()
    if s_audio is not None:
        yield f"S_audio (audio minus the mean of silence and mismatch): {percent(s_audio)}."
    if zero is not None:
        yield f"Right with audio and in silence alike: {percent(zero)}."


def _tempted_lines(result: Evaluation) -> Iterator[str]:
    for mechanism, of in result.tempted().items():
        shares = {control: percent(share) for control, share in of.shares.items()}
        what = f"Tempted by {mechanism} ({counted(of.questions, 'question')}, chance {percent(of.chance)})"
        yield _over_controls(what, shares)


def _baseline_lines(result: Evaluation) -> list[str]:
    simple = baselines(result.questions)
    answered = {control: str(result.predicted_positions(control)) for control in result.controls}
    return [
        f"Always the first option: {percent(simple.always_first)}; "
        f"always the longest: {percent(simple.longest_option)}.",
        f"Gold positions: {simple.gold_positions}.",
        _over_controls("Answered positions", answered),
    ]


def _table_line(group: GroupScores) -> list[str]:
    title = "all" if group.grouping == "all" else f"{group.grouping}: {group.name}"
    scores = [_with_interval(s.accuracy, Interval(s.low, s.high)) for s in group.scores.values()]
    gains = [_with_interval(g.difference, Interval(g.low, g.high)) for g in group.gains.values()]
    return [title, thousands(group.question_count), percent(group.chance), *scores, *gains]


def _other_lines(groups: Sequence[GroupScores]) -> Iterator[str]:
    """The accuracies by other scorers: of all questions, of strong and of weak ones."""
    for group in groups:
        if group.grouping in ("all", "contribution"):
            for scorer, scores in group.other_scores.items():
                accuracies = {control: _of_counted(score, group) for control, score in scores.items()}
                what = f"By {scorer}, {group.name}"
                yield _over_controls(what, accuracies) if accuracies else f"{what}: no answer is counted."


def _of_counted(score: Score, group: GroupScores) -> str:
    left_out = group.question_count - score.counted
    note = f" ({of_all(left_out, group.question_count)} left out)" if left_out else ""
    return percent(score.accuracy) + note


def _over_controls(what: str, values: Mapping[Control, str]) -> str:
    return f"{what}: {', '.join(f'{control} {value}' for control, value in values.items())}."


def _with_interval(value: float, interval: Interval) -> str:
    return f"{percent(value)} [{percent(interval.low)}, {percent(interval.high)}]"
