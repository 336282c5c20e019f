"""Requests to an engine outside rlaudio, and its completions as rlaudio's records."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rlaudio.models.family import ModelFamily
from rlaudio.rollout.worker import SeedKey
from rlaudio.types import Completion, SamplingParams, StopReason

TIES = 16  # tokens beyond top-k that may tie with the k-th logit: engines keep all of them
SEED_BITS = 62  # seeds of a group's samples count up from the request's, within 64 signed bits


@dataclass(frozen=True, eq=False)
class SampledTokens:
    """One completion as an engine reports it."""

    token_ids: np.ndarray  # [C] int64
    logprobs: np.ndarray  # [C] float32, under the distribution each token was sampled from
    likeliest: tuple[tuple[np.ndarray, np.ndarray], ...]  # of each token: ids and log-probs, likeliest first
    finish_reason: str | None


def request_seed(key: SeedKey, item: str) -> int:
    """The seed of the request for an item's group; sample s draws with this plus s."""
    digest = hashlib.blake2b(repr((*key, item)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> (64 - SEED_BITS)


def likeliest_to_report(sampling: SamplingParams, vocabulary: int, limit: int) -> int:
    """How many of the likeliest tokens an engine must report for the sampling support to be known."""
    if not truncates(sampling):
        return 0
    if sampling.top_k:
        return min(sampling.top_k + TIES, vocabulary)
    return min(limit, vocabulary)


def truncates(sampling: SamplingParams) -> bool:
    """Whether top-k or top-p remove tokens from the distribution that is sampled from."""
    return sampling.temperature > 0.0 and (sampling.top_k > 0 or sampling.top_p < 1.0)


def to_completion(
    family: ModelFamily, sampled: SampledTokens, weights_version: int, *, support: int, vocabulary: int
) -> Completion:
    """The completion from an engine's tokens; `support` likeliest tokens were reported, 0 for none.

    Raises ValueError where the engine left more tokens than it reported, RuntimeError where it did not
    finish the completion.
    """
    return Completion.single_turn(
        token_ids=sampled.token_ids,
        logprobs=sampled.logprobs,
        text=family.decode(sampled.token_ids),
        token_texts=family.token_texts(sampled.token_ids),
        stop_reason=_stop_reason(sampled.finish_reason),
        weights_version=weights_version,
        support=_support(sampled.likeliest, support, vocabulary) if support else None,
    )


def _stop_reason(reason: str | None) -> StopReason:
    if reason == "stop":
        return "stop"
    if reason == "length":
        return "length"
    raise RuntimeError(f"the engine ended a completion with {reason!r}; expected 'stop' or 'length'")


def _support(
    likeliest: Sequence[tuple[np.ndarray, np.ndarray]], reported: int, vocabulary: int
) -> np.ndarray:
    """Tokens [C, K] that could be drawn, likeliest first, -1 pads."""
    kept = [ids[logprobs > -np.inf] for ids, logprobs in likeliest]
    widest = max(len(ids) for ids in kept)
    if widest == reported < vocabulary:
        raise ValueError(
            f"top-k and top-p left {reported} tokens or more to draw from, and no more were reported; the "
            "log-probs could not be trained on their support; set sampling.top_k, or raise "
            "rollout.support_tokens"
        )
    support = np.full((len(kept), widest), -1, dtype=np.int64)
    for row, ids in zip(support, kept, strict=True):
        row[: len(ids)] = ids
    return support
