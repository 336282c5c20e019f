"""The phases of a step of a stage: operations and time of its sampling, its signals and its update."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from rlaudio.planning import flops, seconds
from rlaudio.planning.basis import STAND_INS, Basis
from rlaudio.planning.flops import Flops, ForwardPass
from rlaudio.planning.seconds import Phase, compute_phase
from rlaudio.planning.servers import sampling_phases, weights_phase
from rlaudio.planning.tokens import StepTokens
from rlaudio.training.providers import measured_for, providers_of

if TYPE_CHECKING:
    from rlaudio.builder.rl_settings import AskedInSilence


def rollout_phases(basis: Basis, tokens: StepTokens, silent: AskedInSilence) -> Iterator[Phase]:
    """Sampling of a step, with audio and in silence."""
    if basis.servers:
        everyone = replace(tokens, question_count=tokens.question_count * basis.assumed.all_devices)
        yield from sampling_phases(basis.model, basis.hardware, basis.servers, everyone, rate=basis.rate)
        yield weights_phase(basis.model, basis.hardware)
    else:
        yield from _sampled(basis, tokens, basis.recipe.sampling.group_size, "")
    if silent.for_rewards:
        yield from _sampled(basis, tokens, silent.for_rewards, " in silence, for rewards")
    for phase in _contribution(basis, tokens, silent):
        seldom = f", every {silent.every} steps" if silent.every > 1 else ""
        yield replace(
            phase,
            name=phase.name + seldom,
            flops=phase.flops / silent.every,
            seconds=phase.seconds / silent.every,
        )


def signal_phases(basis: Basis, tokens: StepTokens) -> Iterator[Phase]:
    """Passes without gradient that the loss or the advantages need."""
    training, mismatch = basis.recipe.training, basis.recipe.mismatch
    work = _forward(basis, tokens, basis.head_rows)
    for provider in providers_of(basis.algorithm):
        if provider.forward:
            yield compute_phase(provider.forward, work, basis.rate)
    corrected = mismatch.logprobs == "paper" or mismatch.correct != "none"
    if training.epochs * training.mini_batches > 1 and corrected:
        yield compute_phase("log-probs before the step", work, basis.rate)


def update_phases(basis: Basis, kind: str, tokens: StepTokens, passes: int, updates: int) -> Iterator[Phase]:
    """`updates` optimizer steps in `passes` over a step's samples."""
    model, sharding, hardware = basis.model, basis.sharding, basis.hardware
    targets = tokens.rows_together * tokens.targets // tokens.rows
    measured = measured_for(basis.algorithm) if kind == "rl" else []
    more = sum(signal.with_gradient for signal in measured)
    work = flops.update(
        model,
        _pass(basis, tokens, clips=tokens.rows),
        basis.head_rows if kind == "rl" else model.decoder.vocabulary,
        checkpointing=basis.checkpointing,
        eager=basis.attention == "eager",
        head_twice=targets > basis.recipe.training.logprob_chunk,
    )
    if kind == "sft" and not model.audio_trains:
        clips = tokens.question_count
        once = ForwardPass(tokens=0, pairs=0, targets=0, clips=clips, frames=tokens.frames)
        yield compute_phase("audio, encoded once a clip", flops.forward(model, once, 0), basis.rate)
    yield compute_phase("update: forward and backward", work * (passes * (1.0 + more)), basis.rate)
    yield seconds.optimizer_phase(model, sharding, hardware, updates)
    exchange = seconds.exchange_phase(model, sharding, hardware, updates, passes * tokens.micro_batches)
    if exchange:
        yield exchange


# --- helpers -------------------------------------------------------------------------------------


def _contribution(basis: Basis, tokens: StepTokens, silent: AskedInSilence) -> Iterator[Phase]:
    """Of one measurement of the audio's contribution."""
    match silent.contribution:
        case "rollouts":
            yield from _sampled(basis, tokens, silent.samples, " in silence")
        case "options":
            options = tokens.with_completions(len(STAND_INS[0].choices), basis.answer_tokens)
            work = _forward(basis, options, basis.model.decoder.vocabulary)
            yield compute_phase("options, with audio and in silence", work * 2.0, basis.rate)


def _sampled(basis: Basis, tokens: StepTokens, group_size: int, where: str) -> Iterator[Phase]:
    prefill = flops.prefill_flops(basis.model, tokens.question_count, tokens.prompt, tokens.frames)
    yield compute_phase(f"rollout: prefill{where}", prefill, basis.rate)
    if tokens.completion > 1:
        yield seconds.decode_phase(
            f"rollout: decode{where}",
            basis.model,
            flops.Decoding(tokens.question_count, group_size, tokens.prompt, tokens.completion),
            basis.hardware,
            rate=basis.rate,
            batches=math.ceil(tokens.question_count / basis.questions_together(tokens)),
        )


def _forward(basis: Basis, tokens: StepTokens, head_rows: int) -> Flops:
    clips = tokens.rows if basis.model.audio_trains else 0
    return flops.forward(basis.model, _pass(basis, tokens, clips), head_rows)


def _pass(basis: Basis, tokens: StepTokens, clips: int) -> ForwardPass:
    return ForwardPass(
        tokens=tokens.computed,
        pairs=tokens.pairs(basis.attention),
        targets=tokens.targets,
        clips=clips,
        frames=tokens.frames,
    )
