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
import uuid
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

from rlaudio.rollout.vllm.http import UNIX
from rlaudio.rollout.vllm.private_folder import private_folder
from rlaudio.rollout.vllm.setup import EXACT
from rlaudio.utils import launcher

SERVE = "vllm.entrypoints.openai.api_server"  # `vllm serve`, whose command the CPU build cannot run
SERVER = {  # of the environment of every server
    "VLLM_SERVER_DEV_MODE": "1",  # enables the endpoints for weights
    "VLLM_NO_USAGE_STATS": "1",
}
API_KEY = "VLLM_API_KEY"  # vLLM asks for it at some of its paths alone, and at none that takes weights
SOCKETS = "VLLM_RPC_BASE_PATH"  # where its processes put the sockets between them
FOLDER = "rlaudio-server-"  # prefix of the folders with the sockets of servers
LONGEST_SOCKET = 107  # characters of a socket's path that the kernel takes
SECONDS_TO_END = 30.0
ERROR = re.compile(r"(?:^|\] )(\w+(?:Error|Exception): .+)$", re.MULTILINE)  # the last line of a traceback
ERRORS_TOLD = 4
TAIL = 2_000  # characters of a log without errors
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG


class ServerProcess:
    """`vllm serve` with flags and some of this machine's GPUs, on a socket that this user alone can reach.

    Whoever reaches it can load weights and more: it has the endpoints that vLLM means for development.
    """

    def __init__(self, flags: Sequence[str], gpus: str | None = None):
        with ExitStack() as opened:
            folder = opened.enter_context(_socket_folder())
            self.url = f"{UNIX}{folder / 'socket'}"
            self._log = opened.enter_context(tempfile.TemporaryFile("a+", errors="replace"))
            self._process = subprocess.Popen(
                [sys.executable, "-m", SERVE, *flags, "--uds", str(folder / "socket")],
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=subprocess.STDOUT,
                env=_environment(gpus) | {SOCKETS: str(folder)},
                start_new_session=True,  # Ctrl-C is for the run, which ends the server in order
                preexec_fn=_die_with_parent,
            )
            self._opened = opened.pop_all()

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
        self._opened.close()


def free_port(host: str = "127.0.0.1") -> int:
    """A port of this machine that is free."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def _socket_folder() -> AbstractContextManager[Path]:
    """In /tmp where the machine's own folder for temporary files has too long a path for a socket."""
    usual = Path(tempfile.gettempdir())
    too_long = len(str(usual / f"{FOLDER}12345678" / str(uuid.uuid4()))) > LONGEST_SOCKET
    return private_folder(FOLDER, Path("/tmp") if too_long else usual)


def _environment(gpus: str | None) -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in (*launcher.VARIABLES, "VLLM_ENABLE_V1_MULTIPROCESSING", API_KEY)
    }
    return EXACT | kept | SERVER | ({} if gpus is None else {"CUDA_VISIBLE_DEVICES": gpus})


def _die_with_parent() -> None:
    """Have the kernel end the server when this process is killed; on Linux alone."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGTERM)
