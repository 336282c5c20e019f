"""SFT as an algorithm: one completion, cross-entropy weights."""

from rlaudio.algorithms.sft import SFT
from tests.algorithms.batches import samples, tokens


def test_sft_is_the_weighted_cross_entropy():
    result = SFT().loss(tokens([-1.0, -3.0], [0.0, 0.0], [1.0, 1.0], [0.5, 0.5]))
    assert float(result.total.detach()) == 2.0


def test_sft_counts_every_target_alike():
    assert SFT().advantages(samples([[0.0, 3.0]])).tolist() == [[1.0, 1.0]]
