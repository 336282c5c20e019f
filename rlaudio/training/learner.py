"""One training step: measure what the loss needs on the rows, accumulate gradients, update."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal

import numpy as np
import torch

from rlaudio.algorithms.algorithm import Algorithm, Tokens, as_critic, completion_sum
from rlaudio.models.family import ModelFamily
from rlaudio.training.debug.nonfinite import BrokenStep
from rlaudio.training.distributed import MicroBatch, equal_micro_batches
from rlaudio.training.packing import Batch, PackedRow, micro_batches, pack, repeated
from rlaudio.training.policy import Distribution, Policy, PolicyOutput, TokenLogprobs, token_logprobs
from rlaudio.training.providers import (
    MeasuredSignal,
    OutputSignal,
    Provider,
    learns_from_equal_groups,
    providers_of,
)
from rlaudio.training.strategies.plain import Plain
from rlaudio.training.strategies.strategy import OptimizerSettings, Strategy
from rlaudio.training.totals import Totals
from rlaudio.types import Prompt
from rlaudio.utils.lanes import in_turn
from rlaudio.utils.processes import ALONE, Processes

OpenStrategy = Callable[[torch.nn.Module, OptimizerSettings, Processes], Strategy]
SilentPrompt = Callable[[Prompt], Prompt]


@dataclass(frozen=True, kw_only=True)
class Batching:
    """How a step's rows reach the model. Gradients depend on `epochs` and `mini_batches` alone."""

    micro_batch_tokens: int
    logprob_chunk: int
    prompt_once: bool
    epochs: int  # times that a step's rows are learned from
    mini_batches: int  # updates in an epoch
    lanes: int = 1  # micro-batches that a CPU may compute side by side, each of so much fewer tokens


@dataclass(frozen=True, kw_only=True)
class Correction:
    """Truncated importance sampling where the log-probs of sampler and trainer differ.

    `none`: the ratio is taken to the sampler's log-probs. `token`, `sequence`: it is taken to the trainer's
    own at the start of the step, and the policy term is multiplied by min(cap, trainer / sampler), the
    quotient of the token or of its whole completion. Advantages carry that factor, so that a KL, an entropy
    or a critic's error has none. Source: F. Yao et al., Your Efficient RL Framework Secretly Brings You
    Off-Policy RL Training, 2025. `off` takes the ratio to the trainer's own and corrects nothing.
    """

    by: Literal["none", "token", "sequence", "off"]
    cap: float


NO_CORRECTION = Correction(by="none", cap=math.inf)


@dataclass(frozen=True, kw_only=True)
class LearnerSettings:
    """All settings of a learner except the algorithm."""

    optimizer: OptimizerSettings
    batching: Batching
    distribution: Distribution = field(default_factory=Distribution)
    correction: Correction = NO_CORRECTION
    strategy: OpenStrategy = Plain


class Learner:
    """Trains one stage: owns its policy and, through the strategy, the optimizer."""

    def __init__(
        self,
        family: ModelFamily,
        algorithm: Algorithm,
        settings: LearnerSettings,
        *,
        reference: ModelFamily | None = None,
        silent_prompt: SilentPrompt | None = None,
        processes: Processes = ALONE,
    ):
        critic = as_critic(algorithm)
        self.family = family
        self.algorithm = algorithm
        value_lr = critic.value_lr if critic else 0.0
        self.optimizer = replace(settings.optimizer, value_lr=value_lr)
        self.reference = reference
        self.signals = _signals_of(providers_of(algorithm), reference, silent_prompt)
        self.learns_from_equal_groups = learns_from_equal_groups(algorithm)
        heard_in_silence = any(signal.in_silence for signal in self._measured())
        self.silent_prompt = silent_prompt if heard_in_silence else None
        self.correction = settings.correction
        self.batching = settings.batching
        self.policy = Policy(
            family,
            settings.distribution,
            chunk=self.batching.logprob_chunk,
            value_head=critic is not None,
        )
        self.strategy = settings.strategy(self.policy, self.optimizer, processes)

    def step(self, rows: Sequence[PackedRow], number: int) -> dict[str, float]:
        """Update on the rows of a step; returns its metrics, over all processes.

        Raises BrokenStep (a FloatingPointError) on a loss, log-prob or gradient that is not finite.
        """
        return self.update(self.prepare(rows), number)

    def prepare(self, rows: Sequence[PackedRow]) -> list[PackedRow]:
        """The rows to learn from, with every signal that must be measured before the first update.

        Rows whose advantages are all 0 are left out, unless the algorithm needs them.
        """
        learned = [row for row in rows if self._teaches(row)]
        return self.measure(learned, self._signals_before_updates())

    def update(self, learned: Sequence[PackedRow], number: int) -> dict[str, float]:
        """Make the updates of a step on prepared rows; raises and returns as `step` does."""
        totals = Totals()
        norms: list[float] = []
        factor = self.optimizer.factor_at(number)
        for epoch in range(self.batching.epochs):
            for mini_batch in range(self.batching.mini_batches):
                micro = self._in_step(learned, self.micro_batches(learned, mini_batch))
                if not micro:
                    continue
                try:
                    self._accumulate(micro, totals, unmoved=not norms)
                    norms.append(self.strategy.update(factor))
                except FloatingPointError as error:
                    message = f"pass {epoch + 1}, mini-batch {mini_batch + 1}: {error}"
                    raise BrokenStep(message, learned, mini_batch) from error
        return (
            totals.means(len(norms))
            | self.optimizer.rates(factor if norms else 0.0)
            | {
                "optimizer/grad_norm": float(np.mean(norms)) if norms else 0.0,
                "optimizer/updates": float(len(norms)),
            }
        )

    @torch.no_grad()
    def measure(
        self, rows: Sequence[PackedRow], names: Sequence[str], *, temperature: float | None = None
    ) -> list[PackedRow]:
        """The rows, each branch with the named signals added: `old`, `values`, and those of its algorithm.

        `temperature` is that of `old` alone; None: the one that the policy trains at. All processes must
        call, also those without rows.
        """
        if not names:
            return list(rows)

        def measure(micro: MicroBatch) -> dict[int, PackedRow]:
            measurements = self._signals(micro, names, temperature)
            return {id(row): with_signals(row, measurements) for row in micro.rows}

        every = self._in_step(rows, self._micro_batches(rows))
        measured = {
            row: with_all for some in self.strategy.compute(measure, every) for row, with_all in some.items()
        }
        return [measured[id(row)] for row in rows]

    def weights(self) -> Iterable[tuple[str, torch.Tensor]]:
        """The policy's trained tensors, whole; the family's model has them too from here on.

        All processes must call: a strategy may train a copy, and hold it in parts.
        """
        self.family.load_weights(self.strategy.weights())
        return self.family.named_weights()

    # --- one update ----------------------------------------------------------------------------

    def _accumulate(self, every: Sequence[MicroBatch], totals: Totals, unmoved: bool) -> None:
        """Gradients of one update, and its metrics; `unmoved`: the weights are still the sampler's."""
        local = Totals()
        local.add(self.strategy.accumulate(partial(self._loss, unmoved=unmoved), every))
        totals.add(self.strategy.processes.gather(local))
        totals.refuse_nonfinite()

    def _loss(self, micro: MicroBatch, *, unmoved: bool) -> tuple[torch.Tensor, Totals]:
        """The loss of a micro-batch, and its metrics."""
        batch = self.pack(micro.rows, micro.chunks)
        policy: PolicyOutput = self.strategy.forward(batch)
        tokens = self.tokens(micro.rows, batch, policy)
        with in_turn():  # an algorithm may keep what it has seen
            loss = self.algorithm.loss(tokens)
        counted = Totals()
        if micro.dummy:
            return loss.total, counted
        parts = loss.parts | {"loss/entropy": policy.entropy}
        counted.count(loss.total, parts, batch.weights, batch.tokens)
        logprobs = torch.cat([tokens.logprobs, policy.sampled])
        watched = {"loss": loss.total, "log-probs": logprobs, **tokens.signals, **parts}
        counted.watch(watched, [row.prompt.question.id for row in micro.rows])
        if unmoved:
            counted.count_mismatch(policy.sampled, batch.behaviour_logprobs)
        return loss.total, counted

    def tokens(self, rows: Sequence[PackedRow], batch: Batch, policy: PolicyOutput) -> Tokens:
        """What the loss reads of a micro-batch: `batch` is `rows` packed, `policy` its output for them."""
        signals = dict(batch.signals)
        if policy.values is not None:
            signals["values"] = policy.values
        for signal in self.signals:
            if isinstance(signal, OutputSignal):
                signals[signal.name] = signal.read(policy)
            elif signal.with_gradient:
                signals[signal.name] = signal.measure(self, rows, batch.chunks)
        old = self._old(policy, batch)
        advantages = self._corrected_advantages(old, batch)
        return Tokens(policy.logprobs, old, advantages, batch.weights, batch.completions, signals)

    def _old(self, policy: PolicyOutput, batch: Batch) -> torch.Tensor:
        """Log-probs [N] that the ratio is taken to."""
        if self.correction.by == "none":
            return batch.behaviour_logprobs
        return batch.signals["old"] if "old" in batch.signals else policy.logprobs.detach()

    def _corrected_advantages(self, old: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Advantages [N] times the importance weights: all policy terms are proportional to them."""
        if self.correction.by in ("none", "off"):
            return batch.advantages
        gap = old - batch.behaviour_logprobs  # [N]
        if self.correction.by == "sequence":
            gap = completion_sum(gap, batch.completions)
        return batch.advantages * gap.exp().clamp(max=self.correction.cap)

    def micro_batches(self, rows: Sequence[PackedRow], mini_batch: int) -> Iterator[list[PackedRow]]:
        """The micro-batches of one update: of the rows those of that mini-batch."""
        part = [row for row in rows if row.mini_batch == mini_batch]
        return self._micro_batches(part if self.batching.prompt_once else repeated(part))

    def _micro_batches(self, rows: Sequence[PackedRow]) -> Iterator[list[PackedRow]]:
        at_once = self.batching.lanes if self.family.device.type == "cpu" else 1
        return micro_batches(rows, self.batching.micro_batch_tokens, at_once)

    def _in_step(self, rows: Sequence[PackedRow], local: Iterable[list[PackedRow]]) -> list[MicroBatch]:
        """This process's micro-batches of these rows, and dummies up to the number of the others."""
        return equal_micro_batches(self.strategy.processes, rows, local, chunk=self.batching.logprob_chunk)

    def _teaches(self, row: PackedRow) -> bool:
        return self.learns_from_equal_groups or any(b.advantages.any() for b in row.branches)

    # --- signals -------------------------------------------------------------------------------

    def _measured(self) -> list[MeasuredSignal]:
        return [signal for signal in self.signals if isinstance(signal, MeasuredSignal)]

    def _signals_before_updates(self) -> list[str]:
        """Signals that must be measured before the first update."""
        wanted = [signal.name for signal in self._measured() if not signal.with_gradient]
        moves = self.batching.epochs * self.batching.mini_batches > 1
        return [*wanted, "old"] if moves and self.correction.by != "none" else wanted

    def _signals(
        self, micro: MicroBatch, names: Sequence[str], temperature: float | None
    ) -> dict[str, Iterator[np.ndarray]]:
        """Every named signal, completion by completion in the order of the rows, each [C]."""
        signals: dict[str, torch.Tensor | None] = {}
        if {"old", "values"} & set(names):
            batch = replace(self.pack(micro.rows, micro.chunks), temperature=temperature)
            policy: PolicyOutput = self.strategy.forward(batch)
            signals |= {"old": policy.logprobs, "values": policy.values}
        for signal in self._measured():
            if signal.name in names:
                signals[signal.name] = signal.measure(self, micro.rows, micro.chunks)
        lengths = [len(b.targets) for row in micro.rows for b in row.branches]
        return {
            name: (piece.numpy() for piece in tensor.cpu().split(lengths))
            for name in names
            if (tensor := signals[name]) is not None
        }

    def of_reference(self, batch: Batch) -> TokenLogprobs:
        """What the frozen reference policy says of a batch."""
        assert self.reference is not None
        distribution, chunk = self.policy.distribution, self.batching.logprob_chunk
        return token_logprobs(self.reference, batch, distribution, chunk=chunk)

    def silent(self, rows: Sequence[PackedRow]) -> list[PackedRow]:
        """The rows with silence for the clip."""
        assert self.silent_prompt is not None
        return [replace(row, prompt=self.silent_prompt(row.prompt)) for row in rows]

    def pack(self, rows: Sequence[PackedRow], chunks: int) -> Batch:
        """The rows as one batch, of at least so many chunks, on the model's device."""
        # GPU kernels would need a mask of all tokens to share the text before the audio
        shares = self.batching.prompt_once and self.family.device.type == "cpu"
        media = self.family.forbidden_token_ids if shares else ()
        return replace(pack(rows, media), chunks=chunks).to(self.family.device)


def _signals_of(
    providers: Sequence[Provider], reference: ModelFamily | None, silent_prompt: SilentPrompt | None
) -> list[MeasuredSignal | OutputSignal]:
    """The signals of what is needed. Raises ValueError where something is missing that one is measured by."""
    for provider in providers:
        signal = provider.signal
        if isinstance(signal, MeasuredSignal) and (
            (signal.by_reference and reference is None) or (signal.in_silence and silent_prompt is None)
        ):
            raise ValueError(
                f"this algorithm needs {provider.need}; expected {signal.sources} to measure it by, "
                "found none"
            )
    return [provider.signal for provider in providers if provider.signal]


def with_signals(row: PackedRow, signals: Mapping[str, Iterator[np.ndarray]]) -> PackedRow:
    """The row, its branches taking the next piece of every signal."""
    return replace(
        row,
        branches=tuple(
            replace(branch, signals={**branch.signals, **{n: next(pieces) for n, pieces in signals.items()}})
            for branch in row.branches
        ),
    )
