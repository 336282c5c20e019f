"""`--json` prints one JSON value on stdout; exit statuses; completion; no colour."""

import json
import os
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from rlaudio.cli import main
from rlaudio.cli.doctor import CheckResult
from rlaudio.cli.output import print_json
from rlaudio.data.audiomcq import write_audiomcq
from tests.settings import ONE_HELD_OUT_SET
from tests.word_family import questions_on_disk

TABLES = ["label", "evaluate", "score", "compare", "check", "show", "explain", "list", "doctor"]


def told(*arguments: object, status: int = 0):
    """The JSON that a command prints on stdout."""
    done = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert done.exit_code == status, done.output
    return json.loads(done.stdout)


@pytest.fixture
def questions(tmp_path):
    """A file of four questions, and predictions for three of them."""
    data = questions_on_disk(tmp_path, 4)
    write_audiomcq(data, tmp_path / "questions.jsonl")
    rows = [{"id": question.id, "prediction": question.answer} for question in data[:3]]
    (tmp_path / "predictions.json").write_text(json.dumps(rows), encoding="utf-8")
    return tmp_path / "questions.jsonl"


@pytest.mark.parametrize("command", [*TABLES, "data audit", "data stats", "data dedupe"])
def test_every_command_with_a_table_has_json(command):
    group, context = main, click.Context(main)
    for word in command.split():
        group = group.get_command(context, word)
    assert "--json" in {option for parameter in group.params for option in parameter.opts}


def test_numbers_that_are_no_json_become_null(capsys):
    print_json({"a": float("nan"), "b": 0.5})
    assert json.loads(capsys.readouterr().out) == {"a": None, "b": 0.5}


def test_label_evaluate_and_score(questions, tmp_path):
    voters = ["--voter", "tiny/voter_a", "--threshold", 1, "--silence", 1]
    labelled = told("label", questions, *voters, "--out", tmp_path / "labels", "--json")
    assert labelled["tables"]["all"]["all"]["questions"] == 4

    out = tmp_path / "evaluated"
    controls = ["-o", "evaluation.controls=[audio]"]
    evaluated = told("evaluate", "tiny/base", "--data", questions, *controls, "--out", out, "--json")
    assert evaluated["sets"] == json.loads((out / "evaluation.json").read_text(encoding="utf-8"))

    given = ["--benchmark", f"audiomcq={questions}", "--against", out, "--json"]
    scored = told("score", tmp_path / "predictions.json", *given)
    assert scored["sets"]["audiomcq"]["tables"]["all"]["all"]["scores"]["audio"]["accuracy"] == 0.75
    assert [pair["questions"] for pair in scored["against"]] == [4]


def test_dedupe_lists_the_leaks_and_fails(questions):
    leaks = told("data", "dedupe", questions, questions, "--json", status=1)
    assert {leak["shared"] for leak in leaks["leaks"]} == {"audio and text"} and leaks["unreadable"] == {}


def test_show_and_check():
    assert told("show", "tiny_weak_to_strong", "--json")["algorithm"]["use"] == "grpo"
    fields = told("show", "--fields", "--json")
    assert [row["default"] for row in fields if row["key"] == "seed"] == ["0"]
    small = ["data.train.count=20", "data.evaluate.test.count=8", "sampling.questions=2", *ONE_HELD_OUT_SET]
    small = [word for override in small for word in ("-o", override)]
    checked = told("check", "tiny_weak_to_strong", *small, "--json")
    assert checked["recipe"] == "tiny_weak_to_strong" and checked["told"]


@pytest.mark.parametrize(("state", "status"), [("works", 0), ("broken", 1)])
def test_doctor(monkeypatch, state, status):
    result = CheckResult("torch", state, "2.13.0", needed=True)
    monkeypatch.setattr("rlaudio.cli.doctor.examine", lambda engines: [result])
    assert told("doctor", "--json", status=status)[0]["state"] == state


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["list"], 0),
        (["show", "gone"], 1),
        (["show"], 2),
        (["sow"], 2),
        (["data", "audit", "gone.jsonl"], 1),
        (["export", "/"], 1),
    ],
)
def test_exit_statuses(arguments, status):
    assert CliRunner().invoke(main, arguments).exit_code == status


def completed(*words: str) -> list[str]:
    """What bash is offered after these words."""
    environment = os.environ | {
        "_RLAUDIO_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join(["rlaudio", *words]),
        "COMP_CWORD": str(len(words)),
    }
    code = "from rlaudio.cli import main; main(prog_name='rlaudio')"
    given = [sys.executable, "-c", code]
    done = subprocess.run(given, env=environment, capture_output=True, text=True, check=True)
    return [line.partition(",")[2] for line in done.stdout.splitlines()]


def test_the_shell_completes_commands_options_kinds_and_recipes():
    assert {"evaluate", "explain", "export"} <= set(completed("e"))
    assert "--json" in completed("list", "--j")
    assert completed("list", "alg") == ["algorithm"]
    assert "tiny_weak_to_strong" in completed("run", "tiny_w")
    assert "compare_curricula" in completed("compare", "compare_c")
    assert completed("list", "algorithm", "grp") == ["grpo"]


def test_a_program_for_completion_is_printed_for_bash_zsh_and_fish():
    for shell in ("bash", "zsh", "fish"):
        given = CliRunner().invoke(main, prog_name="rlaudio", env={"_RLAUDIO_COMPLETE": f"{shell}_source"})
        assert "_RLAUDIO_COMPLETE" in given.output


@pytest.mark.parametrize("arguments", [["list"], ["show", "tiny_weak_to_strong"], ["show", "gone"]])
def test_what_commands_print_has_no_colour(arguments):
    done = CliRunner().invoke(main, arguments, color=True)
    assert "\x1b[" not in done.output
