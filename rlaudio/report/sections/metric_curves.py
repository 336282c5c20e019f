"""Learning curves: one small chart for each metric or group of metrics, by stage."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch

from markupsafe import Markup

from rlaudio.runs.metrics import describe, is_declared
from rlaudio.runs.run import StoredRun
from rlaudio.utils.charts import Series, line_chart
from rlaudio.utils.number_format import percent_mark, short_number

GROUPS = ("strong", "weak", "all")
STEP_PARTS = ("data_wait", "rollout", "reward", "signals", "update", "sync", "write")
# Title of a chart and its metrics: names of the metric table, or globs over the names that a run logged.
CHARTS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Total reward", ("reward/total",)),
    ("Reward parts", ("reward/<name>",)),
    ("Held-out accuracy, real audio", tuple(f"eval/{group}_audio" for group in GROUPS)),
    ("Held-out accuracy, real audio, by a reward's scorer", tuple(f"eval/{g}_audio_*" for g in GROUPS)),
    ("Held-out accuracy, silence", tuple(f"eval/{group}_silence" for group in GROUPS)),
    ("Completion length", ("rollout/length",)),
    ("Ended by itself", ("rollout/stop_rate",)),
    ("KL to the reference", ("loss/kl",)),
    ("Entropy", ("loss/entropy",)),
    ("Groups without spread", ("group/no_spread",)),
    ("Gradient norm", ("optimizer/grad_norm",)),
    ("Loss", ("loss/total",)),
    ("Clipped tokens", ("loss/clip_fraction",)),
    ("Sampler against trainer", ("rollout/mismatch_mean", "rollout/mismatch_max")),
    ("Learning rate", ("optimizer/lr",)),
    ("Where a step's time goes, in seconds", tuple(f"time/{part}" for part in STEP_PARTS)),
    ("Tokens a second", ("rollout/tokens_per_second", "optimizer/tokens_per_second")),
    ("Use of the device by updates", ("optimizer/mfu",)),
)

FRACTION_TOPS = (0.01, 0.05, 0.2, 1.0)  # a fraction is drawn from 0 to the first of these above it


@dataclass(frozen=True)
class Chart:
    """One small chart with the meaning and the last values of its curves."""

    title: str
    meaning: str
    legend: list[tuple[str, str]]  # name (empty for a single curve), last value
    svg: Markup


@dataclass(frozen=True)
class StageCharts:
    """All charts of one stage of training."""

    stage: str
    steps: int
    charts: list[Chart]


def curves(run: StoredRun) -> list[StageCharts]:
    """For each stage of training the charts that have at least two points."""
    stages = []
    for stage in run.stages:
        names = _logged(run, stage)
        charts = [
            chart
            for title, metrics in CHARTS
            if (chart := _chart(run, stage, title, [n for n in names if _is_one_of(n, metrics)]))
        ]
        if charts:
            last = max(row["step"] for row in run.metrics if row["stage"] == stage)
            stages.append(StageCharts(stage, last, charts))
    return stages


def _logged(run: StoredRun, stage: str) -> list[str]:
    """Names of the stage's metrics; in SFT without those of completions, which are the data's there."""
    rows = [row for row in (*run.metrics, *run.timings) if row["stage"] == stage]
    names = [name for name in dict.fromkeys(name for row in rows for name in row) if is_declared(name)]
    sampled = "reward/total" in names
    return [name for name in names if sampled or not name.startswith(("rollout/", "group/"))]


def _is_one_of(name: str, metrics: Iterable[str]) -> bool:
    """Whether the name is one of these."""
    return any(describe(name).name == metric or fnmatch(name, metric) for metric in metrics)


def _chart(run: StoredRun, stage: str, title: str, names: Sequence[str]) -> Chart | None:
    series = [Series(_short(name), run.series(stage, name)) for name in names]
    series = [curve for curve in series if len(curve.values) >= 2]
    if not series:
        return None
    fraction = describe(names[0]).unit == "fraction"
    highest = max(value for curve in series for value in curve.values)
    bounds = (0.0, _fraction_top(highest)) if fraction else None
    number = percent_mark if fraction else short_number
    return Chart(
        title=title,
        meaning=" ".join(dict.fromkeys(describe(name).meaning for name in names)),
        legend=[(curve.name if len(series) > 1 else "", number(curve.end)) for curve in series],
        svg=line_chart(series, label=title, bounds=bounds, number=number),
    )


def _fraction_top(highest: float) -> float:
    """The upper end of a fraction's axis; a fraction that is always 0 is drawn on the whole scale."""
    return next(top for top in FRACTION_TOPS if highest <= top) if highest > 0 else FRACTION_TOPS[-1]


def _short(name: str) -> str:
    """`reward/answer_correctness` -> `answer correctness`."""
    return name.partition("/")[2].replace("_", " ")
