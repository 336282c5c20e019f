"""How a run is trained: stage after stage from the latest checkpoint on, and the final model.

What a stage trains with is opened here and handed to the loop of `rlaudio.training.loop`, with all that the
loop asks for in its midst: how to save, to evaluate, and to keep a step that was not finite.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

from rlaudio.config.recipe import Recipe
from rlaudio.curricula.stage import Stage
from rlaudio.evaluation.from_recipe import evaluate_set
from rlaudio.models.family import ModelFamily
from rlaudio.prompts.builder import PromptBuilder, prompts_for
from rlaudio.rollout.one_step_off import OneStepOff
from rlaudio.rollout.reopened import open_engine
from rlaudio.rollout.transformers import Transformers
from rlaudio.rollout.worker import RolloutWorker
from rlaudio.runs.folder import RunFolder
from rlaudio.training.build import build_rl_stage, build_sft_stage
from rlaudio.training.checkpoint import (
    Checkpoint,
    Cursor,
    latest_checkpoint,
    latest_weights,
    save_checkpoint,
    save_model,
    tidy,
)
from rlaudio.training.debug.nonfinite import BrokenStep
from rlaudio.training.debug.step_dump import keep_step
from rlaudio.training.interrupt import stop_request
from rlaudio.training.learner import Learner
from rlaudio.training.loop import StageSetup, train
from rlaudio.types import Question
from rlaudio.utils.processes import Processes

CHECKPOINTS = "checkpoints"
FINAL = "final"  # the trained model, an ordinary Hugging Face folder


def train_stages(
    recipe: Recipe,
    stages: Sequence[Stage],
    held_out: Mapping[str, list[Question]],
    folder: RunFolder,
    processes: Processes,
    *,
    only_sft: bool = False,
) -> None:
    """Train all stages from the latest checkpoint on and write the final model; or those before RL alone.

    Raises StopRequested after Ctrl-C and BrokenTraining at a number that is not finite; both can be resumed.
    """
    checkpoints = folder.path / CHECKPOINTS
    resumed = processes.from_first(partial(latest_checkpoint, checkpoints))
    tidy_up = partial(tidy, checkpoints, recipe.training.keep)
    processes.from_first(tidy_up)
    cursor = resumed.cursor if resumed else Cursor()
    opened = resumed.path if resumed else None  # engines open the model's folder too, at any time
    family = recipe.model(path=str(resumed.model)) if resumed else recipe.model()
    prompts = prompts_for(recipe, family)
    names = stage_names(stages)
    if cursor.stage < len(stages):
        folder.truncate_metrics(names[cursor.stage], cursor.step)

    def save(at: Cursor, learner: Learner | None, ahead: OneStepOff | None = None) -> None:
        state = learner.strategy.state_dict() if learner else None
        waiting = ahead.state_dict() if ahead else None
        save_checkpoint(
            checkpoints, at, family, state, recipe.training.keep, processes, waiting, spare=opened
        )

    with stop_request() as request:
        for number in range(cursor.stage, len(stages)):
            if only_sft and stages[number].kind == "rl":
                return
            setup = _open_stage(recipe, names[number], stages[number], family, prompts, folder, processes)
            if resumed and cursor.step:
                _go_on_from(resumed, setup, processes.rank)
            # The worker closes first: ZeRO's close copies parameters, which needs the engine's memory.
            with closing(setup.learner.strategy), closing(setup.worker):
                cursor = train(
                    setup,
                    prompts,
                    folder,
                    start=cursor,
                    seed=recipe.seed,
                    save=partial(save, ahead=setup.ahead),
                    save_every=recipe.training.save_every,
                    keep_broken=partial(_keep_broken, recipe, folder, setup),
                    evaluate=partial(_measure, recipe, family, held_out, processes, setup),
                    evaluate_every=recipe.evaluation.every,
                    stop_requested=lambda: any(processes.gather(request.made)),
                )
            del setup  # and what it held on the device, before the next one opens
            cursor = Cursor(number + 1, weights_version=cursor.weights_version)
            save(cursor, None)
    processes.from_first(tidy_up)
    processes.from_first(partial(save_model, folder.path / FINAL, family.export))


def stage_names(stages: Sequence[Stage]) -> list[str]:
    """A name for every stage, unique in its run: its kind, numbered where a kind comes twice."""
    kinds = [stage.kind for stage in stages]
    return [
        kind if kinds.count(kind) == 1 else f"{kind}-{kinds[: number + 1].count(kind)}"
        for number, kind in enumerate(kinds)
    ]


def _open_stage(
    recipe: Recipe,
    name: str,
    stage: Stage,
    family: ModelFamily,
    prompts: PromptBuilder,
    folder: RunFolder,
    processes: Processes,
) -> StageSetup:
    if stage.kind == "sft":
        return build_sft_stage(name, stage, recipe, family, processes)
    reference = None
    if "reference" in recipe.algorithm().needs:
        reference = _reference(family, folder.path / "reference" / name, processes)
    if recipe.sampling.max_lag:  # what samples ahead has a model of its own
        worker: RolloutWorker = OneStepOff(open_engine(recipe.rollout, recipe.model(), processes))
    else:
        worker = open_engine(recipe.rollout, family, processes)
    return build_rl_stage(name, stage, recipe, family, worker, reference, prompts, processes)


def _go_on_from(checkpoint: Checkpoint, setup: StageSetup, rank: int) -> None:
    """Give the learner, and who samples ahead, the state that they had amid the stage."""
    state = checkpoint.learner_state(rank)
    if state:
        setup.learner.strategy.load_state_dict(state)
        if setup.ahead and (waiting := checkpoint.sampled_ahead(rank)):
            setup.ahead.load_state_dict(waiting)


def _reference(family: ModelFamily, kept: Path, processes: Processes) -> ModelFamily:
    """The policy as it was when the stage began; a resumed run finds it in the folder `kept`.

    With an adapter that is the base and the adapter as SFT left it, not the base alone: KL to the base
    would pull the policy back behind its warm start.
    """
    if processes.from_first(kept.is_dir):
        return family.frozen_copy(kept)
    processes.from_first(partial(save_model, kept, family.save))
    return family.frozen_copy()


def _keep_broken(
    recipe: Recipe, folder: RunFolder, setup: StageSetup, broken: BrokenStep, at: Cursor, learner: Learner
) -> str:
    """Keep the step that came upon NaN or infinity, and say how to look at it and how to go on."""
    try:
        step, kept = keep_step(
            broken,
            learner,
            recipe,
            folder.path / "replay",
            stage=setup.name,
            kind=setup.stage.kind,
            step=at.step + 1,
        )
    except OSError as error:
        return f"step {at.step + 1} of stage {setup.name}: {broken}; the step could not be kept: {error}"
    weights = latest_weights(folder.path / CHECKPOINTS)
    return (
        f"{step.where}: {broken}; the step is kept in {kept}: see what is wrong with it by 'rlaudio replay "
        f"{kept}'. Once the cause is mended continue with --resume, which computes the same numbers again; "
        "for other settings begin a new run with another --out"
        + (f", from the latest weights with -o model.path={weights}" if weights else "")
    )


def _measure(
    recipe: Recipe,
    family: ModelFamily,
    held_out: Mapping[str, list[Question]],
    processes: Processes,
    setup: StageSetup,
) -> dict[str, float]:
    """Held-out accuracy in the midst of training, by metric name."""
    worker = Transformers(family) if setup.stage.kind == "sft" else setup.worker
    name, questions = next(iter(held_out.items()))
    return evaluate_set(recipe, family, worker, questions, f"evaluate: {name}", processes).metrics()
