"""How many questions of each kind a split has."""

from collections import Counter
from dataclasses import asdict

import pytest

from rlaudio.worlds.synthetic.kinds import KindShares


@pytest.mark.parametrize(
    ("shares", "most"),
    [
        (KindShares(), 1),
        (KindShares(1.0), 1),
        (KindShares(0.0, 0.0, 0.37), 1),
        (KindShares(0.0, 1.0, 0.0), 1),
        (KindShares(0.0, 0.0, 0.5), 1),
        (KindShares(1 / 3, 1 / 3, 1 / 3), 2),
        (KindShares(0.5, 0.2, 0.1), 2),
        (KindShares(0.61, 0.13, 0.07), 3),
        (KindShares(0.3, 0.7), 3),
    ],
)
def test_counts_are_near_exact_at_any_number(shares, most):
    exact = {**asdict(shares), "audio_only": 1.0 - sum(asdict(shares).values())}
    counts = Counter()
    for number in range(300):
        counts[shares.kind(number)] += 1
        for kind, share in exact.items():
            assert abs(counts[kind] - share * (number + 1)) <= most + 1e-6


def test_shares_that_are_none_or_too_many_are_refused():
    with pytest.raises(ValueError, match=r"misleading_share is 1\.5; expected 0 to 1"):
        KindShares(misleading=1.5)
    with pytest.raises(ValueError, match=r"add up to 1\.2: .*expected at most 1"):
        KindShares(0.5, 0.4, 0.3)
