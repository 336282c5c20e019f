"""A trial as one JSON object, and that object as text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict

import numpy as np

from rlaudio.lab.correlation import pearson, spearman
from rlaudio.lab.distribution import QUANTILES, distribution
from rlaudio.lab.stored import group_and_sample
from rlaudio.lab.trial import Trial, Tried
from rlaudio.runs.files import Json
from rlaudio.utils.messages import printable, shown
from rlaudio.utils.number_format import NO_VALUE, short_number, thousands
from rlaudio.utils.text_table import text_table

Cells = tuple[Sequence[str], list[list[str]]]  # header and rows of a table
_MOVED = 5  # completions that are shown
_SHOWN = 160  # characters of a completion
_BARS = " ▁▂▃▄▅▆▇█"


def trial_to_json(trial: Trial) -> Json:
    """All numbers of the trial. Numbers that are not known are NaN."""
    rewards = trial.rewards
    beside = {"right": trial.right.astype(float), "tokens": trial.lengths.astype(float), **rewards}
    return {
        "completions": trial.rollouts.selection,
        "right": float(trial.right.mean()),
        "algorithm": trial.setting.algorithm_name,
        "notes": list(trial.notes),
        "distributions": {name: distribution(v) for name, v in {**rewards, "total": trial.total}.items()},
        "correlations": {
            name: {
                other: _correlations(values, against) for other, against in beside.items() if other != name
            }
            for name, values in rewards.items()
        },
        "tried": [_tried_to_json(trial, tried) for tried in trial.tried],
        "differ_most": _differing(trial),
    }


def trial_text(result: Json) -> str:
    """The object that `trial_to_json` gives, to be read in a terminal."""
    return "\n".join(_lines(result))


# --- numbers -------------------------------------------------------------------------------------


def _tried_to_json(trial: Trial, tried: Tried) -> Json:
    failures = tried.rescored.failures
    return {
        "name": tried.name,
        "weight": tried.candidate.weight,
        "alone": trial.setting.alone,
        "place": tried.place,
        "replaces": tried.replaces,
        "seconds": tried.rescored.seconds,
        "printed": {"lines": tried.candidate.printed.lines, "beginning": tried.candidate.printed.beginning},
        "failures": {"count": len(failures), "first": [asdict(failure) for failure in failures[:3]]},
        "total": distribution(tried.total),
        "groups": _spreads(trial, tried),
        "advantages": _advantages(trial, tried),
        "moved": _moved(trial, tried),
        "lints": [asdict(finding) for finding in tried.findings],
        "ended": tried.ended,
    }


def _correlations(first: np.ndarray, second: np.ndarray) -> Json:
    return {"pearson": pearson(first, second), "spearman": spearman(first, second)}


def _spreads(trial: Trial, tried: Tried) -> Json:
    """Groups in which totals differ, so that there is something to learn from."""
    before, after = (trial.rollouts.with_spread(total) for total in (trial.total, tried.total))
    ids = [group.prompt.question.id for group in trial.rollouts.groups]
    return {
        "count": len(ids),
        "with_spread_before": int(before.sum()),
        "with_spread_after": int(after.sum()),
        "gain": [ids[i] for i in np.flatnonzero(~before & after)],
        "lose": [ids[i] for i in np.flatnonzero(before & ~after)],
    }


def _advantages(trial: Trial, tried: Tried) -> Json | None:
    if trial.advantages is None or tried.advantages is None:
        return None
    known = ~np.isnan(trial.advantages) & ~np.isnan(tried.advantages)
    before, after, right = (array[known] for array in (trial.advantages, tried.advantages, trial.right))
    return {
        "correlation": pearson(before, after),
        "mean_change": _mean(np.abs(after - before)),
        "turned": _mean(np.sign(after) * np.sign(before) < 0),
        "right_encouraged_before": _mean(before[right] > 0),
        "right_encouraged_after": _mean(after[right] > 0),
        "wrong_encouraged_before": _mean(before[~right] > 0),
        "wrong_encouraged_after": _mean(after[~right] > 0),
    }


def _moved(trial: Trial, tried: Tried) -> list[Json]:
    """The completions whose advantage changes most; their total where there are no advantages."""
    what = "total" if trial.advantages is None or tried.advantages is None else "advantage"
    before = trial.total if what == "total" else trial.advantages
    after = tried.total if what == "total" else tried.advantages
    assert before is not None and after is not None
    change = np.nan_to_num(np.abs(after - before))
    most = [int(i) for i in np.argsort(-change, kind="stable")[:_MOVED] if change[i] > 0]
    return [
        {
            **_completion(trial, i),
            "value": tried.values[i],
            "quantity": what,
            "before": before[i],
            "after": after[i],
        }
        for i in most
    ]


def _differing(trial: Trial) -> list[Json]:
    """The completions about which two rewards disagree most, each measured by its own spread."""
    if len(trial.tried) != 2:
        return []
    first, second = (_standardised(tried.values) for tried in trial.tried)
    gap = np.nan_to_num(np.abs(first - second))
    most = [int(i) for i in np.argsort(-gap, kind="stable")[:_MOVED] if gap[i] > 0]
    return [
        {**_completion(trial, i), "values": {tried.name: tried.values[i] for tried in trial.tried}}
        for i in most
    ]


def _standardised(values: np.ndarray) -> np.ndarray:
    spread = np.nanstd(values) if (~np.isnan(values)).any() else 0.0
    return (values - np.nanmean(values)) / spread if spread else np.zeros(len(values))


def _completion(trial: Trial, number: int) -> Json:
    """Which completion it is, and what it says."""
    place, sample = group_and_sample(trial.rollouts.groups, number)
    group = trial.rollouts.groups[place]
    stage, step = trial.rollouts.stage_and_step(place)
    return {
        "question_id": group.prompt.question.id,
        "question": group.prompt.question.question,
        "stage": stage,
        "step": step,
        "sample": sample,
        "text": group.completions[sample].text,
        "right": bool(trial.right[number]),
    }


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else float("nan")


# --- text ----------------------------------------------------------------------------------------


def _lines(result: Json) -> Iterator[str]:
    yield f"{result['completions']}; {100 * result['right']:.1f} % right"
    yield ""
    yield text_table(*distribution_cells(result["distributions"]))
    yield ""
    yield text_table(*correlation_cells(result["correlations"]))
    yield from result["notes"]
    for tried in result["tried"]:
        yield ""
        yield from _tried_lines(tried, result["algorithm"])
    if result["differ_most"]:
        yield "\ncompletions about which the two differ most"
        for moved in result["differ_most"]:
            values = ", ".join(f"{name} {short_number(value)}" for name, value in moved["values"].items())
            yield f"  {values}: {_shown(moved)}"


def distribution_cells(distributions: Mapping[str, Json]) -> Cells:
    """Header and rows of the table of distributions."""
    columns = ("mean", "std", *QUANTILES)
    rows = []
    for name, row in distributions.items():
        numbers = [short_number(row[column]) if column in row else NO_VALUE for column in columns]
        rows.append([printable(name), str(row["missing"]), *numbers, _bars(row)])
    return ("reward", "no value", *columns, "histogram"), rows


def _bars(row: Json) -> str:
    counts = row["histogram"]["counts"] if "histogram" in row else []
    highest = max([1, *counts])
    return "".join(_BARS[int(np.ceil(count / highest * (len(_BARS) - 1)))] for count in counts)


def correlation_cells(correlations: Mapping[str, Mapping[str, Json]]) -> Cells:
    """Header and rows of the table of Pearson's correlations."""
    others = ["right", "tokens", *correlations]
    rows = [
        [printable(name), *(_number(row[other]["pearson"]) if other in row else "" for other in others)]
        for name, row in correlations.items()
    ]
    return ("correlation with", *map(printable, others)), rows


def _tried_lines(tried: Json, algorithm: str) -> Iterator[str]:
    yield f"{printable(tried['name'])}, {weight_and_place(tried)} ({tried['seconds']:.2f} s)"
    yield from _trouble(tried)
    groups = tried["groups"]
    yield (
        f"  groups with spread: {thousands(groups['with_spread_before'])} before, "
        f"{thousands(groups['with_spread_after'])} after, "
        f"of {thousands(groups['count'])}; {len(groups['gain'])} gain it, {len(groups['lose'])} lose it"
        + _some("gain", groups["gain"])
        + _some("lose", groups["lose"])
    )
    if advantages := tried["advantages"]:
        yield (
            f"  advantages ({algorithm}): correlation with before {_number(advantages['correlation'])}, "
            f"{_percent(advantages['turned'])} change sign; encouraged of the right "
            f"{_percent(advantages['right_encouraged_before'])} before, "
            f"{_percent(advantages['right_encouraged_after'])} after, of the wrong "
            f"{_percent(advantages['wrong_encouraged_before'])}, "
            f"{_percent(advantages['wrong_encouraged_after'])}"
        )
    for moved in tried["moved"]:
        change = f"{moved['before']:+.2f} to {moved['after']:+.2f}"
        yield f"    {moved['quantity']} {change}, paid {short_number(moved['value'])}: {_shown(moved)}"
    yield from lint_lines(tried["lints"])
    if tried["ended"]:
        yield f"  lints ended here: {tried['ended']}"


def weight_and_place(tried: Json) -> str:
    """What a reward that is tried counts in the sum, and for what."""
    if tried["alone"]:
        place = "the whole sum"
    elif tried["replaces"]:
        other = "" if tried["place"] == tried["name"] else f" {printable(tried['place'])}"
        place = f"in place of the run's{other}"
    else:
        place = "added to the run's rewards"
    return f"weight {tried['weight']:g}, {place}"


def _trouble(tried: Json) -> Iterator[str]:
    failures, printed = tried["failures"], tried["printed"]
    if failures["count"]:
        first = failures["first"][0]
        yield (
            f"  gave no value for {failures['count']} completions; the first: question "
            f"{printable(first['question_id'])}, sample {first['sample']}: {first['reason']}"
        )
    if printed["lines"] or printed["beginning"]:
        yield f"  printed {printed['lines']} lines, which begin {shown(printed['beginning'], _SHOWN)}"


def lint_lines(findings: Sequence[Json]) -> Iterator[str]:
    """Findings, those that warn first."""
    order = ["warns", "passes", "does not apply"]
    for finding in sorted(findings, key=lambda finding: order.index(finding["outcome"])):
        yield f"  {finding['outcome']:14}  {finding['lint']}: {finding['said']}"
        for example in finding["examples"]:
            paid = f"{example['what']}: paid {short_number(example['value'])}"
            text = shown(example["text"], _SHOWN)
            yield f"{'':18}{paid}, question {printable(example['question_id'])}: {text}"


def _some(verb: str, ids: Sequence[str]) -> str:
    return f"; {verb}: {', '.join(map(printable, ids[:3]))}{' ...' if len(ids) > 3 else ''}" if ids else ""


def _shown(moved: Json) -> str:
    right = "right" if moved["right"] else "wrong"
    question, place = printable(moved["question_id"]), f"{moved['stage']} step {moved['step']}"
    where = f"question {question}, {place}, sample {moved['sample']}"
    return f"{right}, {where}: {shown(moved['text'], _SHOWN)}"


def _number(value: float) -> str:
    return NO_VALUE if np.isnan(value) else f"{value:+.2f}"


def _percent(share: float) -> str:
    return NO_VALUE if np.isnan(share) else f"{100 * share:.0f} %"
