"""From log-probs of a question's options to how well text alone answers it, and what the audio adds.

Pure functions. Two quantities, which are not to be mixed up:

    text-answerability  p(gold | silence)
    audio contribution  p(gold | audio) - p(gold | silence)

p is an option's share of the probability of all options, under one order of them; K cyclic orders put every
option in every place, so their mean has no preference for a place in it. Options with equal texts count as
a single one. K orders, O options.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any
from unicodedata import normalize

import numpy as np
from scipy import stats

CONFIDENCE = 0.95


@dataclass(frozen=True)
class ShareEstimate:
    """A mean over option orders."""

    value: float
    interval: tuple[float, float] | None  # 95 %, over orders; None: of a single order

    @classmethod
    def over_orders(cls, values: np.ndarray, low: float, high: float) -> ShareEstimate:
        """The mean of `values` [K], its t interval cut to what is possible."""
        mean = float(values.mean())
        if len(values) < 2:
            return cls(mean, None)
        error = values.std(ddof=1) / np.sqrt(len(values))
        reach = _quantile(len(values) - 1) * float(error)
        return cls(mean, (max(low, mean - reach), min(high, mean + reach)))


@dataclass(frozen=True, eq=False)
class OptionLogprobs:
    """How likely a model finds a question's options, under each of K orders of them."""

    logprobs: np.ndarray  # [K, O] float64, nats, the options in the order of the data whatever was shown
    options: tuple[str, ...]  # [O]
    gold: int

    @cached_property
    def gold_shares(self) -> np.ndarray:
        """[K] float64 in [0, 1]: the gold option's share of the probability of all options."""
        distinct, gold = self._distinct
        return np.exp(distinct[:, gold] - np.logaddexp.reduce(distinct, axis=1))

    @property
    def gold_logprobs(self) -> np.ndarray:
        """[K] log-prob of the gold option among all texts, not options alone."""
        return self.logprobs[:, self.gold]

    @cached_property
    def margins(self) -> np.ndarray:
        """[K] log-prob of the gold option minus that of the likeliest other; infinite where there is none."""
        distinct, gold = self._distinct
        others = np.delete(distinct, gold, axis=1)
        best = others.max(axis=1, initial=-np.inf)
        return distinct[:, gold] - best

    @property
    def chosen_gold(self) -> np.ndarray:
        """[K] bool: no other option is as likely as the gold one."""
        return self.margins > 0.0

    @staticmethod
    def answerability(unheard: Sequence[OptionLogprobs]) -> ShareEstimate:
        """How well text alone answers: p(gold | silence), mean over voters and orders."""
        return mean_estimate([each.gold_shares for each in unheard], 0.0, 1.0)

    @staticmethod
    def audio_gain(pairs: Sequence[tuple[OptionLogprobs, OptionLogprobs]]) -> ShareEstimate:
        """The audio contribution: p(gold | audio) - p(gold | silence) of (heard, unheard)."""
        return mean_estimate([heard.gold_shares - unheard.gold_shares for heard, unheard in pairs], -1.0, 1.0)

    def details(self, heard: OptionLogprobs | None) -> dict[str, Any]:
        """What a voter says of a question, as JSON."""
        text = self.answerability([self])
        fields: dict[str, Any] = {"answerability": text.value, "interval": text.interval}
        if heard is None:
            return fields
        gain = AudioGain.of(heard, self)
        return {
            **fields,
            "gain": gain.probability.value,
            "gain_interval": gain.probability.interval,
            "heard": gain.heard,
            "margin": gain.margin,
            "pmi": gain.pmi,
        }

    @cached_property
    def _distinct(self) -> tuple[np.ndarray, int]:
        """[K, distinct options], and which of these is the gold one."""
        options = [normalize("NFC", option) for option in self.options]  # as tokenizers see them
        texts = list(dict.fromkeys(options))
        first = [options.index(text) for text in texts]
        return self.logprobs[:, first], texts.index(options[self.gold])


@dataclass(frozen=True)
class AudioGain:
    """What a question's own audio adds for one model, over silence."""

    probability: ShareEstimate  # p(gold | audio) - p(gold | silence), in [-1, 1]: the audio contribution
    heard: float  # p(gold | audio)
    margin: float | None  # nats, how much farther the gold option is ahead; None without another option
    pmi: float  # nats, log p(gold | audio) - log p(gold | silence) among all texts: mutual information

    @classmethod
    def of(cls, heard: OptionLogprobs, unheard: OptionLogprobs) -> AudioGain:
        """The gain between two measurements under the same orders."""
        ahead = np.isfinite(heard.margins).all() and np.isfinite(unheard.margins).all()
        return cls(
            probability=OptionLogprobs.audio_gain([(heard, unheard)]),
            heard=float(heard.gold_shares.mean()),
            margin=float((heard.margins - unheard.margins).mean()) if ahead else None,
            pmi=float((heard.gold_logprobs - unheard.gold_logprobs).mean()),
        )


@cache
def _quantile(freedom: int) -> float:
    """The t distribution's, by which a 95 % interval reaches to either side."""
    return float(stats.t.ppf((1 + CONFIDENCE) / 2, freedom))


def mean_estimate(per_voter: Sequence[np.ndarray], low: float, high: float) -> ShareEstimate:
    """The mean over voters and orders; its interval is over orders, each a mean over voters [K].

    Voters are the ones that were asked, not a sample of others. Voters of fewer orders than others count
    with those that they have.
    """
    fewest = min(map(len, per_voter))
    return ShareEstimate.over_orders(np.mean([values[:fewest] for values in per_voter], axis=0), low, high)


def auc(scores: np.ndarray, positive: np.ndarray) -> float | None:
    """Probability that a positive item [Q] bool has a higher score than another; ties count half.

    The area under the receiver operating characteristic, by rank sums (Mann and Whitney 1947). None where
    all items are of one kind.
    """
    positives, negatives = int(positive.sum()), int((~positive).sum())
    if not positives or not negatives:
        return None
    ranks = stats.rankdata(scores)
    return float((ranks[positive].sum() - positives * (positives + 1) / 2) / (positives * negatives))


@dataclass(frozen=True)
class CalibrationBin:
    """Questions whose gold option got about the same probability."""

    low: float
    high: float
    question_count: int
    predicted: float  # mean probability
    observed: float  # share that is right, or that text truly answers


def calibration(probabilities: np.ndarray, outcomes: np.ndarray, bins: int = 10) -> list[CalibrationBin]:
    """What happened to the items [Q] that were given about the same probability; empty bins are left out."""
    number = np.minimum((probabilities * bins).astype(int), bins - 1)
    return [
        CalibrationBin(
            low=b / bins,
            high=(b + 1) / bins,
            question_count=int((number == b).sum()),
            predicted=float(probabilities[number == b].mean()),
            observed=float(outcomes[number == b].mean()),
        )
        for b in np.unique(number).tolist()
    ]


def best_threshold(scores: np.ndarray, positive: np.ndarray) -> float:
    """The score from which on to call an item positive so that F1 on these items [Q] is highest.

    Half way between two scores, so that items on neither side are on the border.
    """
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(positive[order])
    labelled = np.arange(1, len(scores) + 1)
    f1 = 2 * hits / (labelled + positive.sum())
    ordered = scores[order]
    ends = np.append(ordered[:-1] != ordered[1:], True)  # equal scores fall on the same side
    best = int(np.flatnonzero(ends)[np.argmax(f1[ends])])
    below = ordered[best + 1] if best + 1 < len(ordered) else ordered[best]
    return float((ordered[best] + below) / 2)
