"""The results as a Markdown table, for a terminal or a README."""

from __future__ import annotations

from rlaudio.compare.estimates import Estimate, HeldOutComparison
from rlaudio.compare.results import Results
from rlaudio.utils.number_format import duration, p_value, percent, signed, thousands

SHOWN = (("strong", "audio"), ("strong", "silence"), ("weak", "audio"), ("all", "audio"))


def markdown_table(results: Results) -> str:
    """One row for every arm: accuracies on the first held-out set, the test, budget and time."""
    held_out = results.held_out[0] if results.held_out else None
    columns = [(g, c) for g, c in SHOWN if held_out and g in held_out.question_counts and _has(held_out, c)]
    group = columns[0][0] if columns else None
    header = ["arm", *(_title(g, c) for g, c in columns)]
    if group and held_out and held_out.tests:
        header += [f"{group}, against {results.baseline}", "p (Holm)"]
    header += ["tokens a completion", "completions", "optimizer tokens", "training"]
    rows = []
    if held_out and held_out.base:
        before = [percent(held_out.base.get(g, {}).get(c)) for g, c in columns]
        rows.append(["base", *before, *[""] * (len(header) - 1 - len(before))])
    for arm in results.arms:
        cells = [f"`{arm.name}`"]
        if held_out:
            of_arm = held_out.accuracy.get(arm.name, {})
            cells += [_cell(of_arm.get(g, {}).get(c)) for g, c in columns]
            if group and held_out.tests:
                test = held_out.tests.get(arm.name, {}).get(group)
                cells += [_difference(test.difference), p_value(test.holm)] if test else ["", ""]
        length = arm.last.get("rollout/length")
        cells += [
            "" if length is None else f"{length:.1f}",
            thousands(round(arm.cost.rollouts)),
            thousands(round(arm.cost.tokens)),
            duration(arm.cost.train_seconds),
        ]
        rows.append(cells)
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _has(held_out: HeldOutComparison, control: str) -> bool:
    return any(control in controls for groups in held_out.accuracy.values() for controls in groups.values())


def _title(group: str, control: str) -> str:
    return group if control == "audio" else f"{group}, {control}"


def _cell(estimate: Estimate | None) -> str:
    if estimate is None:
        return ""
    return f"{percent(estimate.value)} [{percent(estimate.low)}, {percent(estimate.high)}]"


def _difference(estimate: Estimate) -> str:
    return f"{signed(estimate.value)} [{signed(estimate.low)}, {signed(estimate.high)}]"
