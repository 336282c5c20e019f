"""Traces of single steps by torch's profiler, which ui.perfetto.dev opens."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch.profiler import _ExperimentalConfig

from rlaudio.runs.places import trace_file


@contextmanager
def profiled(steps: Collection[int], run: Path, stage: str, step: int) -> Iterator[None]:
    """Write a trace of the block to profile/ of the run, if `step` is one of `steps`."""
    if step not in steps:
        yield
        return
    with torch.profiler.profile(experimental_config=_ExperimentalConfig(profile_all_threads=True)) as profile:
        yield
    profile.export_chrome_trace(str(trace_file(run, stage, step)))
