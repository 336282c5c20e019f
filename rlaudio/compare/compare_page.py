"""The page of a comparison: one self-contained HTML file about all arms.

Like the page of a run it loads nothing from the network, runs no script but its own and escapes all inserted
text; its only links lead to the pages of the runs beside it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from rlaudio.compare.answers import viewed_answers
from rlaudio.runs.files import Json, write_text
from rlaudio.runs.metrics import metric_of
from rlaudio.utils.charts import Mark, range_axis, range_chart
from rlaudio.utils.number_format import percent, signed, thousands
from rlaudio.viewer.chart_data import PlottedCurve, chart_data
from rlaudio.viewer.html import render
from rlaudio.viewer.payload import payload

if TYPE_CHECKING:
    from rlaudio.compare.estimates import Estimate, HeldOutComparison
    from rlaudio.compare.learning_curves import ArmResult
    from rlaudio.compare.results import Results

PAGE = "comparison.html"
# Title of a chart, and its metric; metrics that no arm logged are left out.
CURVES = (
    ("Right answers while training", "reward/answer_correctness"),
    ("Held-out accuracy, strong", "eval/strong_audio"),
    ("Held-out accuracy, weak", "eval/weak_audio"),
    ("Total reward", "reward/total"),
    ("Completion length", "rollout/length"),
    ("Entropy", "loss/entropy"),
    ("Groups without spread", "group/no_spread"),
    ("KL to the reference", "loss/kl"),
)


def write_comparison_page(results: Results, arms: Sequence[str], folder: Path) -> Path:
    """Write `comparison.html` into the folder of a comparison of these arms and return its path."""
    rows = list(_curve_rows(results))
    page = render(
        Path(__file__).with_name("compare.html.j2"),
        results=results,
        arms=arms,
        facts=_facts(results, arms),
        budgets=_budgets(results),
        sets=[_set(held_out, results.baseline) for held_out in results.held_out],
        curves=rows,
        charts=[row.drawn for row in rows],
        viewed=payload(viewed_answers(results, folder)),
        viewer_title="Answers",
        title=results.name,
        version=results.versions.get("rlaudio", ""),
        reward_parts=_reward_parts(results),
        says=_says,
    )
    write_text(folder / PAGE, page)
    return folder / PAGE


# --- header --------------------------------------------------------------------------------------


def _facts(results: Results, arms: Sequence[str]) -> list[tuple[str, str]]:
    questions = results.held_out[0].question_counts.get("all", 0) if results.held_out else 0
    return [
        ("arms", str(len(arms))),
        ("seeds", ", ".join(map(str, results.seeds))),
        ("base", results.base),
        ("baseline", results.baseline),
        ("held-out questions", thousands(questions)),
    ]


def _budgets(results: Results) -> list[str]:
    """How budgets were matched, from the arms' limits."""
    by_budget: dict[tuple[Any, Any], list[str]] = {}
    for arm, limits in results.limits.items():
        by_budget.setdefault((limits["max_rollouts"], limits["max_tokens"]), []).append(arm)
    sentences = []
    for (rollouts, tokens), arms in by_budget.items():
        who = "every arm" if len(by_budget) == 1 else ", ".join(arms)
        parts = [
            f"{thousands(count)} {what}"
            for count, what in ((rollouts, "completions"), (tokens, "optimizer tokens"))
            if count
        ]
        sentences.append(
            f"RL of {who} ends with the step that reaches {' or '.join(parts)}."
            if parts
            else f"RL of {who} ends after its planned steps."
        )
    return sentences


def _says(arm: ArmResult) -> str:
    """The keys that an arm sets, as they would be typed after `-o`."""
    return ", ".join(f"{key}={_plain(value)}" for key, value in arm.says.items()) or "nothing"


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key}: {_plain(inner)}' for key, inner in value.items())}}}"
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


# --- accuracy ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class HeldOutSection:
    """What the page shows of one held-out set."""

    held_out: HeldOutComparison
    group: str  # of the headline: strong where there are such questions
    charts: list[tuple[str, Markup]]  # arm, accuracies on a scale
    axis: Markup
    differences: list[tuple[str, Markup]]
    difference_axis: Markup
    best: list[str]  # arms with the highest mean, where several can be compared
    beside: list[str]  # arms that are lower by at most the noise of seeds
    all_equal: bool  # in their means
    controls: list[str]  # that were run


def _set(held_out: HeldOutComparison, baseline: str) -> HeldOutSection:
    group = next(iter(held_out.question_counts))
    bounds = _difference_bounds(held_out, group)
    noise = held_out.seed_noise[group]
    means = {arm: of[group]["audio"].value for arm, of in held_out.accuracy.items() if "audio" in of[group]}
    highest = max(means.values(), default=0.0)
    best = [arm for arm in means if math.isclose(means[arm], highest)] if len(means) > 1 else []
    return HeldOutSection(
        held_out=held_out,
        group=group,
        charts=[
            (
                arm,
                range_chart(_marks(of_arm[group]), bounds=(0.0, 1.0), reference=held_out.chance[group]),
            )
            for arm, of_arm in held_out.accuracy.items()
            if group in of_arm
        ],
        axis=range_axis((0.0, 1.0), number=lambda value: f"{100 * value:.0f} %"),
        differences=[
            (
                arm,
                range_chart(
                    [_mark(tests[group].difference, "audio", f"{arm} minus {baseline}", signed)],
                    bounds=bounds,
                    reference=0.0,
                    shade=None if noise is None else (-noise, noise),
                ),
            )
            for arm, tests in held_out.tests.items()
            if group in tests
        ],
        difference_axis=range_axis(bounds, number=lambda value: signed(value).removesuffix(".0")),
        best=best,
        beside=[]
        if not best or noise is None
        else [arm for arm in means if arm not in best and highest - means[arm] <= noise],
        all_equal=len(best) == len(means) > 1,
        controls=[
            control
            for control in ("audio", "silence", "mismatch")
            if any(control in of_group for of in held_out.accuracy.values() for of_group in of.values())
        ],
    )


def _marks(controls: Mapping[str, Estimate]) -> list[Mark]:
    return [
        _mark(estimate, control, control, percent)
        for control, estimate in controls.items()
        if control in ("audio", "silence")
    ]


def _mark(estimate: Estimate, kind: str, title: str, number: Any) -> Mark:
    seeds = ", ".join(number(value) for value in estimate.by_seed)
    return Mark(
        estimate.value,
        estimate.low,
        estimate.high,
        kind=kind,
        hollow=False,
        title=f"{title}: {number(estimate.value)}; by seed {seeds}",
    )


def _difference_bounds(held_out: HeldOutComparison, group: str) -> tuple[float, float]:
    """Ends of a scale, in twentieths, that holds every difference and the noise of seeds."""
    noise = held_out.seed_noise[group] or 0.0
    differences = [tests[group].difference for tests in held_out.tests.values() if group in tests]
    low = min([-noise, *(difference.low for difference in differences)])
    high = max([noise, *(difference.high for difference in differences)])
    return min(-0.05, math.floor(20 * low) / 20), max(0.05, math.ceil(20 * high) / 20)


# --- curves and rewards --------------------------------------------------------------------------


@dataclass(frozen=True)
class CurveRow:
    """One metric of all arms in a chart."""

    title: str
    meaning: str
    drawn: Json  # as the scripts of the page read it


def _curve_rows(results: Results) -> Iterator[CurveRow]:
    known = [metric for _, metric in CURVES]
    parts = [(_title(name), name) for name in _reward_parts(results) if name not in known]
    for title, metric in (*CURVES, *parts):
        arms = [arm for arm in results.arms if metric in arm.curves]
        if not arms:
            continue
        x = sorted({at for arm in arms for at in arm.curves[metric].rollouts})
        drawn = chart_data(
            [_plotted(arm, metric, x, arm.name == results.baseline) for arm in arms],
            x,
            axis="completions",
            is_fraction=metric_of(metric).unit == "fraction",
            group="comparison",
        )
        yield CurveRow(title, metric_of(metric).meaning, drawn)


def _title(metric: str) -> str:
    """`reward/cot_length` -> `Reward: cot length`."""
    return f"Reward: {metric.partition('/')[2].replace('_', ' ')}"


def _plotted(arm: ArmResult, metric: str, x: Sequence[float], is_baseline: bool) -> PlottedCurve:
    """An arm's mean over seeds, and their range where there are several."""
    band = arm.curves[metric]

    def at(values: Sequence[float]) -> list[float | None]:
        of = dict(zip(band.rollouts, values, strict=True))
        return [of.get(place) for place in x]

    several = len(arm.seeds) > 1
    return PlottedCurve(
        arm.name,
        at(band.mean),
        at(band.low) if several else None,
        at(band.high) if several else None,
        is_plain=is_baseline,
    )


def _reward_parts(results: Results) -> list[str]:
    """Names of the rewards that arms were trained with."""
    fixed = {"reward/total", "reward/failures"}
    names = [name for arm in results.arms for name in arm.last if name.startswith("reward/")]
    return [name for name in dict.fromkeys(names) if name not in fixed]
