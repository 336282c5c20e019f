"""The few numbers of a step that stand behind the progress of a stage."""

from __future__ import annotations

from collections.abc import Mapping

_SHOWN = {"reward/total": "reward", "rollout/length": "length", "loss/kl": "kl", "loss/entropy": "entropy"}
_OF_SFT = "loss/total"


class StepNumbers:
    """Metrics of the steps since they were shown last, as `reward 1.09, length 4.4`; of SFT the loss."""

    def __init__(self) -> None:
        self._steps: list[Mapping[str, float]] = []

    def add(self, metrics: Mapping[str, float]) -> None:
        """Take the metrics of a step; only what is shown is kept, since not every process shows it."""
        self._steps.append({name: metrics[name] for name in (*_SHOWN, _OF_SFT) if name in metrics})

    def take(self) -> str:
        """Means over the steps since the last call."""
        steps, self._steps = self._steps, []
        shown = _SHOWN if any("reward/total" in step for step in steps) else {_OF_SFT: "loss"}
        texts = []
        for metric, word in shown.items():
            if values := [step[metric] for step in steps if metric in step]:
                texts.append(f"{word} {sum(values) / len(values):.3g}")
        return ", ".join(texts)
