"""The tutorials work: their files are written and their commands run in their order, on a few questions."""

import re
import runpy
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from click.testing import CliRunner

from rlaudio.cli import main
from rlaudio.worlds.synthetic import synthetic
from tests.settings import ONE_HELD_OUT_SET

ROOT = Path(__file__).parent.parent
TUTORIALS = {
    path.stem: path.read_text(encoding="utf-8") for path in (ROOT / "docs" / "tutorials").glob("*.md")
}
QUESTIONS = 32  # of the embedded world, instead of 2,000
NEEDS_MORE = {  # commands for which something is missing here; others test what they do
    "rlaudio data dedupe mine/data.jsonl mmau=/data/MMAU": "a benchmark",
    "rlaudio run recipes/spoken_digits_weak_to_strong.yaml -o data.common.clips=FOLDER": "recordings",
    "rlaudio evaluate --endpoint http://localhost:8000 --model Qwen/Qwen2.5-Omni-7B "
    "--data mine/data.jsonl --out evaluated/server": "a server",
    "rlaudio doctor": "a minute, and tests/cli/test_doctor.py runs it",
    "rlaudio run recipes/weak_to_strong_qwen2_5_omni_7b_lora.yaml": "a GPU",
    "rlaudio report runs/tiny_weak_to_strong": "a run of the README",
    "rlaudio submit RECIPE --nodes 2 --gpus-per-node 8 --out /shared/run": "Slurm",
}
FENCED = re.compile(
    r"^```(?P<language>\w+)(?: title=\"(?P<title>.+)\")?\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE
)


class File(NamedTuple):
    name: str
    text: str


class Command(NamedTuple):
    words: list[str]


def steps(page: str) -> Iterator[File | Command]:
    """What a reader does: writes the files and gives the commands, in the order of the page."""
    end = 0
    for block in FENCED.finditer(page):
        yield from commands(page[end : block.start()])
        first_line = block["text"].partition("\n")[0]
        yield File(block["title"] or first_line.removeprefix("# "), block["text"])
        end = block.end()
    yield from commands(page[end:])


def commands(text: str) -> Iterator[Command]:
    for line in re.findall(r"^    (\S.*)$", text, re.MULTILINE):
        if line.partition(" ")[0] in ("rlaudio", "python", "mv") and line not in NEEDS_MORE:
            yield Command(shlex.split(line, comments=True))


def overrides(words: list[str]) -> list[str]:
    """What makes a command short: few questions, few steps."""
    command, recipe = words[:2]
    if command not in ("run", "check", "compare"):
        return []
    small = ["threads=1", "sft.questions=3"]
    small += ["sampling.questions=2", "sampling.group_size=3", "sampling.max_new_tokens=8"]
    if recipe != "mine.yaml":
        small += [f"data.train.count={QUESTIONS}", "data.evaluate.test.count=4", *ONE_HELD_OUT_SET]
    if command != "check":
        small += [] if any("rl_steps" in word for word in words) else ["curriculum.rl_steps=2"]
        small += [] if "easy_first" in " ".join(words) else ["curriculum.sft_steps=2"]
    if command == "compare":
        small += ["evaluation.controls=[audio]"]
    return [word for override in small for word in ("-o", override)]


def give(words: list[str], folder: Path) -> None:
    """Run a command as a reader would in `folder`, which is the working directory."""
    program, *arguments = words
    if program == "rlaudio":
        few_steps = [re.sub(r"rl_steps: \d+", "rl_steps: 2", argument) for argument in arguments]
        done = CliRunner().invoke(main, [*few_steps, *overrides(arguments)])
        assert done.exit_code == 0, f"{shlex.join(words)}\n{done.output}\n{done.exception!r}"
    elif program == "mv":
        subprocess.run(" ".join(words), shell=True, check=True)
    elif arguments[:2] == ["-m", "pytest"]:
        tests = runpy.run_path(arguments[2])
        assert [call() for name, call in tests.items() if name.startswith("test_")]
    else:
        runpy.run_path(arguments[0], run_name="__main__")


def follow(page: str, folder: Path) -> None:
    for step in steps(page):
        if isinstance(step, File):
            text = step.text.replace("seeds: [0, 1]", "seeds: [0]")  # of the comparison that is run
            (folder / step.name).write_text(text, encoding="utf-8")
        else:
            give(step.words, folder)


@pytest.fixture
def reader(tmp_path, monkeypatch) -> Path:
    """The folder of somebody who reads a tutorial in a clone."""
    (tmp_path / "recipes").symlink_to(ROOT / "recipes")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


@pytest.mark.slow
def test_your_first_reward(reader, capsys):
    follow(TUTORIALS["first_reward"], reader)
    printed = capsys.readouterr().out
    assert len(re.findall(r"^\d\.\d\d  '", printed, re.MULTILINE)) == 6
    assert (reader / "runs" / "brief" / "report.html").exists()


@pytest.mark.slow
def test_your_first_algorithm(reader):
    follow(TUTORIALS["first_algorithm"], reader)
    assert (reader / "runs" / "median_against_grpo" / "comparison.html").exists()


@pytest.mark.slow
def test_your_first_curriculum(reader):
    follow(TUTORIALS["first_curriculum"], reader)
    stages = {path.name.rpartition("-")[0] for path in (reader / "runs" / "easy" / "rollouts").iterdir()}
    assert stages == {"rl-1", "rl-2"}


@pytest.mark.slow
def test_weak_to_strong_on_your_data(reader):
    follow(TUTORIALS["weak_to_strong_on_your_data"], reader)
    assert (reader / "mine" / "labels.jsonl").exists()
    assert (reader / "runs" / "mine" / "report.html").exists()


@pytest.mark.slow
def test_evaluate_any_model(reader):
    synthetic(count=16, folder=reader / "made")
    next((reader / "made").iterdir()).rename(reader / "mine")
    follow(TUTORIALS["evaluate_any_model"], reader)
    assert (reader / "evaluated" / "base" / "evaluation.json").exists()


@pytest.mark.parametrize("name", ["scaling", "reading_a_page"])
def test_other_tutorials(name, reader):
    follow(TUTORIALS[name], reader)


def test_every_tutorial_is_followed():
    followed = {"first_reward", "first_algorithm", "first_curriculum", "weak_to_strong_on_your_data"}
    assert set(TUTORIALS) == followed | {"evaluate_any_model", "scaling", "reading_a_page"}


def test_commands_that_are_left_out_stand_in_a_tutorial():
    lines = {
        line.strip() for page in TUTORIALS.values() for line in page.splitlines() if line.startswith("    ")
    }
    assert set(NEEDS_MORE) <= lines
