"""A kept step computed again, from its folder alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import load_file

from rlaudio.training.debug.inspection import Inspection, inspect
from rlaudio.training.debug.step_dump import HEAD, KeptStep, read_step
from rlaudio.training.learner import Learner
from rlaudio.types import Prompt


def replay(folder: Path, open_learner: Callable[[KeptStep], Learner]) -> tuple[KeptStep, Inspection]:
    """The step in `folder` and what is found in it, in this process.

    `open_learner` makes a learner with the weights of that step. Advantages, the reference's log-probs and
    all else that was measured before the update stay as they were kept.
    Raises FileNotFoundError where the folder holds no step.
    """
    step = read_step(folder)
    learner = open_learner(step)
    silent = {kept.row.prompt.question.id: kept.silent for kept in step.rows if kept.silent}

    def silent_prompt(prompt: Prompt) -> Prompt:
        return silent[prompt.question.id]

    learner.silent_prompt = silent_prompt
    if learner.policy.value_head is not None:
        learner.policy.value_head.load_state_dict(_value_head(folder))
    return step, inspect(step, learner)


def _value_head(folder: Path) -> dict[str, torch.Tensor]:
    """Weights of the critic's head. Raises FileNotFoundError where the step was kept without one."""
    if not (folder / HEAD).is_file():
        raise FileNotFoundError(
            f"{folder}: found no {HEAD}; expected the critic's head; the step was kept under an algorithm "
            "without a critic"
        )
    return load_file(folder / HEAD)
