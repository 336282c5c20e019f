"""A run that is killed and resumed, at any moment and any number of times, ends with the same bytes.

A run's folder changes by files that are opened for writing, renamed and removed. For every recipe below one
run goes through without a break; another is killed before or after each change that counts, and resumed."""

import json
import re
import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from rlaudio import pipeline
from rlaudio.config import plugins
from rlaudio.config.recipe import load_recipe
from rlaudio.runs.metrics import split_wall_clock
from tests.conftest import TINY
from tests.killing import Moment, run

CLOCK = {"timings.jsonl", "report.html", "summary.json", "run.lock", "stamps.json"}  # say when or how long


@dataclass(frozen=True)
class Case:
    """A recipe, and what a run of it must have shown for its test to be worth something."""

    overrides: tuple[str, ...]
    every_change: bool = False  # killed around every change, not only around those of training
    shows: dict[str, float] = field(default_factory=dict)  # metric -> a value that some step must exceed


CASES = {
    # labels, SFT, RL with a reference; evaluation amid training; steps after the last checkpoint
    "sft_then_rl": Case(
        (
            f"contribution={{voters: [{TINY}], threshold: 1, silence: 1.0}}",
            "curriculum={use: mixed_to_mixed, sft_questions: 4, sft_steps: 1, rl_steps: 3}",
            "algorithm={use: grpo, kl: 0.1}",
            "training.save_every=2",
            "evaluation.every=3",
        ),
        every_change=True,
        shows={"loss/kl": 0.0},
    ),
    # a value head with averages of its own, inner epochs, mini-batches; an epoch ends with a checkpoint
    "critic": Case(
        (
            "curriculum={use: rl_only, rl_steps: 4}",
            "data.train.count=6",
            "algorithm={use: ppo, kl: 0.0, value_lr: 1.0e-2}",
            "training={save_every: 3, epochs: 2, mini_batches: 2, keep: 1}",
            "mismatch.correct=token",
        ),
        shows={"optimizer/updates": 3.0, "data/epoch": 0.99},
    ),
    # questions drawn in rounds, an end by budget, a tower that encodes each clip once
    "rounds": Case(
        (
            "curriculum={use: rl_only, rl_steps: 50}",
            "algorithm={use: dapo}",
            "sampling.rounds=3",
            "training={save_every: 2, max_rollouts: 40}",
            "model.freeze=[audio_tower, projector]",
        ),
        shows={"data/questions": 2.0},
    ),
    # every step sampled while the one before trains
    "ahead": Case(
        (
            "curriculum={use: mixed_to_mixed, sft_questions: 4, sft_steps: 2, rl_steps: 5}",
            "sampling={max_lag: 1, rounds: 2}",
            "mismatch.correct=token",
            "training.save_every=2",
            "model.freeze=[audio_tower, projector]",
        ),
        shows={"rollout/lag": 0.4},  # a second round is asked of the current weights
    ),
    # questions chosen by what the steps before showed, among it the policy's own contribution
    "observing": Case(
        (
            f"contribution={{voters: [{TINY}], threshold: 1, silence: 1.0, silent_samples: 2}}",
            "curriculum={use: by_both, sft_questions: 4, sft_steps: 1, rl_steps: 4, refresh_every: 2}",
            "rewards.counterfactual={weight: 1.0}",
            "training.save_every=2",
        ),
        shows={"rollout/silent_completions": 4.0},  # for contributions beside those for the reward
    ),
    # an adapter, signals from silence
    "adapter": Case(
        (
            "curriculum={use: mixed_to_mixed, sft_questions: 4, sft_steps: 1, rl_steps: 3}",
            "algorithm={use: contribution_weighted, kl: 0.05}",
            "contribution.silent_samples=2",
            "training.save_every=2",
            "model.lora_rank=2",
        ),
        shows={"loss/kl": 0.0, "rollout/silent_completions": 1.0},
    ),
}


@pytest.fixture(scope="module")
def recipe_file(recipe_file) -> Path:
    load_recipe(recipe_file, CASES["critic"].overrides).data.train()  # makes the clips
    return recipe_file


def kill_points(changes: list[Moment], every_change: bool) -> list[Moment]:
    """Before everything of training that is put in its place; or before everything, and in between."""
    points = []
    for change in changes:
        of_training = change.path.startswith(("rollouts/", "checkpoints/", "reference/", "final"))
        if change.event == "os.rename" and (every_change or of_training):
            points.append(change)  # of an old checkpoint that goes: right after the new one is in its place
        if every_change and change.path.startswith("checkpoints/.removing"):
            points.append(replace(change, after=True))  # in the midst of deleting it
        if every_change and change.event == "os.rename" and change.path.startswith("rollouts/"):
            points.append(replace(change, after=True))  # before its metrics are logged
        if every_change and change.path.endswith("manifest.json"):
            points.append(change)  # in the midst of writing a checkpoint
    return list(dict.fromkeys(points))


def contents(out: Path) -> dict[str, bytes]:
    """Every file of a run that does not hold the time."""
    files = [path for path in out.rglob("*") if path.is_file()]
    named = {str(path.relative_to(out)): path for path in files}
    return {
        name: path.read_bytes()
        for name, path in sorted(named.items())
        if name not in CLOCK and not name.startswith("tensorboard/")
    }


def summary(out: Path) -> dict:
    """The summary without what the clock and the machine say."""
    actual = json.loads((out / "summary.json").read_text())
    return {name: value for name, value in actual.items() if name not in ("seconds", "peak_memory_gb")}


def curves(out: Path, stage: str) -> dict[str, list[tuple[int, float]]]:
    """What TensorBoard shows of a stage; of the curves that hold the time only their steps."""
    events = EventAccumulator(str(out / "tensorboard" / stage)).Reload()
    reproducible, wall_clock = split_wall_clock(events.Tags()["scalars"])
    values = {tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in reproducible}
    return values | {tag: [(e.step, 0.0) for e in events.Scalars(tag)] for tag in wall_clock}


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_a_run_killed_around_every_change_to_its_folder_ends_with_the_same_bytes(name, recipe_file, tmp_path):
    case = CASES[name]
    unbroken, broken = tmp_path / "unbroken", tmp_path / "broken"
    changes = run(recipe_file, unbroken, overrides=case.overrides)
    rows = [json.loads(line) for line in (unbroken / "metrics.jsonl").read_text().splitlines()]
    for metric, value in case.shows.items():
        assert any(row.get(metric, -1.0) > value for row in rows), metric

    for moment in kill_points(changes, case.every_change):
        run(recipe_file, broken, dies=moment, overrides=case.overrides)
    run(recipe_file, broken, overrides=case.overrides)

    expected, actual = contents(unbroken), contents(broken)
    assert list(actual) == list(expected)
    assert [file for file in expected if actual[file] != expected[file]] == []
    assert summary(broken) == summary(unbroken)
    for stage in {row["stage"] for row in rows}:
        assert curves(broken, stage) == curves(unbroken, stage)


ENGINE = """
from pathlib import Path

from rlaudio.rollout.transformers import Transformers


class Engine(Transformers):
    def __init__(self, family):
        assert (Path(family.path) / "config.json").read_text()
        super().__init__(family)
"""


@pytest.mark.slow
def test_an_engine_opens_the_models_folder_long_after_a_resume_whose_checkpoint_is_old(recipe_file, tmp_path):
    (tmp_path / "engine.py").write_text(ENGINE, encoding="utf-8")
    overrides = (
        f"rollout={tmp_path / 'engine.py'}",
        "curriculum={use: mixed_to_mixed, sft_questions: 4, sft_steps: 4, rl_steps: 1}",
        "training={save_every: 1, keep: 1}",
    )
    run(recipe_file, tmp_path / "unbroken", overrides=overrides)
    for step in (2, 3):  # resumed during SFT, and once more
        dies = Moment("os.rename", f"checkpoints/0-{step:06d}")
        run(recipe_file, tmp_path / "broken", dies=dies, overrides=overrides)
    run(recipe_file, tmp_path / "broken", overrides=overrides)
    assert contents(tmp_path / "broken") == contents(tmp_path / "unbroken")


def test_a_resume_refuses_another_content_of_a_file_that_a_reward_reads(recipe_file, tmp_path):
    out, reward, words = tmp_path / "run", tmp_path / "wordy.py", tmp_path / "words.txt"
    reward.write_text(
        "from pathlib import Path\n"
        "def wordy(question, completion, *, words: Path) -> float:\n"
        "    return float(completion.text.count(words.read_text(encoding='utf-8')))\n",
        encoding="utf-8",
    )
    words.write_text("dog", encoding="utf-8")
    recipe = load_recipe(recipe_file, [f"rewards.wordy={{use: {reward}, words: {words}}}"])
    pipeline.run(recipe, out, until="labels")
    (out / "labels.json").touch()
    words.write_text("cat", encoding="utf-8")
    with pytest.raises(ValueError, match=f"not what the run began with:\n  {words}: it began with digest "):
        pipeline.run(recipe, out, resume=True, until="labels")


def test_a_run_goes_on_once_a_fault_that_its_trial_found_in_a_reward_is_mended(recipe_file, tmp_path):
    file, source = tmp_path / "shy.py", "def shy(question, completion):\n    return {}\n"
    file.write_text(source.format("1 / 0"), encoding="utf-8")
    recipe = load_recipe(recipe_file, [f"rewards.shy={{use: {file}}}"])
    with pytest.raises(Exception, match="division by zero"):
        pipeline.run(recipe, tmp_path / "run")
    file.write_text(source.format(0.5), encoding="utf-8")
    plugins._import.cache_clear()  # as in a new process
    pipeline.run(recipe, tmp_path / "run", resume=True)
    assert (tmp_path / "run" / "summary.json").is_file()


def test_a_run_is_resumed_under_other_data_only_by_an_error(recipe_file, tmp_path):
    out = tmp_path / "run"
    recipe = load_recipe(recipe_file)
    pipeline.run(recipe, out, until="labels")
    clip = recipe.data.train()[0].clips[0]
    content = clip.read_bytes()
    try:
        clip.write_bytes(content + bytes(2))
        with pytest.raises(ValueError, match="the data is not what the run began with"):
            pipeline.run(recipe, out, resume=True)
    finally:
        clip.write_bytes(content)


@pytest.fixture(scope="module")
def broken_off(recipe_file, tmp_path_factory) -> Path:
    """A run that died in its RL stage, after the checkpoint of the second step."""
    out = tmp_path_factory.mktemp("runs") / "broken_off"
    dies = Moment("os.rename", "rollouts/rl-3.jsonl")
    run(recipe_file, out, dies=dies, overrides=CASES["sft_then_rl"].overrides)
    return out


def flip(file: Path) -> None:
    """Another byte in the middle of a file."""
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(bytes(content))


def refused(recipe_file, out) -> str:
    """What a resume says of the run."""
    before = contents(out)
    with pytest.raises((ValueError, OSError)) as error:
        pipeline.run(load_recipe(recipe_file, CASES["sft_then_rl"].overrides), out, resume=True)
    assert before.keys() == contents(out).keys()
    return str(error.value)


@pytest.mark.parametrize(
    "pattern",
    ["labels/train/labels.jsonl", "labels/train/*.journal", "evaluation/base.json", "rollouts/rl-1.jsonl"],
)
def test_a_result_that_was_edited_is_refused_before_it_is_read(recipe_file, broken_off, tmp_path, pattern):
    out = shutil.copytree(broken_off, tmp_path / "run")
    (file,) = out.glob(pattern)
    flip(file)
    assert f"not what the run wrote: {file.relative_to(out)} (digest" in refused(recipe_file, out)


def test_an_edited_reference_a_lost_one_and_edited_metrics_are_refused(recipe_file, broken_off, tmp_path):
    out = shutil.copytree(broken_off, tmp_path / "run")
    flip(out / "reference" / "rl" / "model.safetensors")
    assert "checkpoints/1-000002: the run would go on with other numbers" in (
        said := refused(recipe_file, out)
    )
    assert "reference/rl (digest" in said
    shutil.rmtree(out / "reference")
    assert re.search(
        r"reference/rl \(digest \w+ when it was written, not there now\)", refused(recipe_file, out)
    )
    metrics = out / "metrics.jsonl"
    metrics.write_text(metrics.read_text().replace('"step": 1', '"step": 1, "reward/total": 9.0', 1))
    assert "metrics.jsonl up to it (digest" in refused(recipe_file, out)


ROW = '{"stage": "rl", "step": 99, "reward/total": 9.0}\n'


def test_a_row_behind_the_metrics_of_a_finished_run_is_refused(recipe_file, broken_off, tmp_path):
    out = shutil.copytree(broken_off, tmp_path / "run")
    recipe = load_recipe(recipe_file, CASES["sft_then_rl"].overrides)
    pipeline.run(recipe, out, resume=True)
    pipeline.run(recipe, out, resume=True)  # as it is
    whole = (out / "metrics.jsonl").read_text()
    (out / "metrics.jsonl").write_text(whole + ROW)
    assert "not what the run wrote: metrics.jsonl (digest" in refused(recipe_file, out)
    (out / "metrics.jsonl").write_text(whole)
    pipeline.run(recipe, out, resume=True)


@pytest.mark.parametrize("name", ["rollouts/rl-1.jsonl", "samples/samples.json"])
def test_what_the_page_of_a_finished_run_shows_is_refused_where_it_was_edited(
    recipe_file, broken_off, tmp_path, name
):
    out = shutil.copytree(broken_off, tmp_path / "run")
    pipeline.run(load_recipe(recipe_file, CASES["sft_then_rl"].overrides), out, resume=True)
    flip(out / name)
    assert f"not what the run wrote: {name} (digest" in refused(recipe_file, out)


def test_an_edited_summary_of_a_finished_run_is_written_again(recipe_file, broken_off, tmp_path):
    out = shutil.copytree(broken_off, tmp_path / "run")
    recipe = load_recipe(recipe_file, CASES["sft_then_rl"].overrides)
    pipeline.run(recipe, out, resume=True)
    written = json.loads((out / "summary.json").read_text())
    (out / "summary.json").write_text('{"held_out": 3')
    pipeline.run(recipe, out, resume=True)
    again = json.loads((out / "summary.json").read_text())
    assert again["accuracy"] == written["accuracy"] and again.keys() == written.keys()


def test_rows_behind_the_checkpoint_are_dropped_with_a_word_and_rollouts_written_again(
    recipe_file, broken_off, tmp_path, caplog
):
    out = shutil.copytree(broken_off, tmp_path / "run")
    whole = (out / "metrics.jsonl").read_text()
    (out / "metrics.jsonl").write_text(whole + ROW)
    rollouts = out / "rollouts" / "rl-3.jsonl"
    rollouts.write_text("{}\n")
    with caplog.at_level("INFO"):
        pipeline.run(load_recipe(recipe_file, CASES["sft_then_rl"].overrides), out, resume=True)
    assert "metrics.jsonl: 1 row behind step 2 of stage rl dropped" in caplog.text
    assert '"step": 99' not in (out / "metrics.jsonl").read_text()
    assert rollouts.read_text() != "{}\n"


def test_a_final_model_that_the_run_did_not_write_is_not_taken_for_its_result(
    recipe_file, broken_off, tmp_path
):
    out = shutil.copytree(broken_off, tmp_path / "run")
    shutil.copytree(out / "reference" / "rl", out / "final")
    assert f"{out / 'final'} is not the model that the run wrote" in refused(recipe_file, out)
