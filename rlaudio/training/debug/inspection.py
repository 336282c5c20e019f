"""What is wrong with a step: which numbers of it are NaN, infinite or extreme, and where that began."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch

from rlaudio.algorithms.algorithm import Tokens
from rlaudio.training.debug.find_nonfinite import (
    BadOperation,
    ForwardWatch,
    backward_and_find,
    remember_calls,
    watch_forward,
)
from rlaudio.training.debug.step_dump import KeptStep, rows_of_processes
from rlaudio.training.learner import Learner
from rlaudio.training.packing import PackedRow, micro_batches, pack, repeated
from rlaudio.training.policy import PolicyOutput

EXTREME_LOGPROB = -20.0  # nats: a policy that samples a token hardly ever finds it rarer than 2 in 1e9
EXTREME_LOG_RATIO = 3.0  # the policy moved twentyfold since the token was sampled
_SHOWN = 12  # entries of a list in print; all of them stand in the JSON


@dataclass(frozen=True)
class Finding:
    """One number that is not finite, or extreme, and where it stands."""

    what: str  # "log-prob", "ratio", "loss/policy", "recorded advantages", ...
    value: float
    question_id: str
    completion: int | None = None  # of the question's, counted from 0 as in the rollouts
    token: int | None = None  # of the completion, from 0
    text: str | None = None  # of that token

    @property
    def finite(self) -> bool:
        """False for NaN and infinity."""
        return math.isfinite(self.value)

    def line(self) -> str:
        """The finding as a line of text."""
        place = f"question {self.question_id}"
        place += "" if self.completion is None else f", completion {self.completion}"
        place += "" if self.token is None else f", token {self.token} {self.text!r}"
        return f"{self.what} {self.value:.6g}: {place}"


@dataclass(frozen=True)
class BadTensor:
    """A tensor of the model with NaN or infinity in it."""

    name: str
    bad: int  # numbers
    of: int

    def line(self) -> str:
        """The tensor as a line of text."""
        return f"{self.name}: {self.bad} of {self.of} numbers"


@dataclass
class Inspection:
    """What was found. Lists are empty where all is well."""

    verdict: str = ""
    weights: list[BadTensor] = field(default_factory=list)
    recorded: list[Finding] = field(default_factory=list)  # in what the step was kept with
    tokens: list[Finding] = field(default_factory=list)  # computed anew
    losses: list[Finding] = field(default_factory=list)  # of completions one by one
    module: str | None = None  # the first whose output is not finite
    operation: BadOperation | None = None  # the first whose gradient is not finite
    gradients: list[BadTensor] = field(default_factory=list)
    loss: float = 0.0  # of the whole update
    grad_norm: float = 0.0

    @property
    def fine(self) -> bool:
        """Whether every number came out finite."""
        bad = [*self.weights, *self.gradients, *(f for f in self._findings() if not f.finite)]
        return not bad and self.module is None and math.isfinite(self.loss) and math.isfinite(self.grad_norm)

    def to_dict(self) -> dict[str, Any]:
        """The inspection as JSON can hold it; numbers that are not finite become strings."""
        finite: dict[str, Any] = _with_strings(asdict(self) | {"fine": self.fine})
        return finite

    def lines(self) -> list[str]:
        """The inspection in print."""
        parts = [
            ("weights that are not finite", [t.line() for t in self.weights]),
            ("recorded numbers that are not finite", [f.line() for f in self.recorded]),
            ("tokens", [f.line() for f in self.tokens]),
            ("completions, each alone", [f.line() for f in self.losses]),
            ("gradients that are not finite", [t.line() for t in self.gradients]),
        ]
        text = [self.verdict, f"loss {self.loss:.6g}, norm of the gradient {self.grad_norm:.6g}"]
        for title, entries in parts:
            if entries:
                more = len(entries) - _SHOWN
                text += [f"{title}: {len(entries)}", *(f"  {entry}" for entry in entries[:_SHOWN])]
                text += [f"  and {more} more"] if more > 0 else []
        return text

    def _findings(self) -> Iterator[Finding]:
        yield from (*self.recorded, *self.tokens, *self.losses)


def inspect(step: KeptStep, learner: Learner) -> Inspection:
    """Compute a kept step again and look at every number on the way; the weights stay as they are."""
    found = Inspection(weights=_bad_tensors(learner.policy.state_dict()))
    found.recorded += [finding for kept in step.rows for finding in _recorded(kept.row, learner)]
    gradients: dict[str, torch.Tensor] = {}  # of the whole update
    for rows in rows_of_processes(step.rows):
        if step.during == "update":
            for micro in learner.micro_batches(rows, step.mini_batch):
                for name, gradient in _learn(micro, learner, found).items():
                    gradients[name] = gradients[name] + gradient if name in gradients else gradient
        else:
            for micro in micro_batches(rows, learner.batching.micro_batch_tokens):
                _look(micro, learner, found)
    found.gradients += _bad_tensors(gradients)
    found.grad_norm = _norm(gradients.values())
    found.verdict = _verdict(found, step, learner)
    return found


# --- one micro-batch -----------------------------------------------------------------------------


@torch.no_grad()
def _look(rows: Sequence[PackedRow], learner: Learner, found: Inspection) -> None:
    """A forward pass over rows that no update learned from."""
    batch = pack(rows).to(learner.family.device)
    with watch_forward(learner.policy) as watch:
        policy: PolicyOutput = learner.policy(batch)
    _note_module(watch, found)
    values = {"log-prob": policy.logprobs} | ({} if policy.values is None else {"value": policy.values})
    found.tokens += _findings_of_tokens(values, rows, learner)


def _learn(rows: Sequence[PackedRow], learner: Learner, found: Inspection) -> dict[str, torch.Tensor]:
    """Gradients of a micro-batch; its completions are looked at one by one if a number is not finite."""
    learner.policy.zero_grad(set_to_none=True)
    with watch_forward(learner.policy) as watch, remember_calls():
        tokens, loss, parts = _compute(rows, learner)
    _note_module(watch, found)
    operation = backward_and_find(loss)
    loss = loss.detach()
    found.operation = found.operation or operation
    found.loss += float(loss)
    ratios = (tokens.logprobs - tokens.old_logprobs).detach()
    seen = {"log-prob": tokens.logprobs, **tokens.signals, **parts}
    found.tokens += _findings_of_tokens(seen, rows, learner)
    found.tokens += _findings_of_tokens({"ratio": ratios}, rows, learner)
    gradients = _gradients(learner)
    if not (math.isfinite(float(loss)) and math.isfinite(_norm(gradients.values()))):
        found.losses += _one_by_one(rows, learner)
    return gradients


def _compute(
    rows: Sequence[PackedRow], learner: Learner
) -> tuple[Tokens, torch.Tensor, Mapping[str, torch.Tensor]]:
    """What the loss of a micro-batch reads, the loss, and its parts by token."""
    batch = pack(rows).to(learner.family.device)
    tokens = learner.tokens(rows, batch, learner.policy(batch))
    loss = learner.algorithm.loss(tokens)
    return tokens, loss.total, loss.parts


def _one_by_one(rows: Sequence[PackedRow], learner: Learner) -> Iterator[Finding]:
    """Loss and gradient of every completion alone, where they are not finite."""
    for row in rows:
        for number, alone in enumerate(repeated([row])):
            learner.policy.zero_grad(set_to_none=True)
            loss = _compute([alone], learner)[1]
            loss.backward()
            norm = _norm(_gradients(learner).values())
            for what, value in (("loss", float(loss.detach())), ("gradient norm", norm)):
                if not math.isfinite(value):
                    yield Finding(what, value, row.prompt.question.id, number)


# --- looking at numbers --------------------------------------------------------------------------


def _recorded(row: PackedRow, learner: Learner) -> Iterator[Finding]:
    """What is not finite in a row as it was kept."""
    question = row.prompt.question.id
    if not np.isfinite(row.prompt.features).all():
        yield Finding("recorded features", float("nan"), question)
    for number, branch in enumerate(row.branches):
        texts = learner.family.token_texts(branch.token_ids)
        if not math.isfinite(branch.weight):
            yield Finding("recorded weight", branch.weight, question, number)
        arrays = {"log-probs": branch.logprobs, "advantages": branch.advantages, **branch.signals}
        for name, values in arrays.items():
            for token in np.flatnonzero(~np.isfinite(values)):
                place = (question, number, int(token), texts[token])
                yield Finding(f"recorded {name}", float(values[token]), *place)


def _findings_of_tokens(
    values: Mapping[str, torch.Tensor], rows: Sequence[PackedRow], learner: Learner
) -> Iterator[Finding]:
    """Numbers [N] of tokens, in the order in which rows are packed, that are not finite or extreme."""
    places = [(row, number) for row in rows for number in range(len(row.branches))]
    lengths = [len(row.branches[number].token_ids) for row, number in places]
    for what, tensor in values.items():
        pieces = tensor.detach().double().cpu().split(lengths)
        for (row, number), piece in zip(places, pieces, strict=True):
            for token in np.flatnonzero(_suspicious(what, piece.numpy())):
                ids = row.branches[number].token_ids
                text = learner.family.token_texts(ids[token : token + 1])[0]
                value = float(piece[token].exp() if what == "ratio" else piece[token])
                yield Finding(what, value, row.prompt.question.id, number, int(token), text)


def _suspicious(what: str, values: np.ndarray) -> np.ndarray:
    """Which of the numbers [C] to show: those not finite, unlikely tokens, large ratios (given as logs)."""
    bad = ~np.isfinite(values)
    if what == "log-prob":
        return bad | (values < EXTREME_LOGPROB)
    return bad | (np.abs(values) > EXTREME_LOG_RATIO) if what == "ratio" else bad


def _note_module(watch: ForwardWatch, found: Inspection) -> None:
    found.module = found.module or watch.first_bad


def _bad_tensors(tensors: Mapping[str, torch.Tensor]) -> list[BadTensor]:
    counted = {name: int((~t.isfinite()).sum()) for name, t in tensors.items() if t.is_floating_point()}
    return [BadTensor(_short(name), bad, tensors[name].numel()) for name, bad in counted.items() if bad]


def _gradients(learner: Learner) -> dict[str, torch.Tensor]:
    return {name: p.grad for name, p in learner.policy.named_parameters() if p.grad is not None}


def _norm(gradients: Iterable[torch.Tensor]) -> float:
    """Norm over all gradients as an update computes it, in float32: it may overflow where no entry does."""
    norms = [gradient.float().norm() for gradient in gradients]
    return float(torch.stack(norms).norm()) if norms else 0.0


def _with_strings(value: Any) -> Any:
    """JSON has no NaN and no infinity: they become their names."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, Mapping):
        return {key: _with_strings(entry) for key, entry in value.items()}
    return [_with_strings(entry) for entry in value] if isinstance(value, list | tuple) else value


def _short(name: str) -> str:
    """A tensor's name in the model, as checkpoints have it."""
    return name.removeprefix("model.")


def _verdict(found: Inspection, step: KeptStep, learner: Learner) -> str:
    """In one sentence what went wrong first, from the inputs on."""
    if found.weights:
        first = found.weights[0].line()
        return f"the weights are not finite: {len(found.weights)} tensors, first {first}"
    if found.module:
        return f"the forward pass is not finite from module {_short(found.module)} on; the weights are finite"
    if any(f.what == "log-prob" and not f.finite for f in found.tokens):
        return "log-probs are not finite; weights and hidden states are"
    if found.recorded:
        return f"what the step was kept with is not finite, first {found.recorded[0].line()}"
    if not math.isfinite(found.loss):
        return f"the loss of {type(learner.algorithm).__name__} is not finite; all that it reads is finite"
    if found.operation:
        where = f" ({found.operation.where})" if found.operation.where else ""
        return f"the loss is finite, its gradient is not from operation {found.operation.name}{where} on"
    if not math.isfinite(found.grad_norm):
        return "every gradient is finite and their norm is not: it overflows; the loss is too large"
    if not found.fine:
        return "something came out as NaN or infinite that the loss does not show; see below"
    return f"the step is fine now: every number is finite (when it was kept: {step.error})"
