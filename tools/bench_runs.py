"""The main job as a user would start it: its time, its memory and what the model answers at the end."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from bench_rows import Figure

from rlaudio.runs import shapes
from rlaudio.runs.files import read_json
from rlaudio.runs.places import SUMMARY

RECIPE = "tiny_weak_to_strong"
CHANCE = 0.25
SETS = ("misleading", "shifted", "unanswerable")  # held out beside the first
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
    summary = read_json(out / SUMMARY, shapes.SUMMARY)
    yield Figure(f"run seconds, seed {seed}", seconds, "s", "<= 180")
    yield Figure(f"peak memory, seed {seed}", summary["peak_memory_gb"], "GB", "<= 3")
    strong = {when: of["strong"] for when, of in summary["accuracy"].items()}
    yield from _by_stage("audio-only", {when: of["audio"] for when, of in strong.items()}, seed)
    for name, accuracy in summary["held_out"].items():
        if name in SETS:
            yield from _by_stage(name, accuracy, seed)
    gap = abs(strong["final"]["silence"] - CHANCE)
    yield Figure(f"audio-only in silence, distance to chance, seed {seed}", gap, "fraction", "<= 0.08")


def _by_stage(name: str, accuracy: Mapping[str, float], seed: int) -> Iterator[Figure]:
    """Accuracy before the run, after SFT and at the end, and what RL added."""
    for when in ("base", "sft", "final"):
        yield Figure(f"{name}, {when}, seed {seed}", accuracy[when], "fraction")
    added = accuracy["final"] - accuracy["sft"]
    target = ">= 0.1" if name in ("audio-only", "misleading") else ""
    yield Figure(f"{name}, what RL adds, seed {seed}", added, "fraction", target)
