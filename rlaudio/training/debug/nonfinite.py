"""Stop a step at NaN or infinity before it changes the weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from rlaudio.training.packing import PackedRow, unlearned_branch
from rlaudio.types import ScoredGroup
from rlaudio.utils.number_format import counted
from rlaudio.utils.processes import Processes


class BrokenStep(FloatingPointError):
    """A step stopped at a number that is not finite; raised in every process.

    `rows` are those of this process. `mini_batch` is the update that was not made, with the weights
    from before it; None where the step stopped before its updates.
    """

    def __init__(self, message: str, rows: Sequence[PackedRow], mini_batch: int | None = None):
        super().__init__(message)
        self.rows = list(rows)
        self.mini_batch = mini_batch


def refuse_nonfinite_rollouts(local: Sequence[ScoredGroup], processes: Processes) -> None:
    """Raise BrokenStep, in every process, where a sampled token's log-prob is NaN or infinite in one."""
    bad = [
        scored.group.prompt.question.id
        for scored in local
        if not all(np.isfinite(completion.logprobs).all() for completion in scored.group.completions)
    ]
    everywhere = [question for questions in processes.gather(bad) for question in questions]
    if everywhere:
        raise BrokenStep(describe_nonfinite({"sampled log-probs": everywhere}), _without_credit(local))


def refuse_nonfinite_signals(
    signals: Mapping[str, torch.Tensor], learned: Sequence[ScoredGroup], local: Sequence[ScoredGroup]
) -> None:
    """Raise BrokenStep where a signal, [Q] or [Q, G, C], is NaN or infinite.

    `learned` are the step's groups in all processes, `local` those that this one holds.
    """
    nonfinite = {}
    for name, values in signals.items():
        places = (~values.reshape(len(values), -1).isfinite().all(1)).nonzero().flatten().tolist()
        if places:
            nonfinite[name] = [learned[place].group.prompt.question.id for place in places]
    if nonfinite:
        raise BrokenStep(describe_nonfinite(nonfinite), _without_credit(local))


def describe_nonfinite(nonfinite: Mapping[str, Sequence[str]]) -> str:
    """A message that names quantities that are not finite and the questions that may have caused it."""
    ids = sorted({question for questions in nonfinite.values() for question in questions})
    named = ", ".join(ids[:3]) + (", ..." if len(ids) > 3 else "")
    return (
        f"{', '.join(sorted(nonfinite))} came out as NaN or infinite among {counted(len(ids), 'question')} "
        f"({named}); the update was not made"
    )


def _without_credit(groups: Sequence[ScoredGroup]) -> list[PackedRow]:
    """Groups as rows without advantages or support: after NaN a token may lie outside its support."""
    return [
        PackedRow(
            scored.group.prompt,
            tuple(
                unlearned_branch(completion, with_support=False, sample=number)
                for number, completion in enumerate(scored.group.completions)
            ),
        )
        for scored in groups
    ]
