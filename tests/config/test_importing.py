"""Importing a user's plug-in: what it raises, and what it changes."""

import signal
from pathlib import Path

import pytest
import torch

from rlaudio.config.importing import plugin_that_raised
from rlaudio.config.plugins import bind, import_seconds, load

REWARD = "def {name}(question, completion):\n    return {value}\n"


def write(file: Path, text: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


def reward(file: Path, before: str, value: str = "1.0") -> Path:
    """A reward's file that begins with `before`."""
    return write(file, before + "\n" + REWARD.format(name=file.stem, value=value))


# --- errors --------------------------------------------------------------------------------------

RAISED = {
    "undefined_name": "NameError: name 'undefined_name' is not defined",
    "raise RuntimeError('at import')": "RuntimeError: at import",
    "raise SystemExit(0)": "SystemExit: 0",
    "import sys; sys.exit()": "SystemExit",
    "raise KeyboardInterrupt": "KeyboardInterrupt",
    "raise TimeoutError('own')": "TimeoutError: own",
    "import os; os._exit(0)": "RefusedEnd: os._exit(0)",
    "raise GeneratorExit": "GeneratorExit",
    "def deep(): deep()\ndeep()": "RecursionError: maximum recursion depth exceeded",
    "exec('1 +')": "SyntaxError: invalid syntax (<string>:1)",
    "1 / 0": "ZeroDivisionError: division by zero",
    "from os import no_such_name": "ImportError: cannot import name 'no_such_name' from 'os'",
    "raise type('Own', (BaseException,), {})('mine')": "Own: mine",
}


@pytest.mark.parametrize(("text", "said"), RAISED.items(), ids=RAISED)
def test_whatever_a_file_raises_on_import_is_told_with_kind_file_and_line(tmp_path, text, said):
    file = reward(tmp_path / "mine.py", f"'''first line'''\n{text}")
    with pytest.raises(ImportError) as caught:
        bind("reward", str(file)).function  # noqa: B018
    line = 2 + text.count("\n")
    place = str(caught.value).partition(": ")[0]
    assert place in (f"reward {file}:{line}", f"reward {file}:2")
    assert said in str(caught.value) and "fix the file" in str(caught.value)


def test_the_line_of_a_generator_that_ends_by_stop_iteration_is_known(tmp_path):
    file = write(tmp_path / "mine.py", "def mine(question, completion):\n    yield 1.0\n    next(iter(()))\n")
    with pytest.raises(RuntimeError, match="generator raised StopIteration") as caught:
        list(bind("reward", str(file)).function(None, None))
    assert plugin_that_raised(caught.value).line == 3


def test_a_return_outside_a_function_is_told_with_its_line(tmp_path):
    file = reward(tmp_path / "mine.py", "\nreturn 1")
    with pytest.raises(ImportError, match=rf"reward {file}:2: SyntaxError: 'return' outside function"):
        bind("reward", str(file)).function  # noqa: B018


def test_an_error_in_a_file_beside_is_told_with_both_places(tmp_path):
    helper = write(tmp_path / "helper.py", "\n\n1 / 0\n")
    file = reward(tmp_path / "mine.py", "import helper")
    with pytest.raises(ImportError, match=rf"reward {file}:1: ZeroDivisionError: .* \({helper}:3\); fix"):
        bind("reward", str(file)).function  # noqa: B018


def test_an_import_that_never_ends_is_told_with_the_place_where_it_is(tmp_path):
    write(tmp_path / "helper.py", "import time\ntime.sleep(10**6)\n")
    file = reward(tmp_path / "mine.py", "import helper")
    before = import_seconds.set(0.05)
    try:
        with pytest.raises(ImportError) as caught:
            load("reward", str(file))
    finally:
        import_seconds.reset(before)
    assert str(caught.value) == (
        f"reward {file}: its import did not return within 0.05 s (reward_timeout); it was at {file}:1; "
        "fix the file, or raise reward_timeout"
    )


def test_ctrl_c_during_an_import_interrupts(tmp_path):
    file = reward(tmp_path / "mine.py", "import signal\nsignal.raise_signal(signal.SIGINT)")
    with pytest.raises(KeyboardInterrupt):
        load("reward", str(file))
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_file_that_fails_can_be_mended_and_imported_again(tmp_path):
    file = reward(tmp_path / "mine.py", "raise SystemExit")
    with pytest.raises(ImportError):
        load("reward", str(file))
    reward(file, "")
    assert load("reward", str(file))(None, None) == 1.0


def test_what_an_import_changes_of_the_process_is_put_back_and_told(tmp_path, caplog):
    before = Path.cwd()
    file = reward(tmp_path / "mine.py", "import os, torch\ntorch.set_grad_enabled(False)\nos.chdir('/')")
    load("reward", str(file))
    assert torch.is_grad_enabled() and Path.cwd() == before
    assert f"reward {file} changed torch.set_grad_enabled on import" in caplog.text


@pytest.mark.parametrize("name", ["isinstance", "map", "BaseException"])
def test_an_import_that_replaces_a_builtin_is_told_and_goes_on(tmp_path, caplog, name):
    file = reward(tmp_path / "mine.py", f"import builtins\nbuiltins.{name} = None")
    assert load("reward", str(file))(None, None) == 1.0
    assert f"reward {file} changed builtins.{name} on import" in caplog.text


def test_an_import_that_replaces_a_builtin_and_raises_is_told_with_its_file(tmp_path):
    file = reward(tmp_path / "mine.py", "import builtins\nbuiltins.isinstance = builtins.open = None\n1 / 0")
    with pytest.raises(ImportError, match=rf"reward {file}:3: ZeroDivisionError: division by zero; fix"):
        load("reward", str(file))


# --- decorators ----------------------------------------------------------------------------------

WRAPPED = """
import functools
def plain(function):
    @functools.wraps(function)
    def inner(*arguments, **options):
        return function(*arguments, **options)
    return inner
"""


@pytest.mark.parametrize(
    ("before", "decorator"), [(WRAPPED, "@plain"), ("import functools", "@functools.lru_cache")]
)
def test_a_decorated_reward_works_and_its_file_is_known(tmp_path, before, decorator):
    file = reward(tmp_path / "mine.py", f"{before}\n{decorator}")
    function = bind("reward", str(file)).function
    assert (function.path, function(None, None)) == (file, 1.0)


def test_a_decorator_that_hides_the_parameters_is_refused_with_the_users_file(tmp_path):
    write(tmp_path / "tools_of_mine.py", "def bare(function):\n    return lambda *arguments: 1.0\n")
    file = reward(tmp_path / "mine.py", "from tools_of_mine import bare\n@bare")
    with pytest.raises(ValueError, match=rf"{file}: mine .* takes \(arguments\) .* functools.wraps"):
        bind("reward", str(file)).function  # noqa: B018


def test_a_decorator_that_returns_nothing_is_refused_with_the_users_file(tmp_path):
    file = reward(tmp_path / "mine.py", "def lost(function): ...\n@lost")
    with pytest.raises(ValueError, match=rf"{file}: mine is written to take .* and is None"):
        bind("reward", str(file)).function  # noqa: B018
