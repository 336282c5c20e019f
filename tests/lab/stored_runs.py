"""Run folders with a few completions in them, written by rlaudio's own writers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from rlaudio.runs.files import write_rows
from rlaudio.runs.folder import RunFolder
from rlaudio.runs.rollouts import LearnedGroup
from rlaudio.types import ScoredGroup
from tests.factories import make_group, make_question

RECIPE = """\
name: made_up
seed: 0
model: {use: qwen2_5_omni, path: tiny/base}
algorithm: {use: grpo, scale: none}
scorer: {use: robust}
rewards:
  answer_correctness: {weight: 2.0}
"""
RIGHT, WRONG = "<answer>a dog</answer>", "<answer>a cat</answer>"


def learned(id: str, *texts: str, correct: Sequence[float] | None = None, **signals: float) -> LearnedGroup:
    """A group as a step leaves it, rewarded by `answer_correctness` alone, weight 2."""
    values = np.array([float(text == RIGHT) for text in texts] if correct is None else correct)
    group = make_group(*texts, question=make_question(id=id))
    scored = ScoredGroup(
        group, {"answer_correctness": values}, 2.0 * values, weights={"answer_correctness": 2.0}
    )
    of_tokens = tuple(
        {name: np.full(c.length, value / c.length, np.float32) for name, value in signals.items()}
        for c in group.completions
    )
    return LearnedGroup(scored, tuple(np.zeros(c.length, np.float32) for c in group.completions), of_tokens)


def write_run(
    path: Path, steps: Mapping[int, Sequence[LearnedGroup]], *, labels: Sequence[Mapping[str, object]] = ()
) -> Path:
    """A run folder with these groups as rollouts of its stage `rl`."""
    with RunFolder.create(path, RECIPE) as folder:
        for step, groups in steps.items():
            folder.write_rollouts("rl", step, groups)
            folder.log_metrics("rl", step, {"reward/total": 1.0})
    if labels:
        (path / "labels" / "train").mkdir(parents=True)
        write_rows(path / "labels" / "train" / "labels.jsonl", labels)
    return path
