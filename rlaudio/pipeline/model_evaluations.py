"""Evaluations on the held-out sets of a recipe: of a run's models, or of a model alone."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing, nullcontext
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from rlaudio.builder.answering import (
    clip_opener,
    evaluation_settings,
    model_that_answers,
    prompt_builder,
    within_time,
    worker_that_answers,
)
from rlaudio.builder.audited_data import load_held_out
from rlaudio.config.recipe import Recipe
from rlaudio.evaluation.accuracy import Evaluation
from rlaudio.evaluation.asking import EvaluationSettings, evaluate
from rlaudio.evaluation.evaluation_files import write_evaluations
from rlaudio.evaluation.inspect_log import write_inspect_logs
from rlaudio.prompts.builder import PromptBuilder
from rlaudio.report.evaluation_page import write_evaluation_page
from rlaudio.rollout.worker import RolloutWorker
from rlaudio.runs.digests import is_recorded, record
from rlaudio.runs.folder import RunFolder
from rlaudio.runs.occupancy import held
from rlaudio.runs.places import ANSWERS, evaluation_places
from rlaudio.scorers.calling import try_scorers
from rlaudio.training.stages import OpenedPolicy
from rlaudio.types import Benchmark, Dataset, Datasets
from rlaudio.utils.endpoint.client import Asking
from rlaudio.utils.processes import ALONE, Processes
from rlaudio.viewer.kept_clips import keep_clips


def evaluate_once(
    recipe: Recipe, data: Datasets, folder: RunFolder, when: str, path: str, processes: Processes
) -> None:
    """Write evaluation/WHEN.json and the single answers, unless they are there."""
    places = evaluation_places(when)
    if not data.held_out or processes.from_first(partial(is_recorded, folder.path, *places)):
        return
    family, label = model_that_answers(recipe, path), f"evaluate {when}"
    settings, prompts = evaluation_settings(recipe), prompt_builder(recipe, family)
    worker = worker_that_answers(recipe, family, processes)
    results = _evaluate_sets(data.held_out, prompts, worker, settings, label, processes)
    _warn_if_unparsed(results, label, path, trains=True)
    if processes.first:
        _write_evaluation(folder, when, results, data.held_out)


def evaluate_between(
    recipe: Recipe, data: Datasets, folder: RunFolder, stage: str, policy: OpenedPolicy
) -> None:
    """Write evaluation/STAGE.json: the policy evaluated after that stage."""
    controls, processes = recipe.evaluation.between_stages, policy.processes
    if not data.held_out or not controls:
        return
    settings, label = evaluation_settings(recipe, controls), f"evaluate {stage}"
    with folder.clock(f"evaluate_{stage}"):
        prompts = prompt_builder(recipe, policy.family)
        worker = worker_that_answers(recipe, policy.family, processes)
        results = _evaluate_sets(data.held_out, prompts, worker, settings, label, processes)
    _warn_if_unparsed(results, label, f"the policy after stage {stage}", trains=True)
    if processes.first:
        _write_evaluation(folder, stage, results, data.held_out)


def evaluate_recipe(
    recipe: Recipe, out: Path | None = None, asking: Asking | None = None, *, inspect: bool = False
) -> dict[str, Evaluation]:
    """Evaluate the recipe's model on each of its held-out sets; tables and single answers go into `out`.

    `asking` says how an endpoint is asked. With `inspect` logs of Inspect are written, too. Raises
    BlockingIOError while another process writes to `out`.
    """
    if recipe.pretrain is not None:
        raise ValueError(
            f"{recipe.name} builds its base in a run, so there is nothing to evaluate yet; run it, or "
            "evaluate the folder 'models/base' or 'final' of a run with --data"
        )
    with held(out) if out else nullcontext():  # before hours of answers
        return _evaluate_recipe(recipe, out, asking, inspect=inspect)


# --- helpers -------------------------------------------------------------------------------------


def _evaluate_recipe(
    recipe: Recipe, out: Path | None, asking: Asking | None, *, inspect: bool
) -> dict[str, Evaluation]:
    held_out = load_held_out(recipe)
    if not held_out:
        raise ValueError(
            "the recipe names nothing to evaluate on; expected at least one set in data.evaluate"
        )
    try_scorers(within_time(recipe, recipe.scorers()), next(iter(held_out.values())))
    family = model_that_answers(recipe, recipe.model.options["path"])
    settings, prompts = evaluation_settings(recipe), prompt_builder(recipe, family)
    worker = worker_that_answers(recipe, family, asking=asking)
    results = _evaluate_sets(held_out, prompts, worker, settings, "evaluate")
    _warn_if_unparsed(results, "evaluate", str(family.path))
    if out:
        write_evaluations(results, out, benchmarks=_benchmarks(held_out))
        keep_clips(out, held_out, clip_opener(recipe))
        write_evaluation_page(out)
    if out and inspect:
        created = datetime.now(UTC)
        write_inspect_logs(results, out, prompts=prompts, model=str(family.path), created=created)
    return results


def _evaluate_sets(
    held_out: Mapping[str, Dataset],
    prompts: PromptBuilder,
    worker: RolloutWorker,
    settings: EvaluationSettings,
    label: str,
    processes: Processes = ALONE,
) -> dict[str, Evaluation]:
    """The evaluation on every held-out set; the worker is closed."""
    results = {}
    with closing(worker):
        for name, questions in held_out.items():
            what = f"{label}: {name}"
            results[name] = evaluate(questions, prompts, worker, settings, label=what, processes=processes)
    return results


def _write_evaluation(
    folder: RunFolder, when: str, results: Mapping[str, Evaluation], held_out: Mapping[str, Dataset]
) -> None:
    """Write evaluation/WHEN.json and the single answers, and record that they are whole."""
    write_evaluations(results, folder.path / ANSWERS, when, _benchmarks(held_out))
    record(folder.path, *evaluation_places(when))


def _benchmarks(held_out: Mapping[str, Dataset]) -> dict[str, Benchmark | None]:
    """Which benchmark every held-out set is of: its own script can read the predictions."""
    return {name: questions.benchmark for name, questions in held_out.items()}


def _warn_if_unparsed(
    results: Mapping[str, Evaluation], label: str, model: str, *, trains: bool = False
) -> None:
    for name, result in results.items():
        result.warn_if_unparsed(f"{label}: {name}, {model}", trains=trains)
