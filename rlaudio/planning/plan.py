"""The plan of a recipe: its stages' tokens, operations, memory and time, from sizes and assumptions alone.

No weights and no data are opened. The curriculum is called with stand-in questions, the algorithm gives
its `needs`; both are plug-ins, imported as in a run.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from rlaudio.algorithms.algorithm import as_critic
from rlaudio.builder.curriculum_stages import curriculum_stages
from rlaudio.builder.rl_settings import asked_in_silence
from rlaudio.config.recipe import Recipe
from rlaudio.curricula.stage import Stage
from rlaudio.models.shared.sizes import ModelPart, ModelSize
from rlaudio.planning import memory
from rlaudio.planning.assumptions import Assumptions
from rlaudio.planning.basis import STAND_INS, Basis, basis_of
from rlaudio.planning.hardware import Hardware
from rlaudio.planning.memory import MemoryRow, Sharding
from rlaudio.planning.memory_plan import planned_memory, vllm_cache_bytes
from rlaudio.planning.phases import rollout_phases, signal_phases, update_phases
from rlaudio.planning.seconds import Phase
from rlaudio.planning.servers import RolloutServers
from rlaudio.planning.tokens import StepTokens
from rlaudio.types import Contribution


@dataclass(frozen=True)
class StagePlan:
    """One step of a stage on one device, and how many steps there are."""

    kind: Literal["sft", "rl"]
    steps: int | None  # None: it depends on the data, which was not opened
    epochs: float | None  # None: not given
    tokens: StepTokens
    updates: int  # optimizer steps in a step
    phases: tuple[Phase, ...]
    silent: float = 0.0  # completions of each question in silence, the mean over steps

    @property
    def flops(self) -> float:
        """Of a step on one device."""
        return math.fsum(phase.flops for phase in self.phases)

    @property
    def seconds(self) -> float:
        """Of a step."""
        return math.fsum(phase.seconds for phase in self.phases)


@dataclass(frozen=True)
class Plan:
    """Tokens, operations, memory and time of a recipe on given hardware."""

    name: str
    model: ModelSize
    hardware: Hardware
    sharding: Sharding
    assumed: Assumptions
    stages: tuple[StagePlan, ...]
    memory: tuple[MemoryRow, ...]
    servers: RolloutServers | None  # None: none on nodes of their own
    vllm_cache_bytes: float | None  # left for it beside its weights; None: vLLM is not on these devices
    host_bytes: float
    dtype: str
    notes: tuple[str, ...]

    @property
    def peak_bytes(self) -> float:
        """Bytes on one device, in the phase that needs most."""
        return max(memory.totals(list(self.memory)).values())

    @property
    def fits(self) -> bool:
        """Whether `peak_bytes` is within the device's memory, and the weights within what engines take."""
        served = self.servers is None or self.servers.fits
        sampled = self.vllm_cache_bytes is None or self.vllm_cache_bytes > 0
        return self.peak_bytes <= self.hardware.memory_bytes and served and sampled


def plan(recipe: Recipe, hardware: Hardware, assumed: Assumptions) -> Plan:
    """The plan of `recipe`. Raises ValueError and FileNotFoundError where it cannot be computed."""
    if recipe.pretrain is not None and recipe.model.options["path"] == "built":
        raise ValueError(
            f"{recipe.name} builds its base in a run, so there is no model to plan for; name one of the same "
            "shape: -o model.path=RUN/models/base, or tiny/base"
        )
    basis = basis_of(recipe, hardware, assumed)
    stages = _until_spent(basis, [_stage_plan(basis, stage) for stage in _stages(recipe)])
    sft, rl = (next((s.tokens for s in stages if s.kind == kind), None) for kind in ("sft", "rl"))
    if rl and as_critic(basis.algorithm):
        head = ModelPart("value head", basis.model.decoder.width + 1, True, 4)
        basis = replace(basis, model=replace(basis.model, parts=(*basis.model.parts, head)))
    asleep, cache_mb = basis.engine_sleeps, basis.audio_cache_mb
    return Plan(
        name=recipe.name,
        model=basis.model,
        hardware=basis.hardware,
        sharding=basis.sharding,
        servers=basis.servers,
        vllm_cache_bytes=vllm_cache_bytes(basis) if rl else None,
        assumed=basis.assumed,
        stages=tuple(stages),
        memory=tuple(planned_memory(basis, sft, rl)),
        host_bytes=memory.host_bytes(basis.model, basis.sharding, cache_mb, asleep=asleep),
        dtype=basis.dtype,
        notes=tuple(_notes(basis, stages)),
    )


def savings(
    overrides: Sequence[str], load: Callable[[Sequence[str]], Recipe], given: Plan
) -> Iterator[tuple[tuple[str, ...], Plan]]:
    """Changes of the recipe that need less memory, mildest first, and their plans.

    `load` reads the recipe with overrides. Changes that are not valid for it are skipped.
    """
    for change in _changes(max(stage.tokens.row for stage in given.stages)):
        try:
            changed = plan(load([*overrides, *change]), given.hardware, given.assumed)
        except (ValueError, FileNotFoundError):
            continue
        if changed.peak_bytes < 0.98 * given.peak_bytes:
            yield change, changed


def _changes(row: int) -> tuple[tuple[str, ...], ...]:
    one_row = f"training.micro_batch_tokens={row}"
    checkpointing = "model.gradient_checkpointing=true"
    frozen_audio = "model.freeze=[audio_tower, projector]"
    zero_1, zero_2 = "strategy={use: zero, stage: 1}", "strategy={use: zero, stage: 2}"
    offload = "strategy={use: zero, stage: 2, offload: cpu}"
    return (
        (one_row,),
        (checkpointing,),
        (zero_1,),
        (zero_2,),
        (zero_2, one_row),
        (zero_2, one_row, checkpointing),
        (zero_2, frozen_audio),
        (offload,),
        (offload, one_row, checkpointing),
        ("model.lora_rank=64",),
        ("model.lora_rank=64", one_row, checkpointing),
    )


# --- stages --------------------------------------------------------------------------------------


def _stages(recipe: Recipe) -> list[Stage]:
    """The curriculum's stages on stand-in questions, half of them weak and half strong."""
    contributions = {q.id: Contribution(q.id, "strong" if n % 2 else "weak") for n, q in enumerate(STAND_INS)}
    return curriculum_stages(recipe, list(STAND_INS), contributions)


def _stage_plan(basis: Basis, stage: Stage) -> StagePlan:
    recipe, tokens = basis.recipe, basis.step_tokens(stage.kind)
    every = stage.selector.contribution_every if stage.selector else 0
    silent = asked_in_silence(recipe, every) if stage.kind == "rl" else None
    phases = [*rollout_phases(basis, tokens, silent), *signal_phases(basis, tokens)] if silent else []
    passes = recipe.training.epochs if stage.kind == "rl" else 1
    updates = passes * recipe.training.mini_batches if stage.kind == "rl" else 1
    phases += update_phases(basis, stage.kind, tokens, passes, updates)
    return StagePlan(
        kind=stage.kind,
        steps=stage.steps,
        epochs=None if stage.steps is not None else stage.epochs,
        tokens=tokens,
        updates=updates,
        phases=tuple(phases),
        silent=silent.for_rewards + silent.samples / silent.every if silent else 0.0,
    )


def _until_spent(basis: Basis, stages: Sequence[StagePlan]) -> list[StagePlan]:
    """The stages; with `training.run_tokens` the last has as many steps as spend what is left."""
    budget, devices = basis.recipe.training.run_tokens, basis.assumed.all_devices
    if budget is None:
        return list(stages)
    *first, last = stages
    if _unknown_length(first):
        return [*first, replace(last, steps=None, epochs=None)]
    spent = sum((stage.steps or 0) * stage.tokens.targets * devices for stage in first)
    steps = math.ceil((budget - spent) / (last.tokens.targets * devices))
    return [*first, replace(last, steps=max(0, steps))]


def _unknown_length(stages: Sequence[StagePlan]) -> bool:
    return any(stage.steps is None for stage in stages)


def _notes(basis: Basis, stages: Sequence[StagePlan]) -> Iterator[str]:
    """What the numbers of the plan leave out."""
    sampling, engine = basis.recipe.sampling, basis.recipe.rollout.use
    if any(stage.kind == "rl" for stage in stages):
        if basis.servers:
            yield "what servers sample is computed on their devices, while those that train wait"
        elif engine == "vllm_server":
            yield "the server's GPUs are not in this plan; its rollouts take as long as on these devices"
        elif engine not in ("transformers", "vllm"):
            yield f"rollouts are planned as those of the transformers worker, not {engine}"
        if sampling.max_lag:
            yield "rollouts ahead of the update are counted beside it; where they overlap a step is shorter"
        if sampling.rounds > 1:
            yield f"rollouts are those of one round of drawing; there may be {sampling.rounds}"
    if basis.recipe.training.run_tokens is not None and _unknown_length(stages[:-1]):
        yield "how long the last stage is depends on the data: training.run_tokens ends it"
