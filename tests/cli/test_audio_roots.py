"""What audio paths are relative to, where a command that asks a model says so."""

import pytest
from click.testing import CliRunner

import rlaudio.interface
from rlaudio.cli.commands import main


class Told(Exception):
    """Ends a command where its recipe would be made."""


@pytest.fixture
def given(tmp_path, monkeypatch):
    """Runs a command on two sets; returns what the recipe is made of."""
    for name in ("a.jsonl", "b.jsonl"):
        (tmp_path / name).write_text("", encoding="utf-8")
    (tmp_path / "clips").mkdir()
    monkeypatch.chdir(tmp_path)

    def told(*arguments):
        raise Told(arguments)

    monkeypatch.setattr(rlaudio.interface, "recipe_to_evaluate", told)
    monkeypatch.setattr(rlaudio.interface, "recipe_to_label", told)
    return lambda *arguments: CliRunner().invoke(main, arguments)


def test_evaluate_gives_audio_roots_to_all_sets_or_to_one(given):
    sets = ("--data", "jsonl=a.jsonl", "--benchmark", "mmau=b.jsonl")
    _, of_all, _ = given("evaluate", "m", *sets, "--audio-root", "clips", "--outside-root").exception.args[0]
    assert [(spec["audio_root"], spec["outside_root"]) for spec in of_all.values()] == [("clips", True)] * 2
    _, of_one, _ = given("evaluate", "m", *sets, "--audio-root", "mmau=clips").exception.args[0]
    assert {name: spec.get("audio_root") for name, spec in of_one.items()} == {"jsonl": None, "mmau": "clips"}


def test_label_takes_an_audio_root(given):
    done = given("label", "jsonl=a.jsonl", "--voter", "m", "--threshold", "1", "--audio-root", "clips")
    assert done.exception.args[0][0]["audio_root"] == "clips"


def test_an_audio_root_needs_a_set_of_the_command_line(given):
    recipe = given("evaluate", "r.yaml", "--audio-root", "clips")
    assert recipe.exit_code == 2 and "--audio-root goes with --data or --benchmark" in recipe.output
    other = given("evaluate", "m", "--data", "jsonl=a.jsonl", "--audio-root", "mmau=clips")
    assert other.exit_code == 2 and "no set is called mmau" in other.output
