"""A step that could not be finished, kept in a folder of its own so that it can be computed again.

    step.json          where the run was, what went wrong, every row's question and completions
    rows.safetensors   the numbers of the rows: token ids, positions, features, log-probs, advantages, ...
    recipe.yaml        the recipe of the run
    model/             the weights as they were, as a checkpoint holds them
    value_head.safetensors    the critic's head, where there is one
    learner-0.pt       optimizer state and master weights of process 0, and so on

Nothing else is needed to replay the step: neither the data set nor the audio.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from safetensors.numpy import load_file, save_file
from safetensors.torch import save_file as save_tensors

from rlaudio.models.family import ModelFamily
from rlaudio.training.checkpoint import LEARNER, or_absent, save_model
from rlaudio.training.debug.nonfinite import BrokenStep, During
from rlaudio.training.learner import Learner
from rlaudio.training.packing import Branch, PackedRow
from rlaudio.types import Prompt, Question

STEP, ROWS, RECIPE, MODEL = "step.json", "rows.safetensors", "recipe.yaml", "model"
HEAD = "value_head.safetensors"
_PROMPT = ("token_ids", "positions", "features")


@dataclass(frozen=True, eq=False)
class KeptRow:
    """A row, the process that held it, and its prompt in silence where the algorithm asks in silence."""

    row: PackedRow
    process: int = 0
    silent: Prompt | None = None


@dataclass(frozen=True, eq=False)
class KeptStep:
    """A step that came upon a number that is not finite."""

    stage: str
    kind: Literal["sft", "rl"]
    step: int  # of the stage, counted from 1 as in the metrics
    error: str
    during: During
    epoch: int  # passes over the step's rows and updates of the next pass that were made before
    mini_batch: int
    rows: tuple[KeptRow, ...]

    @property
    def name(self) -> str:
        """Name of its folder."""
        return f"{self.stage}-{self.step:06d}"

    @property
    def where(self) -> str:
        """Stage, step and update in words."""
        update = f", pass {self.epoch + 1}, mini-batch {self.mini_batch + 1}"
        return f"step {self.step} of stage {self.stage}" + (update if self.during == "update" else "")


def keep_step(
    broken: BrokenStep,
    learner: Learner,
    recipe: str,
    replays: Path,
    *,
    stage: str,
    kind: Literal["sft", "rl"],
    step: int,
) -> tuple[KeptStep, Path]:
    """Write a broken step into a folder below `replays` and return both; all processes must call.

    `recipe` is the run's, as YAML; `step` counts from 1. A folder that an earlier try at the step left is
    replaced. Raises OSError where the disk is full.
    """
    processes = learner.strategy.processes
    learner.family.load_weights(learner.strategy.weights())  # where updates are made on a copy
    kept = _gathered(broken, learner, stage=stage, kind=kind, step=step)
    folder = replays / kept.name

    def write() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        save_model(folder, partial(_write, kept, learner, recipe))

    processes.from_first(write)
    state = learner.strategy.state_dict()
    with or_absent(folder):
        torch.save(state, folder / LEARNER.format(rank=processes.rank))
    processes.wait()  # what ends first ends the others
    return kept, folder


def read_step(folder: Path) -> KeptStep:
    """The step in `folder`. Raises FileNotFoundError where there is none."""
    if not (folder / STEP).is_file():
        raise FileNotFoundError(
            f"{folder}: found no {STEP}; expected a step that was kept, such as RUN/replay/rl-000012"
        )
    facts = json.loads((folder / STEP).read_text(encoding="utf-8"))
    arrays = load_file(folder / ROWS)
    rows = tuple(_row(row, arrays, str(number)) for number, row in enumerate(facts["rows"]))
    return KeptStep(**{**facts, "rows": rows})


def rows_of_processes(rows: Sequence[KeptRow]) -> list[list[PackedRow]]:
    """The rows that each process held."""
    processes = sorted({kept.process for kept in rows})
    return [[kept.row for kept in rows if kept.process == process] for process in processes]


def _gathered(
    broken: BrokenStep, learner: Learner, *, stage: str, kind: Literal["sft", "rl"], step: int
) -> KeptStep:
    """What is known of a broken step, the rows of all processes together."""
    processes = learner.strategy.processes
    silent = learner.silent_prompt
    own = [
        KeptRow(row, processes.rank, silent(row.prompt) if silent else None)
        for row in broken.rows
        if row.branches
    ]
    rows = tuple(row for share in processes.gather(own) for row in share)
    return KeptStep(stage, kind, step, str(broken), broken.during, broken.epoch, broken.mini_batch, rows)


def _write(step: KeptStep, learner: Learner, recipe: str, folder: Path) -> None:
    """Write all of a step but the learner's state into `folder`."""
    folder.mkdir(parents=True)
    (folder / RECIPE).write_text(recipe, encoding="utf-8")
    facts = {f.name: getattr(step, f.name) for f in fields(step)} | {
        "rows": [_facts(row, learner.family) for row in step.rows]
    }
    text = json.dumps(facts, indent=1, ensure_ascii=False, default=str)
    (folder / STEP).write_text(text, encoding="utf-8")
    arrays = {k: v for number, row in enumerate(step.rows) for k, v in _arrays(row, str(number))}
    save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, folder / ROWS)
    learner.family.save(folder / MODEL)
    head: Any = getattr(learner.strategy.module, "value_head", None)
    if head is not None:
        save_tensors({k: v.detach().cpu().contiguous() for k, v in head.state_dict().items()}, folder / HEAD)


# --- rows to JSON and arrays, and back -----------------------------------------------------------


def _facts(kept: KeptRow, family: ModelFamily) -> dict[str, Any]:
    """What JSON holds of a row: the question, what was answered, and which arrays belong to it."""
    prompt = kept.row.prompt
    return {
        "process": kept.process,
        "mini_batch": kept.row.mini_batch,
        "question": asdict(replace(prompt.question, extra={})),
        "audio_digest": prompt.audio_digest,
        "silent_digest": kept.silent.audio_digest if kept.silent else None,
        "truncated": prompt.truncated,
        "branches": [
            {
                "text": family.decode(b.token_ids),
                "weight": b.weight,
                "support": b.support is not None,
                "signals": list(b.signals),
            }
            for b in kept.row.branches
        ],
    }


def _arrays(kept: KeptRow, key: str) -> Iterator[tuple[str, np.ndarray]]:
    for name in _PROMPT:
        yield f"{key}.{name}", getattr(kept.row.prompt, name)
        if kept.silent:
            yield f"{key}.silent.{name}", getattr(kept.silent, name)
    for number, branch in enumerate(kept.row.branches):
        for name in ("token_ids", "logprobs", "advantages"):
            yield f"{key}.{number}.{name}", getattr(branch, name)
        if branch.support is not None:
            yield f"{key}.{number}.support", branch.support
        for name, values in branch.signals.items():
            yield f"{key}.{number}.signals.{name}", values


def _row(facts: Mapping[str, Any], arrays: Mapping[str, np.ndarray], key: str) -> KeptRow:
    question = _question(facts["question"])

    def prompt(key: str, digest: str) -> Prompt:
        parts = {name: arrays[f"{key}.{name}"] for name in _PROMPT}
        return Prompt(question=question, audio_digest=digest, truncated=facts["truncated"], **parts)

    branches = (_branch(b, arrays, f"{key}.{number}") for number, b in enumerate(facts["branches"]))
    row = PackedRow(prompt(key, facts["audio_digest"]), tuple(branches), facts["mini_batch"])
    silent = facts["silent_digest"]
    return KeptRow(row, facts["process"], prompt(f"{key}.silent", silent) if silent else None)


def _branch(facts: Mapping[str, Any], arrays: Mapping[str, np.ndarray], key: str) -> Branch:
    return Branch(
        token_ids=arrays[f"{key}.token_ids"],
        logprobs=arrays[f"{key}.logprobs"],
        advantages=arrays[f"{key}.advantages"],
        weight=facts["weight"],
        support=arrays[f"{key}.support"] if facts["support"] else None,
        signals={name: arrays[f"{key}.signals.{name}"] for name in facts["signals"]},
    )


def _question(facts: Mapping[str, Any]) -> Question:
    given = {**facts, "choices": tuple(facts["choices"]), "audio_path": Path(facts["audio_path"])}
    return Question(**given)
