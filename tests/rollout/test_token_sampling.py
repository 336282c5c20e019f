"""From next-token logits to a token."""

import torch

from rlaudio.rollout.token_sampling import draw
from tests.settings import sampling_params


def test_draw_inverts_the_cumulative_distribution():
    logits = torch.log(torch.tensor([[0.5, 0.3, 0.2]])).repeat(4, 1)
    drawn = draw(logits, sampling_params(temperature=1.0), torch.tensor([0.0, 0.49, 0.79, 0.9999]))
    assert drawn.tokens.tolist() == [0, 0, 1, 2]
    torch.testing.assert_close(drawn.logprobs.exp(), torch.tensor([0.5, 0.5, 0.3, 0.2]))


def test_top_k_renormalises_and_records_its_support():
    logits = torch.log(torch.tensor([[0.5, 0.3, 0.2]]))
    drawn = draw(logits, sampling_params(temperature=1.0, top_k=2), torch.tensor([0.99]))
    assert drawn.tokens.tolist() == [1] and drawn.support.tolist() == [[0, 1]]
    torch.testing.assert_close(drawn.logprobs.exp(), torch.tensor([0.3 / 0.8]))


def test_top_p_keeps_the_shortest_run_that_reaches_p():
    logits = torch.log(torch.tensor([[0.5, 0.3, 0.2], [0.9, 0.06, 0.04]]))
    drawn = draw(logits, sampling_params(temperature=1.0, top_p=0.8), torch.tensor([0.99, 0.99]))
    assert drawn.tokens.tolist() == [1, 0]
    assert drawn.support.tolist() == [[0, 1], [0, -1]]


def test_top_k_wider_than_the_allowed_tokens_does_not_admit_forbidden_ones():
    logits = torch.tensor([[0.0, float("-inf"), float("-inf")]])
    drawn = draw(logits, sampling_params(temperature=1.0, top_k=3), torch.tensor([0.999999]))
    assert drawn.tokens.tolist() == [0] and drawn.support.tolist() == [[0]]
