"""What tools/gpu_check measures in its own process: products, parity, updates, rollouts, plans."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from typing import Any

import torch
from bench_clock import seconds_of
from bench_floor import flops_of_update, matmul_rate, products
from bench_forms import one_pass
from bench_rows import Figure
from bench_thinker import GROUP, learner, prompt_of_noise, rows_of_noise, whole_sampling
from gpu_parts.predictions import LARGE_PRODUCT, Prediction, device_of_plans, predict
from gpu_parts.setting import Setting, Skip, check_memory, free_bytes
from gpu_parts.shapes import GradientsOnly, Variant, fill, open_shape, shape_folder

from rlaudio.models.qwen2_5_omni import Qwen2_5Omni
from rlaudio.planning.assumptions import Assumptions
from rlaudio.rollout.transformers import Transformers
from rlaudio.training.learner import Learner
from rlaudio.training.packing import PackedRow, repeated
from rlaudio.training.strategies.plain import Plain
from rlaudio.utils.peak_memory import peak_memory_gb

BF16: Mapping[str, Any] = {"dtype": "bfloat16", "audio_cache_mb": 16}  # options of a model
RATE = "rate of bf16 products"
QUESTIONS = 4  # of a rollout
CALIBRATION = ("update seconds", "update memory", "rollout seconds")


def measure_rate(setting: Setting) -> Iterator[Figure]:
    """The bf16 matmul rate of the device, which shares of the floor are taken against."""
    product = (256, 256, 256) if setting.small else LARGE_PRODUCT
    rate = matmul_rate(Counter([product]), 10, device=setting.device, dtype=torch.bfloat16)
    yield Figure(f"{RATE}, {product[0]} x {product[0]}", rate / 1e12, "TFLOP/s")
    setting.found[RATE] = rate


# --- parity --------------------------------------------------------------------------------------


def measure_parity(setting: Setting) -> Iterator[Figure]:
    """Shared prefix against repeated prompts: in float32, and in bf16 beside what bf16 itself changes."""
    new_tokens = setting.completions[0]
    torch.backends.cudnn.allow_tf32 = False  # on by default, unlike that of products
    folder = shape_folder(setting.folder, "tiny" if setting.small else "parity")
    family = fill(open_shape(folder, setting.device))
    (row,) = rows_of_noise(family, [0], new_tokens, setting.seconds)
    shared, exact = one_pass(family, [row]), one_pass(family, repeated([row]))
    yield Figure("float32: largest gap of log-probs", _largest(shared[0], exact[0]), "nat", "<= 1e-4")
    yield Figure("float32: gap of gradients", _relative(shared[1], exact[1]), "1", "<= 1e-4")
    rounded = fill(open_shape(folder, setting.device, **BF16))
    rounded.load_weights(family.model.named_parameters())
    shared, plain = one_pass(rounded, [row]), one_pass(rounded, repeated([row]))
    forms, rounding = (float((a - b).abs().mean()) for a, b in ((shared[0], plain[0]), (plain[0], exact[0])))
    yield Figure("bf16: mean gap of log-probs", forms, "nat")
    yield Figure("... over that between bf16 and float32", forms / rounding, "ratio", "<= 1.5")
    forms, rounding = _relative(shared[1], plain[1]), _relative(plain[1], exact[1])
    yield Figure("bf16: gap of gradients", forms, "1")
    yield Figure("... over that between bf16 and float32", forms / rounding, "ratio", "<= 1.5")


def _largest(one: torch.Tensor, other: torch.Tensor) -> float:
    return float((one - other).abs().max())


def _relative(one: Mapping[str, torch.Tensor], other: Mapping[str, torch.Tensor]) -> float:
    """Norm of the difference of all gradients over the norm of the second ones."""
    gaps = sum(float((one[name].float() - g.float()).square().sum()) for name, g in other.items())
    sizes = sum(float(g.float().square().sum()) for g in other.values())
    return (gaps / sizes) ** 0.5


# --- updates -------------------------------------------------------------------------------------


def measure_update(variant: Variant, setting: Setting) -> Iterator[Figure]:
    """Time, memory, share of the floor and predictions of updates of one question at every length."""
    folder = shape_folder(setting.folder, variant.shape)
    family = open_shape(folder, setting.device, **BF16, **variant.options)
    prompt = prompt_of_noise(family, 0, setting.seconds)
    hardware = device_of_plans(setting.device)
    plans = {c: predict(folder, variant, prompt, c, hardware) for c in setting.completions}
    check_memory(plans[setting.completions[0]].update_bytes, free_bytes(setting.device))
    one = learner(fill(family), strategy=Plain if variant.optimizer else GradientsOnly)
    yield Figure(f"{variant.name}: parameters", family.model.num_parameters() / 1e9, "G")
    for new_tokens, planned in plans.items():
        held = _allocated(setting.device)
        check_memory(planned.update_bytes - held, free_bytes(setting.device))
        yield from _measure_length(f"{variant.name}, C={new_tokens}", one, new_tokens, planned, setting)


def _measure_length(
    name: str, one: Learner, new_tokens: int, planned: Prediction, setting: Setting
) -> Iterator[Figure]:
    rows = rows_of_noise(one.family, [0], new_tokens, setting.seconds)
    numbers = count()
    _reset_peak(setting.device)
    taken = seconds_of(
        lambda: one.step(rows, next(numbers)), setting.device, setting.repeats, limit=setting.left / 8
    )
    seconds, peak = statistics.median(taken), _peak_bytes(setting.device)
    flops = flops_of_update(one.family, rows)
    own = matmul_rate(products(one.family, rows), device=setting.device, dtype=torch.bfloat16)
    yield Figure(f"{name}: update, median of {len(taken)}", seconds, "s")
    yield Figure(f"{name}: FLOPs by formula", flops / 1e12, "TFLOP")
    if RATE in setting.found:
        share = flops / setting.found[RATE] / seconds
        yield Figure(f"{name}: floor over time, at the rate of large products", share, "ratio")
    yield Figure(f"{name}: floor over time, at the rate of its own products", flops / own / seconds, "ratio")
    yield from _beside(f"{name}: update seconds", seconds, planned.update_seconds, "s", setting)
    yield Figure(f"{name}: peak memory", peak / 1e9, "GB")
    if setting.device == "cuda":  # of a CPU it is that of the process, other parts included
        yield from _beside(f"{name}: update memory", peak / 1e9, planned.update_bytes / 1e9, "GB", setting)


def _beside(name: str, measured: float, planned: float, unit: str, setting: Setting) -> Iterator[Figure]:
    """What `rlaudio explain` predicts, and the factor that would correct it."""
    yield Figure(f"{name} by explain", planned, unit)
    yield Figure(f"{name}, measured over explained", measured / planned, "ratio")
    setting.found[name] = measured / planned


# --- both forms of an update ---------------------------------------------------------------------


def measure_both_forms(variant: Variant, setting: Setting) -> Iterator[Figure]:
    """Updates with every prompt once against those with it repeated, at all lengths but the last."""
    folder = shape_folder(setting.folder, variant.shape)
    family = fill(open_shape(folder, setting.device, **BF16, **variant.options))
    for new_tokens in setting.completions[:-1]:
        rows = rows_of_noise(family, [0], new_tokens, setting.seconds)
        name = f"{variant.name}, C={new_tokens}: repeated over shared"
        (slow, large), (fast, little) = (_cost(family, rows, once, setting) for once in (False, True))
        yield Figure(f"{name}, time", slow / fast, "ratio")
        if setting.device == "cuda":
            yield Figure(f"{name}, memory beside the weights", large / little, "ratio")


def _cost(
    family: Qwen2_5Omni, rows: Sequence[PackedRow], prompt_once: bool, setting: Setting
) -> tuple[float, float]:
    """Seconds of an update, and bytes beside the weights."""
    held = _allocated(setting.device)
    one = learner(family, prompt_once=prompt_once)
    numbers = count()
    _reset_peak(setting.device)
    taken = seconds_of(
        lambda: one.step(rows, next(numbers)), setting.device, setting.repeats, limit=setting.left / 12
    )
    return statistics.median(taken), _peak_bytes(setting.device) - held


# --- rollouts ------------------------------------------------------------------------------------


def measure_rollout(shape: str, setting: Setting) -> Iterator[Figure]:
    """Tokens a second of the transformers worker, groups of 8 on 4 prompts, at every length."""
    variant = Variant(shape, "rollout", optimizer=False)
    folder, hardware = shape_folder(setting.folder, shape), device_of_plans(setting.device)
    family = fill(open_shape(folder, setting.device, **BF16))
    prompts = [prompt_of_noise(family, number, setting.seconds) for number in range(QUESTIONS)]
    plans = {c: predict(folder, variant, prompts[0], c, hardware, QUESTIONS) for c in setting.completions}
    worker = Transformers(family)
    for new_tokens, planned in plans.items():
        name = f"{shape}, C={new_tokens}"
        tokens: list[int] = []

        def sample(new_tokens: int = new_tokens, tokens: list[int] = tokens) -> None:
            groups = worker.generate(prompts, whole_sampling(new_tokens), (len(tokens), "gpu_check"))
            tokens.append(sum(len(c.token_ids) for group in groups for c in group.completions))

        taken = seconds_of(sample, setting.device, setting.repeats, limit=setting.left / 12)
        seconds = statistics.median(taken)
        yield Figure(f"{name}: rollout of {QUESTIONS} x {GROUP}, median of {len(taken)}", seconds, "s")
        yield Figure(f"{name}: tokens a second", statistics.median(tokens[1:]) / seconds, "1/s")
        yield from _beside(f"{name}: rollout seconds", seconds, planned.rollout_seconds, "s", setting)


# --- the plan, corrected -------------------------------------------------------------------------


def measure_explain(setting: Setting) -> Iterator[Figure]:
    """What the predictions of `rlaudio explain` are to be multiplied by: medians over what was measured."""
    for what in CALIBRATION:
        ratios = [value for name, value in setting.found.items() if name.endswith(what)]
        if ratios:
            name = f"{what}: correction, median of {len(ratios)} ({min(ratios):.3g} to {max(ratios):.3g})"
            yield Figure(name, statistics.median(ratios), "ratio")
            if what == "update seconds":
                share = Assumptions().utilisation / statistics.median(ratios)
                yield Figure("... as the share of peak that updates reach (--utilisation)", share, "ratio")
    if not any(name.endswith(CALIBRATION) for name in setting.found):
        raise Skip("nothing was measured that rlaudio explain predicts: run update or rollout too")


# --- memory --------------------------------------------------------------------------------------


def _allocated(device: str) -> float:
    return float(torch.cuda.memory_allocated()) if device == "cuda" else 0.0


def _reset_peak(device: str) -> None:
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()


def _peak_bytes(device: str) -> float:
    return float(torch.cuda.max_memory_allocated()) if device == "cuda" else peak_memory_gb() * 2**30
