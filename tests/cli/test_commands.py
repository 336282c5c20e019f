"""The command line: quick answers, one clear message for a user's mistake."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from rlaudio.cli import main
from rlaudio.config.plugins import bind
from rlaudio.data.audiomcq import write_audiomcq
from rlaudio.scoring import RewardError
from rlaudio.types import Choice
from tests.word_family import questions_on_disk


def rlaudio(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


# --- quick answers -------------------------------------------------------------------------------

READING = ("pydantic", "yaml")  # what reads a recipe
ARRAYS = ("numpy", "soundfile", "soxr")
COMPUTING = (
    *("torch", "transformers", "peft", "tokenizers", "safetensors", "scipy", "matplotlib", "tensorboard"),
    *("jinja2", "deepspeed", "vllm", "gymnasium", "tqdm.auto"),
)
COMMANDS = ["run", "compare", "show", "check", "explain", "label", "evaluate", "report", "doctor", "replay"]
LIBRARIES_AFTER_EACH = """
import json, sys
import rlaudio
from click.testing import CliRunner
watched, commands = json.loads(sys.argv[1])
told = [[0, "import rlaudio", sorted(sys.modules.keys() & set(watched))]]
from rlaudio.cli import main
for command in commands:
    done = CliRunner().invoke(main, command)
    told.append([done.exit_code, done.output, sorted(sys.modules.keys() & set(watched))])
print(json.dumps(told))
"""


@dataclass(frozen=True)
class Answer:
    """What a command answered, and the libraries that its process had imported by then."""

    status: int
    text: str
    libraries: list[str]


def answers(folder: Path, commands: Sequence[Sequence[str]], watched: Sequence[str]) -> list[Answer]:
    """The answers of `import rlaudio` and then of the commands, all in one new process."""
    given = [sys.executable, "-c", LIBRARIES_AFTER_EACH, json.dumps([watched, commands])]
    done = subprocess.run(given, capture_output=True, text=True, cwd=folder)
    assert done.returncode == 0, done.stderr
    return [Answer(*told) for told in json.loads(done.stdout)]


@pytest.fixture
def mistakes(tmp_path) -> Path:
    """A folder of things that commands refuse."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").touch()
    (tmp_path / "bad.yaml").write_text("extends: tiny_weak_to_strong\nsed: 1\n", encoding="utf-8")
    arms = "base: tiny_weak_to_strong\narms: {a: {}, b: {optimizer: {lrr: 1}}}\n"
    (tmp_path / "arms.yaml").write_text(arms, encoding="utf-8")
    (tmp_path / "step").mkdir()
    (tmp_path / "step" / "step.pt").touch()
    (tmp_path / "step" / "recipe.yaml").write_text("extends: tiny_weak_to_strong\n", encoding="utf-8")
    (tmp_path / "begun").mkdir()
    (tmp_path / "begun" / "recipe.yaml").write_text("extends: tiny_weak_to_strong\n", encoding="utf-8")
    comparison = {"base": "tiny_weak_to_strong", "arms": {"a": {"model": {"path": "tiny/bas"}}}}
    (tmp_path / "one.yaml").write_text(json.dumps(comparison), encoding="utf-8")
    (tmp_path / "q.jsonl").write_text('{"id": "q", "question": "?", "answer": "yes"}\n', encoding="utf-8")
    return tmp_path


def test_help_the_list_and_wrong_usage_import_no_library_but_clicks(mistakes):
    refused = {
        ("run", "tiny_weak_to_strong", "--nosuch"): 2,
        ("sow",): 2,
        ("report", "gone"): 2,
        ("report", "empty"): 1,
        ("replay", "empty"): 1,
        ("label", "gone", "--voter", "tiny/voter_a"): 2,
        ("evaluate", "tiny/base"): 2,
    }
    helped = [["--help"], *([name, "--help"] for name in COMMANDS), ["data", "questions", "--help"], ["list"]]
    told = answers(mistakes, [*helped, *refused], [*READING, *ARRAYS, *COMPUTING])
    assert [answer.status for answer in told] == [0] * (1 + len(helped)) + list(refused.values())
    assert [answer for answer in told if answer.libraries] == []


NO_KEY = ("-o", "nosuch=1")
REFUSED = {  # by what is said
    "unknown recipe 'gone'": [["run", "gone"], ["show", "gone"], ["check", "gone"], ["explain", "gone"]],
    "no recipe": [["evaluate", "gone.yaml"]],
    "bad.yaml:2: sed: unknown key 'sed'": [["run", "bad.yaml"], ["evaluate", "bad.yaml"]],
    "unknown key 'nosuch'": [
        ["run", "tiny_weak_to_strong", *NO_KEY],
        ["label", "bad.yaml", "--voter", "tiny/voter_a", "--voter", "tiny/voter_b", *NO_KEY],
        ["evaluate", "tiny/base", "--data", "bad.yaml", *NO_KEY],
        ["replay", "step", *NO_KEY],
    ],
    "grpo: unknown option 'nosuch'": [["run", "tiny_weak_to_strong", "-o", "algorithm.nosuch=1"]],
    "full: the folder holds notes.txt": [["run", "tiny_weak_to_strong", "--out", "full"]],
    "there is no run to resume": [["run", "tiny_weak_to_strong", "--resume", "--out", "empty"]],
    "no shipped model 'tiny/bas'; there are: tiny/base": [
        ["run", "tiny_weak_to_strong", "-o", "model.path=tiny/bas"],
        ["evaluate", "tiny/bas", "--benchmark", "jsonl=q.jsonl"],
        ["label", "jsonl=q.jsonl", "--voter", "tiny/bas", "--threshold", "1"],
        ["compare", "one.yaml"],
    ],
    "model runs/a/finl: no such folder": [["evaluate", "runs/a/finl", "--benchmark", "jsonl=q.jsonl"]],
    "unknown comparison 'gone'": [["compare", "gone"]],
    "unknown key 'lrr'": [["compare", "arms.yaml"]],
    "unknown hardware 'gone'": [["explain", "tiny_weak_to_strong", "--hardware", "gone"]],
}


PLACES = {  # refused with what reads files of runs and of audio
    "begun: the run began with another recipe": [
        *("run", "tiny_weak_to_strong", "--resume", "--out", "begun", "-o", "optimizer.lr=1")
    ],
    "empty: no file is named like {label}.wav": [
        *("data", "questions", "--clips", "empty", "--labels", "{label}.wav", "--out", "new")
    ],
}


def test_a_recipe_is_shown_and_mistakes_are_refused_without_a_library_that_computes(mistakes):
    shown = [["show", "tiny_weak_to_strong"], ["show", "--fields"]]
    refused = [(said, command) for said, commands in REFUSED.items() for command in commands]
    refused += PLACES.items()
    asked = [*shown, *(command for _, command in refused)]
    told = answers(mistakes, asked, [*ARRAYS, *COMPUTING])
    assert [answer.status for answer in told] == [0] * (1 + len(shown)) + [1] * len(refused)
    texts = [answer.text for answer in told[1 + len(shown) :]]
    assert [text for text, (said, _) in zip(texts, refused, strict=True) if said not in text] == []
    assert [answer for answer in told[: -len(PLACES)] if answer.libraries] == []
    assert [answer for answer in told if not {*answer.libraries} <= {*ARRAYS}] == []


# --- what they say -------------------------------------------------------------------------------


def test_list_names_every_kind_with_options():
    output = rlaudio("list").output
    for word in (
        "tiny_weak_to_strong",
        "answer_correctness",
        "grpo",
        "kl: float",
        "qwen2_5_omni",
        "synthetic",
    ):
        assert word in output


def test_every_recipe_of_the_list_can_be_shown_and_bases_are_listed_apart():
    recipes, bases = rlaudio("list").output.split("\n\n")[:2]
    names = [line.split()[0] for line in recipes.splitlines()[1:]]
    assert "tiny_weak_to_strong" in names
    assert [name for name in names if rlaudio("show", name).exit_code] == []
    assert "base/tiny" in bases and "bases" in bases.splitlines()[0]


def test_a_base_that_is_not_whole_is_said_to_be_one_and_only_then():
    assert "is a base" not in rlaudio("show", "base/tiny", "-o", "curriculum=rl_only", "-o", "seed=-1").output
    done = rlaudio("show", "base/tiny")
    assert done.output.splitlines()[-1] == (
        "base/tiny is a base, which a recipe completes that begins with 'extends: base/tiny'"
    )


def test_show_prints_yaml_with_overrides_applied():
    done = rlaudio("show", "tiny_weak_to_strong", "-o", "optimizer.lr=2e-6")
    assert yaml.safe_load(done.output)["optimizer"]["lr"] == 2e-6


def test_show_lists_every_field_with_its_meaning():
    assert "optimizer.lr" in rlaudio("show", "--fields").output


def test_the_default_of_a_plugin_is_shown_by_its_name():
    (line,) = [
        text for text in rlaudio("show", "--fields").output.splitlines() if text.startswith("strategy")
    ]
    assert line.endswith("[StrategyPlugin = plain]")


def test_a_mistake_in_a_recipe_is_one_message_and_exit_status_1():
    done = rlaudio("show", "tiny_weak_to_strong", "-o", "optimizer.lrr=1")
    assert done.exit_code == 1
    assert done.output == (
        "Error: -o optimizer.lrr=1: optimizer.lrr: unknown key 'lrr'; did you mean 'lr'? "
        "Known: betas, lr, max_grad_norm, schedule, warmup, weight_decay\n"
    )


def test_debug_lets_the_exception_through():
    assert isinstance(rlaudio("--debug", "show", "no_such_recipe").exception, FileNotFoundError)


@pytest.mark.parametrize("arguments", [["sow"], ["show"], ["evaluate", "tiny/base"], ["label", "x"]])
def test_wrong_usage_has_exit_status_2(arguments):
    assert rlaudio(*arguments).exit_code == 2


@pytest.mark.parametrize(
    "command",
    ["run", "show", "check", "explain", "label", "evaluate", "report", "doctor", "list", "data questions"],
)
def test_every_command_explains_itself(command):
    done = rlaudio(*command.split(), "--help")
    assert done.exit_code == 0
    assert "Usage:" in done.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--voter", "tiny/voter_a"], "weak if 2 voters are right, of 1 voter named"),
        (
            ["--voter", "a", "--voter", "b", "--threshold", "3"],
            "weak if 3 voters are right, of 2 voters named",
        ),
    ],
)
def test_a_vote_that_no_question_can_win_says_which_threshold_to_give(tmp_path, arguments, said):
    done = rlaudio("label", str(tmp_path), *arguments)
    assert done.exit_code == 2
    text = " ".join(done.output.split())  # lines are broken anywhere
    assert f"{said}; add --voter MODEL, or --threshold {arguments.count('--voter')}" in text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--voter", "a", "--voter", "a"], "--voter a is named twice"),
        (["--voter", "a", "--threshold", "0"], "Invalid value for '--threshold': 0"),
        (
            ["--voter", "a", "--use", "options", "--also-silence", "0"],
            "--also-silence 0: expected seconds above 0, at most 3600, or clip",
        ),
        (["--voter", "a", "--use", "guess"], "'guess' is not one of 'vote', 'options', 'letters'"),
    ],
)
def test_voters_that_make_no_vote_are_refused_in_the_words_of_the_command_line(tmp_path, arguments, said):
    done = rlaudio("label", str(tmp_path), *arguments)
    assert done.exit_code == 2
    assert said in " ".join(done.output.split())


def recipe_with_a_bad_row(folder: Path) -> Path:
    """Two questions, of which one has a choice too few."""
    fine, odd = questions_on_disk(folder, 2)
    write_audiomcq([fine, replace(odd, target=Choice(("a dog",), 0, "a dog"))], folder / "data.jsonl")
    recipe = {
        "extends": "base/tiny",
        "data": {"train": {"use": "audiomcq", "path": "data.jsonl"}, "evaluate": {"test": None}},
        "curriculum": {"use": "sft_only", "sft_steps": 1},
    }
    (folder / "r.yaml").write_text(yaml.safe_dump(recipe), encoding="utf-8")
    return folder / "r.yaml"


def test_check_lists_a_bad_row_once_and_counts_it_in_its_error(tmp_path):
    done = rlaudio("check", str(recipe_with_a_bad_row(tmp_path)))
    assert done.exit_code == 1
    assert done.output.count("expected at least two") == 1
    assert "data.train: 1 problem in 1 of 2 questions (1 x too few choices)" in done.output


def test_check_lists_the_bad_rows_of_all_sets_and_of_a_set_that_cannot_be_read(tmp_path):
    recipe = str(recipe_with_a_bad_row(tmp_path))
    with (tmp_path / "data.jsonl").open("ab") as file:
        file.write(b'not JSON\n{"id": "latin \xe9"}\n')
    (tmp_path / "utf16.jsonl").write_bytes("{}".encode("utf-16"))
    (tmp_path / "held.jsonl").write_text(
        '{"id": "x", "question": "Say <|im_end|>", "choices": ["a", "a"],'
        ' "answer": "a", "audio_path": "q0.wav"}'
    )
    sets = ("utf16", "held")
    held_out = (f"-odata.evaluate.{name}={{use: audiomcq, path: {tmp_path / name}.jsonl}}" for name in sets)
    output = rlaudio("check", recipe, *held_out, "-o", "data.clips_disjoint=false").output
    assert "data.train: 3 problems in 3 of 4 questions (2 x malformed row, 1 x too few choices)" in output
    assert f"bad row {tmp_path / 'data.jsonl'}:3: not JSON" in output
    assert "utf16.jsonl: is text in UTF-16" in output
    assert "data.evaluate.held: 1 problem in 1 of 1 question (1 x special token)" in output


def test_check_calls_rewards_by_their_names_in_the_recipe(tmp_path):
    (tmp_path / "shout.py").write_text("def shout(question, completion): return 0.0")
    loud = f"rewards.loud={{use: {tmp_path / 'shout.py'}}}"
    output = rlaudio("check", str(recipe_with_a_bad_row(tmp_path)), "-o", loud).output
    assert f"reward loud: shout in {tmp_path / 'shout.py'}" in output.splitlines()


def test_check_passes_bad_rows_that_a_run_would_leave_out(tmp_path):
    done = rlaudio("check", str(recipe_with_a_bad_row(tmp_path)), "-o", "data.bad_rows=drop")
    assert "data.train: 1 problem in 1 of 2 questions (1 x too few choices); a run leaves" in done.output
    assert done.exit_code == 0
    assert done.stdout.splitlines()[0] == "nothing found that would stop a run"


def test_check_says_first_how_many_problems_there_are_and_tells_them_together_at_the_end(tmp_path):
    done = rlaudio("check", str(recipe_with_a_bad_row(tmp_path)), "-o", "model.device=gpu")
    assert done.exit_code == 1
    assert done.stdout.splitlines()[0] == "found 2 problems that would stop a run, listed at the end"
    first, *problems = done.stderr[done.stderr.index("Error: ") :].splitlines()
    assert first == "Error: 2 problems would stop a run:"
    assert [problem[:2] for problem in problems] == ["- ", "- "]


# --- the user's own files ------------------------------------------------------------------------

SELF_MADE = """
from pathlib import Path
Path(__file__).with_name("ran").touch()
def mine(question, completion): return 1.0
"""


@pytest.fixture
def with_own_reward(tmp_path) -> Path:
    """A recipe with a reward of the user's, which leaves a file `ran` when it is imported."""
    (tmp_path / "mine.py").write_text(SELF_MADE, encoding="utf-8")
    text = "extends: base/tiny\ncurriculum: sft_only\nrewards: {mine: ./mine.py}\n"
    (tmp_path / "r.yaml").write_text(text, encoding="utf-8")
    return tmp_path / "r.yaml"


def told(done: Result) -> list[str]:
    return [line for line in done.stderr.splitlines() if line.startswith("the recipe runs")]


def test_showing_a_recipe_runs_nothing_of_the_users(with_own_reward):
    assert rlaudio("show", str(with_own_reward)).exit_code == 0
    assert not with_own_reward.with_name("ran").exists()


def test_a_file_of_the_users_is_told_before_it_runs(with_own_reward):
    done = rlaudio("check", str(with_own_reward), "-o", "data.train.count=-1")
    assert told(done) == [f"the recipe runs {with_own_reward.with_name('mine.py')}"]


def test_files_that_ship_are_not_told():
    assert told(rlaudio("explain", "tiny_weak_to_strong", "-o", "model.path=./gone")) == []


@pytest.mark.parametrize("command", [["run"], ["check"], ["explain"], ["evaluate"], ["show"]])
def test_a_recipe_with_files_of_the_users_can_be_refused(with_own_reward, command, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    done = rlaudio(*command, str(with_own_reward), "--no-plugins")
    assert done.exit_code == 2
    assert f"would run 1 file of its own:\n  {with_own_reward.with_name('mine.py')}" in done.output
    assert not with_own_reward.with_name("ran").exists()


@pytest.mark.parametrize("command", [["run"], ["check"], ["explain"], ["evaluate"], ["show"]])
def test_python_of_a_models_folder_can_be_refused(command, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    trust = ("-o", "model.path=./gone", "-o", "model.trust_remote_code=true")
    done = rlaudio(*command, "tiny_weak_to_strong", *trust, "--no-plugins")
    assert done.exit_code == 2
    assert "--no-plugins: model.trust_remote_code would run the tokenizer's Python in" in done.output


def test_python_of_a_models_folder_is_told_before_it_runs():
    trust = ("-o", "model.path=./gone", "-o", "model.trust_remote_code=true")
    (line,) = told(rlaudio("explain", "tiny_weak_to_strong", *trust))
    assert line.startswith("the recipe runs the tokenizer's Python in ") and line.endswith(
        "gone, if it has any"
    )


def test_a_comparison_with_files_of_the_users_in_an_arm_can_be_refused(with_own_reward, tmp_path):
    text = "base: tiny_weak_to_strong\narms: {a: {}, b: {rewards: {mine: ./mine.py}}}\n"
    (tmp_path / "c.yaml").write_text(text, encoding="utf-8")
    done = rlaudio("compare", str(tmp_path / "c.yaml"), "--no-plugins", "--out", str(tmp_path / "out"))
    assert (done.exit_code, (tmp_path / "out").exists()) == (2, False)
    assert f"  {tmp_path / 'mine.py'}" in done.output


@pytest.mark.parametrize("seconds", ["nan", "inf", "1e300"])
def test_a_limit_in_seconds_that_no_clock_keeps_is_refused(tmp_path, seconds):
    done = rlaudio("evaluate", "tiny/base", "--data", str(tmp_path), "--timeout", seconds)
    assert (done.exit_code, "Invalid value for '--timeout'" in done.output) == (2, True), done.output


def test_a_file_where_a_folder_is_to_be_made_is_named(tmp_path):
    (tmp_path / "c.yaml").write_text("base: tiny_weak_to_strong\narms: {a: {}}\n", encoding="utf-8")
    out = tmp_path / "out"
    os.mkfifo(out)
    done = rlaudio("compare", str(tmp_path / "c.yaml"), "--out", str(out))
    assert (done.exit_code, f"{out}: file exists; expected a folder; name another" in done.output) == (
        1,
        True,
    )


def test_a_working_folder_that_is_gone_is_told(tmp_path, monkeypatch):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    done = rlaudio("show", "tiny_weak_to_strong", "-o", "data.common.clips=clips")
    assert (done.exit_code, done.output) == (
        1,
        "Error: the working folder is gone; change to one that is there\n",
    )


def test_too_little_memory_is_one_message(monkeypatch):
    def fails(*arguments):
        raise MemoryError

    monkeypatch.setattr("rlaudio.config.recipe.load_recipe", fails)
    done = rlaudio("show", "tiny_weak_to_strong")
    assert done.exit_code == 1
    assert done.output.startswith("Error: not enough memory, at ") and "rlaudio explain" in done.output


def test_an_override_given_twice_is_refused():
    done = rlaudio("show", "tiny_weak_to_strong", "-o", "seed=1", "-o", "seed=2")
    assert (done.exit_code, "-o seed=1 and -o seed=2 set the same key" in done.output) == (2, True)


@pytest.mark.parametrize(
    ("first", "second", "key"),
    [
        ("optimizer.lr=1e-5", "optimizer={lr: 2e-5}", "optimizer.lr"),
        ("optimizer.lr=1e-5", "optimizer=3", "optimizer"),
        ("algorithm.use=grpo", "algorithm=rloo", "algorithm"),
    ],
)
def test_overrides_that_set_a_key_twice_are_refused_in_any_order(first, second, key):
    for given in ((first, second), (second, first)):
        done = rlaudio("show", "tiny_weak_to_strong", "-o", given[0], "-o", given[1])
        assert (done.exit_code, f"{key} is set here and at -o " in done.output) == (2, True), done.output


def test_overrides_of_a_plugin_and_of_its_options_go_together():
    given = ["algorithm.kl=0.5", "algorithm=grpo", "rewards.format.weight=0.25", "rewards=null"]
    done = rlaudio("show", "tiny_weak_to_strong", *(word for text in given for word in ("-o", text)))
    shown = yaml.safe_load(done.stdout)
    assert (shown["algorithm"]["kl"], shown["rewards"]["format"]["weight"]) == (0.5, 0.25)
    assert list(shown["rewards"]) == ["format"]


def test_an_override_of_what_an_option_says_is_refused(tmp_path):
    (tmp_path / "q.jsonl").write_text("", encoding="utf-8")
    words = ["--voter", "tiny/voter_a", "--threshold", "1", "-o", "contribution.voters=[tiny/voter_b]"]
    done = rlaudio("label", str(tmp_path / "q.jsonl"), *words)
    assert (done.exit_code, "contribution.voters is set here and at" in done.output) == (1, True), done.output


def test_a_set_is_named_after_the_file_that_a_model_is_evaluated_on(tmp_path):
    data = tmp_path / ".my questions.jsonl"
    data.write_text("", encoding="utf-8")
    done = rlaudio("evaluate", "tiny/base", "--data", str(data))
    assert "expected a name" not in done.output


@pytest.mark.parametrize(
    ("given", "status", "told"),
    [
        ("jsonl=q.jsonl", 1, "q.jsonl: no questions"),
        ("jsonl=gone.jsonl", 1, "gone.jsonl does not exist; expected a file or folder of questions"),
        ("q.jsonl", 1, "q.jsonl: no questions"),
        ("gone.jsonl", 2, "'gone.jsonl' does not exist"),
    ],
)
def test_a_model_is_evaluated_on_a_file_in_any_format(tmp_path, monkeypatch, given, status, told):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "q.jsonl").write_text("", encoding="utf-8")
    done = rlaudio("evaluate", "tiny/base", "--data", given)
    assert (done.exit_code, told in done.output) == (status, True), done.output


@pytest.mark.parametrize(
    "command", [["label", "--voter", "tiny/base", "--threshold", "1"], ["evaluate", "tiny/base"]]
)
def test_a_command_says_what_it_does_before_it_is_slow(tmp_path, command):
    data = tmp_path / "questions.jsonl"
    data.write_text("", encoding="utf-8")
    where = [str(data)] if command[0] == "label" else ["--data", str(data)]
    assert rlaudio(*command, *where).stderr.startswith("loading torch and transformers")


# --- plug-ins that end the command -----------------------------------------------------------------

LEAVING = {
    "curriculum": "def leaving(questions, contributions, rng):\n    raise SystemExit(0)\n",
    "algorithm": "class Leaving:\n    def __init__(self):\n        raise SystemExit(0)\n",
    "data.train": "def leaving():\n    raise SystemExit(0)\n",
    "scorer": "def leaving(question, text):\n    raise SystemExit(0)\n",
}


@pytest.mark.parametrize(
    ("call", "raised"),
    [
        ("raise SystemExit(0)", "SystemExit: 0"),
        ("__import__('os')._exit(0)", "RefusedEnd: os._exit(0)"),
        ("raise __import__('click').exceptions.Exit(0)", "Exit: 0"),
    ],
    ids=["SystemExit", "os._exit", "click"],
)
@pytest.mark.parametrize(("key", "text"), LEAVING.items(), ids=LEAVING)
def test_a_plug_in_that_exits_with_0_is_named_and_the_command_fails(tmp_path, key, text, call, raised):
    recipe = recipe_with_a_bad_row(tmp_path)
    file, text = tmp_path / "leaving.py", text.replace("raise SystemExit(0)", call)
    file.write_text(text, encoding="utf-8")
    rl = [] if key == "curriculum" else ["-o", "curriculum={use: rl_only, rl_steps: 1}"]
    rl += ["-o", "sampling.questions=1"]
    given = ["-o", "data.bad_rows=drop", *rl, "-o", f"{key}={{use: {file}}}"]
    done = rlaudio("check", str(recipe), *given)
    kind, line = key.partition(".")[0], len(text.splitlines())
    assert done.exit_code == 1
    assert f"Error: {kind} leaving ({file}:{line}) raised {raised}; fix the file" in done.output


def test_a_reward_that_its_trial_stops_is_not_continued_but_started_again(tmp_path):
    recipe, file, out = recipe_with_a_bad_row(tmp_path), tmp_path / "ends.py", tmp_path / "run"
    file.write_text("import os\ndef ends(question, completion):\n    os._exit(0)\n", encoding="utf-8")
    rl = ["-o", "curriculum={use: rl_only, rl_steps: 1}", "-o", "sampling.questions=1"]
    given = ["-o", "data.bad_rows=drop", *rl, "-o", f"rewards.ends={{use: {file}}}", "--out", str(out)]
    done = rlaudio("run", str(recipe), *given)
    assert done.exit_code == 1
    assert (
        f"tried on a made-up completion, reward ends ({file}) raised RefusedEnd: os._exit(0)" in done.output
    )
    again = (
        f"then start again, since nothing is computed yet, with: rlaudio run {out}/recipe.yaml --out {out}\n"
    )
    assert again in done.output


def test_a_run_that_a_reward_stops_is_continued_with_the_mended_file(tmp_path, monkeypatch):
    recipe, out = recipe_with_a_bad_row(tmp_path), tmp_path / "run"

    def stopped(*arguments, **options):
        (out / "labels").mkdir(parents=True)
        raise RewardError("reward r raised KeyError")

    monkeypatch.setattr("rlaudio.pipeline.run", stopped)
    done = rlaudio("run", str(recipe), "--out", str(out))
    again = f"continue with: rlaudio run {out}/recipe.yaml --out {out} --resume --changed-plugins\n"
    assert done.exit_code == 1 and f"Error: reward r raised KeyError; then {again}" in done.output


def test_an_error_in_the_constructor_of_a_plug_in_is_one_message_with_its_line(tmp_path):
    file = tmp_path / "broken.py"
    file.write_text("class Broken:\n    def __init__(self):\n        self.rate = 1 + 'a'\n", encoding="utf-8")
    given = ["-o", "data.bad_rows=drop", "-o", "curriculum={use: rl_only, rl_steps: 1}"]
    recipe = recipe_with_a_bad_row(tmp_path)
    done = rlaudio("check", str(recipe), *given, "-o", "sampling.questions=1", "-o", f"algorithm={file}")
    assert done.exit_code == 1
    assert f"Error: algorithm broken ({file}:3) raised TypeError: unsupported operand" in done.output


def test_a_plug_in_that_breaks_a_library_is_named_below_the_traceback(tmp_path, monkeypatch):
    file = tmp_path / "breaking.py"
    file.write_text(
        "import fractions\nfractions.broken = None\ndef breaking(question, completion):\n    return 0\n",
        encoding="utf-8",
    )

    def checked(*arguments, **options):
        import fractions

        bind("reward", {"use": str(file)}).function(None, None)
        return fractions.broken()

    monkeypatch.setattr("rlaudio.planning.check.check", checked)
    done = rlaudio("check", str(recipe_with_a_bad_row(tmp_path)))
    assert done.exit_code == 1
    assert f"reward {file}: where that replaces parts of a library, mend it" in done.stderr


def test_under_debug_a_plug_in_that_exits_with_0_still_fails(tmp_path):
    file = tmp_path / "leaving.py"
    file.write_text(LEAVING["data.train"], encoding="utf-8")
    recipe = recipe_with_a_bad_row(tmp_path)
    done = rlaudio("--debug", "check", str(recipe), "-o", f"data.train={{use: {file}}}")
    assert done.exit_code == 1 and isinstance(done.exception.__cause__, SystemExit)


def test_ctrl_c_before_a_command_has_anything_to_continue_is_one_word(monkeypatch):
    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("rlaudio.config.recipe.load_recipe", interrupted)
    done = rlaudio("show", "tiny_weak_to_strong")
    assert (done.exit_code, done.stderr.strip()) == (130, "interrupted")


# --- scores of prediction files ------------------------------------------------------------------


@pytest.fixture
def predicted(tmp_path) -> Path:
    """The folder of a benchmark of three questions, and predictions for two of them in predictions.json."""
    rows = [
        {"id": f"m{n}", "question": "What is heard?", "choices": ["rain", "wind"], "answer": "wind"}
        | {"audio_id": f"./{n}.wav", "task": "sound"}
        for n in range(3)
    ]
    (tmp_path / "mmau-test-mini.json").write_text(json.dumps(rows), encoding="utf-8")
    answers = [row | {"model_output": "The wind."} for row in rows[:2]]
    (tmp_path / "predictions.json").write_text(json.dumps(answers), encoding="utf-8")
    return tmp_path


def test_a_prediction_file_is_scored_without_audio_by_both_rules(predicted):
    done = rlaudio("score", str(predicted / "predictions.json"), "--benchmark", f"mmau={predicted}")
    assert done.exit_code == 0
    assert "1 id without a row, wrong by the strict rule: m2" in done.output
    assert "66.7" in done.output and "By mmau, all: audio 100.0 (1 of 3 left out)." in done.output


def test_options_of_the_benchmark_are_taken_and_wrong_ones_refused(predicted):
    given = ["score", str(predicted / "predictions.json"), "--benchmark", f"mmau={predicted}", "-o"]
    assert "left out: m1" in rlaudio(*given, "limit=1").output
    assert "unknown option 'limti'; did you mean 'limit'" in rlaudio(*given, "limti=1").output
    assert "-o limit: expected KEY=VALUE" in rlaudio(*given, "limit").output


@pytest.mark.parametrize(
    ("benchmark", "said"),
    [
        ("mmau", "mmau: expected NAME=PATH, such as mmau=/data/MMAU"),
        ("mmau=gone", "mmau=gone: gone does not exist"),
        ("mmauu=.", "unknown data 'mmauu'; did you mean 'mmau'"),
    ],
)
def test_a_benchmark_that_is_not_there_is_refused(predicted, benchmark, said):
    done = rlaudio("score", str(predicted / "predictions.json"), "--benchmark", benchmark)
    assert done.exit_code and said in done.output


def test_an_evaluation_is_not_compared_with_itself(predicted):
    out = ["--out", str(predicted / "out"), "--against", str(predicted / "out")]
    (predicted / "out").mkdir()
    done = rlaudio("score", str(predicted / "predictions.json"), "--benchmark", f"mmau={predicted}", *out)
    assert "--against and --out name one folder" in done.output
