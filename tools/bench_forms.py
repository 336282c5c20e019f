"""One update with every prompt once against one with the prompt repeated for every completion."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from bench_floor import flops_of_update
from bench_rows import Figure
from bench_thinker import MIDDLE, learner, rows_of_noise, thinker

from rlaudio.models.qwen2_5_omni import Qwen2_5Omni
from rlaudio.training.packing import PackedRow, pack, repeated
from rlaudio.training.policy import token_logprobs
from rlaudio.utils.peak_memory import peak_memory_gb

FORMS = {"shared": True, "repeated": False}  # name -> prompt_once
IN_ONE_PIECE = 10**6  # micro-batch tokens: neither form is cut up


def measure_forms(
    new_tokens: int, pairs: int, *, speed: str = "", memory: str = "", of_flops_target: str = ""
) -> Iterator[Figure]:
    """Seconds and memory of an update on 30 s of audio, group of 8; the others are targets of ratios."""
    family = thinker(MIDDLE)
    (row,) = rows_of_noise(family, [0], new_tokens)
    what = f"C={new_tokens}"
    tokens = [sum(r.length for r in rows) for rows in ([row], repeated([row]))]
    yield Figure(f"{what}: parameters of the thinker", family.model.num_parameters() / 1e6, "M")
    yield Figure(f"{what}: tokens, repeated over shared", tokens[1] / tokens[0], "ratio")
    flops = [flops_of_update(family, rows) for rows in ([row], repeated([row]))]
    yield Figure(f"{what}: FLOPs, repeated over shared", flops[1] / flops[0], "ratio")
    yield Figure(f"{what}: largest relative gap of gradients", gradient_gap(family, row), "1", "<= 1e-5")
    learners = {
        form: learner(family, prompt_once=once, micro_batch_tokens=IN_ONE_PIECE)
        for form, once in FORMS.items()
    }
    seconds: dict[str, list[float]] = {form: [] for form in FORMS}
    for number in range(pairs + 1):  # the first pair warms up
        for form, one in learners.items():
            start = time.perf_counter()
            one.step([row], number)
            seconds[form].append(time.perf_counter() - start)
    for form, taken in seconds.items():
        yield Figure(f"{what}: update, {form}, median", statistics.median(taken[1:]), "s")
    ratios = [slow / fast for fast, slow in zip(*(taken[1:] for taken in seconds.values()), strict=True)]
    yield Figure(f"{what}: repeated over shared, median of pairs", statistics.median(ratios), "ratio", speed)
    of_flops = statistics.median(ratios) * flops[0] / flops[1]
    yield Figure(f"{what}: of what the FLOPs allow", of_flops, "ratio", of_flops_target)
    peaks = {form: _peak_in_own_process(form, new_tokens) for form in FORMS}
    for form, peak in peaks.items():
        yield Figure(f"{what}: memory that an update adds, {form}", peak, "GB")
    ratio = peaks["shared"] / peaks["repeated"]
    yield Figure(f"{what}: added memory, shared over repeated", ratio, "ratio", memory)


def gradient_gap(family: Qwen2_5Omni, row: PackedRow) -> float:
    """Largest difference of a gradient between the two forms, over the largest gradient of its tensor."""
    (_, packed), (_, plain) = one_pass(family, [row]), one_pass(family, repeated([row]))
    return max(float((g - plain[n]).abs().max() / g.abs().max().clamp(min=1e-12)) for n, g in packed.items())


def one_pass(family: Qwen2_5Omni, rows: Sequence[PackedRow]) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Log-probs [N] of the rows' targets, and the gradients of a policy-gradient loss by parameter."""
    family.model.zero_grad()
    batch = pack(rows).to(family.device)
    logprobs = token_logprobs(family, batch).logprobs
    (logprobs * batch.weights * batch.advantages).sum().backward()
    gradients = {n: p.grad.clone() for n, p in family.model.named_parameters() if p.grad is not None}
    return logprobs.detach(), gradients


def _peak_in_own_process(form: str, new_tokens: int) -> float:
    """GiB that the first update adds to a fresh process; the two forms do not see each other's memory."""
    command = [sys.executable, str(Path(__file__)), form, str(new_tokens), str(torch.get_num_threads())]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _peak_of_one_update(form: str, new_tokens: int) -> float:
    """GiB by which the first update, optimizer moments included, lifts the peak of this process."""
    family = thinker(MIDDLE)
    rows = rows_of_noise(family, [0], new_tokens)
    one = learner(family, prompt_once=FORMS[form], micro_batch_tokens=IN_ONE_PIECE)
    before = peak_memory_gb()
    one.step(rows, 0)
    return peak_memory_gb() - before


if __name__ == "__main__":
    torch.set_num_threads(int(sys.argv[3]))
    print(_peak_of_one_update(sys.argv[1], int(sys.argv[2])))
