"""TensorBoard's files, read back: distributions, texts, titles of clips, the table of runs."""

from pathlib import Path

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from tensorboard.plugins.hparams import plugin_data_pb2

from rlaudio.runs.folder import RunFolder
from rlaudio.runs.rollouts import LearnedGroup
from rlaudio.runs.tensorboard import EVERY, flat
from rlaudio.types import Clip, Dataset, ScoredGroup
from tests.factories import make_group, make_question


@pytest.fixture
def folder(tmp_path):
    with RunFolder.create(tmp_path / "run", "name: made_up\n") as folder:
        yield folder


def learned(question=None) -> LearnedGroup:
    """Two completions of 2 and 4 tokens, one of them dropped by its reward."""
    group = make_group("dog", "a small cat", question=question)
    scored = ScoredGroup(group, {"brief": np.array([1.0, np.nan])}, np.array([3.0, np.nan]))
    return LearnedGroup(scored, (np.array([0.5, 0.5], dtype=np.float32), None))


def events(folder, stage="rl") -> EventAccumulator:
    everything = {"histograms": 0, "tensors": 0}
    return EventAccumulator(str(folder.path / "tensorboard" / stage), size_guidance=everything).Reload()


def values(folder, stage):
    """Every value in the files of a stage, in the form that TensorBoard's plug-ins read."""
    for path in sorted((folder.path / "tensorboard" / stage).iterdir()):
        for event in EventFileLoader(str(path)).Load():
            yield from event.summary.value


def test_a_step_has_distributions_of_rewards_lengths_and_advantages(folder):
    folder.write_rollouts("rl", EVERY, [learned()])
    read = events(folder)
    sums = {name: read.Histograms(name)[0].histogram_value.sum for name in read.Tags()["histograms"]}
    assert sums == {"reward/total": 3.0, "reward/brief": 1.0, "rollout/length": 6.0, "advantage": 1.0}


def test_distributions_and_texts_are_of_the_first_step_and_every_tenth(folder):
    for step in range(1, 22):
        folder.write_rollouts("rl", step, [learned()])
    assert [event.step for event in events(folder).Histograms("rollout/length")] == [1, 10, 20]
    assert [event.step for event in events(folder).Tensors("group/0/text_summary")] == [1, 10, 20]


def test_targets_of_sft_have_none(folder):
    scored = ScoredGroup(make_group("dog"), {}, np.zeros(1))
    folder.write_rollouts("sft", 1, [LearnedGroup(scored)])
    assert events(folder, "sft").Tags()["histograms"] == []


def test_a_clip_is_titled_by_its_question_and_described_by_the_options(folder):
    question = make_question(question="Who barks, and <b>where</b>?" + " very" * 40)
    folder.write_rollouts("rl", 3, [learned(question)])
    clip = Clip(np.zeros(1600, np.float32), digest="d" * 32)
    folder.write_samples("rl", 3, Dataset((question,)), lambda _: clip, most=1)
    (heard,) = [value for value in values(folder, "rl") if value.tag == "clip/0"]
    assert heard.metadata.display_name.startswith("Who barks, and <b>where</b>? very")
    assert heard.metadata.display_name.endswith("...") and len(heard.metadata.display_name) == 100
    assert heard.metadata.summary_description.splitlines()[:2] == ["* a dog", "- a cat"]


def test_the_table_of_runs_has_the_recipes_values_and_the_results(folder):
    recipe = {"seed": 7, "optimizer": {"lr": 1e-4, "schedule": "cosine"}, "sft": {"target": None}}
    folder.write_hparams(recipe, {"final/strong_audio": 0.9})
    starts = [
        plugin_data_pb2.HParamsPluginData.FromString(value.metadata.plugin_data.content)
        for value in values(folder, "run")
        if value.tag == "_hparams_/session_start_info"
    ]
    given = starts[0].session_start_info.hparams
    assert set(given) == {"seed", "optimizer.lr", "optimizer.schedule"}
    assert given["optimizer.lr"].number_value == 1e-4
    assert [event.value for event in events(folder, "run").Scalars("final/strong_audio")] == [
        pytest.approx(0.9)
    ]


def test_nested_values_are_named_by_their_keys_and_lists_are_joined():
    nested = {"a": {"b": {"c": 1.5}, "d": ["x", "y"], "e": []}, "f": None, "g": Path("x").as_posix()}
    assert dict(flat(nested)) == {"a.b.c": 1.5, "a.d": "x, y", "g": "x"}
