"""What code leaves changed in the process is named and put back."""

import builtins
import contextlib
import decimal
import gc
import io
import json
import logging
import os
import resource
import signal
import socket
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from rlaudio.utils.process_state import kept_process_state


def lower(limit: int) -> None:
    """Allow this process less than it may have."""
    _, hard = resource.getrlimit(limit)
    resource.setrlimit(limit, ((1 << 20 if hard == resource.RLIM_INFINITY else hard) - 1, hard))


CHANGES = {
    "torch.set_grad_enabled": lambda: torch.set_grad_enabled(False),
    "torch.inference_mode": lambda: KEPT.append(torch.inference_mode()) or KEPT[-1].__enter__(),
    "torch.set_default_dtype": lambda: torch.set_default_dtype(torch.float64),
    "torch.set_default_device": lambda: torch.set_default_device("meta"),
    "torch.set_float32_matmul_precision": lambda: torch.set_float32_matmul_precision("medium"),
    "torch.use_deterministic_algorithms": lambda: torch.use_deterministic_algorithms(True),
    "torch.set_num_threads": lambda: torch.set_num_threads(torch.get_num_threads() + 1),
    "torch.autocast('cpu')": lambda: torch.set_autocast_enabled("cpu", True),
    "torch.backends.mkldnn.enabled": lambda: setattr(torch.backends.mkldnn, "enabled", False),
    "torch.backends.cudnn.benchmark": lambda: setattr(torch.backends.cudnn, "benchmark", True),
    "torch.backends.cuda.enable_math_sdp": lambda: torch.backends.cuda.enable_math_sdp(False),
    "numpy.seterr": lambda: np.seterr(all="raise"),
    "the working directory": lambda: os.chdir("/"),
    "sys.stdout": lambda: setattr(sys, "stdout", io.StringIO()),
    "sys.stderr": lambda: setattr(sys, "stderr", io.StringIO()),
    "logging.disable": lambda: logging.disable(logging.CRITICAL),
    "os.umask": lambda: os.umask(0o777),
    "gc.disable": gc.disable,
    "sys.setrecursionlimit": lambda: sys.setrecursionlimit(sys.getrecursionlimit() + 1),
    "decimal.getcontext": lambda: setattr(decimal.getcontext(), "prec", 2),
    "socket.setdefaulttimeout": lambda: socket.setdefaulttimeout(0.001),
    **{
        f"resource.setrlimit({name})": partial(lower, getattr(resource, name))
        for name in ("RLIMIT_AS", "RLIMIT_NOFILE", "RLIMIT_FSIZE", "RLIMIT_CPU")
    },
    "the handler of SIGINT": lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    "the handler of SIGTERM": lambda: signal.signal(signal.SIGTERM, signal.SIG_IGN),
    "sys.excepthook": lambda: setattr(sys, "excepthook", None),
    "sys.setprofile": lambda: sys.setprofile(lambda *_: None),
    "sys.modules['json']": lambda: sys.modules.pop("json"),
    "sys.modules['shutil']": lambda: sys.modules.update(shutil=None),
    "signal.alarm": lambda: signal.setitimer(signal.ITIMER_REAL, 1000),
}
FUNCTIONS = {
    "json.dumps": lambda: setattr(json, "dumps", None),
    "json.loads": lambda: delattr(json, "loads"),
    "builtins.len": lambda: setattr(builtins, "len", lambda _: 0),
    "posixpath.join": lambda: setattr(os.path, "join", "".join),
    "torch.no_grad": lambda: setattr(torch, "no_grad", None),
    "torch.nn.functional.softmax": lambda: setattr(torch.nn.functional, "softmax", None),
    "Tensor.backward": lambda: setattr(torch.Tensor, "backward", None),
    "Path.write_text": lambda: setattr(Path, "write_text", None),
}
CHANGES |= FUNCTIONS
KEPT = []  # a guard that is deleted ends its mode by itself


@pytest.mark.parametrize(("name", "change"), CHANGES.items(), ids=CHANGES)
def test_a_change_is_named_and_put_back(name, change):
    with kept_process_state() as state:
        change()
        assert name in state.restore()
        assert state.restore() == []
    assert torch.ones(1, requires_grad=True).exp().requires_grad


# Without these nothing runs, neither what puts back what else has changed nor the test:
@pytest.mark.parametrize("name", ["isinstance", "getattr", "map", "setattr", "BaseException", "__import__"])
@pytest.mark.parametrize("raises", [False, True])
def test_a_builtin_is_back_before_the_next_line_runs(name, raises):
    def replace():
        vars(builtins)[name] = None
        return 1 / (0 if raises else 1)

    with kept_process_state() as state:
        with contextlib.suppress(ZeroDivisionError):
            state.call(replace)
        assert vars(builtins)[name] is not None
        assert state.restore() == [f"builtins.{name}"]
        assert state.restore() == []


def test_a_builtin_that_is_deleted_is_put_back():
    with kept_process_state() as state:
        state.call(vars(builtins).pop, "isinstance")
        assert state.restore() == ["builtins.isinstance"]


def test_code_that_changes_nothing_is_left_alone():
    with kept_process_state() as state:
        np.random.seed(3)
        torch.manual_seed(3)
        os.environ["A_VARIABLE_OF_A_TEST"] = "1"
        assert state.restore() == []
    del os.environ["A_VARIABLE_OF_A_TEST"]


def test_functions_may_be_added(monkeypatch):
    with kept_process_state() as state:
        monkeypatch.setattr(json, "another", print, raising=False)
        assert state.restore() == []


def test_a_closed_standard_stream_is_opened_again(tmp_path, monkeypatch):
    with (tmp_path / "out").open("w") as stream, contextlib.ExitStack() as after:
        monkeypatch.setattr(sys, "stdout", stream)
        with kept_process_state() as state:
            sys.stdout.close()
            assert state.restore() == ["sys.stdout.close"]
            after.callback(sys.stdout.close)
            sys.stdout.write("still here\n")
    assert (tmp_path / "out").read_text() == "still here\n"


@pytest.mark.parametrize(
    "change", [os.close, lambda number: os.dup2(os.open(os.devnull, os.O_WRONLY), number)]
)
def test_a_descriptor_of_a_standard_stream_leads_where_it_did(tmp_path, monkeypatch, change):
    with (tmp_path / "out").open("w", buffering=1) as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        with kept_process_state() as state:
            change(stream.fileno())
            assert state.restore() == ["the descriptor of sys.stdout"]
            sys.stdout.write("still here\n")
    assert (tmp_path / "out").read_text() == "still here\n"


def test_a_stream_whose_buffer_is_detached_is_opened_again(tmp_path, monkeypatch):
    stream = (tmp_path / "out").open("w")
    monkeypatch.setattr(sys, "stdout", stream)
    with kept_process_state() as state, contextlib.closing(stream.detach()):
        assert state.restore() == ["sys.stdout.close"]
        with contextlib.closing(sys.stdout) as opened:
            opened.write("still here\n")
    assert (tmp_path / "out").read_text() == "still here\n"


def test_a_stream_that_is_no_file_has_no_second_descriptor(monkeypatch):
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    with kept_process_state() as state:
        assert state.restore() == []
