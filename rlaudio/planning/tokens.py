"""Tokens of one step of a stage, in one process."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

Attention = Literal["eager", "cpu", "gpu"]  # how rlaudio/models/shared/branching.py computes it on a device


@dataclass(frozen=True, kw_only=True)
class StepTokens:
    """What one process computes in a step; all prompts, and all completions, are equally long."""

    question_count: int
    group_size: int
    prompt: int  # audio included
    audio: int
    frames: int  # of each clip
    completion: int
    packed: bool  # a group's prompt is computed once
    budget: int  # tokens of a micro-batch

    @property
    def completions(self) -> int:
        """Of all questions."""
        return self.question_count * self.group_size

    @property
    def targets(self) -> int:
        """Completion tokens, which the loss is over."""
        return self.completions * self.completion

    @property
    def rows(self) -> int:
        """Rows that the model computes, each with its clip."""
        return self.question_count if self.packed else self.completions

    @property
    def row(self) -> int:
        """Tokens of a row."""
        return self.prompt + (self.group_size if self.packed else 1) * self.completion

    @property
    def computed(self) -> int:
        """Tokens that the model computes in one pass over the step."""
        return self.rows * self.row

    @property
    def repeated(self) -> int:
        """The same if the prompt were repeated for every completion."""
        return self.completions * (self.prompt + self.completion)

    @property
    def rows_together(self) -> int:
        """Rows of the largest micro-batch; a row longer than the budget is one alone."""
        return min(self.rows, max(1, self.budget // self.row))

    @property
    def micro_batches(self) -> int:
        """Forward passes in one pass over the step."""
        return math.ceil(self.rows / self.rows_together)

    def pairs(self, attention: Attention) -> int:
        """Pairs of query and key that are computed in one pass over the step, visible or not.

        Prompts attend to themselves causally. On a CPU completions attend to the prompt and, causally, to
        themselves; on a GPU a group's tokens attend to the whole row under a mask. Eager attention computes
        the square of a micro-batch.
        """
        if attention == "eager":
            return self.computed * self.rows_together * self.row
        group = self.group_size if self.packed else 1
        branches = group * self.completion
        causal = self.prompt * (self.prompt + 1) // 2
        if attention == "gpu":
            return self.rows * (causal + branches * self.row)
        within = group * (self.completion * (self.completion + 1) // 2)
        return self.rows * (causal + branches * self.prompt + within)

    def with_completions(self, group_size: int, completion: int) -> StepTokens:
        """The same questions with other completions."""
        return replace(self, group_size=group_size, completion=completion)
