"""Attention with a sliding window over branches, against its definition, in double precision."""

import pytest
import torch
from torch.nn.functional import pad, scaled_dot_product_attention

from rlaudio.models.shared.branching import Branching
from rlaudio.models.shared.windowed_attention import attend_near
from tests.models.shared.test_branching import HEADS, LAYOUTS, SCALE, random_inputs


def seen(branching, window):
    """Which tokens each token sees: of its prompt and branch those less than `window` positions before it."""
    gap = branching.positions[:, None] - branching.positions
    return branching.visible() & (gap < window)


def with_a_mask(query, key, value, mask):
    key, value = (x.repeat_interleave(HEADS // x.shape[1], dim=1) for x in (key, value))
    return scaled_dot_product_attention(query, key, value, attn_mask=mask, scale=SCALE).transpose(1, 2)


@pytest.mark.parametrize("window", [1, 4, 16, 30, 1000])
@pytest.mark.parametrize("shared", [0, 9])
@pytest.mark.parametrize("lengths", LAYOUTS.values(), ids=LAYOUTS)
def test_outputs_and_gradients_are_those_of_the_masked_form(lengths, shared, window):
    branching = Branching(lengths, shared)
    inputs, exact = (random_inputs(branching, dtype) for dtype in (torch.float32, torch.float64))
    out = attend_near(*inputs, branching, SCALE, window)
    expected = with_a_mask(*exact, seen(branching, window))
    weights = torch.randn(out.shape, generator=torch.Generator().manual_seed(1))
    out.backward(weights)
    expected.backward(weights.double())
    torch.testing.assert_close(out.double(), expected, atol=2e-5, rtol=0)
    for x, y in zip(inputs, exact, strict=True):
        assert (x.grad - y.grad).abs().max() < 1e-5 * y.grad.abs().max().clamp(min=1)


@pytest.mark.parametrize("window", [4, 1000])
def test_tokens_behind_the_rows_change_nothing(window):
    branching = Branching(LAYOUTS["completions of different lengths"], 9)
    inputs = random_inputs(branching, torch.float32)
    longer = [pad(x, (0, 0, 0, 7), value=3.0) for x in inputs]
    expected, out = (attend_near(*given, branching, SCALE, window) for given in (inputs, longer))
    torch.testing.assert_close(out, pad(expected, (0, 0, 0, 0, 0, 7)))


def test_branches_stand_where_their_prompt_ends():
    branching = Branching(((2, (2, 1)), (1, (1,))), shared=3)
    assert branching.positions.tolist() == [0, 1, 2, 3, 4, 5, 6, 5, 3, 4]
    assert branching.longest == 7


def test_a_branch_sees_the_end_of_its_prompt_and_nothing_of_its_sister():
    mask = seen(Branching(((3, (2, 2)),)), window=3)[0, 0]
    assert [[int(x) for x in row] for row in mask] == [
        [1, 0, 0, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0, 0],
        [1, 1, 1, 0, 0, 0, 0],
        [0, 1, 1, 1, 0, 0, 0],
        [0, 0, 1, 1, 1, 0, 0],
        [0, 1, 1, 0, 0, 1, 0],
        [0, 0, 1, 0, 0, 1, 1],
    ]
