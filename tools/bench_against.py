"""The frozen main job in two checkouts, in alternation: how much faster one is than the other."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from statistics import median

import click
from bench_rows import Figure

from rlaudio.runs import shapes
from rlaudio.runs.files import read_json
from rlaudio.runs.places import SUMMARY, TENSORBOARD

ROOT = Path(__file__).resolve().parents[1]
RECIPE = Path(__file__).with_suffix("").parent / "bench_main_job.yaml"
# What older checkouts call otherwise, or do not have.
FORMERLY = {"scorer: exact": "mode: exact", "evaluation: {between_stages: []}\n": ""}
BUSY = "while True: pass"

Done = subprocess.CompletedProcess[str]


@contextmanager
def checkout(commit: str, folder: Path) -> Iterator[Path]:
    """A commit of this repository in a folder of its own. Raises click.UsageError for an unknown one."""
    found = _git("rev-parse", "--verify", "--quiet", f"{commit}^{{commit}}")
    if found.returncode:
        raise click.UsageError(
            f"--against {commit}: found no such commit; expected one that 'git log' names, "
            "which a shallow clone may lack (git fetch --unshallow)"
        )
    path = folder / "against"
    made = _git("worktree", "add", "--detach", str(path), found.stdout.strip())
    if made.returncode:
        raise click.UsageError(f"--against {commit}: {made.stderr.strip()}")
    try:
        yield path
    finally:
        _git("worktree", "remove", "--force", str(path))


def measure_against(commit: str, folder: Path, rounds: int, busy: int) -> Iterator[Figure]:
    """Run the frozen job here and at the commit, `rounds` times each, beside so many `busy` processes."""
    changed = _git("status", "--porcelain").stdout.strip()
    yield Figure("load of the machine before, one minute's mean", os.getloadavg()[0], "processes")
    yield Figure("files here that differ from the last commit", len(changed.splitlines()), "files")
    with checkout(commit, folder) as other, _busy(busy):
        trees = {"here": ROOT, commit: other}
        runs: dict[str, list[dict[str, float]]] = defaultdict(list)
        for number in range(rounds):
            for name, tree in trees.items():
                runs[name].append(_measure(tree, folder / f"{name}-{number}"))
        for name in trees:
            for what in runs[name][0]:
                unit = "fraction" if what.startswith("accuracy") else "s"
                yield Figure(f"{what}, {name}", median(run[what] for run in runs[name]), unit)
    for what, target in (("whole run", ">= 2"), ("one RL step", ">= 1.4"), ("one SFT step", "")):
        ratios = [old[what] / new[what] for new, old in zip(runs["here"], runs[commit], strict=True)]
        yield Figure(f"{what}: times faster than {commit}", median(ratios), "x", target if not busy else "")


def _measure(tree: Path, out: Path) -> dict[str, float]:
    """Seconds and accuracies of one run with the rlaudio of a checkout."""
    environment = {**os.environ, "PYTHONPATH": str(tree)}
    recipe = out.with_suffix(".yaml")
    for text in _spellings(RECIPE.read_text(encoding="utf-8")):
        recipe.write_text(text, encoding="utf-8")
        done = _run(tree, environment, ["show", str(recipe)])
        if done.returncode == 0:
            break
    else:
        raise click.ClickException(f"{tree} cannot read {RECIPE.name}: {done.stderr.strip()[-2000:]}")
    start = time.perf_counter()
    done = _run(tree, environment, ["run", str(recipe), "--out", str(out)])
    seconds = time.perf_counter() - start
    if done.returncode:
        raise click.ClickException(f"the run in {tree} failed: {done.stderr.strip()[-2000:]}")
    summary = read_json(out / SUMMARY, shapes.SUMMARY)
    strong = summary["accuracy"]["final"]["strong"]
    return {
        "whole run": seconds,
        **{f"phase {phase}": value for phase, value in summary["seconds"].items()},
        "one SFT step": _step_seconds(out, "sft"),
        "one RL step": _step_seconds(out, "rl"),
        "accuracy on audio-only questions": strong["audio"],
        "accuracy on them in silence": strong["silence"],
    }


def _spellings(text: str) -> Iterator[str]:
    yield text
    for now, then in FORMERLY.items():
        text = text.replace(now, then)
    yield text


def _step_seconds(run: Path, stage: str) -> float:
    """Median time from one logged step to the next, by the clock in TensorBoard's events."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(run / TENSORBOARD / stage)).Reload().Scalars("loss/total")
    times = [event.wall_time for event in events]
    return median(after - before for before, after in pairwise(times))


@contextmanager
def _busy(count: int) -> Iterator[None]:
    """So many processes that use a core each meanwhile."""
    processes = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def _run(
    tree: Path, environment: dict[str, str], arguments: Sequence[str]
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "rlaudio", *arguments]
    return subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)


def _git(*arguments: str) -> Done:
    return subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=False)
