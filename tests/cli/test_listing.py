"""`rlaudio list`: what ships, of one kind, and one plug-in with its file."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from rlaudio.cli import main
from rlaudio.cli.listing import LISTED
from rlaudio.config.shipped import KINDS, available


def listed(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["list", *arguments])


@pytest.mark.parametrize("kind", LISTED)
def test_each_kind_is_listed_alone(kind):
    entries = json.loads(listed(kind, "--json").output)
    assert entries and {entry["kind"] for entry in entries} == {kind}
    assert all(Path(entry["path"]).exists() for entry in entries)
    text = listed(kind).output
    assert all(f"  {entry['name']} " in text for entry in entries)


@pytest.mark.parametrize("kind", KINDS)
def test_a_list_of_plug_ins_names_those_that_a_recipe_may(kind):
    assert [entry["name"] for entry in json.loads(listed(kind, "--json").output)] == list(available(kind))


def test_a_plug_in_is_shown_with_its_options_and_its_file():
    lines = listed("reward", "answer_correctness").output.splitlines()
    assert lines[0].startswith("reward answer_correctness: 1 if the answer is right, else 0")
    assert Path(lines[1]).read_text(encoding="utf-8").startswith('"""1 if the answer is right')
    assert lines[2:] == ["  scorer: Scorer  (must be given)"]


def test_a_file_of_the_users_is_shown_without_being_run(tmp_path, monkeypatch):
    code = "def loud(question, completion, *, bonus: float = 1.0): ..."
    text = f'"""Pays for noise."""\nraise RuntimeError\n{code}\n'
    (tmp_path / "loud.py").write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    (entry,) = json.loads(listed("reward", "./loud.py", "--json").output)
    assert entry["summary"] == "Pays for noise." and entry["path"] == str(tmp_path / "loud.py")
    assert entry["options"] == [{"name": "bonus", "type": "float", "default": "1.0"}]


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["rewards"], 2, "unknown kind 'rewards'; did you mean 'reward'?"),
        (["rewardz"], 2, "unknown kind 'rewardz'; did you mean 'reward'?"),
        (["grpo"], 2, "; for the algorithm of that name: rlaudio list algorithm grpo"),
        (["reward", "./absent.py"], 1, ": no file /"),
        (["algorithm", "grppo"], 1, "unknown algorithm 'grppo'; did you mean 'grpo'"),
        (["recipe", "./mine.yaml"], 1, "unknown recipe './mine.yaml'"),
    ],
)
def test_a_name_that_is_not_there_is_refused(arguments, status, said):
    done = listed(*arguments)
    assert done.exit_code == status and said in done.output
