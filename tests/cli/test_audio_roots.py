"""What audio paths are relative to, where a command that asks a model says so."""

import click
import pytest
from click.testing import CliRunner

import rlaudio.interface
from rlaudio.cli.commands import main


@pytest.fixture
def made_of(monkeypatch):
    """What the recipe of each command is made of, where the command ends."""
    calls = []

    def end(*arguments):
        calls.append(arguments)
        raise click.Abort  # any other error is told, once a plug-in has run in the process

    monkeypatch.setattr(rlaudio.interface, "recipe_to_evaluate", end)
    monkeypatch.setattr(rlaudio.interface, "recipe_to_label", end)
    return calls


@pytest.fixture
def given(tmp_path, monkeypatch):
    """Runs a command on two sets."""
    for name in ("a.jsonl", "b.jsonl"):
        (tmp_path / name).write_text("", encoding="utf-8")
    (tmp_path / "clips").mkdir()
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(main, arguments)


def test_evaluate_gives_audio_roots_to_all_sets_or_to_one(given, made_of):
    sets = ("--data", "jsonl=a.jsonl", "--benchmark", "mmau=b.jsonl")
    given("evaluate", "m", *sets, "--audio-root", "clips", "--outside-root")
    given("evaluate", "m", *sets, "--audio-root", "mmau=clips")
    [(_, of_all, _), (_, of_one, _)] = made_of
    assert [(spec["audio_root"], spec["outside_root"]) for spec in of_all.values()] == [("clips", True)] * 2
    assert {name: spec.get("audio_root") for name, spec in of_one.items()} == {"jsonl": None, "mmau": "clips"}


def test_label_takes_an_audio_root(given, made_of):
    given("label", "jsonl=a.jsonl", "--voter", "m", "--threshold", "1", "--audio-root", "clips")
    [(spec, _, _)] = made_of
    assert spec["audio_root"] == "clips"


def test_an_audio_root_needs_a_set_of_the_command_line(given):
    recipe = given("evaluate", "r.yaml", "--audio-root", "clips")
    assert recipe.exit_code == 2 and "--audio-root goes with --data or --benchmark" in recipe.output
    other = given("evaluate", "m", "--data", "jsonl=a.jsonl", "--audio-root", "mmau=clips")
    assert other.exit_code == 2 and "no set is called mmau" in other.output
