"""How a run is trained: stage after stage from the latest checkpoint on, and the final model.

The run's `TrainingSetup` opens what a stage trains with. The loop of `rlaudio.training.loop` gets it together
with callbacks that save, evaluate, and dump a step that was not finite.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType

from rlaudio.curricula.selector import stored_state
from rlaudio.curricula.stage import Stage
from rlaudio.evaluation.asking import EvaluationSettings, evaluate
from rlaudio.models.family import ModelFamily
from rlaudio.prompts.builder import PromptBuilder
from rlaudio.rollout.transformers import Transformers
from rlaudio.runs.digests import forget, history_digest, record, record_new
from rlaudio.runs.folder import RunFolder
from rlaudio.runs.places import (
    CHECKPOINTS,
    FINAL,
    METRICS,
    REFERENCE,
    ROLLOUT_CLIPS,
    ROLLOUTS,
    broken_step,
    rollouts_of,
)
from rlaudio.training.checkpoint import (
    Checkpoint,
    Cursor,
    StageState,
    files_digest,
    latest_checkpoint,
    latest_weights,
    refuse_changed,
    save_checkpoint,
    tidy,
    write_folder,
)
from rlaudio.training.debug.nonfinite import BrokenStep
from rlaudio.training.debug.step_dump import write_step_dump
from rlaudio.training.interrupt import StopSignal, stop_signal
from rlaudio.training.loop import Callbacks, StageSetup, train
from rlaudio.training.profiling import profiled
from rlaudio.types import Dataset
from rlaudio.utils.processes import Processes

HISTORY = f"{METRICS} up to it"


@dataclass(frozen=True, eq=False)
class OpenedPolicy:
    """The policy that a run trains: its model, its prompt builder, and the processes that share the work."""

    family: ModelFamily
    prompts: PromptBuilder
    processes: Processes


@dataclass(frozen=True)
class KeptReference:
    """Where a stage's reference is kept, and whether the policy is that reference now: the stage begins."""

    folder: Path
    is_policy: bool


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainingSetup:
    """How a run trains, whatever its stages are."""

    seed: int
    held_out: Mapping[str, Dataset]  # what is evaluated on, by name
    recipe: str  # as YAML, stored beside a dumped step
    open_policy: Callable[[Processes, Path | None], OpenedPolicy]  # with the model of a checkpoint, if any
    open_stage: Callable[[str, Stage, OpenedPolicy, KeptReference], StageSetup]  # the stage's name first
    evaluation: EvaluationSettings
    evaluate_every: int  # steps; 0: never
    save_every: int  # steps
    keep: int  # checkpoints
    profile_steps: Sequence[int] = ()  # whose trace is written
    run_tokens: int | None = None  # optimizer tokens of all stages; the last goes on until they are spent


def train_stages(
    setup: TrainingSetup,
    stages: Sequence[Stage],
    folder: RunFolder,
    processes: Processes,
    *,
    only_sft: bool = False,
    after_stage: Callable[[str, OpenedPolicy], None] = lambda name, policy: None,
) -> None:
    """Train all stages from the latest checkpoint on and write the final model; or those before RL alone.

    `after_stage` is called with the name of every stage but the last and the policy after it.

    Raises StopRequested after Ctrl-C, RewardError where rewards fail and BrokenTraining at a number that is
    not finite; all can be resumed.
    Raises ValueError where a checkpoint, the metrics up to it or the reference is not what was written, and
    where the first stages have spent all tokens.
    """
    checkpoints = folder.path / CHECKPOINTS
    resumed = processes.from_first(partial(latest_checkpoint, checkpoints))
    names = stage_names(stages)
    curriculum = curriculum_digest(names, stages)
    if resumed:
        processes.from_first(partial(refuse_changed, checkpoints, resumed, curriculum))
    tidy_up = partial(tidy, checkpoints, setup.keep)
    processes.from_first(tidy_up)
    cursor = resumed.cursor if resumed else Cursor()
    processes.from_first(partial(forget, folder.path, METRICS, ROLLOUTS))
    processes.from_first(partial(_record_rollouts, folder.path, names, cursor))
    policy = setup.open_policy(processes, resumed.model if resumed else None)
    opened = resumed.path if resumed else None
    save = _CheckpointWriter(folder.path, policy, setup.keep, opened, names, curriculum)
    if cursor.stage < len(stages):
        folder.truncate_metrics(names[cursor.stage], cursor.step)
    if resumed:
        save.refuse_changed(resumed, partial(_metrics_digest, folder.path))
    with stop_signal() as stop:
        for number in range(cursor.stage, len(stages)):
            if only_sft and stages[number].kind == "rl":
                return
            kept = KeptReference(folder.path / REFERENCE / names[number], is_policy=not cursor.step)
            if resumed and cursor.step:
                save.refuse_changed(resumed, partial(_reference_digest, kept.folder))
            stage = setup.open_stage(names[number], stages[number], policy, kept)
            if setup.run_tokens is not None:
                left = setup.run_tokens - cursor.tokens_before
                stage = within_budget(stage, left, is_last=number + 1 == len(stages))
            if resumed and cursor.step:
                _restore(stage, resumed.stage_state(processes.rank))
            callbacks = _callbacks(setup, stage, policy, folder, save.within(stage, kept), stop)
            # The worker closes first: ZeRO's close copies parameters, which needs the engine's memory.
            with closing(stage.learner.strategy), closing(stage.worker):
                try:
                    cursor = train(stage, folder, callbacks, start=cursor, seed=setup.seed)
                finally:
                    stage.sampler.next_requests.forget()  # it holds the sampler, and so the policy
            del stage, callbacks  # frees device memory before the next stage opens
            # Before the stage counts as done: a run that is killed here evaluates again.
            if number + 1 < len(stages):
                after_stage(names[number], policy)
            cursor = cursor.next_stage()
            save(cursor)
    processes.from_first(tidy_up)
    note = partial(_record_final, folder.path)
    processes.from_first(partial(write_folder, folder.path / FINAL, policy.family.export, note))


def _callbacks(
    setup: TrainingSetup,
    stage: StageSetup,
    policy: OpenedPolicy,
    folder: RunFolder,
    save: Callable[[Cursor], None],
    stop: StopSignal,
) -> Callbacks:
    """What the loop calls while it trains the stage."""
    processes = policy.processes
    return Callbacks(
        save=save,
        save_every=setup.save_every,
        evaluate=partial(_evaluate_within, stage, setup, policy),
        evaluate_every=setup.evaluate_every,
        dump_broken_step=partial(_dump_broken_step, setup.recipe, folder, stage),
        stop_requested=lambda: any(processes.gather(stop.received)),
        profiled=partial(profiled, setup.profile_steps if processes.first else (), folder.path),
    )


def within_budget(stage: StageSetup, tokens: int, *, is_last: bool) -> StageSetup:
    """The stage with at most so many optimizer tokens; the last goes on until it has them.

    Raises ValueError where none are left.
    """
    if tokens <= 0:
        raise ValueError(
            f"no token of training.run_tokens is left for stage {stage.name}: the stages before spent them; "
            f"raise it by {-tokens:,} and what {stage.name} shall have, or shorten the stages before, and "
            "begin a new run"
        )
    # A question has one token at least; where groups without spread are left out a step may have none.
    steps = math.ceil(tokens / stage.sampler.questions_per_step) if is_last else stage.steps
    return replace(stage, steps=steps, max_tokens=min(stage.max_tokens, tokens))


def stage_names(stages: Sequence[Stage]) -> list[str]:
    """A name for every stage, unique in its run: its kind, numbered where a kind occurs twice."""
    kinds = [stage.kind for stage in stages]
    return [
        kind if kinds.count(kind) == 1 else f"{kind}-{kinds[: number + 1].count(kind)}"
        for number, kind in enumerate(kinds)
    ]


def frozen_reference(policy: OpenedPolicy, kept: KeptReference) -> ModelFamily:
    """The policy as it was when the stage began; a run that is resumed within it finds it in the folder.

    With an adapter that is the base and the adapter as SFT left it, not the base alone: KL to the base
    would pull the policy back behind its warm start.
    Raises FileNotFoundError where it is missing, FileExistsError where the folder of a stage that begins
    holds another one.
    """
    family, processes = policy.family, policy.processes
    if kept.is_policy:
        processes.from_first(partial(write_folder, kept.folder, family.save))
        return family.frozen_copy()
    if not processes.from_first(kept.folder.is_dir):
        raise FileNotFoundError(
            f"{kept.folder}: the reference policy of the stage is gone, and the policy has moved on; put it "
            "back, or delete the checkpoints of the stage to begin it again"
        )
    return family.frozen_copy(kept.folder)


def curriculum_digest(names: Sequence[str], stages: Sequence[Stage]) -> dict[str, str | None]:
    """What a checkpoint says of the curriculum: its stages, their lengths, and their questions."""
    named = zip(names, stages, strict=True)
    lengths = [[name, stage.kind, str(stage.steps), str(stage.epochs)] for name, stage in named]
    digests: dict[str, str | None] = {
        "stages and lengths": hashlib.sha256(json.dumps(lengths).encode()).hexdigest()
    }
    for name, stage in zip(names, stages, strict=True):
        digests |= questions_digest(name, stage)
    return digests


def questions_digest(name: str, stage: Stage) -> dict[str, str | None]:
    """What a checkpoint says of a stage: its questions in their order, and what selects them."""
    by = type(stage.selector).__name__ if stage.selector else ""
    text = json.dumps([by, *(question.id for question in stage.questions)])
    return {f"questions of {name}": hashlib.sha256(text.encode()).hexdigest()}


@dataclass(frozen=True, eq=False)
class _CheckpointWriter:
    """Writes a run's checkpoints, each with digests of what a resumed run must find as it was."""

    run: Path
    policy: OpenedPolicy
    keep: int  # checkpoints
    opened: Path | None  # the one that the run was resumed from: engines open its model at any time
    stages: Sequence[str]  # their names
    curriculum: Mapping[str, str | None]  # digests

    def __call__(
        self,
        at: Cursor,
        state: StageState = StageState(),
        needed: Mapping[str, str | None] = MappingProxyType({}),
    ) -> None:
        """Write a checkpoint, keep what led to it and remove old ones; all processes must call."""
        processes = self.policy.processes
        save_checkpoint(
            self.run / CHECKPOINTS,
            at,
            self.policy.family,
            state,
            depends_on={
                **processes.from_first(partial(_metrics_digest, self.run)),
                **self.curriculum,
                **needed,
            },
            processes=processes,
        )
        processes.from_first(partial(_record_rollouts, self.run, self.stages, at))
        processes.from_first(partial(tidy, self.run / CHECKPOINTS, self.keep, spare=self.opened))

    def within(self, stage: StageSetup, kept: KeptReference) -> Callable[[Cursor], None]:
        """What writes the checkpoints amid a stage, which goes on from its reference too."""
        described = partial(_reference_digest, kept.folder)
        reference = self.policy.processes.from_first(described) if stage.learner.reference else {}
        return lambda at: self(at, _state_of(stage), reference)

    def refuse_changed(self, resumed: Checkpoint, describe: Callable[[], Mapping[str, str | None]]) -> None:
        """Raise ValueError, in all processes, where something is not what the checkpoint says of it."""
        processes = self.policy.processes
        now = processes.from_first(describe)
        processes.from_first(partial(refuse_changed, self.run / CHECKPOINTS, resumed, now))


def _reference_digest(reference: Path) -> dict[str, str | None]:
    """What a checkpoint says of the reference."""
    return {f"{REFERENCE}/{reference.name}": files_digest(reference)}


def _metrics_digest(run: Path) -> dict[str, str | None]:
    """What a checkpoint says of the metrics logged so far, which tell one run from another."""
    return {HISTORY: history_digest(run)}


def _record_rollouts(run: Path, stages: Sequence[str], until: Cursor) -> None:
    """Keep what the steps until there sampled; what follows is sampled again where the run is cut off."""
    steps = [
        file
        for number, stage in enumerate(stages[: until.stage + 1])
        for step, file in rollouts_of(run, stage)
        if number < until.stage or step <= until.step
    ]
    record_new(run, *steps, ROLLOUT_CLIPS)


def _record_final(run: Path, content: Path) -> None:
    """Keep what the final model is, and what led to it: nothing is logged any more."""
    record(run, METRICS, ROLLOUTS)
    record(run, FINAL, written_as=content)


def _state_of(stage: StageSetup) -> StageState:
    """The state of learner, worker that samples ahead, and curriculum; `_restore` goes back to it."""
    return StageState(
        stage.learner.strategy.state_dict(),
        stage.ahead.state_dict() if stage.ahead else None,
        stored_state(stage.selector) if stage.selector else None,
    )


def _restore(stage: StageSetup, state: StageState) -> None:
    if stage.selector and state.observed is not None:
        stage.selector.load_state_dict(state.observed)
    if state.learner:
        stage.learner.strategy.load_state_dict(state.learner)
        if stage.ahead and state.sampled_ahead:
            stage.ahead.load_state_dict(state.sampled_ahead)


def _dump_broken_step(
    recipe: str, folder: RunFolder, stage: StageSetup, broken: BrokenStep, at: Cursor
) -> str:
    """Dump the step with NaN or infinity; returns how to inspect it and how to continue."""
    error = f"step {at.step + 1} of stage {stage.name}: {broken}"
    dump = broken_step(folder.path, stage.name, at.step + 1)
    try:
        write_step_dump(dump, broken, stage.learner, recipe, stage.sampler.stage.kind, error)
    except OSError as failure:
        return f"{error}; the step could not be written down: {failure}"
    weights = latest_weights(folder.path / CHECKPOINTS)
    return (
        f"{error}; see what is wrong with it by 'rlaudio replay {dump}'. Once the cause is fixed continue "
        "with --resume (and --changed-plugins where it was in a file of yours), which computes the same "
        "numbers again; for other settings begin a new run with "
        "another --out" + (f", from the latest weights with -o model.path={weights}" if weights else "")
    )


def _evaluate_within(stage: StageSetup, setup: TrainingSetup, policy: OpenedPolicy) -> dict[str, float]:
    """Accuracy on the first held-out set within a stage, by metric name."""
    worker = Transformers(policy.family) if stage.sampler.stage.kind == "sft" else stage.worker
    name, questions = next(iter(setup.held_out.items()))
    label = f"evaluate: {name}"
    result = evaluate(
        questions, policy.prompts, worker, setup.evaluation, label=label, processes=policy.processes
    )
    result.warn_if_unparsed(f"{label}, the policy within stage {stage.name}", trains=True)
    return result.metrics()
