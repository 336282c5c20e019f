"""A whole run in two processes, by torchrun, deepspeed or neither: the numbers of one, one folder."""

import json
import shutil
from pathlib import Path
from subprocess import CompletedProcess

import pytest
import torch
from safetensors.torch import load_file

from rlaudio import pipeline
from rlaudio.config.recipe import load_recipe
from tests.conftest import TINY
from tests.forking import command_line, two_processes
from tests.launchers import deepspeed, two_machines
from tests.pipeline.test_training_run import RECIPE

pytestmark = pytest.mark.slow

EVEN = ("sampling.questions=4", "optimizer.lr=1e-4")  # 3 questions do not divide by two processes


def on_two_machines(*arguments) -> CompletedProcess:
    """What the first of two said, or the second if that one failed."""
    return max(two_machines(*arguments), key=lambda done: bool(done.returncode))


def forked(recipe, out, *more) -> CompletedProcess:
    """The same of two processes without a launcher."""
    both = two_processes(command_line, "run", recipe, "--out", out, *more, said=out.with_name("said"))
    return max(both, key=lambda done: bool(done.returncode))


STARTED = {
    "torchrun on two machines": (on_two_machines, "strategy={use: plain}"),
    "ZeRO-3": (forked, "strategy={use: zero, stage: 3}"),
    "deepspeed, ZeRO-2": (deepspeed, "strategy={use: zero, stage: 2}"),
}


def overrides(*more: str) -> list[str]:
    return [argument for override in (*EVEN, *more) for argument in ("-o", override)]


@pytest.fixture(scope="module")
def recipe(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("recipe")
    file = folder / "small.yaml"
    file.write_text(RECIPE.format(model=TINY, folder=folder / "data"), encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def alone(recipe, tmp_path_factory) -> Path:
    torch.set_num_threads(1)
    out = tmp_path_factory.mktemp("runs") / "alone"
    pipeline.run(load_recipe(recipe, EVEN), out)
    return out


@pytest.fixture(scope="module", params=STARTED)
def sharded(recipe, alone, tmp_path_factory, request) -> Path:
    launch, strategy = STARTED[request.param]
    if launch is deepspeed and shutil.which("nvidia-smi"):
        pytest.skip("deepspeed's launcher gives its processes the GPUs that they are to be without")
    out = tmp_path_factory.mktemp("runs") / "sharded"
    done = launch(recipe, out, *overrides(strategy))
    assert done.returncode == 0, done.stderr[-4000:]
    return out


def rows(out: Path) -> list[dict]:
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]


def test_two_processes_log_the_metrics_of_one(alone, sharded):
    expected, actual = rows(alone), rows(sharded)
    assert [(row["stage"], row["step"]) for row in actual] == [
        (row["stage"], row["step"]) for row in expected
    ]
    for row, wanted in zip(actual, expected, strict=True):
        assert row.keys() == wanted.keys()
        for name, value in wanted.items():
            if not isinstance(value, str):
                assert row[name] == pytest.approx(value, rel=1e-3, abs=1e-3), (wanted["step"], name)


def test_two_processes_ask_voters_a_share_each_and_label_as_one(alone, sharded):
    """The second keeps its answers beside the first's; together they are those that one process asked for."""
    (whole,) = (alone / "labels" / "train").glob("*.journal")
    first, second = sorted((sharded / "labels" / "train").glob("*.journal*"))
    assert second.name == f"{first.name}.1"
    shares = [set(file.read_text().splitlines()) for file in (first, second)]
    assert all(shares)
    assert set.union(*shares) == set(whole.read_text().splitlines())
    labels = [(out / "labels" / "train" / "labels.jsonl").read_text() for out in (alone, sharded)]
    assert labels[0] == labels[1]


def token_ids(rollouts: Path) -> list[list[int]]:
    groups = [json.loads(line) for line in rollouts.read_text().splitlines()]
    segments = (s for group in groups for c in group["completions"] for s in c["segments"])
    return [segment["token_ids"] for segment in segments]


def test_two_processes_sample_the_tokens_of_one(alone, sharded):
    for rollouts in sorted((alone / "rollouts").iterdir()):
        assert token_ids(rollouts) == token_ids(sharded / "rollouts" / rollouts.name), rollouts.name


def test_two_processes_leave_the_model_and_the_tables_of_one(alone, sharded):
    first, second = (load_file(out / "final" / "model.safetensors") for out in (alone, sharded))
    # where a gradient is all but 0 rounding turns AdamW's step: single weights may differ by the rate
    gaps = torch.cat(
        [(tensor.float() - second[name].float()).abs().flatten() for name, tensor in first.items()]
    )
    assert float(gaps.mean()) <= 1e-6
    tables = [(out / "evaluation" / "base.json").read_text() for out in (alone, sharded)]
    assert tables[0] == tables[1]
    assert (sharded / "report.html").exists() and (sharded / "summary.json").exists()


def test_a_resume_with_another_number_of_processes_names_both(recipe, alone, tmp_path):
    command = ["run", recipe, "--out", alone, *overrides(), "--resume"]
    first, second = two_processes(command_line, *command, said=tmp_path / "said")
    assert "began with 1 processes and is resumed with 2" in first.stderr
    assert first.returncode == second.returncode == 1


def test_a_number_of_questions_that_does_not_divide_is_refused_in_all_processes(recipe, tmp_path):
    command = ["run", recipe, "--out", tmp_path / "uneven"]
    first, second = two_processes(command_line, *command, said=tmp_path / "said")
    assert "sampling.questions is 3 and there are 2 processes" in first.stderr
    assert first.returncode == second.returncode == 1


def test_a_machine_that_does_not_see_the_run_folder_is_named(recipe, tmp_path):
    machines = tmp_path / "one", tmp_path / "two"
    for folder in machines:
        folder.mkdir()
    command = ["run", recipe, "--out", "out", *overrides()]
    for single in two_processes(command_line, *command, said=tmp_path / "said", folders=machines):
        assert single.returncode == 1
        assert (
            "out: the run folder is not seen by process 1 of 2; expected --out on a file system"
            in single.stderr
        )
    assert not (machines[1] / "out").exists()
