"""Learning curves: one small chart for each metric or group of metrics, by stage."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch

from rlaudio.runs.files import Json
from rlaudio.runs.metrics import is_declared, metric_of
from rlaudio.runs.run import StoredRun
from rlaudio.viewer.chart_data import PlottedCurve, chart_data

GROUPS = ("strong", "weak", "all")
STEP_TIME = "Where a step's time goes, in seconds"
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
    (STEP_TIME, tuple(f"time/{part}" for part in STEP_PARTS)),
    ("Tokens a second", ("rollout/tokens_per_second", "optimizer/tokens_per_second")),
    ("Use of the device by updates", ("optimizer/mfu",)),
)


@dataclass(frozen=True)
class Chart:
    """One small chart with the meaning of its curves."""

    title: str
    meaning: str
    drawn: Json  # as the scripts of the page read it


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
    return any(metric_of(name).name == metric or fnmatch(name, metric) for metric in metrics)


def _chart(run: StoredRun, stage: str, title: str, names: Sequence[str]) -> Chart | None:
    series = {name: dict(run.series(stage, name)) for name in names}
    series = {
        name: values
        for name, values in series.items()
        if sum(v is not None for v in values.values()) >= 2 and (_takes_time(values) or title != STEP_TIME)
    }
    if not series:
        return None
    steps = sorted({step for values in series.values() for step in values})
    return Chart(
        title=title,
        meaning=_meaning(list(series)),
        drawn=chart_data(
            [
                PlottedCurve(_short(name, series), [of.get(step) for step in steps])
                for name, of in series.items()
            ],
            steps,
            axis="step",
            is_fraction=metric_of(names[0]).unit == "fraction",
            group=stage,
        ),
    )


def _takes_time(values: Mapping[float, float | None]) -> bool:
    """Whether a part of a step ever took time: SFT samples nothing and has no rewards."""
    return any(values.values())


def _meaning(names: Sequence[str]) -> str:
    """What the curves of a chart mean; what all begin with, up to a colon, is said once."""
    meanings = [text.replace("`", "") for text in dict.fromkeys(metric_of(name).meaning for name in names)]
    head, colon, _ = meanings[0].partition(": ")
    if len(meanings) > 1 and colon and all(text.startswith(head + colon) for text in meanings):
        return f"{head}: {'; '.join(text.removeprefix(head + colon).rstrip('.') for text in meanings)}."
    return " ".join(meanings)


def _short(name: str, names: Iterable[str]) -> str:
    """`reward/answer_correctness` -> `answer correctness`; with its group where the chart has two such."""
    short = name.partition("/")[2]
    twice = sum(short == other.partition("/")[2] for other in names) > 1
    return (name.replace("/", " ") if twice else short).replace("_", " ")
