"""Which file a plug-in's name means, and which folder a model's."""

import os

import pytest

from rlaudio.config.finding import find
from rlaudio.config.plugins import bind
from rlaudio.config.shipped import PACKAGE


def test_a_bare_name_is_a_file_that_ships():
    assert find("algorithm", "grpo") == PACKAGE / "algorithms" / "grpo.py"


def test_a_folder_can_be_a_plugin():
    assert find("data", "synthetic") == PACKAGE / "worlds" / "synthetic" / "__init__.py"


def test_a_path_is_relative_to_the_given_folder(write):
    path = write("mine.py", "")
    assert find("reward", "./mine.py", path.parent) == path


def test_an_unknown_name_suggests_the_closest_and_lists_all():
    with pytest.raises(
        ValueError, match=r"unknown algorithm 'grop'; did you mean 'grpo'\? Known: cispo, .*grpo, "
    ):
        find("algorithm", "grop")


def test_a_bare_name_of_a_file_beside_the_recipe_is_told_to_be_a_path(write):
    path = write("mine.py", "")
    with pytest.raises(ValueError, match=r"write \./mine\.py"):
        find("reward", "mine", path.parent)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"reward \./gone\.py: no file .*gone\.py"):
        find("reward", "./gone.py", tmp_path)


def test_a_name_cannot_leave_the_folder_that_ships():
    with pytest.raises(ValueError, match="unknown reward"):
        find("reward", "base/../format")


def test_a_plug_in_that_is_no_file_is_told_without_opening_it(tmp_path):
    (tmp_path / "folder.py").mkdir()
    os.mkfifo(tmp_path / "pipe.py")
    with pytest.raises(FileNotFoundError, match=r"folder\.py is a folder; expected a file"):
        bind("reward", "./folder.py", tmp_path)
    with pytest.raises(FileNotFoundError, match=r"pipe\.py is a pipe or device; expected a file"):
        bind("reward", "./pipe.py", tmp_path)


def test_path_options_become_absolute(tmp_path):
    bound = bind("data", {"use": "audiomcq", "path": "./some/data", "audio_root": "../audio"}, tmp_path)
    assert bound.options["path"] == tmp_path / "some/data"
    assert bound.options["audio_root"] == tmp_path.parent / "audio"


@pytest.mark.parametrize("name", ["tiny/base", "Qwen/Qwen2.5-Omni-7B"])
def test_shipped_models_and_hub_names_stay(tmp_path, name):
    assert bind("model", {"use": "qwen2_5_omni", "path": name}, tmp_path).options["path"] == name


@pytest.mark.parametrize("spec", [("model", "qwen2_5_omni"), ("data", "audiomcq")])
def test_a_path_that_is_too_long_is_refused_without_repeating_all_of_it(tmp_path, spec):
    kind, use = spec
    with pytest.raises(
        ValueError, match=r"no path 'xxx.*\(100,002 characters\): File name too long; correct the path$"
    ) as caught:
        bind(kind, {"use": use, "path": "x" * 100_000}, tmp_path)
    assert len(str(caught.value)) < 1000


def test_a_model_folder_becomes_absolute(tmp_path):
    (tmp_path / "mine").mkdir()
    bound = bind("model", {"use": "qwen2_5_omni", "path": "mine"}, tmp_path)
    assert bound.options["path"] == str(tmp_path / "mine")
