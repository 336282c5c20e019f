"""Traces of single steps by torch's profiler, which ui.perfetto.dev opens."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

PROFILE = "profile"  # folder of the traces in a run folder


@contextmanager
def profiled(steps: Collection[int], run: Path, stage: str, step: int) -> Iterator[None]:
    """Write a trace of the block to profile/STAGE-STEP.json.gz of the run, if `step` is one of `steps`."""
    if step not in steps:
        yield
        return
    with torch.profiler.profile() as profile:
        yield
    (run / PROFILE).mkdir(exist_ok=True)
    profile.export_chrome_trace(str(run / PROFILE / f"{stage}-{step}.json.gz"))
