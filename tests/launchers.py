"""Runs of two processes on the CPU, started as a user starts them."""

import os
import socket
import subprocess
import sys
from pathlib import Path


def torchrun(recipe: Path, out: Path, *more: str) -> subprocess.CompletedProcess:
    """`torchrun --nproc_per_node 2 -m rlaudio run RECIPE`, ended: every process that it started too."""
    return _run("torch.distributed.run", "--nproc_per_node", "2", "-m", *_command(recipe, out, more))


def deepspeed(recipe: Path, out: Path, *more: str) -> subprocess.CompletedProcess:
    """`deepspeed --num_gpus 2 --module rlaudio run RECIPE`, on a port that nobody uses."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
    launcher = ["deepspeed.launcher.runner", "--master_port", port, "--num_gpus", "2", "--module"]
    return _run(*launcher, *_command(recipe, out, more))


def _command(recipe: Path, out: Path, more: tuple[str, ...]) -> list[str]:
    return ["rlaudio", "run", str(recipe), "--out", str(out), *more]


def _run(*arguments: str) -> subprocess.CompletedProcess:
    """What a module of the launcher did; its output is complete when all that write to it have ended."""
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        env=os.environ | {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=900,
    )
