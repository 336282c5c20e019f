"""A step that stopped a run, computed again from its folder alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from rlaudio.training.debug.inspection import find_nonfinite
from rlaudio.training.debug.step_dump import StepDump, read_step_dump
from rlaudio.training.learner import Learner


def replay(
    folder: Path, open_learner: Callable[[StepDump], Learner]
) -> tuple[StepDump, dict[str, list[str]]]:
    """The step in `folder`, and where it is not finite in this process.

    `open_learner` makes a learner with the weights of that step. Advantages, the reference's log-probs and
    all else that was measured before the update are not computed again.
    Raises FileNotFoundError where the folder holds no step.
    """
    dump = read_step_dump(folder)
    learner = open_learner(dump)
    if learner.policy.value_head is not None and dump.value_head:
        head = {name: torch.from_numpy(values) for name, values in dump.value_head.items()}
        learner.policy.value_head.load_state_dict(head)
    return dump, find_nonfinite(dump, learner)
