"""A step that NaN or infinity stopped, in a folder from which it can be computed again.

    step.pt        the rows of all processes and the critic's head: tensors in lists and dictionaries
    recipe.yaml    the recipe of the run
    model/         the weights of that step, in the layout of a checkpoint

The audio is needed only by an algorithm whose loss computes log-probs with silence.
"""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import ConfigDict, TypeAdapter, ValidationError

from rlaudio.runs.places import RECIPE, REPLAY, STEP, check_step
from rlaudio.training.checkpoint import write_folder
from rlaudio.training.debug.nonfinite import BrokenStep
from rlaudio.training.learner import Learner
from rlaudio.training.packing import PackedRow
from rlaudio.utils.messages import dotted

_DAMAGE = (pickle.UnpicklingError, RuntimeError, EOFError, LookupError, TypeError, AttributeError)
MODEL = "model"


@dataclass(frozen=True, eq=False)
class StepDump:
    """What is stored of a broken step, beside recipe and model."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(arbitrary_types_allowed=True)

    kind: Literal["sft", "rl"]
    error: str
    mini_batch: int | None  # the update that was not made; None: the step stopped before its updates
    rows: tuple[PackedRow, ...]
    value_head: Mapping[str, np.ndarray]  # empty without a critic


def write_step_dump(
    folder: Path, broken: BrokenStep, learner: Learner, recipe: str, kind: Literal["sft", "rl"], error: str
) -> None:
    """Write a broken step into `folder`, complete or not at all; all processes must call.

    An earlier dump of the step is replaced. Raises OSError where the disk is full, and FileExistsError where
    something else is in the folder.
    """
    processes = learner.strategy.processes
    learner.family.load_weights(learner.strategy.weights())  # a strategy may train a copy
    shares = processes.gather([row for row in broken.rows if row.branches])
    rows = tuple(row for share in shares for row in share)
    head: Any = getattr(learner.strategy.module, "value_head", None)
    value_head = {name: values.cpu().numpy() for name, values in head.state_dict().items()} if head else {}
    dump = StepDump(kind, error, broken.mini_batch, rows, value_head)

    def write(building: Path) -> None:
        building.mkdir(parents=True)
        (building / RECIPE).write_text(recipe, encoding="utf-8")
        torch.save(_map(TypeAdapter(StepDump).dump_python(dump), _plain), building / STEP)
        learner.family.save(building / MODEL)

    def replace() -> None:
        if folder.exists():
            others = {entry.name for entry in folder.iterdir()} - {STEP, RECIPE, MODEL}
            if others or not (folder / STEP).is_file():
                raise FileExistsError(f"{folder} holds something else than a step; move it elsewhere")
            shutil.rmtree(folder)
        write_folder(folder, write)

    processes.from_first(replace)


def read_step_dump(folder: Path) -> StepDump:
    """The step in `folder`. Raises FileNotFoundError where there is none, ValueError for a damaged one."""
    check_step(folder)
    try:
        saved = torch.load(folder / STEP, map_location="cpu", weights_only=True)
        arrays = _map(saved, lambda leaf: leaf.numpy() if isinstance(leaf, torch.Tensor) else leaf)
        return TypeAdapter(StepDump).validate_python(arrays)
    except ValidationError as error:
        first = error.errors()[0]
        what = f"a file of torch with something else in it ({dotted(first['loc'])}: {first['msg'].lower()})"
        raise _no_step(folder, what) from error
    except (*_DAMAGE, ValueError) as error:
        raise _no_step(folder, "a file that torch did not write, or not all of one") from error


def _no_step(folder: Path, what: str) -> ValueError:
    return ValueError(
        f"{folder / STEP}: found {what}; expected a step that a run stored; copy the folder again from the "
        f"run's {REPLAY}/"
    )


def _plain(leaf: Any) -> Any:
    """The leaf in a type that `torch.load(weights_only=True)` reads."""
    if isinstance(leaf, np.ndarray | np.generic):
        return torch.tensor(leaf) if leaf.ndim else leaf.item()
    return leaf if isinstance(leaf, str | int | float | None) else str(leaf)


def _map(value: Any, change: Callable[[Any], Any]) -> Any:
    """Dictionaries, lists and tuples with every leaf changed."""
    if isinstance(value, Mapping):
        return {key: _map(entry, change) for key, entry in value.items()}
    return [_map(entry, change) for entry in value] if isinstance(value, list | tuple) else change(value)
