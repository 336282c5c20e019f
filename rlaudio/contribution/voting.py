"""The vote on audio contribution, and how reliable it is. Pure functions of who was right in silence.

An item is weak if at least k of n voters answer it right although they hear only silence, else strong
(arXiv:2509.21060: k = 2 of n = 3). V voters, Q questions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import ceil, comb
from typing import Any

import numpy as np

from rlaudio.utils.number_format import counted


@dataclass(frozen=True, eq=False)
class Votes:
    """Who was right on silence. An item is tried under one or more orders of its options."""

    voters: tuple[str, ...]  # [V] names
    success: np.ndarray  # [V, Q] float64, share of the option orders under which the voter was right
    first_order: np.ndarray  # [V, Q] bool, right under the options' order in the data

    @classmethod
    def under_orders(cls, voters: Sequence[str], right: np.ndarray) -> Votes:
        """From who was right under each order, [V, Q, K] as of `by_order`."""
        return cls(tuple(voters), np.nanmean(right, axis=2), right[:, :, 0] == 1.0)

    @property
    def right(self) -> np.ndarray:
        """[V, Q] bool: right under more than half of the option orders."""
        return self.success > 0.5

    @property
    def contribution_score(self) -> np.ndarray:
        """[Q] float64 in [0, 1]: one minus the share of (voter, order) trials that were right on silence.

        1: nobody answers without the audio; 0: everybody does, whatever the order of the options.
        """
        return 1.0 - self.success.mean(axis=0)

    def of(self, questions: np.ndarray) -> Votes:
        """The votes on some of the questions, by bool mask or index."""
        return Votes(self.voters, self.success[:, questions], self.first_order[:, questions])


def by_order(measured: Sequence[Sequence[Sequence[float] | np.ndarray]]) -> np.ndarray:
    """[V, Q, K] float64: what was measured of each voter and question under each of K orders of the options.

    NaN where a question has fewer orders than another.
    """
    orders = max(len(of_question) for of_voter in measured for of_question in of_voter)
    whole = np.full((len(measured), len(measured[0]), orders), np.nan)
    for voter, of_voter in enumerate(measured):
        for question, of_question in enumerate(of_voter):
            whole[voter, question, : len(of_question)] = of_question
    return whole


def is_weak(right: np.ndarray, threshold: int) -> np.ndarray:
    """[Q] bool: at least `threshold` of the voters of `right` [V, Q] were right.

    Raises ValueError for a threshold below 1 or above the number of voters.
    """
    voters = len(right)
    if not 1 <= threshold <= voters:
        raise ValueError(f"threshold {threshold} of {voters} voters; expected 1 to {voters}")
    return right.sum(axis=0) >= threshold


# --- chance -------------------------------------------------------------------------------------------


def chance_floor(
    choices: Sequence[int], *, voters: int, threshold: int, orders: int | Sequence[int] = 1
) -> float:
    """Probability that an item is called weak although every voter guesses, mean over items.

    `choices` [Q] is the number of options of each item, `orders` in how many orders each is tried. The
    guesses are taken to be uniform and independent over voters and orders, so this is a floor: voters with
    a common bias ("the longest one") agree more often, and more orders do not change a guess that depends
    on an option's wording alone.
    4 options, 2 of 3 voters: 0.156.
    """
    kinds = np.stack(np.broadcast_arrays(np.asarray(choices), np.asarray(orders)))  # [2, Q]
    counts, items = np.unique(kinds, axis=1, return_counts=True)
    floors = [_luck(int(count), voters, threshold, int(tried)) for count, tried in counts.T]
    return float(np.average(floors, weights=items))


def without_luck(weak_share: float, floor: float) -> float:
    """The share of weak items, corrected for those that chance calls weak.

    With a share w truly weak and all of it found, w + (1 - w) * floor are called weak (Rogan and Gladen 1978,
    at a sensitivity of 1); voters that miss weak items make it too low. 0 where chance alone calls more weak.
    """
    return max(0.0, (weak_share - floor) / (1.0 - floor)) if floor < 1.0 else 0.0


def luck_ceiling(weak_share: float, floor: float) -> float:
    """Highest expected F1 of "weak", where chance labels `floor` of the strong items weak.

    With a share w truly weak and all of it found, TP = w, FP = (1 - w) * floor and FN = 0, so
    F1 = 2w / (2w + (1 - w) * floor). At w = 0.5 and 2 of 3 voters over 4 options: 0.928. It bounds the
    expectation; on a small set F1 may be higher by chance.
    """
    if weak_share == 0.0:
        return 0.0
    return 2 * weak_share / (2 * weak_share + (1 - weak_share) * floor)


def _luck(choices: int, voters: int, threshold: int, orders: int) -> float:
    tried = min(orders, choices)
    one_voter = _at_least(tried // 2 + 1, tried, 1.0 / choices)
    return _at_least(threshold, voters, one_voter)


def _at_least(hits: int, trials: int, probability: float) -> float:
    """Upper tail of the binomial distribution."""
    return sum(
        comb(trials, k) * probability**k * (1.0 - probability) ** (trials - k)
        for k in range(hits, trials + 1)
    )


# --- against the known truth ------------------------------------------------------------------------


@dataclass(frozen=True)
class Quality:
    """How well "weak" finds the questions that text answers; None where there is nothing to divide by."""

    precision: float | None
    recall: float | None
    f1: float | None


def quality(weak: np.ndarray, text_answerable: np.ndarray) -> Quality:
    """Precision, recall and F1 of `weak` [Q] bool against the truth [Q] bool."""
    hits = int((weak & text_answerable).sum())
    labelled, true = int(weak.sum()), int(text_answerable.sum())
    return Quality(
        precision=_ratio(hits, labelled),
        recall=_ratio(hits, true),
        f1=_ratio(2 * hits, labelled + true),
    )


# --- agreement of the voters, and how the split depends on them --------------------------------------


def cohen_kappa(first: np.ndarray, second: np.ndarray) -> float | None:
    """Agreement of two voters [Q] bool beyond chance (Cohen 1960); None if neither ever varies."""
    observed = float((first == second).mean())
    p, q = float(first.mean()), float(second.mean())
    expected = p * q + (1 - p) * (1 - q)
    return None if expected == 1.0 else (observed - expected) / (1.0 - expected)


def fleiss_kappa(right: np.ndarray) -> float | None:
    """Agreement of all voters [V, Q] bool beyond chance (Fleiss 1971); None for one voter or no variation."""
    voters = len(right)
    share = float(right.mean())
    expected = share**2 + (1 - share) ** 2
    if voters < 2 or expected == 1.0:
        return None
    hits = right.sum(axis=0)  # [Q]
    pairs = hits * (hits - 1) + (voters - hits) * (voters - hits - 1)
    observed = float(pairs.mean()) / (voters * (voters - 1))
    return (observed - expected) / (1.0 - expected)


def flip_rate(first: np.ndarray, second: np.ndarray) -> float:
    """Share of the items whose label differs between two splits [Q] bool."""
    return float((first != second).mean())


@dataclass(frozen=True)
class Variant:
    """Another way to split the same votes."""

    voters: tuple[str, ...]
    threshold: float  # voters that must be right, or the probability from which on a question is weak
    weak: float  # share of the items
    flip_rate: float  # against the split that was used
    orders: int | None = None  # of the options, where fewer than were asked
    silence: str = ""  # where another than was asked, in words
    style: str = ""  # of the prompt, where another than was asked

    def to_dict(self) -> dict[str, Any]:
        """The variant as JSON, with its title."""
        return {"title": self.title, **asdict(self)}

    @property
    def title(self) -> str:
        """The rule in a few words."""
        count = len(self.voters)
        needed = (
            f"{self.threshold} of {count}" if isinstance(self.threshold, int) else f"{self.threshold:g} by"
        )
        orders = "" if self.orders is None else f", first {counted(self.orders, 'order')}"
        silence = self.silence and f", {self.silence}"
        style = self.style and f", prompt style {self.style}"
        return f"{needed}: {', '.join(self.voters)}{orders}{silence}{style}"

    @classmethod
    def of(
        cls,
        voters: tuple[str, ...],
        threshold: float,
        weak: np.ndarray,
        used: np.ndarray,
        orders: int | None = None,
    ) -> Variant:
        """The variant whose split is `weak` [Q] bool, against the one that was `used`."""
        return cls(voters, threshold, float(weak.mean()), flip_rate(weak, used), orders)


def threshold_variants(votes: Votes, threshold: int) -> list[Variant]:
    """The split under every threshold 1..n, against the one that was used."""
    used = is_weak(votes.right, threshold)
    return [_variant(votes.voters, votes.right, other, used) for other in range(1, len(votes.voters) + 1)]


def leave_one_out_variants(votes: Votes, threshold: int) -> list[Variant]:
    """The split without each of the voters in turn, the threshold's share of the voters kept (rounded up)."""
    used = is_weak(votes.right, threshold)
    count = len(votes.voters)
    if count == 1:
        return []
    fewer = ceil(threshold * (count - 1) / count)
    return [
        _variant(
            tuple(name for name in votes.voters if name != left_out),
            np.delete(votes.right, number, axis=0),
            fewer,
            used,
        )
        for number, left_out in enumerate(votes.voters)
    ]


def pairwise_kappa(votes: Votes) -> Mapping[tuple[str, str], float | None]:
    """Cohen's kappa of every pair of voters."""
    return {
        (first, second): cohen_kappa(votes.right[i], votes.right[j])
        for i, first in enumerate(votes.voters)
        for j, second in enumerate(votes.voters)
        if i < j
    }


def _variant(voters: tuple[str, ...], right: np.ndarray, threshold: int, used: np.ndarray) -> Variant:
    return Variant.of(voters, threshold, is_weak(right, threshold), used)


# --- gain of several option orders --------------------------------------------------------------------


@dataclass(frozen=True)
class OrderGain:
    """F1 of "weak" from one option order and from the majority over several."""

    plain: float | None
    debiased: float | None

    @property
    def gain(self) -> float | None:
        """F1 of the debiased vote minus that of the plain one."""
        if self.plain is None or self.debiased is None:
            return None
        return self.debiased - self.plain


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None
