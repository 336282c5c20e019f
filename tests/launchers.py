"""Runs of two processes on the CPU, started as a user starts them."""

import os
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path


def torchrun(recipe: Path, out: Path, *more: str) -> subprocess.CompletedProcess:
    """`torchrun --nproc_per_node 2 -m rlaudio run RECIPE`, ended: every process that it started too."""
    return _run("torch.distributed.run", "--nproc_per_node", "2", "-m", *_command(recipe, out, more))


def deepspeed(recipe: Path, out: Path, *more: str) -> subprocess.CompletedProcess:
    """`deepspeed --num_gpus 2 --module rlaudio run RECIPE`, on a port that nobody uses."""
    launcher = ["deepspeed.launcher.runner", "--master_port", free_port(), "--num_gpus", "2", "--module"]
    return _run(*launcher, *_command(recipe, out, more))


def two_machines(recipe: Path, out: Path, *more: str) -> list[subprocess.CompletedProcess]:
    """`torchrun --nnodes 2 ...` twice, which stands for two machines; one process each."""
    ends = ["--nnodes", "2", "--nproc_per_node", "1", "--master_port", free_port()]
    command = ["torch.distributed.run", *ends, "-m", *_command(recipe, out, more)]
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(lambda rank: _run(command[0], "--node_rank", rank, *command[1:]), ("0", "1")))


def free_port() -> str:
    """A port of this machine that nobody uses."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return str(server.getsockname()[1])


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
