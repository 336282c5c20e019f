"""What `torchrun` and `deepspeed` say in the environment of every process that they start."""

from __future__ import annotations

import os

# What a process must not take over that is started from here and is none of the launcher's.
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
    """Number of this process, from 0; the one with 0 speaks and writes for all."""
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
