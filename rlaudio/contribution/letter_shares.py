"""How likely a model finds the letters of options, where only its likeliest first tokens are told.

What the told tokens leave of the probability may belong to any option, so a share is known between two
bounds: all of the rest to others, and all of it to the gold option. Letters are not the options spelled out
(`option_shares.py`): a model may know an option and not its letter, so the two are never mixed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from string import ascii_uppercase
from typing import Any

import numpy as np

from rlaudio.contribution.option_shares import ShareEstimate

AROUND = " \t\n.:)(▁Ġ"  # what tokens have beside a letter


@dataclass(frozen=True, eq=False)
class LetterShares:
    """The gold letter's share of the probability of all letters, under each of K orders, between bounds."""

    lowest: np.ndarray  # [K] float64
    highest: np.ndarray  # [K] float64
    likeliest: np.ndarray  # [K] bool: no other letter was told to be as likely

    @classmethod
    def of(cls, orders: Sequence[tuple[Sequence[tuple[str, float]], int, int]]) -> LetterShares:
        """From the told tokens and log-probs, the number of options and the gold one, for every order."""
        bounds = [_bounds(_letters(told, count), gold, _rest(told)) for told, count, gold in orders]
        lowest, highest, likeliest = (np.array(values) for values in zip(*bounds, strict=True))
        return cls(lowest, highest, likeliest)

    @cached_property
    def gold_shares(self) -> np.ndarray:
        """[K] float64: half way between the bounds."""
        return (self.lowest + self.highest) / 2

    @property
    def chosen_gold(self) -> np.ndarray:
        """[K] bool: no other letter was told to be as likely as the gold one."""
        return self.likeliest

    @staticmethod
    def answerability(unheard: Sequence[LetterShares]) -> ShareEstimate:
        """p(gold | silence), mean over voters and orders; the interval is that of what was not told."""
        low, high = _mean([each.lowest for each in unheard]), _mean([each.highest for each in unheard])
        return ShareEstimate((low + high) / 2, (low, high))

    @staticmethod
    def audio_gain(pairs: Sequence[tuple[LetterShares, LetterShares]]) -> ShareEstimate:
        """p(gold | audio) - p(gold | silence) of (heard, unheard), with an interval as above."""
        low = _mean([heard.lowest - unheard.highest for heard, unheard in pairs])
        high = _mean([heard.highest - unheard.lowest for heard, unheard in pairs])
        return ShareEstimate((low + high) / 2, (low, high))

    def details(self, heard: LetterShares | None) -> dict[str, Any]:
        """What a voter says of a question, as JSON."""
        text = self.answerability([self])
        fields: dict[str, Any] = {"answerability": text.value, "interval": text.interval}
        if heard is None:
            return fields
        gain = self.audio_gain([(heard, self)])
        share = _mean([heard.gold_shares])
        return {**fields, "gain": gain.value, "gain_interval": gain.interval, "heard": share}


def _letters(told: Sequence[tuple[str, float]], count: int) -> np.ndarray:
    """[O] float64: the probability of every option's letter, spelled in any way that was told."""
    by_letter: Mapping[str, int] = {letter: n for n, letter in enumerate(ascii_uppercase[:count])}
    shares = np.zeros(count)
    for token, logprob in told:
        if (number := by_letter.get(token.strip(AROUND))) is not None:
            shares[number] += np.exp(logprob)
    return shares


def _rest(told: Sequence[tuple[str, float]]) -> float:
    """The probability of tokens that were not told."""
    return max(0.0, 1.0 - float(np.exp([logprob for _, logprob in told]).sum()))


def _bounds(shares: np.ndarray, gold: int, rest: float) -> tuple[float, float, bool]:
    """Lowest and highest share of the gold letter, and whether it is the likeliest told."""
    whole = float(shares.sum()) + rest
    if whole == 0.0:
        return 0.0, 0.0, False  # the model surely begins with something else
    others = np.delete(shares, gold)
    return (
        float(shares[gold]) / whole,
        (float(shares[gold]) + rest) / whole,
        bool((shares[gold] > others).all()),
    )


def _mean(values: Sequence[np.ndarray]) -> float:
    return float(np.mean([each.mean() for each in values]))
