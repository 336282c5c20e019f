"""A vLLM server that this process starts, and that does not outlive it."""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence

from rlaudio.rollout.vllm.setup import EXACT
from rlaudio.utils import launcher

SERVE = "vllm.entrypoints.openai.api_server"  # `vllm serve`, whose command the CPU build cannot run
DEV_MODE = "VLLM_SERVER_DEV_MODE"  # enables the endpoints for weights
SECONDS_TO_END = 30.0
ERROR = re.compile(r"(?:^|\] )(\w+(?:Error|Exception): .+)$", re.MULTILINE)  # the last line of a traceback
ERRORS_TOLD = 4
TAIL = 2_000  # characters of a log without errors
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG


class ServerProcess:
    """`vllm serve` with flags, on a port of this machine, 0 for any that is free, and some of its GPUs.

    Raises ValueError where the port is taken.
    """

    def __init__(self, flags: Sequence[str], gpus: str | None = None, port: int = 0):
        port = free_port(port)
        self.url = f"http://127.0.0.1:{port}"
        self._log = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115  open while the server runs
        self._process = subprocess.Popen(
            [sys.executable, "-m", SERVE, *flags, "--host", "127.0.0.1", "--port", str(port)],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            env=_environment(gpus),
            start_new_session=True,  # Ctrl-C is for the run, which ends the server in order
            preexec_fn=_die_with_parent,
        )

    @property
    def ended(self) -> str:
        """How the server ended, with the errors in its log; empty while it runs."""
        code = self._process.poll()
        if code is None:
            return ""
        if code < 0:
            return f"vLLM's server was ended by signal {-code}"
        return f"vLLM's server ended with {code}{self.said}"

    @property
    def said(self) -> str:
        """The errors in its log, the first of which is most often the cause, or else the log's end."""
        self._log.seek(0)
        text = self._log.read().strip()
        errors = list(dict.fromkeys(ERROR.findall(text)))[:ERRORS_TOLD]
        lines = "\n".join(errors) or text[-TAIL:]
        return f"; it said:\n{lines}" if lines else ""

    def stop(self) -> None:
        """End the server and its child processes."""
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(SECONDS_TO_END)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._log.close()


def free_port(port: int = 0, host: str = "127.0.0.1") -> int:
    """This port of this machine if it is free, any free one for 0. Raises ValueError where it is taken."""
    with socket.socket() as probe:
        try:
            probe.bind((host, port))
        except OSError as error:
            advice = (
                "set rollout.port to another, to 0 for any, or rollout.url to the server that listens there"
            )
            raise ValueError(
                f"port {port} of {host} is not available ({error.strerror}){f'; {advice}' if port else ''}"
            ) from error
        return int(probe.getsockname()[1])


def _environment(gpus: str | None) -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in launcher.VARIABLES and name != "VLLM_ENABLE_V1_MULTIPROCESSING"
    }
    needed = {DEV_MODE: "1", "VLLM_NO_USAGE_STATS": "1"}
    return EXACT | kept | needed | ({} if gpus is None else {"CUDA_VISIBLE_DEVICES": gpus})


def _die_with_parent() -> None:
    """Have the kernel end the server when this process is killed; on Linux alone."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGTERM)
