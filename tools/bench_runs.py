"""The main job as a user would start it: its time, its memory and what the model answers at the end."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench_rows import Figure

RECIPE = "tiny_weak_to_strong"
CHANCE = 0.25
ROOT = Path(__file__).resolve().parent.parent


def measure_run(
    out: Path, seed: int, overrides: Sequence[str] = (), *, limit: float | None = None
) -> Iterator[Figure]:
    """Figures of `rlaudio run` into the folder `out`. Raises subprocess.TimeoutExpired past `limit`."""
    command = [sys.executable, "-m", "rlaudio", "run", RECIPE, "--out", str(out.resolve())]
    for override in (f"seed={seed}", *overrides):
        command += ["-o", override]
    start = time.perf_counter()
    subprocess.run(command, check=True, cwd=ROOT, timeout=limit)
    seconds = time.perf_counter() - start
    summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    base, final = (summary["accuracy"][when]["strong"] for when in ("base", "final"))
    yield Figure(f"run seconds, seed {seed}", seconds, "s", "<= 180")
    yield Figure(f"peak memory, seed {seed}", summary["peak_memory_gb"], "GB", "<= 3")
    yield Figure(f"audio-only accuracy of the base, seed {seed}", base["audio"], "fraction", "<= 0.5")
    yield Figure(f"audio-only accuracy at the end, seed {seed}", final["audio"], "fraction", ">= 0.85")
    gap = abs(final["silence"] - CHANCE)
    yield Figure(f"... in silence, distance to chance, seed {seed}", gap, "fraction", "<= 0.08")
