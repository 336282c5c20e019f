"""The command line: quick answers, one clear message for a user's mistake."""

import subprocess
import sys

import pytest
import yaml
from click.testing import CliRunner, Result

from rlaudio.cli import main


def rlaudio(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


@pytest.mark.parametrize("arguments", [["list"], ["show", "tiny_weak_to_strong"]])
def test_listing_and_showing_import_no_heavy_library(arguments):
    heavy = "{'torch', 'transformers', 'numpy', 'soundfile'}"
    code = f"""
import sys
from rlaudio.cli import main
main({arguments!r}, standalone_mode=False)
sys.exit(str({heavy} & set(sys.modules)) if {heavy} & set(sys.modules) else 0)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


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


def test_show_prints_yaml_with_overrides_applied():
    done = rlaudio("show", "tiny_weak_to_strong", "-o", "optimizer.lr=2e-6")
    assert yaml.safe_load(done.output)["optimizer"]["lr"] == 2e-6


def test_show_lists_every_field_with_its_meaning():
    assert "optimizer.lr" in rlaudio("show", "--fields").output


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
