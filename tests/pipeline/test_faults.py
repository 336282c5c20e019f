"""What goes wrong around a run: a damaged checkpoint, two runs in one folder, rewards that end it."""

import os
import signal
from pathlib import Path

import pytest

from rlaudio import pipeline
from rlaudio.builder.answering import evaluation_settings, label_settings
from rlaudio.builder.stage_checks import check_stages_can_train
from rlaudio.config import plugins
from rlaudio.config.recipe import load_recipe
from rlaudio.config.resumed_recipe import recipe_to_resume
from rlaudio.runs.folder import RunFolder
from rlaudio.runs.resuming import accept_plugins
from rlaudio.scoring import RewardStop
from tests.conftest import TINY
from tests.factories import make_question
from tests.killing import hold
from tests.training.test_checkpoint import flip

RECIPE = """
threads: 1
model: {{use: qwen2_5_omni, path: {model}, device: cpu}}
data: {{train: {{use: synthetic, split: train, count: 8, folder: {folder}}}}}
curriculum: {{use: rl_only, rl_steps: 3}}
algorithm: {{use: grpo, kl: 0.0}}
rewards: {{answer_correctness: {{}}}}
sampling: {{questions: 2, group_size: 3, temperature: 1.2, max_new_tokens: 4}}
optimizer: {{lr: 1.0e-3}}
training: {{save_every: 1, keep: 3}}
"""


def test_after_the_damaged_checkpoint_is_deleted_the_run_ends_as_an_unbroken_one(tmp_path):
    file = tmp_path / "small.yaml"
    file.write_text(RECIPE.format(model=TINY, folder=tmp_path / "data"), encoding="utf-8")
    recipe, unbroken, out = load_recipe(file), tmp_path / "unbroken", tmp_path / "run"
    for folder in (unbroken, out):
        pipeline.run(recipe, folder)
    remove(out, "final", "samples", "report.html", "summary.json", "checkpoints/1-000000")
    flip(out / "checkpoints" / "0-000003" / "learner-0.pt", 0.5)
    with pytest.raises(ValueError, match=r"0-000003: learner-0.pt is damaged.*resume from .*0-000002"):
        pipeline.run(recipe, out, resume=True)
    remove(out, "checkpoints/0-000003")
    pipeline.run(recipe, out, resume=True)
    for name in ("metrics.jsonl", "rollouts/rl-3.jsonl", "final/model.safetensors"):
        assert (out / name).read_bytes() == (unbroken / name).read_bytes(), name


def remove(out: Path, *names: str) -> None:
    """Take files and folders out of a run's folder."""
    for name in names:
        files = sorted((out / name).rglob("*"), reverse=True) if (out / name).is_dir() else []
        for path in [*files, out / name]:
            path.rmdir() if path.is_dir() else path.unlink()


# --- two runs in one folder ----------------------------------------------------------------------


@pytest.fixture
def holder(tmp_path):
    """A process that holds the folder `run`."""
    process = hold(tmp_path / "run")
    yield process
    process.kill()
    process.join()


@pytest.mark.slow
def test_a_second_run_in_a_folder_is_refused_by_naming_the_process_in_it(holder, tmp_path):
    writes = rf"process {holder.pid} on {os.uname().nodename} is writing .* choose another with --out"
    with pytest.raises(BlockingIOError, match=writes):
        RunFolder.reopen(tmp_path / "run")
    with pytest.raises(BlockingIOError, match=writes):
        RunFolder.create(tmp_path / "run", "")


def test_a_folder_is_free_again_as_soon_as_its_process_is_killed(holder, tmp_path):
    os.kill(holder.pid, signal.SIGKILL)
    holder.join()
    with RunFolder.reopen(tmp_path / "run") as folder:
        assert folder.path == tmp_path / "run"


# --- rewards that stop a run ---------------------------------------------------------------------

MOODY = """
import random, sys
import numpy as np
import torch
CALLS = [0]

def moody(question, completion):
    for seed in (random.seed, np.random.seed, torch.manual_seed):
        seed(0)
    CALLS[0] += 1
    if CALLS[0] > {calls}:
        sys.exit(0)
    return float(len(completion.text))
"""
PLAIN = "def moody(question, completion):\n    return float(len(completion.text))\n"
NEVER = "import time\ndef never(question, completion):\n    time.sleep(10**6)\n"


@pytest.mark.parametrize(
    "more", [(), ("sampling.max_lag=1", "mismatch.correct=token")], ids=["in step", "one step ahead"]
)
def test_a_reward_that_exits_stops_the_run_saved_and_mended_it_ends_as_an_unbroken_one(tmp_path, more):
    """The reward of the broken run also seeds every global generator, which changes no number."""
    file, reward = tmp_path / "small.yaml", tmp_path / "moody.py"
    file.write_text(RECIPE.format(model=TINY, folder=tmp_path / "data"), encoding="utf-8")
    reward.write_text(PLAIN, encoding="utf-8")
    only = ["rewards.answer_correctness=null", f"rewards.moody={{use: {reward}}}"]
    recipe = load_recipe(file, [*only, "training.save_every=50", *more])
    pipeline.run(recipe, tmp_path / "unbroken")
    dry_run, step = 3, 6
    reward.write_text(MOODY.format(calls=dry_run + step + 2), encoding="utf-8")
    plugins._import.cache_clear()  # as in a new process
    out = tmp_path / "run"
    raised = r"raised SystemExit: 0, in line \d+\nfor question"
    with pytest.raises(RewardStop, match=rf"reward moody \({reward}\) {raised}"):
        pipeline.run(recipe, out)
    assert [path.name for path in (out / "checkpoints").iterdir()] == ["0-000001"]
    reward.write_text(PLAIN, encoding="utf-8")
    plugins._import.cache_clear()
    with pytest.raises(ValueError, match=rf"{reward}: it began with digest "):
        pipeline.run(recipe, out, resume=True)
    accept_plugins(out)
    pipeline.run(recipe, out, resume=True)
    for name in ("metrics.jsonl", "rollouts/rl-2.jsonl", "rollouts/rl-3.jsonl", "final/model.safetensors"):
        assert (out / name).read_bytes() == (tmp_path / "unbroken" / name).read_bytes(), name


def test_a_reward_that_never_returns_is_found_before_the_run_begins(tmp_path):
    file = tmp_path / "small.yaml"
    file.write_text(RECIPE.format(model=TINY, folder=tmp_path / "data"), encoding="utf-8")
    (tmp_path / "never.py").write_text(NEVER, encoding="utf-8")
    never = f"rewards.never={{use: {tmp_path / 'never.py'}}}"
    recipe = load_recipe(file, [never, "reward_timeout=0.5", "reward_failures=1.0"])
    with pytest.raises(RewardStop, match=r"tried on a made-up completion, reward never .* within 0.5 s"):
        check_stages_can_train(recipe, recipe.data.train())


def test_a_scorer_that_never_returns_is_named_with_question_and_answer(tmp_path):
    file, scorer = tmp_path / "small.yaml", tmp_path / "never.py"
    file.write_text(RECIPE.format(model=TINY, folder=tmp_path / "data"), encoding="utf-8")
    scorer.write_text(NEVER.replace("completion", "text"), encoding="utf-8")
    recipe = load_recipe(file, [f"scorer={{use: {scorer}}}", "reward_timeout=0.1"])
    question = make_question(id="q7")
    for scorers in (evaluation_settings(recipe).scorers, {"never": label_settings(recipe, tmp_path).scorer}):
        with pytest.raises(TimeoutError) as caught:
            scorers["never"](question, "a dog" + "g" * 500)
        said = str(caught.value)
        assert said.startswith(f"scorer never ({scorer}), for question q7 and the answer 'a dogg")
        assert f"(507 characters), did not return within 0.1 s (reward_timeout); it was at {scorer}:3" in said
        assert len(said) < 1000


def test_the_time_limit_of_rewards_may_change_when_a_run_is_resumed(tmp_path):
    file = tmp_path / "small.yaml"
    file.write_text(RECIPE.format(model=TINY, folder=tmp_path / "data"), encoding="utf-8")
    RunFolder.create(tmp_path / "run", load_recipe(file, ["reward_timeout=2"]).to_yaml()).close()
    given = load_recipe(file, ["reward_timeout=300"])
    assert recipe_to_resume(given, tmp_path / "run").reward_timeout == 300
