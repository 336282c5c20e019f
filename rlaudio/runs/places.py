"""Names of the files and folders of a run, an evaluation and a labelling; to look for them imports little.

Outside `rlaudio.runs` nothing spells them: whoever looks for one takes its name from here. Whoever reads or
writes one calls this package, but for what `rlaudio.training` writes and reads itself: checkpoints, reference
and final weights, steps that stopped a run, and traces.
"""

from __future__ import annotations

import os
from glob import escape
from pathlib import Path

# --- a run ---------------------------------------------------------------------------------------

RECIPE = "recipe.yaml"  # of a run, and of a step that stopped one
VERSIONS = "versions.json"
DATA = "data.json"
PLUGINS = "plugins.json"
INPUTS = "inputs.json"
STAMPS = "stamps.json"
DIGESTS = "digests.json"
METRICS = "metrics.jsonl"
TIMINGS = "timings.jsonl"
TENSORBOARD = "tensorboard"
ROLLOUTS = "rollouts"
ROLLOUT_CLIPS = f"{ROLLOUTS}/clips"
SAMPLES = "samples"
SAMPLES_INDEX = f"{SAMPLES}/samples.json"
CLIPS = "clips"
CLIPS_INDEX = f"{CLIPS}/clips.json"
LABEL_TABLES = "labels.json"
SUMMARY = "summary.json"
PAGE = "report.html"  # of a run, and of an evaluation
LOCK = "run.lock"
COMPLETE = "complete.json"  # of a run that is to end after a part: it has ended there

# --- what rlaudio.training writes into a run -----------------------------------------------------

CHECKPOINTS = "checkpoints"
REFERENCE = "reference"  # weights of the frozen reference policy
REPLAY = "replay"  # steps that stopped the run
STEP = "step.pt"  # of such a step
PROFILE = "profile"  # traces of single steps
MODELS = "models"  # those that the recipe has trained from scratch
FINAL = "final"  # the trained model, an ordinary Hugging Face folder

# --- an evaluation, a labelling ------------------------------------------------------------------

ANSWERS = "evaluation"  # folder of single answers and of what is made of them
EVALUATION = f"{ANSWERS}.json"  # tables of an evaluation that is no run's
LABELS = "labels"  # folder of a run, with one of every labelled data set in it
LABEL_ROWS = "labels.jsonl"  # in the latter, and beside any data file


def answers_file(when: str, held_out: str) -> str:
    """The file of the single answers of an evaluation, below the folder `ANSWERS` of a run."""
    return f"{ANSWERS}/{when}/{held_out}.jsonl"


def tables_file(when: str) -> str:
    """The file of the tables of an evaluation of a run."""
    return f"{ANSWERS}/{when}.json"


def evaluation_places(when: str) -> tuple[str, str]:
    """Tables and single answers of an evaluation of a run."""
    return tables_file(when), f"{ANSWERS}/{when}"


def rollouts_file(stage: str, step: int | str) -> str:
    """The file of the groups that a step of a run sampled."""
    return f"{ROLLOUTS}/{stage}-{step}.jsonl"


def rollouts_of(run: Path, stage: str) -> list[tuple[int, str]]:
    """The steps of a stage whose groups are stored, and the file of each, in their order."""
    prefix = f"{stage}-"
    files = (run / ROLLOUTS).glob(f"{escape(prefix)}*.jsonl")
    numbers = (file.stem.removeprefix(prefix) for file in files)
    return [(step, rollouts_file(stage, step)) for step in sorted(int(n) for n in numbers if n.isdecimal())]


def trace_file(run: Path, stage: str, step: int) -> Path:
    """The trace of a step, whose folder is made."""
    (run / PROFILE).mkdir(exist_ok=True)
    return run / PROFILE / f"{stage}-{step}.json.gz"


def broken_step(run: Path, stage: str, step: int) -> Path:
    """The folder of a step that stopped the run."""
    return run / REPLAY / f"{stage}-{step:06d}"


# --- is it there? --------------------------------------------------------------------------------


def is_evaluation(folder: Path) -> bool:
    """Whether the folder holds the files of an evaluation, and no run."""
    return (folder / EVALUATION).exists() and not (folder / RECIPE).exists()


def is_run(folder: Path) -> bool:
    """Whether a run has begun in the folder."""
    return (folder / RECIPE).exists()


def is_finished(folder: Path) -> bool:
    """Whether the folder holds a run that has come to its end."""
    return (folder / SUMMARY).exists()


def check_run(folder: Path) -> None:
    """Raise FileNotFoundError where the folder holds no run."""
    if not os.path.lexists(folder / RECIPE):
        raise FileNotFoundError(
            f"{folder}: found no {RECIPE}; expected the folder of a run, in a comparison's that is ARM/seed-N"
        )


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
            f"{folder}: found no {STEP}; expected a step that stopped a run, such as RUN/{REPLAY}/rl-000012"
        )
