"""The main numbers of a run, as `summary.json` holds them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

GROUPS = {"strong": "contribution", "weak": "contribution", "all": "all"}  # name -> grouping
CONTROLS = ("audio", "silence", "mismatch")


def build_summary(
    *,
    evaluations: Mapping[str, Mapping[str, Any] | None],
    labels: Mapping[str, Any] | None,
    seconds: Mapping[str, float],
    peak_memory_gb: float,
    rollouts: int,
    optimizer_tokens: int,
) -> dict[str, Any]:
    """Accuracies as `accuracy.WHEN.{strong,weak,all}.{audio,silence,mismatch}`, labels and costs.

    `evaluations` are `Evaluation.to_dict()` of one held-out set before the run (base), after each stage but
    the last, by its name, and after the run (final); `labels` is `LabelSummary.to_dict()` of the training
    set, `seconds` is by phase. Base and final are always there, with None for what was not measured.
    """
    quality = (labels or {}).get("tables", {}).get("all", {}).get("all", {}).get("quality") or {}
    return {
        "accuracy": {
            when: _accuracy(evaluation)
            for when, evaluation in {"base": None, **evaluations, "final": evaluations.get("final")}.items()
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
