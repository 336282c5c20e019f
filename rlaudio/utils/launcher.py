"""The environment variables that `torchrun` and `deepspeed` set for every process that they start."""

from __future__ import annotations

import os

# Removed from the environment of child processes that the launcher does not count.
VARIABLES = (
    "RANK",
    "WORLD_SIZE",
    "LOCAL_RANK",
    "LOCAL_WORLD_SIZE",
    "LOCAL_SIZE",
    "MASTER_ADDR",
    "MASTER_PORT",
    "GROUP_RANK",
)


def rank() -> int:
    """Number of this process, from 0; process 0 logs and writes for all."""
    return int(os.environ.get("RANK", "0"))


def size() -> int:
    """How many processes there are, 1 without a launcher."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def local_rank() -> int:
    """Number of this process on its machine, from 0."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def local_size() -> int:
    """How many processes there are on this machine, 1 without a launcher."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", os.environ.get("LOCAL_SIZE", "1")))
