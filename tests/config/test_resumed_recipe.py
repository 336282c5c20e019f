"""Which recipe a run that began goes on with."""

import logging
import re

import pytest

from rlaudio.config.recipe import load_recipe
from rlaudio.config.resumed_recipe import recipe_to_resume
from rlaudio.config.schema import keys_beside_results
from rlaudio.runs.resuming import keep_recipe


def test_another_recipe_is_refused_with_every_key_and_both_values(begun, recipe_file):
    given = load_recipe(recipe_file, ["optimizer.lr=0.5", "rewards.format=null", "algorithm.clip=0.3"])
    with pytest.raises(ValueError) as error:
        recipe_to_resume(given, begun.path)
    lines = str(error.value).splitlines()
    assert "  optimizer.lr: it began with 0.001, now it is 0.5" in lines
    assert "  algorithm.clip: it began with 0.2, now it is 0.3" in lines
    assert '  rewards.format.use: it began with "format", now it is nothing' in lines
    assert "-o model.path=" in lines[-1]  # how to go on with other settings


def resumed_with(begun, recipe_file, *overrides: str):
    """The recipe that the run goes on with; and its folder says so."""
    recipe = recipe_to_resume(load_recipe(recipe_file, overrides), begun.path)
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
    assert "another value of threads: it began with 1, now it is 7; it changes rounding" in caplog.text


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
            recipe_to_resume(load_recipe(recipe_file, [change]), begun.path)


def test_a_recipe_that_was_edited_in_the_folder_is_refused_also_where_it_is_the_one_given(begun, recipe_file):
    resumed_with(begun, recipe_file)
    file = begun.path / "recipe.yaml"
    file.write_text(file.read_text().replace("lr: 0.001", "lr: 0.002"), encoding="utf-8")
    with pytest.raises(ValueError) as error:
        recipe_to_resume(load_recipe(file), begun.path)
    assert f"{file} was changed since the run began" in str(error.value)
    assert "  optimizer.lr: it began with 0.001, now it is 0.002\n" in str(error.value)
    assert "put the values back" in str(error.value)
