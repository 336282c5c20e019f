"""Where a step is not finite: in weights, recorded numbers, modules, tokens, completions or gradients."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch.utils.hooks import RemovableHandle

from rlaudio.models.family import ModelFamily
from rlaudio.training.debug.step_dump import StepDump
from rlaudio.training.learner import Learner
from rlaudio.training.packing import PackedRow, micro_batches, pack, repeated


def find_nonfinite(dump: StepDump, learner: Learner) -> dict[str, list[str]]:
    """Compute a dumped step again: which quantities are not finite, in the order of the step, and where.

    Empty if all are finite. The weights do not change.
    """
    policy, updates = learner.policy, dump.mini_batch is not None
    rows = [row for row in dump.rows if not updates or row.mini_batch == dump.mini_batch]
    batches = list(micro_batches(rows, learner.batching.micro_batch_tokens))
    places: dict[str, list[str]] = defaultdict(list)
    places["weights"] += _in_tensors(policy.state_dict())
    broken_clips = [
        row.prompt.question.id
        for row in rows
        if not all(np.isfinite(array).all() for array in row.prompt.present_features().values())
    ]
    places["recorded features"] += [f"question {question}" for question in broken_clips]
    hooks = _watch(policy, places["output of a module with finite inputs, the first"])
    policy.zero_grad(set_to_none=True)
    loss = 0.0
    for batch in batches:
        with torch.set_grad_enabled(updates):
            of_tokens, of_batch = _compute(batch, learner, updates)
        for name, values in of_tokens.items():
            places[name] += _in_tokens(values, batch, learner.family)
        if updates:
            of_batch.backward()
            loss += of_batch.item()
    for hook in hooks:
        hook.remove()
    places["update"] += _in_update(loss, policy)
    gradients = {name: p.grad for name, p in policy.named_parameters() if p.grad is not None}
    places["gradients"] += _in_tensors(gradients)
    if places["gradients"] and math.isfinite(loss):
        places["backward pass"] += _anomalies(batches, learner)
    if places["update"]:
        places["completions, each alone"] += _alone(rows, learner)
    return {quantity: entries for quantity, entries in places.items() if entries}


def _compute(
    rows: Sequence[PackedRow], learner: Learner, updates: bool = True
) -> tuple[Mapping[str, torch.Tensor], torch.Tensor]:
    """Numbers [N] of the rows' tokens, and their loss; 0 where the step stopped before its updates."""
    batch = pack(rows).to(learner.family.device)
    policy = learner.policy(batch)
    if not updates:
        return {"log-probs": policy.logprobs}, torch.zeros(())
    tokens = learner.tokens(rows, batch, policy)
    loss = learner.algorithm.loss(tokens)
    of_tokens = {
        "recorded log-probs": batch.behaviour_logprobs,
        "recorded advantages": batch.advantages,
        "log-probs": tokens.logprobs,
        "ratio": (tokens.logprobs - tokens.old_logprobs).exp(),
    }
    return {**of_tokens, **tokens.signals, **loss.parts}, loss.total


def _watch(policy: torch.nn.Module, names: list[str]) -> list[RemovableHandle]:
    """Append to `names` the first module whose forward turns finite inputs into NaN or infinity."""

    def look(name: str, module: torch.nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        if not names and not _all_finite(output) and _all_finite((args, kwargs)):
            names.append(f"{name or 'policy'} ({type(module).__name__})")

    return [
        module.register_forward_hook(partial(look, name), with_kwargs=True)
        for name, module in policy.named_modules()
    ]


def _all_finite(value: Any) -> bool:
    """Whether all floating-point numbers of the tensors in a value are finite."""
    if isinstance(value, torch.Tensor):
        return not value.is_floating_point() or bool(value.isfinite().all())
    entries = value.values() if isinstance(value, Mapping) else value
    return not isinstance(value, Mapping | list | tuple) or all(map(_all_finite, entries))


def _anomalies(batches: Sequence[Sequence[PackedRow]], learner: Learner) -> Iterator[str]:
    """The first operation of each micro-batch that gives NaN, in torch's words; a warning names its caller.

    An infinite gradient shows only at the operation that turns it into NaN.
    """
    for batch in batches:
        try:
            with torch.autograd.detect_anomaly():
                _compute(batch, learner)[1].backward()
        except RuntimeError as error:
            yield str(error)


def _alone(rows: Sequence[PackedRow], learner: Learner) -> Iterator[str]:
    """Completions whose loss or gradient, computed alone, is not finite."""
    for row in rows:
        for branch, single in zip(row.branches, repeated([row]), strict=True):
            learner.policy.zero_grad(set_to_none=True)
            loss = _compute([single], learner)[1]
            loss.backward()
            if bad := _in_update(loss.item(), learner.policy):
                yield f"question {row.prompt.question.id}, completion {branch.sample}: {', '.join(bad)}"


def _in_tokens(values: torch.Tensor, rows: Sequence[PackedRow], family: ModelFamily) -> Iterator[str]:
    """Which of the numbers [N] of packed rows are not finite."""
    tokens = (
        (f"question {row.prompt.question.id}, completion {branch.sample}, token {place}", token)
        for row in rows
        for branch in row.branches
        for place, token in zip(branch.places, branch.targets, strict=True)
    )
    for (place, token), value in zip(tokens, values.tolist(), strict=True):
        if not math.isfinite(value):
            yield f"{place} {family.token_texts([token])[0]!r}: {value}"


def _in_tensors(tensors: Mapping[str, torch.Tensor]) -> Iterator[str]:
    """Which tensors are not finite, and in how many of their numbers."""
    for name, tensor in tensors.items():
        if bad := int((~tensor.isfinite()).sum()):
            yield f"{name}: {bad} of {tensor.numel()} numbers"


def _in_update(loss: float, policy: torch.nn.Module) -> list[str]:
    """Which of loss and norm of the gradient are not finite; the norm may overflow where no entry does."""
    norms = [p.grad.float().norm() for p in policy.parameters() if p.grad is not None]
    norm = float(torch.stack(norms).norm()) if norms else 0.0
    numbers = {"loss": loss, "norm of the gradient": norm}
    return [f"{name} {value}" for name, value in numbers.items() if not math.isfinite(value)]
