"""`rlaudio reward ...` from the command line, on run folders as they are met."""

import json

import pytest
from click.testing import CliRunner

from rlaudio.cli import main
from tests.lab.stored_runs import RECIPE, RIGHT, WRONG, learned, write_run

SHOUT = """
def shout(question, completion, *, bonus: float = 1.0):
    return bonus * sum(c.isupper() for c in completion.text)
"""


def call(*words):
    return CliRunner().invoke(main, ["reward", *map(str, words)])


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shout.py").write_text(SHOUT, encoding="utf-8")
    groups = [learned(f"q{number}", RIGHT, WRONG, RIGHT.upper(), "nothing") for number in range(3)]
    return write_run(tmp_path / "run", {1: groups})


def test_a_reward_is_tried_as_text_and_as_json(run):
    told = call("try", "./shout.py", "--run", run)
    assert told.exit_code == 0, told.output
    assert "shout, weight 1, added to the run's rewards" in told.stdout
    done = call("try", "./shout.py", "--run", run, "-o", "bonus=2", "--weight", "0.5", "--json")
    (tried,) = json.loads(done.stdout)["tried"]
    assert tried["weight"] == 0.5 and tried["total"]["max"] == 2.0 * 0.5 * len("ANSWERADOGANSWER")
    assert "runs " in done.stderr and "shout.py" in done.stderr


@pytest.mark.parametrize("against", [False, True])
def test_try_ends_with_status_1_where_no_completion_gets_a_value(run, tmp_path, against):
    (tmp_path / "lost.py").write_text(
        "def lost(question, completion):\n    raise KeyError('label')\n", encoding="utf-8"
    )
    tried = ("./shout.py", "--against", "./lost.py") if against else ("./lost.py",)
    done = call("try", *tried, "--run", run, "--json")
    assert done.exit_code == 1 and json.loads(done.stdout)["tried"][-1]["failures"]["count"] == 12
    assert (
        "Error: reward lost gave a value for none of 12 completions; the first: raised KeyError: 'label', "
        "in line 2; fix the reward" in done.stderr
    )


def test_try_goes_on_where_some_completions_get_no_value(run, tmp_path):
    (tmp_path / "partly.py").write_text(
        "def partly(question, completion):\n    return 1 / completion.text.count('<')\n", encoding="utf-8"
    )
    done = call("try", "./partly.py", "--run", run)
    assert done.exit_code == 0 and "gave no value for 3 completions" in done.stdout


def test_two_rewards_are_tried_side_by_side_one_of_them_written_for_trl(run, tmp_path):
    (tmp_path / "theirs.py").write_text(
        "def theirs(completions, **kwargs):\n    return [float(len(c)) for c in completions]\n",
        encoding="utf-8",
    )
    other = "{use: ./theirs.py, style: trl, weight: 3}"
    done = call("try", "answer_correctness", "--run", run, "--against", other, "--json")
    first, second = json.loads(done.stdout)["tried"]
    assert (first["replaces"], first["weight"]) == (True, 2.0)
    assert (second["name"], second["weight"], second["replaces"]) == ("theirs", 3, True)


def test_two_rewards_take_the_place_of_the_same_reward_with_its_weight(run):
    words = ("try", "./shout.py", "--run", run, "--against", "format", "--name", "answer_correctness")
    first, second = json.loads(call(*words, "--json").stdout)["tried"]
    assert (first["name"], second["name"]) == ("shout", "format")
    assert first["replaces"] and second["replaces"] and first["weight"] == second["weight"] == 2.0


def test_a_reward_may_take_the_place_of_another_name(run):
    words = ("try", "./shout.py", "--run", run, "--name", "answer_correctness")
    assert json.loads(call(*words, "--json").stdout)["tried"][0]["replaces"]
    assert "shout, weight 2, in place of the run's answer_correctness (" in call(*words).stdout


def test_files_that_a_run_names_are_not_started(run, tmp_path):
    (tmp_path / "evil.py").write_text("raise SystemExit('started')", encoding="utf-8")
    recipe = RECIPE.replace("{use: robust}", f"{{use: {tmp_path / 'evil.py'}}}")
    (run / "recipe.yaml").write_text(recipe, encoding="utf-8")
    done = call("try", "./shout.py", "--run", run)
    assert done.exit_code == 0, done.output
    assert "the run's scorer is a file, which reading a run does not start; robust stands in" in done.stderr


@pytest.mark.parametrize(
    "judge", ["{use: EVIL}", "{use: endpoint, url: 'http://127.0.0.1:9/v1', model: m}", "EVIL"]
)
def test_a_judge_that_a_run_names_is_neither_started_nor_asked(run, tmp_path, judge):
    (tmp_path / "evil.py").write_text(
        "raise SystemExit('started')\n\ndef evil(question, answer, text):\n    return True\n",
        encoding="utf-8",
    )
    scorer = f"{{use: judge, judge: {judge.replace('EVIL', str(tmp_path / 'evil.py'))}}}"
    (run / "recipe.yaml").write_text(RECIPE.replace("{use: robust}", scorer), encoding="utf-8")
    done = call("try", "./shout.py", "--run", run)
    assert done.exit_code == 0, done.output
    assert "scorer 'judge' names its judge, which reading a run does not start; robust stands" in done.stderr
    assert "evil" not in done.output


def test_a_scorer_is_named_as_a_recipe_does(run):
    done = call("try", "./shout.py", "--run", run, "--scorer", "{use: judge, judge: ./absent.py}")
    assert done.exit_code and "absent.py" in done.output and "Traceback" not in done.output


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["./absent.py"], "no file"),
        (["{use: ./shout.py, style: verl}"], "functions that take 'solution_str': none"),
        (["./shout.py", "-o", "bonus"], "expected KEY=VALUE"),
        (["./shout.py", "-o", "bonus=many"], "option bonus"),
        (["./shout.py", "--weight", "nan"], "--weight nan; expected a finite number"),
        (["./shout.py", "-o", f"weight=1{'0' * 400}"], "expected a finite number"),
        (["{use: ./shout.py, weight: .inf}"], "weight inf; expected a finite number"),
        (
            ["counterfactual"],
            "(group, silent) is given what the policy answers in silence, which is not stored",
        ),
        (["{use: ./shout.py, weight: heavy}"], "weight 'heavy'; expected a number"),
        (["./shout.py", "--algorithm", "grpoo"], "did you mean 'grpo'?"),
    ],
)
def test_what_cannot_be_tried_is_one_message(run, words, message):
    done = call("try", *words, "--run", run)
    assert done.exit_code and message in done.output and "Traceback" not in done.output


def test_a_reward_that_needs_a_missing_package_is_named_with_its_line(run, tmp_path):
    (tmp_path / "needy.py").write_text(
        "import nowhere_to_be_had\n\ndef needy(question, completion):\n    return 1\n"
    )
    done = call("try", "./needy.py", "--run", run)
    assert done.exit_code == 1
    assert "needy.py:1: No module named 'nowhere_to_be_had'; install the package" in done.stderr


def test_a_folder_of_another_version_is_refused(run):
    versions = json.loads((run / "versions.json").read_text(encoding="utf-8"))
    (run / "versions.json").write_text(json.dumps({**versions, "format": 1}), encoding="utf-8")
    done = call("try", "./shout.py", "--run", run)
    assert done.exit_code == 1 and "has format 1; expected 2" in done.stderr


def test_check_ends_with_status_1_where_a_case_fails(run, tmp_path):
    (tmp_path / "brittle.py").write_text(
        "def brittle(question, completion):\n    return 1 / len(completion.text)\n"
    )
    done = call("check", "./brittle.py")
    assert done.exit_code == 1
    assert "empty: raised ZeroDivisionError" in done.stdout
    passed = call("check", "answer_correctness", "--json")
    assert passed.exit_code == 0 and json.loads(passed.stdout)["passed"]


def test_new_writes_two_files_and_says_how_to_try_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = call("new", "brief", "--group")
    assert done.stdout.splitlines()[:2] == ["brief.py", "test_brief.py"]
    assert "pytest test_brief.py; rlaudio reward check ./brief.py" in done.stdout
    assert call("new", "brief").exit_code == 1
