"""What every benchmark here does with its figures: print them as a table, and write them with --json FILE."""

from __future__ import annotations

import json
import operator
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Figure:
    """One measured number and what was aimed at: `target` reads `<= 180`, `>= 0.85` or is empty."""

    name: str
    value: float
    unit: str
    target: str = ""

    @property
    def reached(self) -> bool | None:
        """Whether the target is met; None where there is none."""
        if not self.target:
            return None
        sign, bound = self.target.split()
        return {"<=": operator.le, ">=": operator.ge}[sign](self.value, float(bound))


def show(figures: Sequence[Figure]) -> str:
    """The figures as a table with the machine named above it."""
    rows = [("figure", "value", "unit", "target", "reached")]
    for figure in figures:
        reached = {True: "yes", False: "NO", None: ""}[figure.reached]
        rows.append((figure.name, f"{figure.value:.4g}", figure.unit, figure.target, reached))
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    return "\n".join([f"{platform.machine()}, {os.cpu_count()} cores", *lines])


def write(figures: Sequence[Figure], file: Path) -> None:
    """Rows of name, value, unit, target, reached as JSON."""
    rows = [asdict(figure) | {"reached": figure.reached} for figure in figures]
    file.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
