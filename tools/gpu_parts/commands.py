"""Parts in processes of their own: the tests marked `gpu`, and the main job."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

from bench_rows import Figure
from bench_runs import measure_run
from gpu_parts.setting import Setting, Skip

ROOT = Path(__file__).parents[2]
A_FEW_QUESTIONS = (
    "data.train.count=24",
    "data.evaluate.test.count=4",
    "data.evaluate.misleading=null",
    "data.evaluate.shifted=null",
    "data.evaluate.unanswerable=null",
    "curriculum.sft_steps=1",
    "curriculum.rl_steps=1",
    "sampling.questions=2",
    "sampling.group_size=2",
    "sft.questions=2",
)


def measure_tests(setting: Setting) -> Iterator[Figure]:
    """Tests of tests/test_gpu.py. Raises RuntimeError with pytest's last lines where one fails."""
    if setting.device == "cpu":
        raise Skip("they need a CUDA device")
    if importlib.util.find_spec("pytest") is None:
        raise Skip("pytest is not installed")
    file = setting.folder / "tests.xml"
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-m", "gpu", f"--junitxml={file}"]
    done = subprocess.run(
        [*command, "tests/test_gpu.py"], cwd=ROOT, timeout=setting.left, capture_output=True, text=True
    )
    if not file.is_file():
        raise RuntimeError(f"pytest wrote no results: {_tail(done.stdout + done.stderr)}")
    yield from counts(file)
    if done.returncode:
        raise RuntimeError(_tail(done.stdout))


def counts(file: Path) -> Iterator[Figure]:
    """What became of the tests in a JUnit file of pytest."""
    suite = next(ElementTree.parse(file).iter("testsuite"))
    ran, failed, errors, skipped = (int(suite.get(k, 0)) for k in ("tests", "failures", "errors", "skipped"))
    yield Figure("marked gpu: passed", ran - failed - errors - skipped, "tests")
    yield Figure("marked gpu: failed", failed + errors, "tests", "<= 0")
    yield Figure("marked gpu: skipped", skipped, "tests", "<= 0")


def measure_job(setting: Setting) -> Iterator[Figure]:
    """The main job: the whole run with its accuracies."""
    overrides = [f"model.device={setting.device}", *(A_FEW_QUESTIONS if setting.small else ())]
    for figure in measure_run(setting.folder / "run", 0, overrides, limit=setting.left):
        aimed_at = figure.unit == "fraction" and not setting.small  # the others are aims on two cores
        yield figure if aimed_at else replace(figure, target="")


def _tail(text: str) -> str:
    return " | ".join(text.strip().splitlines()[-8:])
