"""The results of tools/gpu_check as one JSON file and one table, written anew after every step."""

from __future__ import annotations

import json
import platform
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from bench_rows import Figure, show


@dataclass
class Outcome:
    """What came of a step."""

    part: str
    name: str
    seconds: float = 0.0
    skipped: str = ""  # why, if it was
    failed: str = ""
    figures: list[Figure] = field(default_factory=list)


@dataclass
class Report:
    """All outcomes so far, and the machine."""

    folder: Path
    machine: dict[str, Any]
    outcomes: list[Outcome] = field(default_factory=list)

    def write(self) -> None:
        """Write gpu_check.json and gpu_check.txt; each is whole at any time."""
        steps = [
            asdict(o) | {"figures": [asdict(f) | {"reached": f.reached} for f in o.figures]}
            for o in self.outcomes
        ]
        text = json.dumps({"machine": self.machine, "steps": steps}, indent=1)
        self._replace("gpu_check.json", text + "\n")
        self._replace("gpu_check.txt", self.table() + "\n")

    def table(self) -> str:
        """The figures, and below them what was skipped or failed, and why."""
        figures = [f for outcome in self.outcomes for f in _named(outcome)]
        lines = [f"{key}: {value}" for key, value in self.machine.items()]
        lines.append(show(figures))
        for outcome in self.outcomes:
            lines += [f"skipped: {outcome.name}: {outcome.skipped}"] * bool(outcome.skipped)
            lines += [f"FAILED: {outcome.name}: {outcome.failed}"] * bool(outcome.failed)
        return "\n".join(lines)

    def _replace(self, name: str, text: str) -> None:
        new = self.folder / f"{name}.new"
        new.write_text(text, encoding="utf-8")
        new.replace(self.folder / name)


def _named(outcome: Outcome) -> list[Figure]:
    figures = [Figure(f"{outcome.part}: {f.name}", f.value, f.unit, f.target) for f in outcome.figures]
    return [*figures, Figure(f"{outcome.part}: time of this step", outcome.seconds, "s")]


def machine(device: str) -> dict[str, Any]:
    """The device by name, its memory, and Python's version."""
    found: dict[str, Any] = {"device": platform.processor() or platform.machine()}
    if device == "cuda":
        properties = torch.cuda.get_device_properties(0)
        found = {"device": properties.name, "memory_gb": round(properties.total_memory / 1e9, 1)}
    return found | {"python": platform.python_version()}
