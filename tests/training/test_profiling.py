"""Traces of the steps that were asked for, and of no other."""

import gzip
import json

import torch

from rlaudio.training.profiling import profiled


def test_the_chosen_steps_leave_a_trace_that_perfetto_opens(tmp_path):
    for step in (1, 2, 3):
        with profiled([3], tmp_path, "rl", step):
            torch.ones(8, 8) @ torch.ones(8, 8)
    (trace,) = (tmp_path / "profile").iterdir()
    assert trace.name == "rl-3.json.gz"
    events = json.loads(gzip.decompress(trace.read_bytes()))["traceEvents"]
    assert "aten::matmul" in {event.get("name") for event in events}


def test_without_a_step_nothing_is_written(tmp_path):
    with profiled([], tmp_path, "rl", 1):
        pass
    assert not list(tmp_path.iterdir())
