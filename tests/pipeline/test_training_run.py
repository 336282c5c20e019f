"""Whole runs on the shipped model, small: what is left behind, and that a broken run ends as if unbroken."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from rlaudio import pipeline
from rlaudio.algorithms.groups import group_advantages
from rlaudio.config.recipe import load_recipe
from rlaudio.report.sections.metric_curves import curves
from rlaudio.report.sections.stage_gains import stage_gains
from rlaudio.runs.run import open_run
from rlaudio.training.loop import StopRequested
from tests.forking import Forked, command_line

RECIPE = """
threads: 1
model: {{use: qwen2_5_omni, path: {model}, device: cpu}}
data:
  train: {{use: synthetic, split: train, count: 60, folder: {folder}}}
  evaluate: {{held_out: {{use: synthetic, split: test, count: 16, folder: {folder}}}}}
contribution: {{voters: [{model}], threshold: 1, silence: 2.0}}
curriculum: {{use: mixed_to_mixed, sft_questions: 20, sft_steps: 3, rl_steps: 4}}
algorithm: {{use: grpo, kl: 0.01}}
rewards: {{answer_correctness: {{weight: 2.0}}, format: {{weight: 0.5}}}}
sampling: {{questions: 3, group_size: 4, temperature: 1.2, top_k: 8, max_new_tokens: 6}}
optimizer: {{lr: 1.0e-3}}
sft: {{questions: 4}}
training: {{save_every: 2}}
"""


@pytest.fixture(scope="module")
def unbroken(recipe_file, tmp_path_factory) -> Path:
    torch.set_num_threads(1)
    out = tmp_path_factory.mktemp("runs") / "unbroken"
    pipeline.run(load_recipe(recipe_file), out)
    return out


def assert_same_numbers(first: Path, second: Path) -> None:
    assert (first / "metrics.jsonl").read_bytes() == (second / "metrics.jsonl").read_bytes()
    for rollouts in sorted((first / "rollouts").iterdir()):
        assert rollouts.read_bytes() == (second / "rollouts" / rollouts.name).read_bytes(), rollouts.name
    left, other = (load_file(f / "final" / "model.safetensors") for f in (first, second))
    assert all(torch.equal(tensor, other[name]) for name, tensor in left.items())
    assert (first / "evaluation" / "final.json").read_text() == (
        second / "evaluation" / "final.json"
    ).read_text()


def wait_for(condition, process, seconds=300.0):
    end = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < end, "the run did not come that far"
        time.sleep(0.02)


@pytest.mark.slow
def test_every_step_says_where_its_time_went(unbroken):
    run = open_run(unbroken)
    steps = {(row["stage"], row["step"]): row for row in run.timings if row["stage"] != "run"}
    assert list(steps) == [("sft", n) for n in (1, 2, 3)] + [("rl", n) for n in (1, 2, 3, 4)]
    parts = {"data_wait", "rollout", "reward", "signals", "update", "sync", "write"}
    for (stage, _), row in steps.items():
        assert {f"time/{part}" for part in parts} <= set(row)
        assert min(value for name, value in row.items() if name.startswith("time/")) >= 0.0
        assert ("rollout/tokens_per_second" in row) == (stage == "rl")
    updated = [key for key, row in steps.items() if "optimizer/mfu" in row]
    assert {("sft", 1), ("sft", 2), ("sft", 3)} <= set(updated)
    for row in map(steps.get, updated):
        speed = row["optimizer/computed_tokens"] / row["time/update"]
        assert row["optimizer/tokens_per_second"] == pytest.approx(speed)
    titles = {chart.title for stage in curves(run) for chart in stage.charts}
    assert {"Where a step's time goes, in seconds", "Use of the device by updates"} <= titles


def test_a_run_leaves_its_whole_folder(unbroken):
    files = """
        recipe.yaml versions.json labels.json summary.json report.html metrics.jsonl labels/train/labels.jsonl
        evaluation/base.json evaluation/final/held_out.jsonl final/config.json final/tokenizer.json
        rollouts/rl-4.jsonl
    """
    for name in files.split():
        assert (unbroken / name).stat().st_size > 0, name
    rows = [json.loads(line) for line in (unbroken / "metrics.jsonl").read_text().splitlines()]
    assert [(r["stage"], r["step"]) for r in rows] == [("sft", s) for s in (1, 2, 3)] + [
        ("rl", s) for s in (1, 2, 3, 4)
    ]


def test_the_summary_has_the_promised_keys(unbroken):
    summary = json.loads((unbroken / "summary.json").read_text())
    for when in ("base", "final"):
        for contribution in ("strong", "weak", "all"):
            for control in ("audio", "silence", "mismatch"):
                assert 0.0 <= summary["accuracy"][when][contribution][control] <= 1.0
    assert set(summary["labels"]) == {"precision", "recall", "f1"}
    assert {"label", "evaluate_base", "train", "evaluate_final"} <= set(summary["seconds"])
    assert summary["rollouts"] == 4 * 3 * 4 and summary["optimizer_tokens"] > 0
    assert summary["peak_memory_gb"] > 0


def test_the_recipe_in_the_run_folder_is_the_recipe_that_ran(unbroken, recipe_file):
    copy = load_recipe(unbroken / "recipe.yaml")
    assert copy.to_yaml() == load_recipe(recipe_file).to_yaml()


def test_sft_and_rl_never_share_a_question(unbroken):
    asked = {"sft": set(), "rl": set()}
    for file in (unbroken / "rollouts").iterdir():
        stage = file.name.split("-")[0]
        asked[stage] |= {json.loads(line)["question"]["id"] for line in file.read_text().splitlines()}
    assert asked["sft"] and asked["rl"] and not asked["sft"] & asked["rl"]


def test_completions_carry_the_version_of_the_weights_that_sampled_them(unbroken):
    groups = [learned.scored.group for learned in open_run(unbroken).rollouts("rl", 4)]
    versions = {completion.weights_version for group in groups for completion in group.completions}
    assert versions == {3 + 3}  # three steps of SFT, three of RL before


def test_stored_rollouts_hold_what_was_learned_from_every_token(unbroken):
    """Advantages are those of the stored rewards, and the reference is that of the KL term."""
    run = open_run(unbroken)
    assert run.steps("sft") == [1, 2, 3] and run.steps("rl") == [1, 2, 3, 4]
    measured = 0
    for step in run.steps("rl"):
        for learned in run.rollouts("rl", step):
            expected = group_advantages(torch.from_numpy(learned.scored.total[None]))[0]
            for number, completion in enumerate(learned.scored.group.completions):
                assert completion.length == len(completion.token_texts) == len(completion.logprobs)
                assert "".join(completion.token_texts) == completion.text
                advantages = learned.advantages[number]
                assert advantages == pytest.approx(np.full(completion.length, expected[number]), abs=1e-6)
                reference = learned.signals[number].get("reference")
                if reference is not None:
                    measured += 1
                    assert reference.shape == completion.logprobs.shape and (reference <= 0).all()
    assert measured == 4 * 3 * 4  # a KL learns from groups without spread too


def test_the_page_on_run_folders_shows_how_to_read_one(unbroken, capsys):
    page = (Path(__file__).parents[2] / "docs/run_folder.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(# read_run.py\n.*?)```", page, re.DOTALL)
    exec(code.replace("runs/tiny_weak_to_strong", unbroken.as_posix()), {})
    lines = capsys.readouterr().out.splitlines()
    assert [int(line.split()[0]) for line in lines] == sorted([1, 2, 3, 4] * 3)  # one of every group


def test_the_policy_is_evaluated_between_the_stages(unbroken):
    run = open_run(unbroken)
    assert list(run.evaluations) == ["base", "sft", "final"]
    assert list(run.summary["accuracy"]) == ["base", "sft", "final"]
    assert {row["control"] for row in run.answers("sft", "held_out")} == {"audio"}
    assert {name: [gain.when for gain in gains] for name, gains in stage_gains(run).items()} == {
        "held_out": ["before the run", "after SFT", "after RL"]
    }
    assert "What each stage added" in (unbroken / "report.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_run_killed_from_the_command_line_resumes_to_the_same_numbers(unbroken, recipe_file, tmp_path):
    """The moments at which a run may die are all in test_resume.py."""
    out = tmp_path / "killed"
    command = Forked(command_line, "run", recipe_file, "--out", out, said=tmp_path / "said")
    wait_for((out / "rollouts" / "rl-3.jsonl").exists, command)
    command.kill()
    assert not (out / "report.html").exists()
    pipeline.run(load_recipe(recipe_file), out, resume=True)
    assert_same_numbers(unbroken, out)


@pytest.mark.slow
def test_ctrl_c_finishes_the_step_saves_and_says_how_to_go_on(unbroken, recipe_file, tmp_path):
    out = tmp_path / "interrupted"
    command = [sys.executable, "-m", "rlaudio", "run", str(recipe_file), "--out", str(out)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    wait_for((out / "rollouts" / "sft-1.jsonl").exists, process)
    os.kill(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 130 and "--resume" in said
    assert any((out / "checkpoints").iterdir())
    pipeline.run(load_recipe(recipe_file), out, resume=True)
    assert_same_numbers(unbroken, out)


MORTAL = """
from pathlib import Path

from rlaudio.rollout.transformers import Transformers
from rlaudio.rollout.worker import EngineDied

DEATHS = Path(__file__).with_name("deaths")


class Mortal(Transformers):
    def __init__(self, family):
        super().__init__(family)

    def generate(self, prompts, sampling, key):
        deaths = int(DEATHS.read_text())
        if key[1:] == ("rl", 2) and deaths:
            DEATHS.write_text(str(deaths - 1))
            raise EngineDied("the engine died")
        return super().generate(prompts, sampling, key)
"""


@pytest.mark.slow
def test_an_engine_that_dies_once_changes_nothing_and_twice_stops_a_run_that_resumes(
    unbroken, recipe_file, tmp_path
):
    worker, deaths = tmp_path / "mortal.py", tmp_path / "deaths"
    worker.write_text(MORTAL)
    mortal = load_recipe(recipe_file, [f"rollout={{use: {worker}}}"])
    deaths.write_text("1")
    pipeline.run(mortal, tmp_path / "once")
    assert deaths.read_text() == "0"
    assert_same_numbers(unbroken, tmp_path / "once")
    deaths.write_text("2")
    twice = tmp_path / "twice"
    given = ["run", recipe_file, "--out", twice, "-o", f"rollout={{use: {worker}}}"]
    stopped = Forked(command_line, *given, said=tmp_path / "said").ended()
    assert "Error: the engine died; so did the one before it, of the same" in stopped.stderr
    (again,) = re.findall(r"fix the cause and continue with: rlaudio (.+)", stopped.stderr)
    assert Forked(command_line, *again.split(), said=tmp_path / "said again").ended().returncode == 0
    assert_same_numbers(unbroken, twice)


def test_a_folder_that_holds_a_run_is_not_written_over(unbroken, recipe_file):
    with pytest.raises(FileExistsError, match=r"--resume"):
        pipeline.run(load_recipe(recipe_file), unbroken)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["rewards.answer_correctness=null", "rewards.format=null"], "an RL stage and the recipe no rewards"),
        (["sft.target=structured"], "structured"),
        (["sampling.group_size=1"], "expected 2 or more; raise sampling.group_size"),
        (
            ["algorithm=contribution_weighted", "contribution.success=praise"],
            "the reward 'praise', which the recipe has not; expected one of answer_correctness, format",
        ),
    ],
)
def test_what_would_stop_a_later_stage_stops_the_run_before_it_begins(recipe_file, tmp_path, overrides, said):
    with pytest.raises(ValueError, match=said):
        pipeline.run(load_recipe(recipe_file, overrides), tmp_path / "out")
    assert not (tmp_path / "out" / "labels").exists()


@pytest.mark.parametrize("key", ["scorer", "evaluation.scorer", "contribution.scorer"])
def test_scorers_are_tried_on_made_up_answers_before_a_run_labels_or_an_evaluation(
    recipe_file, tmp_path, key
):
    (tmp_path / "hasty.py").write_text("def hasty(question, text):\n    return True\n", encoding="utf-8")
    recipe = load_recipe(recipe_file, [f"{key}={tmp_path / 'hasty.py'}"])
    out = tmp_path / "out"
    for begin in (pipeline.run, pipeline.label_data, pipeline.evaluate_recipe):
        with pytest.raises(ValueError, match=r"scorer hasty, tried on the made-up answer .* returned True"):
            begin(recipe, out)
    assert not (out / "labels").exists() and not (out / "evaluation.json").exists()


@pytest.mark.slow
def test_completions_sampled_ahead_lag_by_one_step_from_the_second_on(recipe_file, tmp_path):
    pipeline.run(
        load_recipe(recipe_file, ["sampling.max_lag=1", "mismatch.correct=token", "evaluation.every=2"]),
        tmp_path / "out",
    )
    for step, version in ((1, 3), (2, 3), (3, 4), (4, 5)):  # after three steps of SFT; plain: 3, 4, 5, 6
        groups = [learned.scored.group for learned in open_run(tmp_path / "out").rollouts("rl", step)]
        assert {c.weights_version for group in groups for c in group.completions} == {version}
    rows = map(json.loads, (tmp_path / "out" / "metrics.jsonl").read_text().splitlines())
    assert [r["rollout/lag"] for r in rows if "rollout/lag" in r] == [0.0, 1.0, 1.0, 1.0]


def test_a_stop_names_where_it_stopped():
    from rlaudio.training.checkpoint import Cursor

    assert "after step 5 of stage 2" in str(StopRequested(Cursor(1, 5, 9)))
