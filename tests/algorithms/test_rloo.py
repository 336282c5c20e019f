"""What RLOO does otherwise than GRPO, by hand."""

import math

import pytest

from rlaudio.algorithms.rloo import RLOO
from tests.algorithms.batches import NAN, samples, tokens


def test_rloo_compares_with_the_mean_of_the_others():
    advantages = RLOO().advantages(samples([[3.0, 0.0, 1.5]]))
    assert advantages[0].tolist() == pytest.approx([2.25, -2.25, 0.0])  # 3 - 0.75, 0 - 2.25, 1.5 - 1.5


def test_rloo_counts_only_the_others_that_have_a_reward():
    advantages = RLOO().advantages(samples([[3.0, NAN, 1.0], [NAN, 2.0, NAN]]))
    assert advantages.nan_to_num(9.0).tolist() == [[2.0, 9.0, -2.0], [9.0, 0.0, 9.0]]


def test_rloos_gradient_is_the_advantage_for_the_summed_logprob_of_each_completion():
    batch = tokens([-1.0] * 3, [-1.0] * 3, [2.0, 2.0, -4.0], [0.25, 0.25, 0.5], completions=[0, 0, 1])
    RLOO(kl=0.0).loss(batch).total.backward()
    assert batch.logprobs.grad.tolist() == pytest.approx([-1.0, -1.0, 2.0])  # -A / 2 completions, each token


def test_rloo_takes_the_ratio_of_whole_completions_and_clips_it_only_if_told():
    columns = ([math.log(2.0), math.log(3.0)], [0.0, 0.0], [1.0, 1.0], [0.5, 0.5])
    assert float(RLOO(kl=0.0).loss(tokens(*columns)).total.detach()) == pytest.approx(-6.0)
    assert float(RLOO(kl=0.0, clip=0.2).loss(tokens(*columns)).total.detach()) == pytest.approx(-1.2)
