"""The plan of a recipe: its stages' tokens, operations, memory and time, from sizes and assumptions alone.

No weights and no data are opened. The curriculum is called with stand-in questions, the algorithm gives
its `needs`; both are plug-ins, imported as in a run.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from tokenizers import Tokenizer

from rlaudio.algorithms.algorithm import Algorithm, as_critic
from rlaudio.answers import sft_target
from rlaudio.builder.rl_settings import AskedInSilence, asked_in_silence
from rlaudio.config.plugins import bind
from rlaudio.config.recipe import Recipe
from rlaudio.curricula.stage import Stage
from rlaudio.models.shared.describing import describe
from rlaudio.models.shared.sizes import ModelPart, ModelSize
from rlaudio.planning import flops, memory, seconds
from rlaudio.planning.flops import Flops, ForwardPass
from rlaudio.planning.hardware import Hardware
from rlaudio.planning.memory import MemoryRow, RolloutShape, Sharding, UpdateShape
from rlaudio.planning.seconds import Phase
from rlaudio.planning.servers import RolloutServers, sampling_phases, servers_of, weights_phase
from rlaudio.planning.tokens import Attention, StepTokens
from rlaudio.prompts.wording import render_user_text
from rlaudio.rollout.vllm.setup import CPU_CACHE_GB
from rlaudio.training.policy import NARROW_SUPPORT
from rlaudio.training.providers import asks_for_reference, measured_for, providers_of
from rlaudio.types import Contribution, Question
from rlaudio.utils.randomness import generator

CHARACTERS_PER_TOKEN = 4  # of English, where there is no tokenizer to ask
FRAMES_PER_SECOND = 100


@dataclass(frozen=True, kw_only=True)
class Assumptions:
    """What a plan assumes; None: the default named beside it."""

    devices: int = 1  # of each node that trains
    nodes: int = 1
    rollout_nodes: int = 0  # more, of vLLM servers
    network: float | None = None  # GB a second between nodes, of each device; None: the device's
    seconds: float | None = None  # of a clip; None: audio.max_seconds
    completion: int | None = None  # tokens; None: sampling.max_new_tokens
    text: int | None = None  # tokens of a prompt beside its audio; None: those of a stand-in question
    utilisation: float = 0.4  # of the device's peak in matrix products

    def __post_init__(self) -> None:
        if self.devices < 1:
            raise ValueError(f"{self.devices} devices; expected at least one")
        if self.nodes < 1 or self.rollout_nodes < 0:
            raise ValueError(
                f"{self.nodes} nodes and {self.rollout_nodes} rollout nodes; expected at least 1 and 0"
            )
        if self.network is not None and not 0 < self.network < math.inf:
            raise ValueError(f"a network of {self.network:g} GB/s; expected more than 0 and finite")
        if not 0 < self.utilisation <= 1:
            raise ValueError(f"a utilisation of {self.utilisation:g}; expected more than 0 and at most 1")
        if self.seconds is not None and not 0.04 <= self.seconds <= 86_400:
            raise ValueError(
                f"clips of {self.seconds:g} s; expected at least 0.04 s, which is one audio token, and "
                "at most a day"
            )
        for name, value in (("completion", self.completion), ("text", self.text)):
            if value is not None and value < 1:
                raise ValueError(f"{name} of {value} tokens; expected at least 1")

    @property
    def all_devices(self) -> int:
        """Those that train, of all nodes."""
        return self.nodes * self.devices


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
    return _Planner(recipe, hardware, assumed).plan()


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


class _Planner:
    """Computes the plan of one recipe; values that several parts need are computed once."""

    def __init__(self, recipe: Recipe, hardware: Hardware, assumed: Assumptions):
        self.recipe = recipe
        network = hardware.network if assumed.network is None else 1e9 * assumed.network
        self.hardware = replace(hardware, network=network)
        self.options: Mapping[str, Any] = recipe.model.options
        self.dtype = str(self.options.get("dtype", "float32"))
        self.attention: Attention = "cpu" if hardware.name == "cpu" else "gpu"
        if self.options.get("attention") == "eager":
            self.attention = "eager"
        self.checkpointing = bool(self.options.get("gradient_checkpointing", False))
        self.model = describe(recipe.model.use, self.options)
        self.assumed = self._assume(assumed)
        self.frames = math.ceil(FRAMES_PER_SECOND * (self.assumed.seconds or 0.0))
        self.sharding = self._sharding()
        self.servers = self._servers()
        self.notes: list[str] = []

    def plan(self) -> Plan:
        stages = self._until_spent([self._stage(stage) for stage in self._stages()])
        if any(stage.kind == "rl" for stage in stages) and as_critic(self.algorithm):
            head = ModelPart("value head", self.model.decoder.width + 1, True, 4)
            self.model = replace(self.model, parts=(*self.model.parts, head))
        return Plan(
            name=self.recipe.name,
            model=self.model,
            hardware=self.hardware,
            sharding=self.sharding,
            servers=self.servers,
            vllm_cache_bytes=self._vllm_cache(stages),
            assumed=self.assumed,
            stages=tuple(stages),
            memory=tuple(self._memory(stages)),
            host_bytes=memory.host_bytes(
                self.model, self.sharding, self._audio_cache_mb, asleep=self._engine_sleeps
            ),
            dtype=self.dtype,
            notes=tuple(self.notes),
        )

    # --- what is given and assumed -----------------------------------------------------------------

    def _assume(self, assumed: Assumptions) -> Assumptions:
        recipe, question = self.recipe, _STAND_INS[0]
        user = render_user_text(replace(question, style=recipe.prompt.style))
        text = self.model.prompt_text.format(system=recipe.prompt.system, user=user)
        return replace(
            assumed,
            seconds=recipe.audio.max_seconds if assumed.seconds is None else assumed.seconds,
            completion=assumed.completion or recipe.sampling.max_new_tokens,
            text=assumed.text or self._count(text),
        )

    def _count(self, text: str) -> int:
        """Tokens of a text, by the model's tokenizer or by the length of what is not a special token."""
        if self.model.tokenizer:
            tokenizer: Any = Tokenizer.from_file(str(self.model.tokenizer))
            return len(tokenizer.encode(text, add_special_tokens=False).ids)
        plain, special = re.subn(r"<\|\w+\|>", "", text)
        return special + math.ceil(len(plain) / CHARACTERS_PER_TOKEN)

    def _sharding(self) -> Sharding:
        strategy, on_gpu = self.recipe.strategy, self.hardware.name != "cpu"
        devices, nodes = self.assumed.all_devices, self.assumed.nodes
        if strategy.use == "plain":
            return Sharding(devices=devices, nodes=nodes, on_gpu=on_gpu)
        if strategy.use == "zero":
            stage, offload = int(strategy.options["stage"]), strategy.options["offload"] == "cpu"
            return Sharding(stage=stage, offload=offload, devices=devices, nodes=nodes, on_gpu=on_gpu)
        raise ValueError(f"the strategy {strategy.use} cannot be planned; expected plain or zero")

    def _servers(self) -> RolloutServers | None:
        nodes, rollout = self.assumed.rollout_nodes, self.recipe.rollout
        if not nodes:
            return None
        if rollout.use != "vllm_server":
            raise ValueError(
                f"{nodes} rollout nodes are for vLLM servers, and rollout.use is {rollout.use}; set it to "
                "vllm_server, or leave --rollout-nodes out"
            )
        return servers_of(
            self.model,
            self.hardware,
            nodes,
            self.assumed.devices,
            tensor_parallel=rollout.options["tensor_parallel"],
            memory_share=rollout.options["memory_share"],
        )

    @cached_property
    def algorithm(self) -> Algorithm:
        """That of the stages of RL."""
        algorithm: Algorithm = self.recipe.algorithm()
        return algorithm

    @property
    def _audio_cache_mb(self) -> int:
        return int(self.options.get("audio_cache_mb", 0))

    @property
    def _engine_sleeps(self) -> bool:
        """Whether vLLM frees its GPU memory while the policy trains."""
        rollout = self.recipe.rollout
        ahead = bool(self.recipe.sampling.max_lag)  # then it samples while the policy trains
        return rollout.use == "vllm" and self.sharding.on_gpu and rollout.options["sleep"] and not ahead

    def _stages(self) -> list[Stage]:
        """The curriculum's stages on stand-in questions, half of them weak and half strong."""
        contributions = {
            q.id: Contribution(q.id, "strong" if n % 2 else "weak") for n, q in enumerate(_STAND_INS)
        }
        return self.recipe.curriculum(
            list(_STAND_INS), contributions, generator(self.recipe.seed, "curriculum")
        )

    # --- stages --------------------------------------------------------------------------------------

    def _until_spent(self, stages: list[StagePlan]) -> list[StagePlan]:
        """The stages; with `training.run_tokens` the last has as many steps as spend what is left."""
        budget = self.recipe.training.run_tokens
        if budget is None:
            return stages
        *first, last = stages
        if any(stage.steps is None for stage in first):
            self._note("how long the last stage is depends on the data: training.run_tokens ends it")
            return [*first, replace(last, steps=None, epochs=None)]
        spent = sum((stage.steps or 0) * self._targets(stage) for stage in first)
        return [*first, replace(last, steps=max(0, math.ceil((budget - spent) / self._targets(last))))]

    def _targets(self, stage: StagePlan) -> int:
        """Optimizer tokens of a step, all devices."""
        return stage.tokens.targets * self.assumed.all_devices

    def _stage(self, stage: Stage) -> StagePlan:
        tokens = self._tokens(stage.kind)
        updates = self.recipe.training.epochs * self.recipe.training.mini_batches if stage.kind == "rl" else 1
        every = stage.selector.contribution_every if stage.selector else 0
        silent = asked_in_silence(self.recipe, every) if stage.kind == "rl" else None
        phases = [*self._rollout(tokens, silent), *self._signals(tokens)] if silent else []
        passes = self.recipe.training.epochs if stage.kind == "rl" else 1
        phases += self._update(stage.kind, tokens, passes, updates)
        return StagePlan(
            kind=stage.kind,
            steps=stage.steps,
            epochs=None if stage.steps is not None else stage.epochs,
            tokens=tokens,
            updates=updates,
            phases=tuple(phases),
            silent=silent.for_rewards + silent.samples / silent.every if silent else 0.0,
        )

    def _tokens(self, kind: str) -> StepTokens:
        recipe, devices = self.recipe, self.assumed.all_devices
        key, count = (
            ("sft.questions", recipe.sft.questions)
            if kind == "sft"
            else ("sampling.questions", recipe.sampling.questions)
        )
        if count % devices:
            raise ValueError(
                f"{key} is {count} and there are {devices} devices; expected a multiple of {devices}, "
                f"such as {count - count % devices + devices}"
            )
        audio = self.model.tower.tokens(self.frames)
        return StepTokens(
            question_count=count // devices,
            group_size=1 if kind == "sft" else recipe.sampling.group_size,
            prompt=(self.assumed.text or 0) + audio,
            audio=audio,
            frames=self.frames,
            completion=self._target() if kind == "sft" else self.assumed.completion or 0,
            packed=recipe.training.prompt_once,
            budget=recipe.training.micro_batch_tokens,
        )

    def _target(self) -> int:
        """Tokens of an SFT target; a chain of thought is assumed to be as long as a completion may be."""
        if self.recipe.sft.target == "answer":
            return self._answer()
        return self.assumed.completion or 0

    def _answer(self) -> int:
        return self._count(sft_target(replace(_STAND_INS[0], style=self.recipe.prompt.style))) + 1

    def _rollout(self, tokens: StepTokens, silent: AskedInSilence) -> Iterator[Phase]:
        sampling = self.recipe.sampling
        if self.servers:
            self._note("what servers sample is computed on their devices, while those that train wait")
        elif self.recipe.rollout.use == "vllm_server":
            self._note(
                "the server's GPUs are not in this plan; its rollouts take as long as on these devices"
            )
        elif self.recipe.rollout.use not in ("transformers", "vllm"):
            self._note(
                f"rollouts are planned as those of the transformers worker, not {self.recipe.rollout.use}"
            )
        if sampling.max_lag:
            self._note(
                "rollouts ahead of the update are counted beside it; where they overlap a step is shorter"
            )
        if sampling.rounds > 1:
            self._note(f"rollouts are those of one round of drawing; there may be {sampling.rounds}")
        if self.servers:
            everyone = replace(tokens, question_count=tokens.question_count * self.assumed.all_devices)
            yield from sampling_phases(self.model, self.hardware, self.servers, everyone, rate=self._rate)
            yield weights_phase(self.model, self.hardware)
        else:
            yield from self._sampled(tokens, sampling.group_size, "")
        if silent.for_rewards:
            yield from self._sampled(tokens, silent.for_rewards, " in silence, for rewards")
        for phase in self._contribution(tokens, silent):
            seldom = f", every {silent.every} steps" if silent.every > 1 else ""
            yield replace(
                phase,
                name=phase.name + seldom,
                flops=phase.flops / silent.every,
                seconds=phase.seconds / silent.every,
            )

    def _contribution(self, tokens: StepTokens, silent: AskedInSilence) -> Iterator[Phase]:
        """Of one measurement of the audio's contribution."""
        match silent.contribution:
            case "rollouts":
                yield from self._sampled(tokens, silent.samples, " in silence")
            case "options":
                options = tokens.with_completions(len(_STAND_INS[0].choices), self._answer())
                work = self._forward(options, self.model.decoder.vocabulary)
                yield self._compute("options, with audio and in silence", work * 2.0)

    def _sampled(self, tokens: StepTokens, group_size: int, where: str) -> Iterator[Phase]:
        prefill = flops.prefill(self.model, tokens.question_count, tokens.prompt, tokens.frames)
        yield self._compute(f"rollout: prefill{where}", prefill)
        if tokens.completion > 1:
            yield seconds.decode_phase(
                f"rollout: decode{where}",
                self.model,
                flops.Decoding(tokens.question_count, group_size, tokens.prompt, tokens.completion),
                self.hardware,
                rate=self._rate,
                batches=math.ceil(tokens.question_count / self._together(tokens)),
            )

    def _together(self, tokens: StepTokens) -> int:
        """Questions whose completions are sampled together; all of them where vLLM schedules."""
        if self.recipe.rollout.use in ("vllm", "vllm_server"):
            return tokens.question_count
        options = {**bind("rollout", "transformers").options, **self.recipe.rollout.options}
        budget = int(options["batch_tokens"])
        row = tokens.prompt + tokens.group_size * self.recipe.sampling.max_new_tokens
        return min(tokens.question_count, max(1, budget // row))

    def _signals(self, tokens: StepTokens) -> Iterator[Phase]:
        """Passes without gradient that the loss or the advantages need."""
        training = self.recipe.training
        work = self._forward(tokens, self._head_rows())
        for provider in providers_of(self.algorithm):
            if provider.forward:
                yield self._compute(provider.forward, work)
        corrected = self.recipe.mismatch.logprobs == "paper" or self.recipe.mismatch.correct != "none"
        if training.epochs * training.mini_batches > 1 and corrected:
            yield self._compute("log-probs before the step", work)

    def _update(self, kind: str, tokens: StepTokens, passes: int, updates: int) -> Iterator[Phase]:
        head_rows = self._head_rows() if kind == "rl" else self.model.decoder.vocabulary
        targets = tokens.rows_together * tokens.targets // tokens.rows
        measured = measured_for(self.algorithm) if kind == "rl" else []
        more = sum(signal.with_gradient for signal in measured)
        work = flops.update(
            self.model,
            self._pass(tokens, clips=tokens.rows),
            head_rows,
            checkpointing=self.checkpointing,
            eager=self.attention == "eager",
            head_twice=targets > self.recipe.training.logprob_chunk,
        )
        if kind == "sft" and not self.model.audio_trains:
            clips = tokens.question_count
            once = ForwardPass(tokens=0, pairs=0, targets=0, clips=clips, frames=tokens.frames)
            yield self._compute("audio, encoded once a clip", flops.forward(self.model, once, 0))
        yield self._compute("update: forward and backward", work * (passes * (1.0 + more)))
        yield seconds.optimizer_phase(self.model, self.sharding, self.hardware, updates)
        micro_batches = passes * tokens.micro_batches
        exchange = seconds.exchange_phase(self.model, self.sharding, self.hardware, updates, micro_batches)
        if exchange:
            yield exchange

    def _forward(self, tokens: StepTokens, head_rows: int) -> Flops:
        return flops.forward(
            self.model, self._pass(tokens, clips=tokens.rows if self.model.audio_trains else 0), head_rows
        )

    def _pass(self, tokens: StepTokens, clips: int) -> ForwardPass:
        return ForwardPass(
            tokens=tokens.computed,
            pairs=tokens.pairs(self.attention),
            targets=tokens.targets,
            clips=clips,
            frames=tokens.frames,
        )

    def _head_rows(self) -> int:
        """Rows of the output projection computed for a target: those of a narrow sampling support, or all."""
        top_k = self.recipe.sampling.top_k
        narrow = 0 < top_k <= NARROW_SUPPORT and self.recipe.mismatch.logprobs == "sampled"
        return top_k if narrow and self.sharding.stage != 3 else self.model.decoder.vocabulary

    def _compute(self, name: str, work: Flops) -> Phase:
        return seconds.compute_phase(name, work, self._rate)

    @property
    def _rate(self) -> float:
        """Operations a second in matrix products."""
        return self.hardware.flops[self.dtype] * self.assumed.utilisation

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    # --- memory --------------------------------------------------------------------------------------

    def _memory(self, stages: Sequence[StagePlan]) -> list[MemoryRow]:
        model, sharding = self.model, self.sharding
        sft = next((s.tokens for s in stages if s.kind == "sft"), None)
        rl = next((s.tokens for s in stages if s.kind == "rl"), None)
        reference = rl is not None and asks_for_reference(self.algorithm)
        phases = {"SFT update": False} if sft else {}
        phases |= {"rollout": reference, "RL update": reference} if rl else {}
        rows = memory.persistent_rows(
            model,
            sharding,
            stages=phases | {memory.ENDING: reference},
            reserved=self.hardware.reserved_bytes,
            audio_cache_mb=self._audio_cache_mb,
        )
        if sft:
            update = self._update_shape(sft, model.decoder.vocabulary)
            rows += memory.update_rows(model, sharding, update, "SFT update", memory.ENDING)
        if rl:
            rows += self._rollout_memory(rl)
            if self.recipe.sampling.max_lag:
                ahead = dict.fromkeys(("rollout", "RL update", memory.ENDING), float(model.weight_bytes))
                rows.append(MemoryRow("weights that sample ahead (a second model)", ahead))
            update = self._update_shape(rl, self._head_rows())
            rows += memory.update_rows(model, sharding, update, "RL update", memory.ENDING)
        return memory.merged(rows)

    def _vllm_cache(self, stages: Sequence[StagePlan]) -> float | None:
        options = self.recipe.rollout.options
        on_gpu = self.recipe.rollout.use == "vllm" and self.sharding.on_gpu
        if not on_gpu or options["kv_cache_gb"] or all(stage.kind == "sft" for stage in stages):
            return None
        return float(options["memory_share"] * self.hardware.memory_bytes - self.model.weight_bytes)

    def _rollout_memory(self, tokens: StepTokens) -> list[MemoryRow]:
        rollout = self.recipe.rollout
        if rollout.use == "vllm_server":
            return []
        if rollout.use == "vllm" and self.sharding.on_gpu:
            taken = rollout.options["memory_share"] * self.hardware.memory_bytes
            return memory.vllm_rows(taken, sleeps=self._engine_sleeps)
        if rollout.use == "vllm":
            cache = 1e9 * (rollout.options.get("kv_cache_gb") or CPU_CACHE_GB)
            return memory.vllm_rows(self.model.weight_bytes + cache, sleeps=False)
        together = RolloutShape(
            question_count=self._together(tokens),
            group_size=tokens.group_size,
            prompt=tokens.prompt,
            completion=self.recipe.sampling.max_new_tokens,
        )
        return memory.rollout_rows(self.model, together, "rollout")

    def _update_shape(self, tokens: StepTokens, head_rows: int) -> UpdateShape:
        return UpdateShape(
            tokens=tokens,
            head_rows=head_rows,
            chunk=self.recipe.training.logprob_chunk,
            checkpointing=self.checkpointing,
            attention=self.attention,
        )


# A typical question of AudioMCQ, often enough for a curriculum to split.
_STAND_INS = tuple(
    Question.multiple_choice(
        f"stand-in-{number}",
        "Which sound follows right after the door is closed in the recording?",
        ("A dog barking twice", "Footsteps on gravel", "A car engine starting", "Someone laughing"),
        "Footsteps on gravel",
        Path(f"stand-in-{number}.wav"),
        cot={"structured": "<stage1>a</stage1><stage2>b</stage2><stage3>c</stage3>", "simple": "a"},
    )
    for number in range(64)
)
