"""A resumed run has the models and plug-ins that it began with."""

import json
import re
from functools import partial
from pathlib import Path
from unittest.mock import Mock

import pytest

from rlaudio.config.recipe import load_recipe
from rlaudio.runs.digests import check_recorded, is_recorded
from rlaudio.runs.resuming import (
    accept_plugins,
    changed_files,
    changed_plugins,
    check_models,
    check_plugins,
)
from rlaudio.utils.user_modules import with_helpers
from tests.config.test_schema import JUDGED
from tests.runs.resuming.test_data import rewritten_in_place


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
    begun.write_json("plugins.json", {"/of_another_time.py": None})
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


def test_plugins_of_a_run_that_lost_their_digests_are_refused(labelled, shy):
    _, recipe = shy
    check_plugins(labelled, recipe.user_files())
    one_less = json.dumps({"/of_another_time.py": None})
    for lose in (partial(Path.write_text, data=one_less), partial(Path.write_text, data="{}"), Path.unlink):
        lose(labelled.path / "plugins.json")
        with pytest.raises(
            ValueError, match=r"plugins\.json missing or not what the run wrote, so nothing tells"
        ):
            check_plugins(labelled, recipe.user_files())


def test_a_run_without_plugins_keeps_that_it_has_none(begun):
    check_plugins(begun, [])
    assert (begun.path / "plugins.json").read_text() == "{}\n"
    begun.write_json("labels.json", {})
    check_plugins(begun, [])
    (begun.path / "plugins.json").unlink()
    with pytest.raises(ValueError, match=r"plugins\.json missing"):
        check_plugins(begun, [])


def test_plugins_that_a_copied_run_adds_are_those_of_its_beginning(begun, shy):
    file, recipe = shy
    check_plugins(begun, [])
    begun.write_json("labels.json", {})  # computed by a recipe without the plug-in
    check_plugins(begun, recipe.user_files())
    file.write_text(SHY.format(value=0.5), encoding="utf-8")
    with pytest.raises(ValueError, match=REFUSED.format(file=file)):
        check_plugins(begun, recipe.user_files())


@pytest.mark.parametrize("killed_in", ["write_json", "record"])
def test_a_run_that_is_killed_as_it_keeps_its_plugins_can_be_resumed(begun, shy, monkeypatch, killed_in):
    _, recipe = shy
    check_plugins(begun, [])
    begun.write_json("labels.json", {})
    owner = begun if killed_in == "write_json" else changed_files
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(owner, killed_in, Mock(side_effect=KeyboardInterrupt))
        check_plugins(begun, recipe.user_files())
    check_recorded(begun.path)
    check_plugins(begun, recipe.user_files())
    assert is_recorded(begun.path, "plugins.json")


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


def test_a_prompt_of_a_judge_that_changed_since_the_run_began_is_refused(labelled, recipe_file, tmp_path):
    prompt = tmp_path / "prompt.txt"
    prompt.write_text("Grade {text}.", encoding="utf-8")
    recipe = load_recipe(recipe_file, [JUDGED.format(prompt)])
    check_plugins(labelled, recipe.read_files())
    prompt.write_text("Grade {text} mildly.", encoding="utf-8")
    with pytest.raises(ValueError, match=REFUSED.format(file=prompt)):
        check_plugins(labelled, recipe.read_files())
