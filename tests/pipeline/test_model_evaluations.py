"""What evaluations of a recipe warn of."""

from dataclasses import replace

import pytest

from rlaudio import pipeline
from rlaudio.builder.answering import prompt_builder
from rlaudio.config.recipe import load_recipe
from rlaudio.pipeline.model_evaluations import evaluate_between
from rlaudio.runs.folder import RunFolder
from rlaudio.runs.occupancy import held, take_lock
from rlaudio.training.stages import OpenedPolicy
from rlaudio.types import Datasets
from rlaudio.utils.processes import ALONE

MUTE = """
from rlaudio.rollout.scripted import Scripted


def mute(family):
    return Scripted(lambda prompt, sample: "hm")
"""


def test_an_evaluation_whose_answers_name_no_option_warns_once_and_names_the_model(
    recipe_file, tmp_path, caplog
):
    (tmp_path / "mute.py").write_text(MUTE)
    few = [f"rollout={{use: {tmp_path / 'mute.py'}}}", "data.evaluate.held_out.count=4"]
    pipeline.evaluate_recipe(load_recipe(recipe_file, few))
    (message,) = [record.getMessage() for record in caplog.records if "name no option" in record.getMessage()]
    assert message.startswith("evaluate: held_out, ")
    assert "tiny/base, with audio: 100% of the answers name no option" in message


def test_a_warning_after_a_stage_names_the_policy_and_not_its_base(recipe_file, tmp_path, caplog):
    (tmp_path / "mute.py").write_text(MUTE)
    recipe = load_recipe(recipe_file, [f"rollout={{use: {tmp_path / 'mute.py'}}}"])
    family = recipe.model()
    policy = OpenedPolicy(family, prompt_builder(recipe, family), ALONE)
    questions = replace(recipe.data.evaluate["held_out"](), questions=recipe.data.evaluate["held_out"]()[:2])
    with RunFolder.create(tmp_path / "out", recipe.to_yaml()) as folder:
        evaluate_between(recipe, Datasets(questions, {"held_out": questions}), folder, "sft", policy)
    (message,) = [record.getMessage() for record in caplog.records if "name no option" in record.getMessage()]
    assert message.startswith("evaluate sft: held_out, the policy after stage sft, with audio: 100%")


@pytest.mark.parametrize("command", [pipeline.evaluate_recipe, pipeline.label_data])
def test_a_place_that_nothing_can_be_written_to_is_refused_before_a_model_answers(
    recipe_file, tmp_path, command
):
    (tmp_path / "file").write_text("mine")
    recipe = load_recipe(recipe_file, [f"model.path={tmp_path / 'gone'}"])
    with pytest.raises(OSError, match=r"file/out: cannot be written to .* choose another with --out"):
        command(recipe, tmp_path / "file" / "out")
    assert (tmp_path / "file").read_text() == "mine"


def test_a_folder_that_another_process_writes_to_is_refused_before_a_model_answers(recipe_file, tmp_path):
    recipe = load_recipe(recipe_file, [f"model.path={tmp_path / 'gone'}"])
    with held(tmp_path / "out"), pytest.raises(BlockingIOError, match="is writing to this folder"):
        pipeline.evaluate_recipe(recipe, tmp_path / "out")
    with (
        take_lock(tmp_path),
        pytest.raises(FileNotFoundError, match="no such folder"),
    ):  # it gets to the voter
        pipeline.label_data(recipe, tmp_path)
