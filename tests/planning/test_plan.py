"""What `rlaudio explain` expects against what loaded models do: counts, operations, bytes."""

import itertools
import json
import math
import socket
from collections import Counter
from dataclasses import replace

import huggingface_hub.constants
import numpy as np
import pytest
import torch
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode, sdpa_backward_flop_count, sdpa_flop_count

from rlaudio.algorithms.grpo import GRPO
from rlaudio.cli import main
from rlaudio.config.plugins import bind
from rlaudio.config.recipe import load_recipe
from rlaudio.models.qwen2_5_omni import Qwen2_5Omni
from rlaudio.models.shared import branching_attention
from rlaudio.models.shared.branching import Branching, _in_two_passes
from rlaudio.models.shared.describing import describe
from rlaudio.models.shared.front_ends import pooled_tokens
from rlaudio.planning import flops, memory, seconds
from rlaudio.planning.assumptions import Assumptions
from rlaudio.planning.basis import STAND_INS
from rlaudio.planning.hardware import GPUS, find_hardware, probe_cpu
from rlaudio.planning.memory import Sharding, UpdateShape
from rlaudio.planning.plan import plan, savings
from rlaudio.planning.tables import changes_table, lines, rows
from rlaudio.planning.tokens import StepTokens
from rlaudio.prompts.builder import PromptBuilder
from rlaudio.rollout.transformers import Transformers
from rlaudio.training.learner import Learner
from rlaudio.training.packing import Branch, PackedRow, pack
from rlaudio.training.policy import token_logprobs
from rlaudio.training.strategies.plain import Plain
from rlaudio.utils import onednn_linear
from tests.conftest import make_prompt, tone
from tests.settings import learner_settings, make_batching, sampling_params

SEVEN_B = "weak_to_strong_qwen2_5_omni_7b"
GROUP, COMPLETION, ROWS, SECONDS = 4, 20, 2, 4.0


def options_of(**given):
    return bind("model", {"use": "qwen2_5_omni", "path": "tiny/base", "device": "cpu", **given}).options


def size_of(**given):
    return describe("qwen2_5_omni", options_of(**given))


def loaded(**given):
    family = Qwen2_5Omni(**options_of(**given))
    assert family.model is not None
    return family


def rows_of(family, advantages=1.0):
    prompts = [make_prompt(family, seed, seconds=SECONDS) for seed in (1, 1)]
    branches = tuple(  # of equal completions only one would be computed
        Branch(
            np.arange(first, first + COMPLETION),
            np.zeros(COMPLETION, np.float32),
            np.full(COMPLETION, advantages),
            0.01,
        )
        for first in range(30, 30 + GROUP)
    )
    return [PackedRow(prompt, branches) for prompt in prompts]


def tokens_of(family, budget=10_000):
    prompt = make_prompt(family, 1, seconds=SECONDS)
    return StepTokens(
        question_count=ROWS,
        group_size=GROUP,
        prompt=len(prompt.token_ids),
        audio=pooled_tokens(prompt.features["input_features"].shape[1]),
        frames=prompt.features["input_features"].shape[1],
        completion=COMPLETION,
        packed=True,
        budget=budget,
    )


def pass_of(tokens, attention, clips=ROWS):
    return flops.ForwardPass(
        tokens=tokens.computed,
        pairs=tokens.pairs(attention),
        targets=tokens.targets,
        clips=clips,
        frames=tokens.frames,
    )


# --- sizes ---------------------------------------------------------------------------------------


def test_parts_of_the_tiny_base_are_those_counted_by_hand():
    attention = (128 * 128 + 128) + 2 * (128 * 64 + 64) + 128 * 128  # queries, keys and values, output
    block = attention + 3 * 128 * 384 + 2 * 128
    audio_attention = 4 * 96 * 96 + 3 * 96
    audio_block = audio_attention + (96 * 384 + 384) + (384 * 96 + 96) + 4 * 96
    convolutions = (64 * 96 * 3 + 96) + (96 * 96 * 3 + 96)
    counts = {part.name: part.parameters for part in size_of().parts}
    assert counts.pop("visual tower (unused)") > 0
    assert counts == {
        "audio tower": convolutions + 2 * audio_block + 2 * 96,
        "projector": 96 * 128 + 128,
        "language model": 4 * block + 128,
        "input embeddings": 1024 * 128,
        "output head": 1024 * 128,
    }


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"freeze": ["audio_tower"]},
        {"freeze": ["audio_tower", "projector"], "dtype": "bfloat16"},
        {"freeze": ["language_model"]},
        {"lora_rank": 4},
        {"lora_rank": 3, "lora_targets": ["q_proj", "audio_tower.fc1"], "dtype": "bfloat16"},
    ],
)
def test_parameters_and_bytes_are_those_of_the_loaded_model(given):
    size, parameters = size_of(**given), list(loaded(**given).model.parameters())
    assert size.parameters == sum(p.numel() for p in parameters)
    assert size.trained == sum(p.numel() for p in parameters if p.requires_grad)
    assert size.weight_bytes == sum(p.nbytes for p in parameters)
    assert size.trained_bytes == sum(p.nbytes for p in parameters if p.requires_grad)


def test_an_adapter_in_a_folder_is_counted_from_its_file(tmp_path):
    family = loaded(lora_rank=4)
    family.save(tmp_path)
    assert size_of(path=str(tmp_path)).parts == size_of(lora_rank=4).parts


def test_the_thinker_of_qwen2_5_omni_7b_has_the_published_counts():
    """Source: huggingface.co/Qwen/Qwen2.5-Omni-7B/discussions/17, counts of the loaded checkpoint."""
    size = size_of(path="Qwen/Qwen2.5-Omni-7B", dtype="bfloat16")
    bos_and_eos = 2 * 3584  # of the audio tower, and as unused as the visual one
    assert size.parameters == 8_931_813_888
    assert size.parameters_of("audio tower", "projector") == 639_647_232 - bos_and_eos
    assert size.parameters_of("visual tower (unused)") == 676_550_144 + bos_and_eos
    assert size.parameters_of("language model", "input embeddings") == 7_070_619_136
    assert size.parameters_of("output head") == 544_997_376


def test_a_clip_of_30_seconds_is_750_tokens_and_the_tower_sees_it_in_chunks_of_two_seconds():
    tower = size_of().tower
    assert tower.tokens(3000) == 750
    assert tower.positions(3000) == [100] * 15
    assert tower.positions(350) == [100, 75]
    assert all(tower.tokens(frames) == pooled_tokens(frames) for frames in range(4, 900))


def test_text_of_a_prompt_is_counted_as_the_family_encodes_it(shared_family):
    recipe = load_recipe("tiny_weak_to_strong")
    clip = tone(1.0, 1)
    prompts = PromptBuilder(shared_family, system=recipe.prompt.system)
    user = prompts.family.encode_prompt(STAND_INS[0], recipe.prompt.system, _user_text(recipe), [clip])
    planned = plan(recipe, GPUS["h100"], Assumptions(seconds=1.0))
    assert planned.stages[1].tokens.prompt == len(user.token_ids)


def _user_text(recipe):
    from rlaudio.prompts.wording import render_user_text

    return render_user_text(STAND_INS[0])


# --- tokens --------------------------------------------------------------------------------------


def test_a_step_by_hand():
    tokens = StepTokens(
        question_count=5, group_size=3, prompt=10, audio=6, frames=24, completion=2, packed=True, budget=40
    )
    assert (tokens.row, tokens.computed, tokens.repeated) == (16, 80, 180)
    assert (tokens.rows_together, tokens.micro_batches, tokens.targets) == (2, 3, 30)
    alone = replace(tokens, packed=False)
    assert (alone.row, alone.rows, alone.computed) == (12, 15, 180)
    assert replace(tokens, budget=1).rows_together == 1  # a row longer than the budget goes alone


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 40), st.integers(1, 9))
def test_packing_never_costs_tokens_and_saves_none_of_a_single_completion(questions, group, prompt, length):
    tokens = StepTokens(
        question_count=questions, group_size=group, prompt=prompt, audio=0, frames=0, completion=length,
        packed=True, budget=64,
    )  # fmt: skip
    assert tokens.computed <= tokens.repeated
    assert (tokens.computed == tokens.repeated) == (group == 1)
    assert replace(tokens, packed=False).computed == tokens.repeated


@given(st.integers(1, 4), st.integers(1, 5), st.integers(1, 12), st.integers(1, 6))
def test_a_cpu_computes_just_the_pairs_that_see_each_other(questions, group, prompt, length):
    tokens = StepTokens(
        question_count=questions, group_size=group, prompt=prompt, audio=0, frames=0, completion=length,
        packed=True, budget=10_000,
    )  # fmt: skip
    branching = Branching(((prompt, (length,) * group),) * questions)
    assert tokens.pairs("cpu") == int(branching.visible().sum())
    assert tokens.pairs("cpu") <= tokens.pairs("gpu") <= tokens.pairs("eager")
    assert tokens.pairs("eager") == branching.tokens**2


# --- operations ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "tolerance"),
    [
        ({}, 0.001),
        ({"gradient_checkpointing": True}, 0.001),
        ({"freeze": ["audio_tower"]}, 0.001),
        ({"freeze": ["audio_tower", "projector"]}, 0.001),
        ({"freeze": ["language_model"]}, 0.001),
        ({"lora_rank": 8}, 0.02),  # the first block's projections need no gradient for their input
        ({"lora_rank": 8, "gradient_checkpointing": True}, 0.02),
    ],
)
def test_operations_of_an_update_are_those_that_torch_counts(given, tolerance, monkeypatch):
    """Eager attention, of which torch counts every product; fused kernels of a CPU it does not count."""
    if given.get("gradient_checkpointing"):  # there a oneDNN layer that ends a block is computed once more
        monkeypatch.setattr(onednn_linear, "onednn_is_faster", lambda: False)
    size, family = size_of(**given), loaded(attention="eager", **given)
    batch, tokens = pack(rows_of(family)), tokens_of(family)
    if not size.audio_trains:
        family.embed(batch.token_ids, batch.prompts)  # encodes the clips once
    with FlopCounterMode(display=False) as counter:
        scored = token_logprobs(family, batch)
        forward = counter.get_total_flops()
        scored.logprobs.sum().backward()
    vocabulary = size.decoder.vocabulary
    clips = ROWS if size.audio_trains else 0
    expected = flops.forward(size, pass_of(tokens, "eager", clips), vocabulary)
    whole = flops.update(
        size,
        pass_of(tokens, "eager"),
        vocabulary,
        checkpointing=given.get("gradient_checkpointing", False),
        eager=True,
        head_twice=False,
    )
    assert expected.total == pytest.approx(forward, rel=tolerance)
    assert whole.total == pytest.approx(counter.get_total_flops(), rel=tolerance)


def test_a_chunked_head_is_computed_again_and_a_narrow_support_costs_its_own_rows_alone():
    size, family = size_of(), loaded(attention="eager")
    tokens = tokens_of(family)
    how = {"checkpointing": False, "eager": True}
    whole = flops.update(size, pass_of(tokens, "eager"), 1024, head_twice=True, **how)
    with FlopCounterMode(display=False) as counter:
        token_logprobs(family, pack(rows_of(family)), chunk=tokens.targets // 2).logprobs.sum().backward()
    assert whole.total == pytest.approx(counter.get_total_flops(), rel=0.001)
    narrow = flops.forward(size, pass_of(tokens, "eager"), 4)
    assert narrow.head == 2 * ROWS * GROUP * COMPLETION * 4 * 128


def test_fused_attention_goes_backward_in_the_operations_that_torch_states_for_it():
    size, given = size_of(), flops.ForwardPass(tokens=60, pairs=60 * 60, targets=0, clips=0, frames=4)
    whole = flops.update(size, given, 0, checkpointing=False, eager=False, head_twice=False)
    heads = (1, 4, 60, 32)
    stated = sdpa_flop_count(heads, heads, heads) + sdpa_backward_flop_count(heads, heads, heads, heads)
    assert whole.attention == 4 * stated


def test_operations_of_sampling_are_those_that_torch_counts():
    size, family = size_of(), loaded(attention="eager")
    family.stop_token_ids = ()  # every completion as long as it may be
    prompt = make_prompt(family, 1, seconds=SECONDS)
    with FlopCounterMode(display=False) as counter:
        Transformers(family).generate(
            [prompt], sampling_params(GROUP, temperature=1.0, max_new_tokens=9), (0,)
        )
    length, frames = len(prompt.token_ids), prompt.features["input_features"].shape[1]
    sampled = flops.Decoding(question_count=1, group_size=GROUP, prompt=length, completion=9)
    expected = flops.prefill(size, 1, length, frames) + flops.decode(size, sampled)
    assert expected.total == pytest.approx(counter.get_total_flops(), rel=0.001)


# --- bytes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dtype", "given"), [("float32", {}), ("bfloat16", {}), ("bfloat16", {"lora_rank": 4})]
)
def test_optimizer_and_gradients_take_what_the_plain_strategy_holds(dtype, given):
    size, family = size_of(dtype=dtype, **given), loaded(dtype=dtype, **given)
    learner = Learner(family, GRPO(kl=0.0), learner_settings(lr=1e-4, steps=2))
    strategy = learner.strategy
    assert isinstance(strategy, Plain)
    rows = rows_of(family)
    output = strategy.forward(pack(rows))
    strategy.backward(output.logprobs.sum(), last=True)
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


# --- time ----------------------------------------------------------------------------------------


def test_time_by_hand():
    device = replace(GPUS["h100"], flops={"float32": 1e12}, bandwidth=1e9, interconnect=1e8, host_link=1e7)
    size = size_of()
    work = flops.Flops(layers=4e11)
    assert seconds.compute_phase("x", work, 4e11).seconds == 1.0
    trained = size.trained
    step = seconds.optimizer_phase(size, Sharding(), device, updates=2)
    assert step.seconds == pytest.approx(2 * 32 * trained / 1e9)
    plain = seconds.exchange_phase(size, Sharding(devices=4), device, updates=1, micro_batches=3)
    two = seconds.exchange_phase(size, Sharding(stage=2, devices=4), device, updates=1, micro_batches=3)
    assert plain.seconds == pytest.approx(0.75 * 8 * trained / 1e8)
    assert two.seconds == pytest.approx(0.75 * (3 + 1) * 4 * trained / 1e8)
    assert seconds.exchange_phase(size, Sharding(), device, updates=1, micro_batches=3) is None


def test_short_decoding_steps_are_bound_by_reading_the_weights():
    planned = plan(load_recipe(SEVEN_B), GPUS["h100"], Assumptions(devices=8))
    decode = next(phase for phase in planned.stages[1].phases if phase.name == "rollout: decode")
    weights = 2 * (6_525_621_760 + 544_997_376)
    assert decode.bound == "memory bandwidth"
    assert decode.seconds == pytest.approx(127 * weights / 3.35e12, rel=0.01)  # the cache is small


def test_a_cpu_is_measured():
    cpu = probe_cpu("float32", threads=1)
    assert cpu.flops["float32"] > 1e8
    assert cpu.bandwidth > 1e7
    assert cpu.measured


# --- plans ---------------------------------------------------------------------------------------


def planned_tiny(*overrides, **assumed):
    return plan(load_recipe("tiny_weak_to_strong", overrides), GPUS["h100"], Assumptions(**assumed))


def phase_names(planned):
    return [phase.name for phase in planned.stages[-1].phases]


def test_a_plan_assumes_the_longest_clips_and_completions_unless_told_otherwise():
    planned = planned_tiny()
    assert (planned.assumed.seconds, planned.assumed.completion) == (10.0, 24)
    told = planned_tiny(seconds=2.0, completion=5, text=7)
    assert told.stages[1].tokens.row == 7 + 50 + 8 * 5


def test_phases_are_those_that_the_algorithm_asks_for():
    assert "reference" in phase_names(planned_tiny())
    assert "reference" not in phase_names(planned_tiny("algorithm.kl=0"))
    critic = planned_tiny("algorithm={use: ppo}")
    assert "critic's values" in phase_names(critic)
    assert critic.model.parameters_of("value head") == 128 + 1
    silent = planned_tiny("algorithm={use: contribution_weighted}")
    assert "rollout: decode in silence" in phase_names(silent)
    options = planned_tiny("algorithm={use: contribution_weighted}", "contribution.on_policy=options")
    assert "options, with audio and in silence" in phase_names(options)


def test_a_reward_that_hears_silence_has_completions_of_its_own():
    planned = planned_tiny("rewards.counterfactual={use: counterfactual}", "contribution.silent_samples=3")
    assert "rollout: decode in silence, for rewards" in phase_names(planned)
    assert planned.stages[-1].silent == 3
    assert planned_tiny().stages[-1].silent == 0


def test_a_contribution_that_a_curriculum_refreshes_costs_its_share_of_the_steps():
    of_step, seldom = (
        planned_tiny(*overrides, "contribution.silent_samples=3")
        for overrides in (
            ["algorithm={use: contribution_weighted}"],
            ["curriculum={use: by_contribution, rl_steps: 20, refresh_every: 10}"],
        )
    )
    phases = [{phase.name: phase for phase in planned.stages[-1].phases} for planned in (of_step, seldom)]
    always, every_tenth = (
        phases[0]["rollout: decode in silence"],
        phases[1]["rollout: decode in silence, every 10 steps"],
    )
    assert every_tenth.flops == always.flops / 10
    assert every_tenth.seconds == always.seconds / 10
    assert (of_step.stages[-1].silent, seldom.stages[-1].silent) == (3, 0.3)


def test_inner_epochs_multiply_the_update_alone():
    once, twice = planned_tiny(), planned_tiny("training.epochs=2")
    work = [{p.name: p.flops for p in planned.stages[1].phases} for planned in (once, twice)]
    assert work[1]["update: forward and backward"] == 2 * work[0]["update: forward and backward"]
    assert work[1]["reference"] == work[0]["reference"]


def test_a_stage_of_epochs_has_no_number_of_steps():
    planned = planned_tiny("curriculum={use: sft_only}")
    assert [(s.steps, s.epochs) for s in planned.stages] == [(None, 2.0)]
    assert "2 epochs" in "\n".join(lines(planned))


def test_the_paper_s_recipe_needs_more_than_eight_plain_h100_and_fits_with_zero_2():
    recipe = load_recipe(SEVEN_B, ["strategy={use: plain}"])
    plain = plan(recipe, GPUS["h100"], Assumptions(devices=8))
    assert not plain.fits
    changes = dict(savings([], lambda given: load_recipe(SEVEN_B, ["strategy={use: plain}", *given]), plain))
    zero = changes[("strategy={use: zero, stage: 2}",)]
    assert zero.fits
    saved = 12 * plain.model.trained * 7 / 8
    before, after = (
        next(row for row in p.memory if row.name.startswith("optimizer")).phases["RL update"]
        for p in (plain, zero)
    )
    assert before - after == pytest.approx(saved)
    text = changes_table(changes.items())
    assert '-o "strategy={use: zero, stage: 2}"\n' in text
    assert "stage: 2} -o" not in text  # what fits needs nothing further


def test_offloading_moves_the_optimizer_to_the_host():
    zero = ["strategy={use: zero, stage: 2}", "strategy={use: zero, stage: 2, offload: cpu}"]
    here, there = (plan(load_recipe(SEVEN_B, [text]), GPUS["h100"], Assumptions(devices=8)) for text in zero)
    assert there.peak_bytes < here.peak_bytes
    assert there.host_bytes - here.host_bytes == pytest.approx(16 * here.model.trained)


def test_a_plan_sums_to_its_parts():
    table = rows(planned_tiny())
    for stage in table["stages"]:
        assert stage["step_seconds"] == pytest.approx(math.fsum(p["seconds"] for p in stage["phases"]))
    sums = Counter()
    for row in table["memory"]:
        sums.update({phase: size for phase, size in row.items() if phase != "part"})
    assert sums == pytest.approx(table["memory_totals"])


# --- the command ---------------------------------------------------------------------------------


def explain(*arguments):
    return CliRunner().invoke(main, ["explain", *arguments])


def test_the_command_needs_no_weights_no_data_and_no_network(monkeypatch, tmp_path):
    def refuse(*arguments):
        raise AssertionError(f"asked the network for {arguments[1]}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.chdir(tmp_path)
    done = explain(SEVEN_B, "--devices", "8")
    assert done.exit_code == 0, done.output
    assert "8,931,813,888" in done.output
    assert "the known shape of Qwen/Qwen2.5-Omni-7B" in done.output
    assert max(map(len, done.output.splitlines())) <= 100
    told = explain(SEVEN_B, "--devices", "8", "--json")
    assert json.loads(told.stdout)["stages"][0]["steps"] == 750


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((SEVEN_B, "--hardware", "h1000"), "unknown hardware 'h1000'; expected one of h100"),
        ((SEVEN_B, "--hardware", "4090"), "unknown hardware '4090'; did you mean rtx_4090? expected one of"),
        ((SEVEN_B, "--devices", "3"), "160 and there are 3 devices; expected a multiple of 3, such as 162"),
        ((SEVEN_B, "--devices", "0"), "0 devices; expected at least one"),
        ((SEVEN_B, "--utilisation", "1.5"), "expected more than 0 and at most 1"),
        ((SEVEN_B, "--seconds", "0.01"), "expected at least 0.04 s"),
        ((SEVEN_B, "--seconds", "nan"), "clips of nan s; expected at least 0.04 s"),
        ((SEVEN_B, "--seconds", "inf"), "clips of inf s; expected at least 0.04 s"),
        (("spoken_digits_weak_to_strong",), "builds its base in a run"),
        ((SEVEN_B, "-o", "model.path=Nobody/Nothing"), "whose shape is known; weights are not needed"),
        ((SEVEN_B, "-o", "model.lora_rank=4", "-o", "model.lora_targets=[x]"), "lora_targets names 'x'"),
    ],
)
def test_what_cannot_be_planned_is_said_with_what_to_do(arguments, words, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    done = explain(*arguments)
    assert done.exit_code == 1
    assert words in done.output


def test_a_folder_of_another_model_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"config\.json; expected the config of a model"):
        size_of(path=str(tmp_path))
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    with pytest.raises(ValueError, match="describes a llama; expected a qwen2_5_omni"):
        size_of(path=str(tmp_path))


def test_a_family_without_sizes_is_refused():
    with pytest.raises(ValueError, match=r"a plan can be made for: audio_flamingo3, gemma4, qwen2_5_omni, "):
        describe("./mine.py", {"path": "x"})


def test_every_device_of_the_table_can_be_asked_for():
    assert all(find_hardware(name, "bfloat16") is device for name, device in GPUS.items())
