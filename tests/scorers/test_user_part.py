"""Judges and embedders of the user's files: imported as plug-ins, within the time limit of scorers."""

import time

import pytest
from click.testing import CliRunner

from rlaudio.cli import main
from rlaudio.config import plugins
from rlaudio.config.option_values import OptionError
from rlaudio.config.plugins import bind
from rlaudio.config.recipe import load_recipe
from rlaudio.scorers.benchmarks.mmau_pro_rule import mmau_pro_rule
from rlaudio.scorers.embedding import nearest
from rlaudio.scoring import RewardStop, RewardSum
from rlaudio.types import OpenText, Question
from tests.data.trees import write_lines, write_parquet
from tests.factories import make_group, make_question

OPEN = Question("o", "Why does it bark?", (), OpenText("It is hungry."), groups={"category": "open"})


@pytest.fixture
def write(tmp_path):
    def write(name, code):
        path = tmp_path / name
        path.write_text(code, encoding="utf-8")
        return path

    return write


@pytest.fixture
def judge(write):
    """Judges that do what is written, as scorers are handed them."""

    def judge(body, before=""):
        code = f"{before}\ndef judge(question, answer, text):\n    {body}\n"
        return bind("judge", str(write("judge.py", code))).part

    return judge


@pytest.fixture
def half_a_second():
    token = plugins.import_seconds.set(0.5)
    yield
    plugins.import_seconds.reset(token)


# --- what a file may do ----------------------------------------------------------------------------


def test_a_file_may_import_what_is_beside_it_keep_a_cache_and_define_records(write, judge):
    write("helper.py", "POINTS = 4\n")
    before = """
from __future__ import annotations
import functools
from dataclasses import dataclass
from helper import POINTS
@dataclass
class Reply:
    score: int
@functools.cache
def _ask(text):
    return Reply(POINTS).score
"""
    assert mmau_pro_rule(OPEN, "Food.", judge=judge("return _ask(text)", before)).score == 0.8


def test_a_judge_may_be_a_class_with_options_that_is_opened_at_the_first_call(write):
    path = write(
        "opened.py",
        "class Opened:\n"
        "    def __init__(self, *, points: float, log: str):\n"
        "        self.points, self.log = points, open(log, 'a')\n"
        "    def __call__(self, question, answer, text):\n"
        "        return self.points\n",
    )
    log = path.with_name("log")
    spec = {"use": "./opened.py", "points": 3.5, "log": str(log)}
    scorer = bind("scorer", {"use": "mmau_pro", "judge": spec}, path.parent).function
    assert not log.exists()
    assert [scorer(OPEN, "Food.").score for _ in range(2)] == [0.7, 0.7] and log.exists()


def test_a_recipe_names_the_files_beside_it(write):
    path = write(
        "letters.py", "def letters(texts):\n    return [[t.count('a'), t.count('b')] for t in texts]\n"
    )
    scorer = bind("scorer", {"use": "mmau_pro", "embedder": "./letters.py"}, path.parent).function
    assert scorer(make_question(choices=("aaa", "bbb"), answer="bbb"), "b").right


# --- what it must not do ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (
            "while True: time.sleep(0.01)",
            r"judge .*/judge.py, for \('Why.*did not return within 0.5 s .*judge.py:4",
        ),
        ("return open('/dev/zero').read(10) and time.sleep(10**6)", "did not return within 0.5 s"),
    ],
)
def test_a_judge_that_never_returns_is_stopped(half_a_second, judge, body, said):
    slow = judge(body, "import time\n")
    began = time.monotonic()
    with pytest.raises(TimeoutError, match=said):
        mmau_pro_rule(OPEN, "Food.", judge=slow)
    assert time.monotonic() - began < 300


def test_a_class_that_takes_too_long_to_open_is_stopped(half_a_second, write):
    path = write(
        "slow.py",
        "import time\nclass Slow:\n    def __init__(self): time.sleep(60)\n    def __call__(self, n): ...\n",
    )
    with pytest.raises(TimeoutError, match=r"embedder .*/slow.py, for .* did not return within 0.5 s"):
        nearest("a", ["b", "c"], bind("embedder", str(path)).part)


def test_an_import_that_never_ends_is_stopped(half_a_second, write):
    path = write("judge.py", "import time\ntime.sleep(60)\ndef judge(question, answer, text): ...\n")
    with pytest.raises(ImportError, match=r"judge .*/judge.py: its import did not return within 0.5 s"):
        _ = bind("judge", str(path)).part


@pytest.mark.parametrize(
    "gives",
    ["float('nan')", "float('inf')", "0", "6", "[4]", "object()", "{'overall': '4'}", "(4, 4)", "True + 9"],
)
def test_a_judge_that_gives_no_score_is_refused(judge, gives):
    with pytest.raises(ValueError, match=r"judge .*/judge.py: .*expected scores from 1 to 5"):
        mmau_pro_rule(OPEN, "Food.", judge=judge(f"return {gives}"))


def test_an_async_judge_of_a_scorer_is_refused(write):
    path = write("judge.py", "async def judge(question, answer, text):\n    return 4\n")
    with pytest.raises(ValueError, match=r"coroutine.*expected scores from 1 to 5"):
        mmau_pro_rule(OPEN, "Food.", judge=bind("judge", str(path)).part)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (
            "def other(question, answer, text): ...",
            "nothing named like the file is defined by def or class; expected a function or class",
        ),
        (
            "def judge(question): ...",
            r"judge takes \(question\) by position; a judge takes \(question, answer, text",
        ),
        ("def judge(question, answer, text) ...", r"judge.py:1: syntax error"),
    ],
)
def test_a_file_that_is_no_judge_is_refused_before_it_runs(write, code, said):
    write("judge.py", code)
    with pytest.raises(OptionError, match=f"scorer mmau_pro: option judge: .*{said}"):
        bind("scorer", {"use": "mmau_pro", "judge": "./judge.py"}, write("x", "").parent)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero; fix the file"),
        ("import sys; sys.exit()", "SystemExit; fix the file"),
        (
            "import a_package_that_nobody_has",
            "No module named 'a_package_that_nobody_has'; install the package",
        ),
    ],
)
def test_a_file_that_cannot_be_imported_is_named_with_its_line(write, code, said):
    path = write("judge.py", f"{code}\ndef judge(question, answer, text): ...\n")
    with pytest.raises(ImportError, match=rf"judge .*/judge.py:1: {said}"):
        _ = bind("judge", str(path)).part


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(OptionError, match=r"option embedder: embedder \./none\.py: no file .*none\.py"):
        bind("scorer", {"use": "mmau_pro", "embedder": "./none.py"}, tmp_path)


def test_an_embedder_that_is_no_name_says_which_ship(tmp_path):
    with pytest.raises(OptionError, match=r"unknown embedder 'nv'\. Known: sentence_model"):
        bind("scorer", {"use": "mmau_pro", "embedder": "nv"}, tmp_path)


def test_inside_a_reward_the_limit_of_the_reward_holds(half_a_second, judge):
    slow = judge("time.sleep(60)", "import time\n")

    def graded(question, completion):
        return slow("q", "a", completion.text)

    with pytest.raises(RewardStop, match=r"reward graded .* gave no value within 0.3 s"):
        RewardSum({"graded": (graded, 1.0)}, seconds=0.3).score([make_group("a")])


# --- recipes and commands ----------------------------------------------------------------------------


@pytest.fixture
def benchmark(tmp_path):
    """MMAU-Pro with one open question, and predictions for it."""
    write_parquet(
        tmp_path / "pro" / "test.parquet",
        {
            "id": "o1",
            "question": "Why?",
            "choices": None,
            "answer": "Hunger.",
            "category": "open",
            "audio_path": [],
        },
    )
    write_lines(tmp_path / "mine.jsonl", {"id": "o1", "model_output": "It is hungry."})
    return tmp_path


def score(folder, *more):
    command = ["score", f"{folder / 'mine.jsonl'}", "--benchmark", f"mmau_pro={folder / 'pro'}", *more]
    return CliRunner().invoke(main, command)


def test_score_takes_a_judge_tells_its_file_and_refuses_it_with_no_plugins(benchmark, write):
    path = write(
        "judge.py", "def judge(question, answer, text):\n    return 5 if answer == 'Hunger.' else 1\n"
    )
    done = score(benchmark, "-o", f"judge={path}", "--out", f"{benchmark / 'out'}")
    assert done.exit_code == 0 and "By mmau_pro, all: audio 100.0" in done.output, done.output
    assert f"the command runs {path}" in done.output
    refused = score(benchmark, "-o", f"judge={path}", "--no-plugins")
    assert refused.exit_code == 2 and "--no-plugins: the command would run 1 file" in refused.output


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("raise SystemExit(3)", "raised SystemExit: 3; fix the file"),
        ("raise KeyError('x')", "raised KeyError: 'x'; fix the file"),
        ("import os; os._exit(0)", "raised RefusedEnd: os._exit(0); fix the file"),
    ],
)
def test_what_a_judge_raises_is_told_with_its_line_and_is_no_traceback(benchmark, write, body, said):
    path = write("judge.py", f"def judge(question, answer, text):\n    {body}\n")
    done = score(benchmark, "-o", f"judge={path}")
    assert done.exit_code == 1 and "Traceback" not in done.output
    assert f"judge judge ({path}:2) {said}" in done.output


def test_a_recipe_keeps_a_judge_with_its_options_and_names_its_file(tmp_path, write):
    judge = write("strict.py", "def strict(question, answer, text, *, least: int = 2): ...\n")
    write("prompt.txt", "{text}")
    write(
        "r.yaml",
        "extends: tiny_weak_to_strong\n"
        "evaluation: {scorer: {use: judge, judge: ./strict.py}}\n"
        "rewards:\n"
        "  graded: {use: judge, judge: {use: endpoint, url: 'http://h', model: m, prompt: ./prompt.txt}}\n",
    )
    recipe = load_recipe(tmp_path / "r.yaml", ["evaluation.scorer.judge.least=3"])
    assert judge in recipe.user_files()
    text = recipe.to_yaml()
    write("again.yaml", text)
    assert load_recipe(tmp_path / "again.yaml").to_yaml() == text.replace("name: r\n", "name: r\n")
    assert recipe.evaluation.scorer.spec()["judge"] == {"use": str(judge), "least": 3}
    endpoint = recipe.rewards["graded"].options["judge"]
    assert endpoint.spec()["prompt"] == tmp_path / "prompt.txt"
