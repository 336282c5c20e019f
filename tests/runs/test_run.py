"""A run folder is read back into the records that it was written from."""

import dataclasses
import datetime
import functools
import json
import operator
from pathlib import Path

import numpy as np
import pytest

import rlaudio
from rlaudio.runs.folder import RunFolder
from rlaudio.runs.places import ROLLOUT_CLIPS
from rlaudio.runs.rollouts import LearnedGroup, question_from_json, question_to_json
from rlaudio.runs.run import open_run
from rlaudio.types import (
    Absent,
    Check,
    Choice,
    Clip,
    Completion,
    Group,
    HeardClip,
    OpenText,
    Prompt,
    Question,
    RewardFailure,
    ScoredGroup,
    Segment,
)
from tests.made_up_run import made_up_run

RECIPE = "name: tiny\n"
TARGETS = [
    Choice(("a dog", "a cat", "a dog"), gold=2, answer="a dog"),
    Choice(("a dog", "a cat"), gold=None),
    OpenText("It barks."),
    Check("word_count", {"most": 5}),
]


def learned_group(target, clips=(Path("a.wav"), Path("b.wav")), supported=True) -> LearnedGroup:
    """A group with all that a record can hold: several clips, segments, a dropped sample, a failure."""
    rng = np.random.default_rng(3)
    question = Question(
        "q1",
        "Which?",
        tuple(clips),
        target,
        {"category": "sound"},
        True,
        {"simple": "a thought"},
        extra={"url": "https://example.org", "spans": [[0.5, 1.0], None]},
    )
    heard = tuple(HeardClip(f"digest {number}", truncated=number == 1) for number in range(len(clips)))
    prompt = Prompt(question, np.arange(5), np.arange(5), heard, Absent.ELSEWHERE)

    def segment(length, sampled):
        logprobs = -rng.random(length, dtype=np.float32) if sampled else None
        support = rng.integers(0, 99, (length, 3)) if sampled and supported else None
        ids = rng.integers(0, 99, length)
        return Segment(ids, logprobs, "é" * length, ("é",) * length, support)

    completions = (
        Completion((segment(3, True), segment(2, False), segment(4, True)), "stop", 7),
        Completion((segment(2, True),), "length", 6),
    )
    scored = ScoredGroup(
        Group(prompt, completions),
        {"right": np.array([1.0, np.nan])},
        np.array([2.0, np.nan]),
        (RewardFailure("right", "q1", 1, "returned None"),),
        {"right": 2.0},
    )
    signals = ({"reference": rng.random(7, dtype=np.float32)}, {})
    return LearnedGroup(scored, (rng.random(7, dtype=np.float32), None), signals, contribution=0.25)


def assert_same(first, second):
    """Equal in every field of every record inside."""
    assert type(first) is type(second)
    if dataclasses.is_dataclass(first):
        for field in dataclasses.fields(first):
            assert_same(getattr(first, field.name), getattr(second, field.name))
    elif isinstance(first, np.ndarray):
        np.testing.assert_array_equal(first, second)
        assert first.dtype == second.dtype
    elif isinstance(first, tuple):
        assert len(first) == len(second)
        for left, right in zip(first, second, strict=True):
            assert_same(left, right)
    elif isinstance(first, dict):
        assert first.keys() == second.keys()
        for key in first:
            assert_same(first[key], second[key])
    else:
        assert first == second


def as_stored(learned: LearnedGroup) -> LearnedGroup:
    """The record less what no run folder keeps: features."""
    prompt = dataclasses.replace(learned.scored.group.prompt, features=Absent.STORED)
    group = dataclasses.replace(learned.scored.group, prompt=prompt)
    return dataclasses.replace(learned, scored=dataclasses.replace(learned.scored, group=group))


@pytest.fixture
def folder(tmp_path):
    with RunFolder.create(tmp_path / "run", RECIPE) as folder:
        yield folder


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("supported", [True, False])
def test_stored_groups_come_back_record_for_record(folder, target, supported):
    learned = [learned_group(target, supported=supported), learned_group(target, clips=())]
    folder.write_rollouts("rl", 3, learned)
    run = rlaudio.open_run(folder.path)
    assert run.steps("rl") == [3]
    for stored, written in zip(run.rollouts("rl", 3), learned, strict=True):
        assert_same(stored, as_stored(written))


def test_fields_of_parquet_are_stored_as_json_has_them():
    question = learned_group(TARGETS[0]).scored.group.prompt.question
    odd = {"when": datetime.date(2026, 11, 30), "scores": np.array([1.5, 2.5]), "count": np.int64(3)}
    stored = question_from_json(question_to_json(dataclasses.replace(question, extra=odd)))
    assert stored.extra == {"when": "2026-11-30", "scores": [1.5, 2.5], "count": 3}


def made_up_clip(number: int) -> Clip:
    samples = np.random.default_rng(number).normal(size=800).astype(np.float32)
    return Clip(samples, f"{number:032d}", truncated=number == 1, notes=("clipped",))


def inserting(learned: LearnedGroup, *clips: Path | Clip) -> LearnedGroup:
    """The group with clips in the segment that an environment inserted."""
    completions = list(learned.scored.group.completions)
    segments = [s if s.sampled else dataclasses.replace(s, clips=clips) for s in completions[0].segments]
    completions[0] = dataclasses.replace(completions[0], segments=tuple(segments))
    group = dataclasses.replace(learned.scored.group, completions=tuple(completions))
    return dataclasses.replace(learned, scored=dataclasses.replace(learned.scored, group=group))


@pytest.mark.parametrize("inserted", [(Path("c.wav"),), (made_up_clip(1),), (Path("c.wav"), made_up_clip(2))])
def test_clips_that_an_environment_inserted_come_back_sample_for_sample(folder, inserted):
    learned = inserting(learned_group(TARGETS[0]), *inserted)
    folder.write_rollouts("rl", 1, [learned])
    [stored] = rlaudio.open_run(folder.path).rollouts("rl", 1)
    assert_same(stored, as_stored(learned))
    assert [segment.clips for segment in stored.scored.group.completions[1].segments] == [()]


def test_a_question_about_samples_comes_back_with_them_and_they_are_kept_once(folder):
    learned = learned_group(TARGETS[0], clips=(made_up_clip(1), made_up_clip(2)))
    for step in (1, 2):
        folder.write_rollouts("rl", step, [learned, learned])
    run = rlaudio.open_run(folder.path)
    for step in (1, 2):
        for stored in run.rollouts("rl", step):
            assert_same(stored, as_stored(learned))
    assert len(list((folder.path / ROLLOUT_CLIPS).iterdir())) == 2
    assert run.steps("rl") == [1, 2] and run.stages_with_rollouts == ["rl"]


def test_rows_of_before_kept_no_samples_and_are_read_without(folder):
    learned = learned_group(TARGETS[0], clips=(made_up_clip(1), Path("b.wav")))
    file = folder.write_rollouts("rl", 1, [learned])
    row = json.loads(file.read_text())
    row["question"]["clips"][0] = {"digest": row["question"]["clips"][0]["digest"]}
    assert all("clips" not in segment for c in row["completions"] for segment in c["segments"])
    file.write_text(json.dumps(row) + "\n")
    [stored] = rlaudio.open_run(folder.path).rollouts("rl", 1)
    assert stored.scored.group.prompt.question.clips == (Path("b.wav"),)


@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: path.write_bytes(b"no audio")])
def test_a_clip_that_is_gone_or_damaged_is_named(folder, damage):
    folder.write_rollouts("rl", 1, [inserting(learned_group(TARGETS[0]), made_up_clip(1))])
    [file] = (folder.path / ROLLOUT_CLIPS).iterdir()
    damage(file)
    run = rlaudio.open_run(folder.path)
    with pytest.raises(
        ValueError, match=f"rl-1.jsonl, line 1: .*{file.name}: expected audio, found"
    ) as error:
        run.rollouts("rl", 1)
    assert str(error.value).endswith("; copy the file again") and "delete the line" not in str(error.value)
    [group] = run.rollouts("rl", 1, samples=False)
    assert_same(group, as_stored(inserting(learned_group(TARGETS[0]), file)))


def test_a_clip_of_several_groups_is_read_once(folder):
    learned = learned_group(TARGETS[0], clips=(made_up_clip(1),))
    folder.write_rollouts("rl", 1, [learned, learned])
    clips = [g.scored.group.prompt.question.clips[0] for g in rlaudio.open_run(folder.path).rollouts("rl", 1)]
    assert clips[0].samples is clips[1].samples


@pytest.mark.parametrize(
    "clip", [{"file": "../a.wav"}, {"file": "a.wav", "digest": "a"}, {"path": 1}, {"digest": ["a"]}]
)
def test_a_clip_of_another_shape_is_named(folder, clip):
    file = folder.write_rollouts("rl", 1, [learned_group(TARGETS[0])])
    row = json.loads(file.read_text())
    row["question"]["clips"] = [clip]
    file.write_text(json.dumps(row) + "\n")
    with pytest.raises(ValueError, match=r"rl-1\.jsonl, line 1: question\.clips\.0"):
        rlaudio.open_run(folder.path).rollouts("rl", 1)


def test_a_run_that_is_still_going_is_read_as_far_as_it_is(folder):
    folder.log_metrics("rl", 1, {"loss/total": 1.0})
    folder.write_rollouts("rl", 1, [learned_group(TARGETS[0]), learned_group(TARGETS[0])])
    with (folder.path / "metrics.jsonl").open("a", encoding="utf-8") as metrics:
        metrics.write('{"stage": "rl", "st')
    run = open_run(folder.path)
    assert len(run.metrics) == 1 and len(run.rollouts("rl", 1)) == 2


def test_rollouts_that_were_cut_off_are_damage_since_they_are_written_whole(folder):
    path = folder.write_rollouts("rl", 1, [learned_group(TARGETS[0]), learned_group(TARGETS[0])])
    text = path.read_text(encoding="utf-8")
    path.write_text(text[: len(text) // 2 + 100], encoding="utf-8")
    with pytest.raises(ValueError, match=r"rl-1\.jsonl, line 2: the file ends within it, .*; copy the file"):
        open_run(folder.path).rollouts("rl", 1)


@pytest.mark.parametrize("kept", [0.5, "a whole line", "no line"])
@pytest.mark.parametrize("when", ["base", "final"])
def test_answers_that_were_cut_off_are_damage_even_between_two_lines(tmp_path, when, kept):
    path = made_up_run(tmp_path / "run", sft_steps=2, rl_steps=2, questions=(20, 20, 8))
    file = path / "evaluation" / when / "test.jsonl"
    lines = file.read_bytes().splitlines(keepends=True)
    whole = len(open_run(path).answers(when, "test"))
    assert whole == len(lines)
    data = b"".join(lines)
    left = {0.5: data[: len(data) // 2 - 7], "a whole line": b"".join(lines[:-1]), "no line": b""}[kept]
    file.write_bytes(left)
    said = "the file ends within it" if kept == 0.5 else f"answers; expected {whole}, to .* questions under"
    with pytest.raises(ValueError, match=rf"test\.jsonl.*{said}.*; copy the file again"):
        open_run(path).answers(when, "test")
    run = open_run(path, leave_out_damage=True)
    assert len(run.answers(when, "test")) < whole and len(run.left_out) == 1


def test_a_run_that_crashed_at_step_0_has_no_rollouts(folder):
    run = open_run(folder.path)
    assert (run.metrics, run.steps("rl"), run.stages) == ([], [], [])
    with pytest.raises(FileNotFoundError, match="no rollouts of step 1 of 'rl'; there are: none"):
        run.rollouts("rl", 1)


def test_a_damaged_line_is_named(folder):
    path = folder.write_rollouts("rl", 1, [learned_group(TARGETS[0])] * 2)
    first, second = path.read_text(encoding="utf-8").splitlines()
    path.write_text(f"{first}\n{second[:50]}\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"rl-1.jsonl, line 2: expected a JSON object"):
        open_run(folder.path).rollouts("rl", 1)
    path.write_text(first + '\n{"question": {}}\n', encoding="utf-8")
    with pytest.raises(
        ValueError, match=r"rl-1.jsonl, line 2: question.id: the key is missing; delete the line"
    ):
        open_run(folder.path).rollouts("rl", 1)


LISTS = [  # of a stored group, each as long as the completions or as the tokens that it is about
    ("prompt", "positions"),
    ("total",),
    ("rewards", "right"),
    ("advantages",),
    ("advantages", 0),
    ("signals",),
    ("signals", 0, "reference"),
    ("completions", 0, "segments", 0, "logprobs"),
    ("completions", 0, "segments", 0, "token_texts"),
    ("completions", 0, "segments", 0, "support"),
    ("completions", 0, "segments", 0, "support", 0),
]


@pytest.mark.parametrize("keys", LISTS, ids=str)
def test_a_list_of_another_length_than_what_it_is_about_is_named(folder, keys):
    path = folder.write_rollouts("rl", 1, [learned_group(TARGETS[0], supported=True)])
    row = json.loads(path.read_text(encoding="utf-8"))
    functools.reduce(operator.getitem, keys, row).pop()
    path.write_text(json.dumps(row) + "\n", encoding="utf-8")
    name = next(key for key in reversed(keys) if isinstance(key, str))
    with pytest.raises(ValueError, match=rf"rl-1.jsonl, line 1: .*expected as many .*{name}"):
        open_run(folder.path).rollouts("rl", 1)


@pytest.mark.parametrize("read", [open_run, RunFolder.reopen])
def test_a_folder_of_another_format_is_refused_with_what_to_do(tmp_path, read):
    run = made_up_run(tmp_path / "run", sft_steps=1, rl_steps=1, questions=(20, 20, 8))
    versions = json.loads((run / "versions.json").read_text())
    del versions["format"]  # as before there were formats
    (run / "versions.json").write_text(json.dumps(versions))
    with pytest.raises(ValueError, match=r"has format 1; expected 2; read it with the rlaudio that wrote it"):
        read(run)


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"found no recipe.yaml; expected the folder of a run"):
        open_run(tmp_path)
