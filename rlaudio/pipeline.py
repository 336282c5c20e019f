"""A run, phase by phase: data, labels, evaluation, training, evaluation, page.

Every phase leaves its result in the run folder and is skipped when a resumed run finds it there; training
goes on from its latest checkpoint. So a killed and resumed run ends with the numbers of
an uninterrupted one.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from rlaudio.audio.reading import open_clip
from rlaudio.builder.answering import (
    evaluation_settings,
    label_settings,
    model_folders,
    model_that_answers,
    open_voters,
    prompt_builder,
    within_time,
    worker_that_answers,
)
from rlaudio.builder.audited_data import load_data, load_held_out, usable
from rlaudio.builder.built_models import with_built_models
from rlaudio.builder.stage_setups import learner_of, training_setup
from rlaudio.config.plugin_files import with_helpers
from rlaudio.config.recipe import Recipe, load_recipe
from rlaudio.config.schema import keys_beside_results
from rlaudio.contribution.asking_options import is_answerable
from rlaudio.contribution.label_summary import LabelSummary, summarise
from rlaudio.contribution.labelling import Labels, OtherAsking, answer_share, asked_otherwise, label
from rlaudio.contribution.voters import Voter
from rlaudio.curricula.stage import Stage, check_stages
from rlaudio.evaluation.accuracy import Evaluation
from rlaudio.evaluation.asking import EvaluationSettings, evaluate
from rlaudio.evaluation.evaluation_files import write_evaluations
from rlaudio.evaluation.inspect_log import write_inspect_logs
from rlaudio.planning.check import refuse_what_would_stop
from rlaudio.prompts.builder import PromptBuilder
from rlaudio.report.evaluation_page import write_evaluation_page
from rlaudio.report.page import write_report
from rlaudio.report.sections.completions import choose_steps
from rlaudio.rollout.worker import RolloutWorker
from rlaudio.runs.clip_files import has_clips
from rlaudio.runs.digests import check_recorded, has_recorded, is_recorded, record
from rlaudio.runs.folder import FollowedFolder, RunFolder
from rlaudio.runs.parts import StopAfter
from rlaudio.runs.places import (
    ANSWERS,
    FINAL,
    LABEL_TABLES,
    LABELS,
    MODELS,
    RECIPE,
    REFERENCE,
    REPLAY,
    evaluation_places,
    is_run,
)
from rlaudio.runs.resuming import (
    begun_recipe,
    check_data,
    check_models,
    check_plugins,
    check_recipe,
    check_world,
    keep_recipe,
)
from rlaudio.runs.run import open_run
from rlaudio.runs.summary import build_summary
from rlaudio.scorers.calling import try_scorers
from rlaudio.training.checkpoint import remove_unfinished
from rlaudio.training.debug.replay import replay
from rlaudio.training.debug.step_dump import StepDump
from rlaudio.training.learner import Learner
from rlaudio.training.stages import OpenedPolicy, stage_names, train_stages
from rlaudio.types import Benchmark, Clip, Contribution, Dataset, Datasets, Question
from rlaudio.utils.endpoint.client import Asking
from rlaudio.utils.peak_memory import peak_memory_gb
from rlaudio.utils.processes import ALONE, Processes, join
from rlaudio.utils.randomness import generator
from rlaudio.utils.shared_cores import CORES
from rlaudio.utils.threads import thread_limit
from rlaudio.viewer.kept_clips import keep_clips

logger = logging.getLogger(__name__)

_LABELS = (LABELS, LABEL_TABLES)  # the voters' answers and labels, and the tables about them
_SAMPLES = 10  # groups that TensorBoard shows


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
            processes.from_first(partial(_check_folder, folder))
        read = [*with_helpers(recipe.user_files()), *recipe.read_files()]
        processes.from_first(partial(check_plugins, folder, read))
        with _clock(folder, "data"):
            data = processes.in_turn(partial(load_data, recipe))
            processes.from_first(partial(check_data, folder, {"train": data.train, **data.held_out}))
        refuse_what_would_stop(recipe, data, processes)
        with _clock(folder, "pretrain"):
            recipe = processes.in_turn(partial(with_built_models, recipe, folder.path / MODELS))
            recipe.model()  # a wrong folder or option stops the run here
            processes.from_first(lambda: check_models(folder, model_folders(recipe)))
        with _clock(folder, "label"):
            data = _labelled(recipe, data, folder, processes)
        if until == "labels":
            return folder.path
        stages = recipe.curriculum(data.train, data.train.contributions, generator(recipe.seed, "curriculum"))
        check_stages(stages, recipe.curriculum.use)
        with _clock(folder, "evaluate_base"):
            _evaluate_once(recipe, data, folder, "base", recipe.model.options["path"], processes)
        if until == "base":
            return folder.path
        if not processes.from_first(partial(_is_trained, folder.path)):
            with _clock(folder, "train"):
                setup = training_setup(recipe, data)
                train_stages(
                    setup,
                    stages,
                    folder,
                    processes,
                    only_sft=until == "sft",
                    after_stage=partial(_evaluate_between, recipe, data, folder),
                )
        if until == "sft":
            return folder.path
        _keep_samples(recipe, stages, data, folder)
        processes.from_first(partial(_keep_clips, recipe, data.train, folder.path))
        with _clock(folder, "evaluate_final"):
            _evaluate_once(recipe, data, folder, "final", str(folder.path / FINAL), processes)
        return processes.from_first(partial(_report, recipe, folder))


def recipe_to_resume(given: Recipe, run: Path) -> Recipe:
    """The recipe that the run in the folder goes on with: `given`, in whose results it is the one that began.

    Raises ValueError where `given`, or the recipe.yaml in the folder, differs from the latter in a key that
    enters results.
    """
    stored = load_recipe(run / RECIPE).model_dump(mode="json")
    kept = begun_recipe(run)
    begun = stored if kept is None else _with_new_keys(kept)
    free = keys_beside_results() | _options_beside_results(given)
    check_recipe(run, begun, stored, free=free, edited=run / RECIPE)
    check_recipe(run, stored, given.model_dump(mode="json"), free=free)
    return given


def _options_beside_results(recipe: Recipe) -> dict[str, str]:
    """Options of the rollout worker that enter no results, such as where its servers are."""
    worker = recipe.rollout.function.func
    return {f"rollout.{name}": "nothing" for name in getattr(worker, "beside_results", ())}


def ask_voters(
    recipe: Recipe, questions: Sequence[Question], place: Path, asking: Asking | None = None
) -> Labels:
    """The recipe's voters' answers and votes; `labels.jsonl` and the answers go into the folder `place`."""
    return _vote(recipe, open_voters(recipe, asking=asking), questions, place)


def label_data(
    recipe: Recipe, out: Path, asking: Asking | None = None, others: Sequence[OtherAsking] = ()
) -> LabelSummary:
    """Label the recipe's training questions by its voters; `labels.jsonl` and the answers go into `out`.

    Under `torchrun` every process asks a share. `asking` says how endpoints are asked; voters are asked
    in the `others` ways as well, for the summary alone. Raises ValueError for rows that cannot be used,
    unless the recipe drops them.
    """
    questions = usable(recipe, {"data": recipe.data.train})["data"]
    try_scorers(within_time(recipe, recipe.scorers()), questions)
    processes = join()
    voters = open_voters(recipe, processes, asking)
    settings, method = label_settings(recipe, out), recipe.contribution.use
    for way in (OtherAsking(), *others):
        share, settings_of_way = way.of(questions, settings)
        answer_share(share, voters, settings_of_way, method, processes)

    def measured() -> LabelSummary:
        labels = _vote(recipe, voters, questions, out)
        return summarise(labels, asked_otherwise(labels, voters, settings, method, others))

    return processes.from_first(measured)


def evaluate_recipe(
    recipe: Recipe, out: Path | None = None, asking: Asking | None = None, *, inspect: bool = False
) -> dict[str, Evaluation]:
    """Evaluate the recipe's model on each of its held-out sets; tables and single answers go into `out`.

    `asking` says how an endpoint is asked. With `inspect` logs of Inspect are written, too.
    """
    if recipe.pretrain is not None:
        raise ValueError(
            f"{recipe.name} builds its base in a run, so there is nothing to evaluate yet; run it, or "
            "evaluate the folder 'models/base' or 'final' of a run with --data"
        )
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
        keep_clips(out, held_out, _hearing(recipe))
        write_evaluation_page(out)
    if out and inspect:
        created = datetime.now(UTC)
        write_inspect_logs(results, out, prompts=prompts, model=str(family.path), created=created)
    return results


def replay_step(
    folder: Path,
    recipe: Recipe | None = None,
) -> tuple[StepDump, dict[str, list[str]]]:
    """The step in `folder`, and where it is not finite in this process and on the recipe's device.

    Another `recipe` than that of the run may have another option of the algorithm, another precision.
    Raises FileNotFoundError where the folder holds no step.
    """

    def open_learner(dump: StepDump) -> Learner:
        return learner_of(recipe or load_recipe((folder / RECIPE).resolve()), dump, folder)

    return replay(folder, open_learner)


def build_summary_of(folder: RunFolder) -> dict[str, Any]:
    """The run's summary from the files of its folder."""
    run = open_run(folder.path)
    seconds: dict[str, float] = {}
    for row in run.timings:
        if row["stage"] == "run":
            for name, value in row.items():
                if name.startswith("time/"):
                    phase = name.removeprefix("time/")
                    seconds[phase] = seconds.get(phase, 0.0) + value
    return build_summary(
        evaluations=run.evaluations,
        labels=run.labels.get("train"),
        seconds=seconds,
        peak_memory_gb=peak_memory_gb(),
        rollouts=int(sum(row.get("rollout/completions", 0) for row in run.metrics)),
        optimizer_tokens=int(sum(row.get("optimizer/tokens", 0) for row in run.metrics)),
    )


# --- phases --------------------------------------------------------------------------------------


def _open_folder(recipe: Recipe, out: Path, resume: bool, processes: Processes) -> RunFolder:
    """The run's folder: the first process writes it, the others follow it."""
    if not processes.first:
        return FollowedFolder(out)
    return RunFolder.reopen(out) if resume else RunFolder.create(out, recipe.to_yaml())


def _with_new_keys(kept: dict[str, Any]) -> dict[str, Any]:
    """A recipe's values as a run kept them, with the defaults of keys that were added to recipes since."""
    try:
        return Recipe.model_validate(kept).model_dump(mode="json")
    except ValidationError:  # a key was removed since: it is named as a difference
        return kept


def _check_folder(folder: RunFolder) -> None:
    """What of the folder a resumed run goes on from is as it was; remains of a kill are removed."""
    check_world(folder)
    check_recorded(folder.path)
    for place in (folder.path, folder.path / REFERENCE, folder.path / REPLAY):
        remove_unfinished(place)


def _is_trained(run: Path) -> bool:
    """Whether the final model is there. Raises ValueError for one that the run did not write."""
    done = is_recorded(run, FINAL)
    if not done and (run / FINAL).exists() and has_recorded(run):
        raise ValueError(
            f"{run / FINAL} is not the model that the run wrote, or not all of it; move it elsewhere to have "
            "it written again"
        )
    return done


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


def _labelled(recipe: Recipe, data: Datasets, folder: RunFolder, processes: Processes) -> Datasets:
    """The data with every audio-contribution label that voters can give; every process asks them a share.

    Held-out questions without options or without a known right one stay unlabelled.
    """
    if not recipe.contribution.voters:
        return data
    voters = open_voters(recipe, processes)
    unlabelled = {
        name: questions
        for name, dataset in {"train": data.train, **data.held_out}.items()
        if (questions := _unlabelled(recipe, name, dataset))
    }
    for name, questions in unlabelled.items():
        settings = label_settings(recipe, _labels_place(folder, name))
        answer_share(questions, voters, settings, recipe.contribution.use, processes)

    def vote() -> dict[str, Mapping[str, Contribution]]:
        votes = {
            name: _vote(recipe, voters, questions, _labels_place(folder, name))
            for name, questions in unlabelled.items()
        }
        folder.write_labels({name: summarise(labels).to_dict() for name, labels in votes.items()})
        check_recorded(folder.path, *_LABELS)  # labels that were made again came out as before
        record(folder.path, *_LABELS)
        return {name: labels.contributions for name, labels in votes.items()}

    voted = processes.from_first(vote)

    def labelled(name: str, dataset: Dataset) -> Dataset:
        return replace(dataset, contributions={**dataset.contributions, **voted.get(name, {})})

    return Datasets(
        labelled("train", data.train), {name: labelled(name, held) for name, held in data.held_out.items()}
    )


def _labels_place(folder: RunFolder, name: str) -> Path:
    return folder.path / LABELS / name


def _unlabelled(recipe: Recipe, name: str, dataset: Dataset) -> list[Question]:
    """The questions of a set that voters are to label."""
    relabel = recipe.contribution.on_labelled == "relabel" and name == "train"
    unlabelled = [q for q in dataset if relabel or q.id not in dataset.contributions]
    return unlabelled if name == "train" else [q for q in unlabelled if is_answerable(q)]


def _vote(recipe: Recipe, voters: Mapping[str, Voter], questions: Sequence[Question], place: Path) -> Labels:
    place.mkdir(parents=True, exist_ok=True)
    return label(questions, voters, label_settings(recipe, place), recipe.contribution.use)


def _evaluate_once(
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


def _evaluate_between(
    recipe: Recipe, data: Datasets, folder: RunFolder, stage: str, policy: OpenedPolicy
) -> None:
    """Write evaluation/STAGE.json: the policy evaluated after that stage."""
    controls, processes = recipe.evaluation.between_stages, policy.processes
    if not data.held_out or not controls:
        return
    settings, label = evaluation_settings(recipe, controls), f"evaluate {stage}"
    with _clock(folder, f"evaluate_{stage}"):
        prompts = prompt_builder(recipe, policy.family)
        worker = worker_that_answers(recipe, policy.family, processes)
        results = _evaluate_sets(data.held_out, prompts, worker, settings, label, processes)
    _warn_if_unparsed(results, label, f"the policy after stage {stage}", trains=True)
    if processes.first:
        _write_evaluation(folder, stage, results, data.held_out)


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


def _keep_samples(recipe: Recipe, stages: Sequence[Stage], data: Datasets, folder: RunFolder) -> None:
    """Keep a few groups of the last RL step with their audio, for the page."""
    name = stage_names(stages)[-1]
    steps = [row["step"] for row in open_run(folder.path).metrics if row["stage"] == name]
    if stages[-1].kind != "rl" or not steps or folder.has_samples:
        return
    hear = _hearing(recipe)
    folder.write_samples(
        name,
        steps[-1],  # a budget may have ended the stage early
        data.train,
        lambda question: hear(question.clips[0]),
        min(recipe.report.completions, _SAMPLES),
    )


def _keep_clips(recipe: Recipe, questions: Dataset, folder: Path) -> None:
    """Keep the clips of the completions that the page shows."""
    if has_clips(folder):
        return
    shown = choose_steps(open_run(folder), recipe.report.completions)
    by_id = {question.id: question for question in questions}
    ids = [group.scored.group.prompt.question.id for _, _, group in shown.groups]
    keep_clips(folder, {"train": [by_id[id] for id in ids if id in by_id]}, _hearing(recipe))


def _hearing(recipe: Recipe) -> Callable[[Path | Clip], Clip]:
    """Opens a clip as the model hears it."""
    audio = recipe.audio
    return partial(open_clip, max_seconds=audio.max_seconds, too_long=audio.too_long)


def _report(recipe: Recipe, folder: RunFolder) -> Path:
    summary = build_summary_of(folder)
    folder.write_summary(summary)
    accuracy = {
        f"final/{group}_{control}": value
        for group, by_control in summary["accuracy"]["final"].items()
        for control, value in by_control.items()
        if value is not None
    }
    folder.write_hparams(recipe.model_dump(mode="json", exclude={"data"}), accuracy)
    return write_report(folder.path)


# --- helpers -------------------------------------------------------------------------------------


@contextmanager
def _clock(folder: RunFolder, phase: str) -> Iterator[None]:
    """Log how long a phase took; a phase that is interrupted logs what it took so far."""
    start = time.perf_counter()
    try:
        yield
    finally:
        folder.log_metrics("run", 0, {f"time/{phase}": time.perf_counter() - start})
