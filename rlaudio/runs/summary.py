"""The main numbers of a run, as `summary.json` holds them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

GROUPS = {"strong": "contribution", "weak": "contribution", "all": "all"}  # name -> grouping
CONTROLS = ("audio", "silence", "mismatch")


def build_summary(
    *,
    evaluations: Mapping[str, Mapping[str, Mapping[str, Any]]],
    labels: Mapping[str, Any] | None,
    seconds: Mapping[str, float],
    peak_memory_gb: float,
    rollouts: int,
    optimizer_tokens: int,
) -> dict[str, Any]:
    """Accuracies as `accuracy.WHEN.{strong,weak,all}.{audio,silence,mismatch}`, labels and costs.

    `evaluations` are `Evaluation.to_dict()` of every held-out set before the run (base), after each stage but
    the last, by its name, and after the run (final); `labels` is `LabelSummary.to_dict()` of the training
    set, `seconds` is by phase. `accuracy` is of the first set; `held_out.SET.WHEN` is every set's accuracy
    with its audio. Base and final are always there, with None for what was not measured.
    """
    firsts = {when: next(iter(sets.values()), None) for when, sets in evaluations.items()}
    names = dict.fromkeys(name for sets in evaluations.values() for name in sets)
    quality = (labels or {}).get("tables", {}).get("all", {}).get("all", {}).get("quality") or {}
    return {
        "accuracy": {
            when: _accuracy(evaluation)
            for when, evaluation in {"base": None, **firsts, "final": firsts.get("final")}.items()
        },
        "held_out": {
            name: {when: _accuracy(sets.get(name))["all"]["audio"] for when, sets in evaluations.items()}
            for name in names
        },
        "labels": {name: quality.get(name) for name in ("precision", "recall", "f1")},
        "seconds": dict(seconds),
        "peak_memory_gb": peak_memory_gb,
        "rollouts": rollouts,
        "optimizer_tokens": optimizer_tokens,
    }


def _accuracy(evaluation: Mapping[str, Any] | None) -> dict[str, dict[str, float | None]]:
    tables = (evaluation or {}).get("tables", {})
    return {
        name: {control: _cell(tables.get(grouping, {}).get(name), control) for control in CONTROLS}
        for name, grouping in GROUPS.items()
    }


def _cell(group: Mapping[str, Any] | None, control: str) -> float | None:
    return None if group is None or control not in group["scores"] else group["scores"][control]["accuracy"]
