"""Groups to batches in which every prompt appears once.

A row is `[prompt | completion 1 | ... | completion G]`: each completion is a branch whose positions go on
where the prompt ends and whose tokens attend to the prompt and to themselves. Logits and gradients are
those of G separate rows `[prompt | completion]`, at a fraction of the tokens; `repeated` makes those
separate rows, the oracle of the tests. Of completions of a group that are equal, and of tokens that all of
them begin with, only one copy is computed.

The rows of a batch stand one after another in one sequence, without padding. Text that all prompts begin
with may stand once before them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
import torch

from rlaudio.models.shared.branching import Branching
from rlaudio.models.shared.prefixes import before_media, common_start
from rlaudio.types import Completion, Prompt

LANE_TOKENS = 1024  # of a tiny model: 1,600 take as long in one micro-batch as in two side by side


@dataclass(frozen=True, eq=False)
class Branch:
    """One completion as training sees it: all its tokens are context, the sampled ones are targets."""

    token_ids: np.ndarray  # [C]
    logprobs: np.ndarray  # [S] behaviour log-probs of the sampled tokens
    advantages: np.ndarray  # [S]
    weight: float  # of each target in the update's loss
    support: np.ndarray | None = None  # [S, K]
    signals: Mapping[str, np.ndarray] = field(default_factory=dict)  # measured before the update, each [S]
    mask: np.ndarray | None = None  # [C] bool, which tokens were sampled; None: all
    sample: int = 0  # number of the completion in its group

    @property
    def places(self) -> np.ndarray:
        """Where the sampled tokens stand among all of them, [S]."""
        return np.arange(len(self.token_ids)) if self.mask is None else np.flatnonzero(self.mask)

    @property
    def targets(self) -> np.ndarray:
        """The sampled tokens [S]."""
        return self.token_ids if self.mask is None else self.token_ids[self.mask]


def unlearned_branch(completion: Completion, *, with_support: bool = True, sample: int = 0) -> Branch:
    """A completion that is measured and not learned from: no advantages, no weight.

    Raises ValueError for a completion with clips of its own: a packed row holds those of its prompt alone.
    """
    nothing = np.zeros(completion.length, dtype=np.float32)
    return branch_of(completion, nothing, 0.0, with_support=with_support, sample=sample)


def branch_of(
    completion: Completion,
    advantages: np.ndarray,
    weight: float,
    *,
    signals: Mapping[str, np.ndarray] | None = None,
    with_support: bool = True,
    sample: int = 0,
) -> Branch:
    """A completion to learn from: advantages [S] of its sampled tokens, and what was measured of them.

    Raises ValueError for a completion with clips of its own: a packed row holds those of its prompt alone.
    """
    if any(segment.clips for segment in completion.segments):
        raise ValueError(
            "a completion contains clips; expected clips in the prompt alone: "
            "training on others is not supported"
        )
    return Branch(
        token_ids=completion.token_ids,
        logprobs=completion.logprobs,
        advantages=advantages,
        weight=weight,
        support=completion.support if with_support else None,
        signals=signals or {},
        mask=None if completion.mask.all() else completion.mask,
        sample=sample,
    )


@dataclass(frozen=True, eq=False)
class PackedRow:
    """A prompt and the completions that branch off it."""

    prompt: Prompt
    branches: tuple[Branch, ...]
    mini_batch: int = 0  # which update of the step learns from it
    group: int = 0  # number of its group among those that the step learns from

    @property
    def length(self) -> int:
        """Tokens of the packed row."""
        return len(self.prompt.token_ids) + sum(len(b.token_ids) for b in self.branches)


@dataclass(frozen=True, eq=False)
class Batch:
    """Packed rows, one after another, and their target tokens. T tokens, N targets."""

    prompts: tuple[Prompt, ...]  # one a row
    token_ids: torch.Tensor  # [1, T] int64
    positions: torch.Tensor  # [1, T] int64
    branching: Branching  # which token belongs to which prompt and completion
    predictor: torch.Tensor  # [N] int64, index into T of the token whose output predicts
    targets: torch.Tensor  # [N] int64
    behaviour_logprobs: torch.Tensor  # [N]
    advantages: torch.Tensor  # [N]
    weights: torch.Tensor  # [N]
    completions: torch.Tensor  # [N] int64, number of the completion that the token belongs to, from 0
    support: torch.Tensor | None  # [N, K] int64, -1 pads
    signals: Mapping[str, torch.Tensor]  # each [N]
    chunks: int = 1  # at least, in which the log-probs of its targets are computed
    temperature: float | None = None  # at which the policy computes them; None: its own

    @property
    def tokens(self) -> int:
        """Tokens of all rows."""
        return self.branching.tokens

    def to(self, device: torch.device) -> Batch:
        """The same batch with its tensors on `device`."""
        tensors: dict[str, Any] = {
            k: v.to(device) for k, v in vars(self).items() if isinstance(v, torch.Tensor)
        }
        return replace(self, **tensors, signals={k: v.to(device) for k, v in self.signals.items()})


def repeated(rows: Sequence[PackedRow]) -> list[PackedRow]:
    """One row per completion, each with a prompt of its own: slow; packing is tested against it."""
    return [replace(row, branches=(branch,)) for row in rows for branch in row.branches]


def micro_batches(rows: Sequence[PackedRow], max_tokens: int, at_once: int = 1) -> Iterator[list[PackedRow]]:
    """Lists of rows of similar length; as many as are computed at once have at most `max_tokens` tokens.

    A row longer than that goes alone, and few tokens are not worth parting. Weights sum over all batches to
    what they sum to over the rows, so gradients depend on neither number.
    """
    for some in _up_to(max_tokens, sorted(rows, key=lambda row: row.length)):
        parts = parts_of(sum(row.length for row in some), at_once)
        yield from filter(None, (some[part::parts] for part in range(parts)))


def parts_of(tokens: int, at_once: int) -> int:
    """Into how many micro-batches so many tokens are parted where as many may be computed at a time."""
    return at_once if tokens >= at_once * LANE_TOKENS else 1


def _up_to(max_tokens: int, rows: Sequence[PackedRow]) -> Iterator[list[PackedRow]]:
    chosen: list[PackedRow] = []
    tokens = 0
    for row in rows:
        if chosen and tokens + row.length > max_tokens:
            yield chosen
            chosen, tokens = [], 0
        chosen.append(row)
        tokens += row.length
    if chosen:
        yield chosen


def pack(rows: Sequence[PackedRow], media: Sequence[int] = ()) -> Batch:
    """One batch of the given rows.

    With the ids of the tokens that stand for `media` the text that all prompts begin with, up to the first
    of these, is computed once for all rows.
    """
    shared = _shared_text([row.prompt for row in rows], media) if len(media) and len(rows) > 1 else 0
    prompt = rows[0].prompt
    token_ids, positions, predictor, lengths = (
        [prompt.token_ids[:shared]],
        [prompt.positions[:shared]],
        [],
        [],
    )
    start = shared  # of the row that comes next
    for row in rows:
        placed = _place(row, shared)
        token_ids.append(placed.token_ids)
        positions.append(placed.positions)
        predictor += [start + places for places in placed.predictors]
        lengths.append(placed.lengths)
        start += len(placed.token_ids)
    flat = [branch for row in rows for branch in row.branches]
    _check_support(flat)
    targets = [len(b.targets) for b in flat]
    return Batch(
        prompts=tuple(row.prompt for row in rows),
        token_ids=torch.from_numpy(np.concatenate(token_ids))[None],
        positions=torch.from_numpy(np.concatenate(positions))[None],
        branching=Branching(tuple(lengths), shared),
        predictor=torch.from_numpy(np.concatenate(predictor)),
        targets=torch.from_numpy(np.concatenate([b.targets for b in flat])),
        behaviour_logprobs=torch.from_numpy(np.concatenate([b.logprobs for b in flat])),
        advantages=torch.from_numpy(np.concatenate([b.advantages for b in flat])).float(),
        weights=torch.tensor(np.repeat([b.weight for b in flat], targets), dtype=torch.float32),
        completions=torch.from_numpy(np.repeat(np.arange(len(flat)), targets)),
        support=_stack_support(flat),
        signals={
            name: torch.from_numpy(np.concatenate([b.signals[name] for b in flat])).float()
            for name in flat[0].signals
        },
    )


class _PlacedRow(NamedTuple):
    """A row's tokens in the order in which they are computed."""

    token_ids: np.ndarray  # [T]
    positions: np.ndarray  # [T]
    predictors: list[np.ndarray]  # of each branch [S], index into T of the token whose output predicts
    lengths: tuple[int, tuple[int, ...]]  # of the prompt, and of the branches off it


def _place(row: PackedRow, shared: int) -> _PlacedRow:
    """The row without the first `shared` tokens of its prompt, and without tokens that stood there twice.

    What all completions begin with follows on the prompt, as if it were its end.
    """
    prompt = row.prompt.token_ids[shared:]
    different = {branch.token_ids.tobytes(): branch.token_ids for branch in row.branches}
    completions = list(different.values())
    common = common_start(completions) if len(completions) > 1 else len(completions[0])
    tails = {key: ids[common:] for key, ids in different.items() if len(ids) > common}
    fork = len(prompt) + common
    starts = dict(zip(tails, fork + np.cumsum([0, *map(len, tails.values())]), strict=False))
    ends = row.prompt.positions[-1] + 1
    predictors = []
    for branch in row.branches:
        start = starts.get(branch.token_ids.tobytes(), fork)
        rest = np.arange(start, start + len(branch.token_ids) - common)
        # the prompt's last token predicts a branch's first one, each token then the next
        before = np.concatenate([np.arange(len(prompt) - 1, fork), rest])[:-1]
        predictors.append(before if branch.mask is None else before[branch.mask])
    return _PlacedRow(
        np.concatenate([prompt, completions[0][:common], *tails.values()]),
        np.concatenate(
            [
                row.prompt.positions[shared:],
                ends + np.arange(common),
                *(ends + common + np.arange(len(tail)) for tail in tails.values()),
            ]
        ),
        predictors,
        (fork, tuple(map(len, tails.values()))),
    )


def _shared_text(prompts: Sequence[Prompt], media: Sequence[int]) -> int:
    """Tokens that all prompts begin with, up to the first that stands for media; never a whole prompt."""
    shared = min(common_start([p.token_ids for p in prompts]), common_start([p.positions for p in prompts]))
    return before_media(prompts[0].token_ids[:shared], media)


def _check_support(branches: Sequence[Branch]) -> None:
    """Refuse a token outside its own sampling support: its log-prob would be another token's."""
    for branch in branches:
        if branch.support is not None and not (branch.support == branch.targets[:, None]).any(1).all():
            raise ValueError("a completion holds a token outside its recorded sampling support")


def _stack_support(branches: Sequence[Branch]) -> torch.Tensor | None:
    """Supports [N, K] padded to the widest; None where tokens were drawn from the whole vocabulary."""
    drawn = [branch for branch in branches if len(branch.targets)]
    given = [b.support for b in drawn if b.support is not None]
    if not given:
        return None
    if len(given) < len(drawn):
        raise ValueError("some completions carry a sampling support and some do not; expected all or none")
    width = max(s.shape[1] for s in given)
    padded = [np.pad(s, ((0, 0), (0, width - s.shape[1])), constant_values=-1) for s in given]
    return torch.from_numpy(np.concatenate(padded))
