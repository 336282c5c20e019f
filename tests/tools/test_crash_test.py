"""tools/crash_test on a made-up run that takes a moment; real runs take minutes: not asked here."""

import json
import subprocess
import sys

import numpy as np
import pytest
from safetensors.numpy import save_file

from tests.tool_scripts import load_tool

tool = load_tool("crash_test")

RUN = """
import pathlib, subprocess, sys, time
metrics, forgets = pathlib.Path(sys.argv[1], "metrics.jsonl"), sys.argv[2] == "forgets"
rows = metrics.read_text().splitlines() if metrics.exists() else []
for step in range(len(rows), 7 if forgets else 8):
    rows.append('{"step": %d}' % step)
    building = metrics.with_suffix(".building")
    building.write_text("\\n".join(rows) + "\\n")
    building.rename(metrics)
    time.sleep(0.02)
"""


@pytest.fixture
def made_up(tmp_path):
    """A kind of runs that log eight steps, or seven where they are resumed and forget one."""
    program = tmp_path / "run.py"
    program.write_text(RUN, encoding="utf-8")

    def kind(resumed: str) -> tool.Kind:
        def command(out, resume):
            out.mkdir(exist_ok=True)
            (out / "recipe.yaml").touch()
            return [sys.executable, program, out, resumed if resume else "begins"]

        return tool.Kind("made_up", command)

    return kind


def runs(out) -> list[dict]:
    return [json.loads(line) for line in (out / "made_up" / "broken.jsonl").read_text().splitlines()]


def test_a_run_that_resumes_rightly_differs_nowhere_however_often_it_is_killed(made_up, tmp_path, capsys):
    assert tool.crash_test([made_up("goes on")], {"made_up": 2}, tmp_path, seed=0) == 0
    assert sum(len(run["kills"]) for run in runs(tmp_path)) == 2
    header, row = capsys.readouterr().out.splitlines()
    assert header.split()[:2] == ["worker", "kills"] and row.split()[:2] == ["made_up", "2"]


def test_a_run_that_forgets_a_step_when_it_is_resumed_is_told_and_its_folder_kept(made_up, tmp_path):
    folder = tmp_path / "made_up"
    tool.unbroken(made_up("goes on"), folder)
    for resumed, apart in (("goes on", []), ("forgets", ["metrics.jsonl differs"])):
        result = tool.broken_run(made_up(resumed), folder, 0, [0.0])
        assert (result.kills, result.differences) == ([0.0], apart)
        assert (folder / "broken-000").exists() == bool(apart)


def test_a_difference_makes_the_exit_status(made_up, tmp_path, capsys):
    (tmp_path / "made_up").mkdir()
    apart = tool.Broken("made_up", 0, [0.1, 0.2], ["metrics.jsonl differs"])
    (tmp_path / "made_up" / "broken.jsonl").write_text(json.dumps(vars(apart)) + "\n")
    assert tool.crash_test([made_up("goes on")], {"made_up": 2}, tmp_path, seed=0) == 1
    told, header, row = capsys.readouterr().out.splitlines()
    assert told.endswith("made_up/broken-000: metrics.jsonl differs") and header
    assert row.split()[:5] == ["made_up", "2", "1", "1", "1"]


def test_a_run_that_fails_is_a_difference_with_its_last_line(tmp_path):
    command = [sys.executable, "-c", "raise ValueError('no such clip')"]
    failing = tool.Kind("failing", lambda out, resume: command)
    result = tool.broken_run(failing, tmp_path, 0, [])
    assert result.differences == ["the run ended with status 1: ValueError: no such clip"]


def test_a_crash_test_goes_on_where_it_was(made_up, tmp_path):
    tool.crash_test([made_up("goes on")], {"made_up": 1}, tmp_path, seed=0)
    before = runs(tmp_path)
    tool.crash_test([made_up("goes on")], {"made_up": 2}, tmp_path, seed=0)
    assert runs(tmp_path)[: len(before)] == before and len(runs(tmp_path)) > len(before)


def test_a_killed_run_leaves_no_process_behind():
    child = "print(flush=True); import time; time.sleep(600)"
    program = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    process.stdout.readline()  # both run
    (child,) = tool.descendants(process.pid)
    tool.kill_all(process)
    assert process.returncode == -9 and not tool.is_running(child)


def test_a_hundred_kills_are_shared_out_as_documented():
    assert tool.shared_out(100, ["transformers", "two_processes", "vllm"]) == {
        "transformers": 70,
        "two_processes": 20,
        "vllm": 10,
    }
    assert tool.shared_out(12, ["transformers"]) == {"transformers": 12}


def test_numbers_may_be_apart_by_the_tolerance_and_texts_may_not(tmp_path):
    assert tool.close({"a": [1.0, "x"]}, {"a": [1.0 + 5e-7, "x"]}, 1e-6)
    assert not tool.close({"a": [1.0]}, {"a": [1.0 + 5e-6]}, 1e-6)
    assert not tool.close({"a": 3}, {"a": 4}, 10.0) and not tool.close([1.0], [1.0, 1.0], 1.0)
    for name, value in (("a", 0.5), ("b", 0.5 + 5e-7), ("c", 0.6)):
        save_file({"w": np.array([value])}, tmp_path / f"{name}.safetensors")
    a, b, c = (tmp_path / f"{name}.safetensors" for name in "abc")
    assert tool.same(a, b, 1e-6) and not tool.same(a, b, 0.0) and not tool.same(a, c, 1e-6)
