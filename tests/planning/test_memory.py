"""Bytes of weights, averages, caches and activations are those that loaded models hold."""

import itertools
from dataclasses import replace

import pytest
import torch

from rlaudio.algorithms.grpo import GRPO
from rlaudio.models.shared import branching_attention
from rlaudio.models.shared.branching import _in_two_passes
from rlaudio.planning import memory
from rlaudio.planning.memory import Sharding, UpdateShape
from rlaudio.rollout.transformers import Transformers
from rlaudio.training import packing
from rlaudio.training.learner import Learner
from rlaudio.training.packing import pack
from rlaudio.training.strategies.plain import Plain
from rlaudio.utils import onednn_linear
from tests.conftest import make_prompt
from tests.planning.small_model import (
    COMPLETION,
    GROUP,
    ROWS,
    SECONDS,
    loaded,
    rows_of,
    size_of,
    tokens_of,
)
from tests.settings import learner_settings, make_batching, sampling_params


@pytest.mark.parametrize(
    ("dtype", "given"), [("float32", {}), ("bfloat16", {}), ("bfloat16", {"lora_rank": 4})]
)
def test_optimizer_and_gradients_take_what_the_plain_strategy_holds(dtype, given):
    size, family = size_of(dtype=dtype, **given), loaded(dtype=dtype, **given)
    learner = Learner(family, GRPO(kl=0.0), learner_settings(lr=1e-4, steps=2))
    strategy = learner.strategy
    assert isinstance(strategy, Plain)
    rows = rows_of(family)
    list(strategy.accumulate(lambda batch: (strategy.forward(batch).logprobs.sum(), None), [pack(rows)]))
    gradients = sum(master.grad.nbytes for master in strategy._masters.values())
    strategy.update(1.0)
    averages = sum(
        state[name].nbytes
        for state in strategy.optimizer.state.values()
        for name in ("exp_avg", "exp_avg_sq")
    )
    parameters = strategy._parameters
    masters = sum(
        master.nbytes for name, master in strategy._masters.items() if master is not parameters[name]
    )
    assert memory.optimizer_bytes(size, Sharding()) == averages + masters
    single, several = (memory.gradient_bytes(size, Sharding(), micro_batches) for micro_batches in (1, 2))
    half = size.trained_bytes if masters else 0
    assert (several.held, several.step) == (gradients, gradients)
    assert several.last == gradients + half
    assert (single.held, single.last) == (0, half or gradients)


def test_zero_shares_out_twelve_bytes_a_parameter_as_its_paper_says():
    """arXiv:1910.02054, figure 1: 12 bytes of state a parameter, over 64 devices 1.4 GB of 7.5 billion."""
    size = replace(size_of(dtype="bfloat16"), parts=(_part(7_500_000_000),))
    assert memory.optimizer_bytes(size, Sharding()) == 90e9
    first, second, third = (Sharding(stage=stage, devices=64) for stage in (1, 2, 3))
    for sharding in (first, second, third):
        assert memory.optimizer_bytes(size, sharding) == pytest.approx(1.406e9, rel=1e-3)
    assert memory.gradient_bytes(size, first, 2).held == 4 * 7.5e9  # whole, in float32
    bucket = 1e9 + 2e9  # in bfloat16, and in float32 while it is summed
    assert memory.gradient_bytes(size, second, 2).held == 4 * 7.5e9 / 64 + bucket


def _part(parameters):
    from rlaudio.models.shared.sizes import ModelPart

    return ModelPart("language model", parameters, True, 2)


def test_a_reference_is_a_copy_of_what_trains():
    family = loaded(lora_rank=4, dtype="bfloat16")
    addresses = {p.data_ptr() for p in family.model.parameters()}
    copied = [p for p in family.frozen_copy().model.parameters() if p.data_ptr() not in addresses]
    table = memory.persistent_rows(
        size_of(lora_rank=4, dtype="bfloat16"),
        Sharding(),
        stages={"RL update": True},
        reserved=0,
        audio_cache_mb=0,
    )
    reference = next(row for row in table if row.name.startswith("reference"))
    assert reference.phases["RL update"] == sum(p.nbytes for p in copied)


def test_the_cache_takes_what_sampling_holds():
    size, family = size_of(), loaded()
    family.stop_token_ids = ()
    caches, make = [], family.new_cache
    family.new_cache = lambda: caches.append(make()) or caches[-1]
    prompts = [make_prompt(family, seed, seconds=SECONDS) for seed in (1, 2)]
    Transformers(family).generate(prompts, sampling_params(GROUP, temperature=1.0, max_new_tokens=6), (0,))
    held = sum(layer.keys.nbytes + layer.values.nbytes for layer in caches[0].layers)
    assert memory.cache_bytes(size, 2, len(prompts[0].token_ids) + GROUP * (6 - 1)) == held


def kept_for_backward(family, compute):
    """Bytes of the storages that autograd keeps, parameters and masks left out, and what was computed."""
    parameters = {p.untyped_storage().data_ptr() for p in family.model.parameters()}
    storages = {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in parameters:
            storages[storage.data_ptr()] = storage  # kept alive, so that no address comes twice
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        result = compute()
    return sum(storage.nbytes() for storage in storages.values()), result


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("attention", ["cpu", "gpu", "eager"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_activations_are_what_autograd_keeps(dtype, attention, checkpointing, monkeypatch):
    monkeypatch.setattr(onednn_linear, "onednn_is_faster", lambda: False)  # its layers pad rows
    if attention == "gpu":  # the form that devices other than a CPU take computes on one as well
        monkeypatch.setattr(branching_attention, "attend", _in_two_passes)
    how = {"dtype": dtype, "gradient_checkpointing": checkpointing}
    family = loaded(attention="eager" if attention == "eager" else "sdpa", **how)
    size, tokens, batch = size_of(**how), tokens_of(family), pack(rows_of(family))
    tower, embeddings = kept_for_backward(family, lambda: family.embed(batch.token_ids, batch.prompts))
    decoder, _ = kept_for_backward(
        family, lambda: family.hidden(embeddings, batch.positions, batch.branching)
    )
    eager = attention == "eager"
    assert memory.tower_bytes(
        size, ROWS, tokens.frames, checkpointing=checkpointing, eager=eager
    ) == pytest.approx(tower, rel=0.03)
    masked = {"cpu": 0, "gpu": ROWS * GROUP * COMPLETION * tokens.row, "eager": tokens.computed**2}[attention]
    assert memory.decoder_bytes(
        size, tokens.computed, masked, attention, checkpointing=checkpointing
    ) == pytest.approx(decoder, rel=0.03)


def peak_of(work):
    """Most bytes that `work` held at one time of those that it allocated."""
    cpu = torch.profiler.ProfilerActivity.CPU
    with torch.profiler.profile(activities=[cpu], profile_memory=True) as profile:
        work()
    events = [e for e in profile.profiler.kineto_results.events() if e.name() == "[memory]"]
    return max(itertools.accumulate(e.nbytes() for e in sorted(events, key=lambda e: e.start_ns())))


@pytest.mark.parametrize(
    ("lane_tokens", "budget", "at_once", "rows"),
    [(1, 10_000, 2, 2), (10_000, 10_000, 1, 2), (1, 1, 2, 2), (10_000, 1, 2, 2)],
    ids=["halves of one", "too few to halve", "longer than a half", "few tokens in each of several"],
)
def test_lanes_hold_what_they_compute_side_by_side(monkeypatch, lane_tokens, budget, at_once, rows):
    """As `packing.micro_batches` parts the rows, and `Plain` adds up the gradients."""
    monkeypatch.setattr(packing, "LANE_TOKENS", lane_tokens)
    family, size = loaded(), size_of()
    together = list(packing.micro_batches(rows_of(family), budget, at_once=2))[:2]
    assert (len(together), sum(map(len, together))) == (at_once, rows)
    update = UpdateShape(
        tokens=tokens_of(family, budget), head_rows=1024, chunk=1024, checkpointing=False, attention="cpu"
    )
    sharding = Sharding(on_gpu=False, lanes=2)
    planned = {row.name: row.phases for row in memory.update_rows(size, sharding, update, "update", "end")}
    whole = 4.0 * size.trained
    assert planned["gradients"] == {"update": whole if at_once > 1 else 0.0, "end": whole}
    kept = update.tokens.row * rows
    expected = memory.decoder_bytes(size, kept, 0, "cpu", checkpointing=False)
    expected += memory.tower_bytes(size, rows, update.tokens.frames, checkpointing=False, eager=False)
    assert planned["activations kept for backward"]["update"] == expected
    block = 3.0 * 4 * kept * size.decoder.feed_forward
    extra = whole * (at_once if at_once > 1 else 0)  # each lane's own
    assert planned["at work: a block or logits"]["end"] == extra + block


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("chunk", [32, 1024])
@pytest.mark.parametrize("budget", [1, 10_000])
@pytest.mark.parametrize("given", [{}, {"dtype": "bfloat16"}, {"attention": "eager"}], ids=str)
def test_peak_memory_of_an_update_is_the_expected_one_within_a_quarter(given, budget, chunk, checkpointing):
    how = {"gradient_checkpointing": checkpointing, **given}
    family, size = loaded(**how), size_of(**how)
    batching = make_batching(logprob_chunk=chunk, micro_batch_tokens=budget)
    settings = replace(learner_settings(lr=1e-4, steps=9), batching=batching)
    learner = Learner(family, GRPO(kl=0.0), settings)
    learner.step(rows_of(family), 0)  # makes the optimizer's state
    step_rows = rows_of(family)
    measured = peak_of(lambda: learner.step(step_rows, 1))
    update = UpdateShape(
        tokens=tokens_of(family, budget),
        head_rows=1024,
        chunk=chunk,
        checkpointing=checkpointing,
        attention="eager" if "attention" in given else "cpu",
    )
    planned = memory.totals(memory.update_rows(size, Sharding(on_gpu=False), update, "update", "end"))
    assert max(planned.values()) == pytest.approx(measured, rel=0.25)
