"""What goes on from a run's folder: a resumed run, and a step that is computed again."""

from __future__ import annotations

from pathlib import Path

from rlaudio.builder.stage_setups import learner_of
from rlaudio.config.recipe import Recipe, load_recipe
from rlaudio.runs.digests import check_recorded, is_recorded
from rlaudio.runs.folder import RunFolder
from rlaudio.runs.occupancy import refuse_without_records
from rlaudio.runs.places import DIGESTS, FINAL, RECIPE, REFERENCE, REPLAY, check_run_to_resume
from rlaudio.runs.resuming import check_world
from rlaudio.training.checkpoint import remove_unfinished
from rlaudio.training.debug.replay import replay
from rlaudio.training.debug.step_dump import StepDump
from rlaudio.training.learner import Learner


def reopened(path: Path) -> RunFolder:
    """The run that the folder holds, to continue it. Raises ValueError where it cannot be compared."""
    check_run_to_resume(path)
    refuse_without_records(path)
    folder = RunFolder.reopen(path)
    if not (path / DIGESTS).exists():  # the run was killed before it wrote the file
        folder.write_json(DIGESTS, {})
    return folder


def check_folder(folder: RunFolder) -> None:
    """What of the folder a resumed run goes on from is as it was; remains of a kill are removed."""
    check_world(folder)
    check_recorded(folder.path)
    for place in (folder.path, folder.path / REFERENCE, folder.path / REPLAY):
        remove_unfinished(place)
    folder.remove_damaged_summary()


def is_trained(run: Path) -> bool:
    """Whether the final model is there. Raises ValueError for one that the run did not write."""
    done = is_recorded(run, FINAL)
    if not done and (run / FINAL).exists():
        raise ValueError(
            f"{run / FINAL} is not the model that the run wrote, or not all of it; move it elsewhere to have "
            "it written again"
        )
    return done


def replay_step(folder: Path, recipe: Recipe | None = None) -> tuple[StepDump, dict[str, list[str]]]:
    """The step in `folder`, and where it is not finite in this process and on the recipe's device.

    Another `recipe` than that of the run may have another option of the algorithm, another precision.
    Raises FileNotFoundError where the folder holds no step.
    """

    def open_learner(dump: StepDump) -> Learner:
        return learner_of(recipe or load_recipe((folder / RECIPE).resolve()), dump, folder)

    return replay(folder, open_learner)
