"""A run, phase by phase: data, labels, evaluation, training, evaluation, page.

Every phase leaves its result in the run folder and is skipped when a resumed run finds it there; training
goes on from its latest checkpoint. So a killed and resumed run ends with the numbers of
an uninterrupted one.
"""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path

from rlaudio.builder.answering import model_folders
from rlaudio.builder.audited_data import load_data
from rlaudio.builder.built_models import with_built_models
from rlaudio.builder.curriculum_stages import curriculum_stages
from rlaudio.builder.stage_setups import training_setup
from rlaudio.config.recipe import Recipe
from rlaudio.config.resumed_recipe import recipe_to_resume
from rlaudio.curricula.stage import check_stages
from rlaudio.pipeline.begun_run import check_folder, is_trained, reopened
from rlaudio.pipeline.labelled_data import labelled_data
from rlaudio.pipeline.model_evaluations import evaluate_between, evaluate_once
from rlaudio.pipeline.run_results import keep_samples, keep_shown_clips, write_results
from rlaudio.planning.check import refuse_what_would_stop
from rlaudio.runs.folder import FollowedFolder, RunFolder
from rlaudio.runs.parts import StopAfter
from rlaudio.runs.places import FINAL, MODELS, RECIPE, is_run
from rlaudio.runs.resuming import check_data, check_models, check_plugins, keep_recipe
from rlaudio.training.stages import train_stages
from rlaudio.utils.processes import Processes, join
from rlaudio.utils.shared_cores import CORES
from rlaudio.utils.threads import thread_limit
from rlaudio.utils.user_modules import with_helpers

logger = logging.getLogger(__name__)


def run(recipe: Recipe, out: Path, *, resume: bool = False, until: StopAfter | None = None) -> Path:
    """Run a recipe and write its results into the folder `out`; returns the report's path.

    With `until` the run ends after that part, to be resumed; then the folder is returned.
    Under `torchrun` or `deepspeed` the processes share the work, and only the first writes the folder.

    Raises FileExistsError where `out` holds a run and `resume` is not given, ValueError where the data or
    the recipe cannot be used, or something that a resumed run goes on from is not what it was, StopRequested
    after Ctrl-C (saved, to be resumed).
    """
    if resume and is_run(out):
        recipe = recipe_to_resume(recipe, out)
    _set_threads(recipe)
    processes = join()
    with processes.in_turn(partial(_open_folder, recipe, out, resume, processes)) as folder:
        _check_all_see(folder, processes)
        processes.from_first(
            partial(keep_recipe, folder.path, recipe.model_dump(mode="json"), recipe.to_yaml())
        )
        if resume:
            processes.from_first(partial(check_folder, folder))
        read = [*with_helpers(recipe.user_files()), *recipe.read_files()]
        processes.from_first(partial(check_plugins, folder, read))
        with folder.clock("data"):
            data = processes.in_turn(partial(load_data, recipe))
            processes.from_first(partial(check_data, folder, {"train": data.train, **data.held_out}))
        refuse_what_would_stop(recipe, data, processes)
        with folder.clock("pretrain"):
            recipe = processes.in_turn(partial(with_built_models, recipe, folder.path / MODELS))
            recipe.model()  # a wrong folder or option stops the run here
            processes.from_first(lambda: check_models(folder, model_folders(recipe)))
        with folder.clock("label"):
            data = labelled_data(recipe, data, folder, processes)
        if until == "labels":
            return folder.path
        stages = curriculum_stages(recipe, data.train, data.train.contributions)
        check_stages(stages, recipe.curriculum.use)
        with folder.clock("evaluate_base"):
            evaluate_once(recipe, data, folder, "base", recipe.model.options["path"], processes)
        if until == "base":
            return folder.path
        if not processes.from_first(partial(is_trained, folder.path)):
            with folder.clock("train"):
                setup = training_setup(recipe, data)
                train_stages(
                    setup,
                    stages,
                    folder,
                    processes,
                    only_sft=until == "sft",
                    after_stage=partial(evaluate_between, recipe, data, folder),
                )
        if until == "sft":
            return folder.path
        keep_samples(recipe, stages, data, folder)
        processes.from_first(partial(keep_shown_clips, recipe, data.train, folder.path))
        with folder.clock("evaluate_final"):
            evaluate_once(recipe, data, folder, "final", str(folder.path / FINAL), processes)
        return processes.from_first(partial(write_results, recipe, folder))


# --- helpers --------------------------------------------------------------------------------------


def _open_folder(recipe: Recipe, out: Path, resume: bool, processes: Processes) -> RunFolder:
    """The run's folder: the first process writes it, the others follow it."""
    if not processes.first:
        return FollowedFolder(out)
    return reopened(out) if resume else RunFolder.create(out, recipe.to_yaml())


def _set_threads(recipe: Recipe) -> None:
    """Compute with the recipe's threads, or as many of them as the machine and OMP_NUM_THREADS allow."""
    if recipe.threads is None:
        return
    threads = thread_limit(recipe.threads)
    CORES.begin(threads)
    if threads < recipe.threads:
        logger.info(
            "threads: %d, fewer than the recipe's %d: no more are usable here (cores, OMP_NUM_THREADS)",
            threads,
            recipe.threads,
        )


def _check_all_see(folder: RunFolder, processes: Processes) -> None:
    """Raises ValueError, in all processes, where one does not see the files of the first one."""
    seen = processes.gather((folder.path / RECIPE).is_file())
    if not all(seen):
        blind = ", ".join(str(rank) for rank, sees in enumerate(seen) if not sees)
        raise ValueError(
            f"{folder.path}: the run folder is not seen by process {blind} of {processes.size}; expected "
            "--out on a file system that the machines share, under the same path on each"
        )
