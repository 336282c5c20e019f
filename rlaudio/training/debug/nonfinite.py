"""NaN and infinity stop a step before they reach the weights; the step's rows are handed on to be kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import torch

from rlaudio.training.packing import PackedRow, unlearned_branch
from rlaudio.types import Completion, ScoredGroup
from rlaudio.utils.processes import Processes

During = Literal["sampling", "signals", "update"]


class BrokenStep(FloatingPointError):
    """A step that came upon a number that is not finite, and what it was to learn from.

    `rows` are this process's. For an update they carry all that was measured before it, and the weights
    are as they were when it began: those after `epoch` passes and `mini_batch` updates of the next one.
    """

    def __init__(
        self, message: str, rows: Sequence[PackedRow], during: During, *, epoch: int = 0, mini_batch: int = 0
    ):
        super().__init__(message)
        self.rows = list(rows)
        self.during: During = during
        self.epoch = epoch
        self.mini_batch = mini_batch


def refuse_nonfinite_rollouts(own: Sequence[ScoredGroup], processes: Processes) -> None:
    """Raise BrokenStep, in every process, where a sampled token's log-prob is NaN or infinite in one."""
    bad = [one.group.prompt.question.id for one in own if any(_is_bad(c) for c in one.group.completions)]
    everywhere = [text for share in processes.gather(bad) for text in share]
    if everywhere:
        raise BrokenStep(
            f"the sampler gave log-probs that are NaN or infinite for {len(everywhere)} questions "
            f"({', '.join(everywhere[:3])}); nothing was learned from this step",
            [_unlearned(one, with_support=False) for one in own],  # NaN leaves a support without its token
            "sampling",
        )


def refuse_nonfinite_signals(signals: Mapping[str, torch.Tensor], own: Sequence[ScoredGroup]) -> None:
    """Raise BrokenStep where a signal of the step, the same in every process, is NaN or infinite."""
    bad = [name for name, values in signals.items() if not values.isfinite().all()]
    if bad:
        raise BrokenStep(
            f"{', '.join(bad)}, measured before the update, came out as NaN or infinite; the update was not "
            "made",
            [_unlearned(one, with_support=True) for one in own],
            "signals",
        )


def _is_bad(completion: Completion) -> bool:
    return not np.isfinite(completion.logprobs).all()


def _unlearned(one: ScoredGroup, *, with_support: bool) -> PackedRow:
    """A group as a row that is only looked at: no advantages and no weight."""

    branches = (unlearned_branch(c, with_support=with_support) for c in one.group.completions)
    return PackedRow(one.group.prompt, tuple(branches))
