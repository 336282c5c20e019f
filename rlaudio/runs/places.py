"""Folders that a command is given, each known by one file in it; to look for that imports nothing heavy."""

from __future__ import annotations

import os
from pathlib import Path

RECIPE = "recipe.yaml"  # of a run, and of a step that stopped one
STEP = "step.pt"
EVALUATION = "evaluation.json"
FINAL = "final"  # of a run: the trained model, an ordinary Hugging Face folder


def is_evaluation(folder: Path) -> bool:
    """Whether the folder holds the files of an evaluation, and no run."""
    return (folder / EVALUATION).exists() and not (folder / RECIPE).exists()


def check_run(folder: Path) -> None:
    """Raise FileNotFoundError where the folder holds no run."""
    if not os.path.lexists(folder / RECIPE):
        raise FileNotFoundError(f"{folder}: found no {RECIPE}; expected the folder of a run")


def check_run_to_resume(folder: Path) -> None:
    """Raise FileNotFoundError where the folder holds no run that could be continued."""
    if not (folder / RECIPE).exists():
        raise FileNotFoundError(
            f"{folder}: found no {RECIPE}, so there is no run to resume; start one without --resume"
        )


def check_step(folder: Path) -> None:
    """Raise FileNotFoundError where the folder holds no step that stopped a run."""
    if not (folder / STEP).is_file():
        raise FileNotFoundError(
            f"{folder}: found no {STEP}; expected a step that stopped a run, such as RUN/replay/rl-000012"
        )
