"""A run folder loses nothing, mixes nothing up, and after a resume reads as if nothing had happened."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from rlaudio.runs.files import read_json, read_rows, write_text
from rlaudio.runs.folder import RunFolder
from rlaudio.runs.occupancy import take_lock
from rlaudio.runs.rollouts import LearnedGroup
from rlaudio.types import (
    Absent,
    Clip,
    Completion,
    Dataset,
    Group,
    HeardClip,
    Prompt,
    Question,
    ScoredGroup,
)

RECIPE = "name: made_up\nseed: 7\n"


@pytest.fixture
def folder(tmp_path):
    with RunFolder.create(tmp_path / "run", RECIPE) as folder:
        yield folder


def scored_group(texts=("<answer>dog</answer>", "<answer>cat</answer>")) -> ScoredGroup:
    question = Question.multiple_choice(
        "q1", "Which animal?", ("dog", "cat"), "dog", Path("dog.wav"), groups={"category": "sound"}
    )
    prompt = Prompt(question, np.arange(3), np.arange(3), (HeardClip("d" * 32),), Absent.MADE_UP)
    completions = tuple(
        Completion.single_turn(
            np.array([4, 5]), np.array([-0.1, -0.2], np.float32), text, (text, ""), "stop", 3
        )
        for text in texts
    )
    correct = np.array([float("dog" in text) for text in texts])
    return ScoredGroup(Group(prompt, completions), {"answer_correctness": correct}, 2.0 * correct)


def clip(seconds=0.5) -> Clip:
    samples = np.sin(np.arange(int(16_000 * seconds)) / 8).astype(np.float32)
    return Clip(samples, digest="d" * 32)


def scalars(folder, stage, name):
    events = EventAccumulator(str(folder.path / "tensorboard" / stage)).Reload()
    return [(event.step, event.value) for event in events.Scalars(name)]


def test_a_new_folder_holds_the_recipe_and_the_versions(folder):
    assert (folder.path / "recipe.yaml").read_text() == RECIPE
    versions = read_json(folder.path / "versions.json")
    assert {"rlaudio", "commit", "python", "torch", "transformers", "platform", "threads"} <= set(versions)


def test_a_folder_with_something_in_it_is_refused_and_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(
        FileExistsError, match=r"holds thesis\.tex; .* --resume, or choose another with --out"
    ):
        RunFolder.create(tmp_path, RECIPE)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def begun(path: Path) -> Path:
    """A run that ended while it read its data: nothing is computed yet."""
    with RunFolder.create(path, "name: before\n") as folder:
        folder.log_metrics("run", 0, {"time/data": 1.0})
        folder.write_json("data.json", {"train": {"rows": 3}})
        folder.write_json("plugins.json", {"/mine.py": "digest"})
    return path


def test_a_run_that_computed_nothing_gives_way_to_a_new_one(tmp_path):
    with RunFolder.create(begun(tmp_path / "run"), RECIPE) as folder:
        assert (folder.path / "recipe.yaml").read_text() == RECIPE
        assert {path.name for path in folder.path.iterdir()} == {
            "recipe.yaml",
            "versions.json",
            "digests.json",
            "run.lock",
        }


@pytest.mark.parametrize(
    "computed",
    ["labels", "labels.json", "metrics.jsonl", "models", "evaluation", "checkpoints", "notes.txt"],
)
def test_a_run_that_computed_anything_is_refused_and_left_alone(tmp_path, computed):
    path = begun(tmp_path / "run")
    (path / computed).mkdir()
    with pytest.raises(FileExistsError, match="continue the run in it with --resume"):
        RunFolder.create(path, RECIPE)
    assert (path / "recipe.yaml").read_text() == "name: before\n"
    assert {"timings.jsonl", "data.json", "tensorboard"} <= {entry.name for entry in path.iterdir()}
    take_lock(path).close()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("tensorboard/notes.txt", "mine"),
        ("tensorboard/run/notes.txt", "mine"),
        ("tensorboard/run/deeper/events.out.tfevents.1", "mine"),
        ("data.json", '[{"id": "q1", "question": "What is heard?"}]'),
        ("plugins.json", "not JSON"),
        ("inputs.json", '{"microphone": 1}'),
        ("timings.jsonl", '{"lap": 1}\n'),
    ],
)
def test_a_file_that_a_run_would_not_write_there_is_named_and_left_alone(tmp_path, name, text):
    path = begun(tmp_path / "run")
    (path / name).parent.mkdir(parents=True, exist_ok=True)
    (path / name).write_text(text)
    with pytest.raises(FileExistsError, match=rf"the folder holds .*{name}"):
        RunFolder.create(path, RECIPE)
    assert (path / name).read_text() == text and (path / "recipe.yaml").read_text() == "name: before\n"


def test_a_recipe_that_no_run_wrote_is_left_alone_however_often_it_is_tried(tmp_path):
    (tmp_path / "recipe.yaml").write_text("# by hand")
    for _ in range(2):
        with pytest.raises(FileExistsError, match=r"holds recipe\.yaml"):
            RunFolder.create(tmp_path, RECIPE)
    assert [path.name for path in tmp_path.iterdir()] == ["recipe.yaml"]


def test_a_run_that_is_only_beginning_is_not_taken_from_under_a_live_one(tmp_path):
    path = begun(tmp_path / "run")
    with RunFolder.reopen(path), pytest.raises(BlockingIOError, match="is writing to this folder"):
        RunFolder.create(path, RECIPE)
    assert (path / "recipe.yaml").read_text() == "name: before\n"


def test_a_folder_that_a_live_run_fills_is_said_to_be_written(folder):
    folder.log_metrics("rl", 1, {"reward/total": 1.0})
    with pytest.raises(BlockingIOError, match=rf"process {os.getpid()} on .* is writing to this folder"):
        RunFolder.create(folder.path, RECIPE)


def test_a_folder_without_a_run_cannot_be_resumed(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"found no recipe\.yaml"):
        RunFolder.reopen(tmp_path)


def test_two_runs_cannot_hold_one_folder(folder):
    with pytest.raises(BlockingIOError, match=rf"process {os.getpid()} on .* is writing to this folder"):
        RunFolder.reopen(folder.path)


def test_the_lock_of_a_killed_run_does_not_stand_in_the_way(tmp_path):
    program = (
        "import os, signal; from rlaudio.runs.folder import RunFolder\n"
        f"folder = RunFolder.create({str(tmp_path / 'run')!r}, 'name: killed')\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run([sys.executable, "-c", program]).returncode == -9
    RunFolder.reopen(tmp_path / "run").close()


def test_an_undeclared_metric_is_refused_before_anything_is_written(folder):
    with pytest.raises(ValueError, match="'rollout/surprise' is not declared"):
        folder.log_metrics("grpo", 1, {"loss/total": 0.5, "rollout/surprise": 1.0})
    assert not (folder.path / "metrics.jsonl").exists()


def test_wall_clock_metrics_do_not_touch_the_reproducible_rows(folder):
    folder.log_metrics("grpo", 1, {"loss/total": 0.5, "time/rollout": 1.25})
    assert read_rows(folder.path / "metrics.jsonl") == [{"stage": "grpo", "step": 1, "loss/total": 0.5}]
    assert read_rows(folder.path / "timings.jsonl") == [{"stage": "grpo", "step": 1, "time/rollout": 1.25}]


def test_a_number_that_is_not_finite_becomes_null(folder):
    folder.log_metrics("grpo", 1, {"loss/kl": float("nan"), "loss/total": np.float32(0.25)})
    line = (folder.path / "metrics.jsonl").read_text()
    assert line == '{"stage": "grpo", "step": 1, "loss/kl": null, "loss/total": 0.25}\n'


def test_a_resumed_run_leaves_the_same_rows_and_curves_as_an_uninterrupted_one(tmp_path):
    def log(folder, stage, steps):
        for step in steps:
            folder.log_metrics(stage, step, {"loss/total": 1 / (step + 2), "time/step": 0.1})

    with RunFolder.create(tmp_path / "whole", RECIPE) as whole:
        log(whole, "sft", range(1, 5))
        log(whole, "grpo", range(1, 4))
    with RunFolder.create(tmp_path / "broken", RECIPE) as broken:
        log(broken, "sft", range(1, 5))
        log(broken, "grpo", range(1, 3))
    with (tmp_path / "broken" / "metrics.jsonl").open("a") as file:
        file.write('{"stage": "grpo", "st')  # killed while writing
    time.sleep(1.1)  # TensorBoard puts event files in order by the second in which they were begun
    with RunFolder.reopen(tmp_path / "broken") as broken:
        broken.truncate_metrics("sft", 2)
        log(broken, "sft", range(3, 5))
        log(broken, "grpo", range(1, 4))
    for file in ("metrics.jsonl", "timings.jsonl"):
        assert (broken.path / file).read_bytes() == (whole.path / file).read_bytes()
    for stage in ("sft", "grpo"):
        assert scalars(broken, stage, "loss/total") == scalars(whole, stage, "loss/total")


def test_nothing_is_written_behind_a_line_that_a_killed_run_left_half_written(tmp_path):
    with RunFolder.create(tmp_path / "run", RECIPE) as folder:
        folder.log_metrics("rl", 1, {"time/update": 1.0})
    with (folder.path / "timings.jsonl").open("a") as file:
        file.write('{"stage": "rl", "st')
    with RunFolder.reopen(folder.path) as folder:
        folder.log_metrics("rl", 2, {"time/update": 2.0})
    assert [row["step"] for row in read_rows(folder.path / "timings.jsonl")] == [1, 2]


def test_truncation_to_the_start_of_a_stage_keeps_what_came_before(folder):
    folder.log_metrics("base", 0, {"eval/all_audio": 0.4})
    folder.log_metrics("sft", 1, {"loss/total": 1.0})
    folder.log_metrics("grpo", 1, {"loss/total": 2.0})
    folder.truncate_metrics("sft", 0)
    assert [row["stage"] for row in read_rows(folder.path / "metrics.jsonl")] == ["base"]


def test_truncation_leaves_what_a_user_put_beside_the_curves(folder):
    folder.log_metrics("sft", 1, {"loss/total": 1.0})
    folder.log_metrics("grpo", 1, {"loss/total": 2.0})
    (folder.path / "tensorboard" / "grpo" / "notes.txt").write_text("mine")
    folder.truncate_metrics("sft", 1)
    assert [path.name for path in (folder.path / "tensorboard" / "grpo").iterdir()] == ["notes.txt"]


def test_the_time_of_whole_phases_outlives_a_truncation(folder):
    folder.log_metrics("sft", 1, {"time/update": 1.0})
    folder.log_metrics("sft", 2, {"time/update": 1.0})
    folder.log_metrics("run", 0, {"time/train": 2.0})
    folder.truncate_metrics("sft", 1)
    rows = read_rows(folder.path / "timings.jsonl")
    assert [(row["stage"], row["step"]) for row in rows] == [("sft", 1), ("run", 0)]


def test_log_probs_survive_the_file_bit_for_bit(folder):
    logprobs = np.log(np.random.default_rng(0).random(200, np.float32))
    group = scored_group(("a",))
    completion = Completion.single_turn(
        np.arange(200), logprobs, "a" * 200, ("a",) * 200, "stop", weights_version=0
    )
    group = ScoredGroup(Group(group.group.prompt, (completion,)), group.rewards, group.total)
    path = folder.write_rollouts("grpo", 1, [LearnedGroup(group)])
    assert path == folder.path / "rollouts" / "grpo-1.jsonl"
    [row] = read_rows(path)
    written = row["completions"][0]["segments"][0]["logprobs"]
    np.testing.assert_array_equal(np.array(written, np.float32), logprobs)


def write_samples(folder, step, heard):
    group = scored_group()
    folder.write_rollouts("grpo", step, [LearnedGroup(group)])
    folder.write_samples("grpo", step, Dataset((group.group.prompt.question,)), lambda _: heard, most=10)


def test_samples_keep_the_audio_that_was_heard_and_replace_the_ones_before(folder):
    write_samples(folder, 1, Clip(clip().samples, digest="e" * 32))
    write_samples(folder, 2, clip())
    written = read_json(folder.path / "samples" / "samples.json")
    [sample] = written["samples"]
    assert (written["step"], sample["answer"]) == (2, "dog")
    assert [completion["total"] for completion in sample["completions"]] == [2.0, 0.0]
    assert [path.name for path in (folder.path / "samples").glob("*.flac")] == [sample["audio"]]
    samples, rate = soundfile.read(folder.path / "samples" / sample["audio"], dtype="float32")
    assert rate == 16_000
    np.testing.assert_allclose(samples, clip().samples, atol=1 / 32_768)


def test_new_samples_replace_only_those_that_were_written_before_them(folder):
    write_samples(folder, 1, Clip(clip().samples, digest="e" * 32))
    samples = folder.path / "samples"
    (samples / "mine.flac").write_bytes(b"mine")
    (folder.path / "elsewhere.flac").write_bytes(b"mine")
    written = read_json(samples / "samples.json")
    written["samples"].append({"audio": "../elsewhere.flac"})
    folder.write_json("samples/samples.json", written)
    write_samples(folder, 2, clip())
    assert {path.name for path in samples.glob("*.flac")} == {"mine.flac", f"{'d' * 32}.flac"}
    assert (folder.path / "elsewhere.flac").exists()


def test_tensorboard_plays_the_samples(folder):
    write_samples(folder, 2, clip())
    events = EventAccumulator(str(folder.path / "tensorboard" / "grpo")).Reload()
    assert events.Tags()["audio"] == ["clip/0"]
    assert events.Audio("clip/0")[0].step == 2
    [text] = events.Tensors("sample/0/text_summary")
    assert b"    * dog\n    - cat" in text.tensor_proto.string_val[0]
    assert b"    total reward 0:\n    <answer>cat</answer>" in text.tensor_proto.string_val[0]


def test_a_full_disk_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "summary.json"
    write_text(path, "old")

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_text(path, "new")
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["summary.json"]


def test_a_damaged_row_is_named_with_file_and_line(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text(json.dumps({"step": 1}) + "\n\x00\x00\n" + json.dumps({"step": 2}) + "\n")
    with pytest.raises(ValueError, match=r"metrics\.jsonl, line 2: expected a JSON object"):
        read_rows(path)


def test_rows_that_name_a_path_as_their_stage_remove_no_folder_elsewhere(tmp_path):
    (tmp_path / "mine").mkdir()
    with RunFolder.create(tmp_path / "run", "name: x\n") as folder:
        (folder.path / "tensorboard").mkdir()
        (folder.path / "metrics.jsonl").write_text('{"stage": "../../mine", "step": 1}\n')
        with pytest.raises(ValueError, match=r"metrics\.jsonl, line 1: expected a name, which is no path"):
            folder.truncate_metrics("rl", 0)
    assert (tmp_path / "mine").is_dir()


def test_the_clock_logs_how_long_a_phase_took_also_where_it_is_interrupted(folder):
    with pytest.raises(KeyboardInterrupt), folder.clock("label"):
        raise KeyboardInterrupt
    [row] = read_rows(folder.path / "timings.jsonl")
    assert (row["stage"], row["step"]) == ("run", 0) and row["time/label"] >= 0.0


def test_a_damaged_summary_goes_and_a_folder_of_its_name_is_refused(folder):
    (folder.path / "summary.json").write_text("{")
    folder.remove_damaged_summary()
    assert not (folder.path / "summary.json").exists()
    (folder.path / "summary.json").mkdir()
    with pytest.raises(ValueError, match=r"summary\.json: expected an ordinary file, found a folder"):
        folder.remove_damaged_summary()
