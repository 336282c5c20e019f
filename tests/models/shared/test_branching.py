"""Attention without a mask of all tokens against attention with one, in double precision."""

import pytest
import torch
from torch.nn.functional import pad, scaled_dot_product_attention

from rlaudio.models.shared.branching import Branching, _in_two_passes, attend, attend_without_gradient

HEADS, KEY_HEADS, WIDTH = 4, 2, 32
SCALE = 1 / WIDTH**0.5
LAYOUTS = {
    "completions of different lengths": ((20, (3, 1, 7)), (33, (2,)), (70, (5, 4))),
    "completions of one length": ((20, (3, 3, 3)), (33, (3,))),
    "a prompt without completions": ((5, ()), (6, (2, 3))),
    "completions longer than the prompt": ((2, (40, 3, 41)),),
}


def random_inputs(branching, dtype):
    """Query, key and value, of the same numbers in every dtype."""
    generator = torch.Generator().manual_seed(0)
    shapes = [(1, heads, branching.tokens, WIDTH) for heads in (HEADS, KEY_HEADS, KEY_HEADS)]
    return [(2 * torch.randn(s, generator=generator)).to(dtype).requires_grad_() for s in shapes]


def with_a_mask(query, key, value, branching):
    key, value = (x.repeat_interleave(HEADS // KEY_HEADS, dim=1) for x in (key, value))
    out = scaled_dot_product_attention(query, key, value, attn_mask=branching.visible(), scale=SCALE)
    return out.transpose(1, 2)


@pytest.mark.parametrize(("way", "shared"), [(attend, 0), (attend, 9), (_in_two_passes, 0)])
@pytest.mark.parametrize("lengths", LAYOUTS.values(), ids=LAYOUTS)
def test_outputs_and_gradients_are_those_of_the_masked_form(way, shared, lengths):
    branching = Branching(lengths, shared)
    inputs, exact = (random_inputs(branching, dtype) for dtype in (torch.float32, torch.float64))
    out = way(*inputs, branching, SCALE)
    expected = with_a_mask(*exact, branching)
    weights = torch.randn(out.shape, generator=torch.Generator().manual_seed(1))
    out.backward(weights)
    expected.backward(weights.double())
    torch.testing.assert_close(out.double(), expected, atol=2e-5, rtol=0)
    for x, y in zip(inputs, exact, strict=True):
        assert (x.grad - y.grad).abs().max() < 1e-5 * y.grad.abs().max()


@pytest.mark.parametrize("padding", [1, 40])
def test_tokens_behind_the_rows_change_nothing(padding):
    branching = Branching(LAYOUTS["completions of different lengths"], 9)
    inputs = random_inputs(branching, torch.float32)
    longer = [pad(x.detach(), (0, 0, 0, padding), value=3.0).requires_grad_() for x in inputs]
    outs = [attend(*given, branching, SCALE) for given in (inputs, longer)]
    for out in outs:
        (out * torch.arange(out.numel()).view(out.shape).cos()).sum().backward()
    assert torch.equal(outs[1][:, : branching.tokens], outs[0])
    assert not outs[1][:, branching.tokens :].any()
    for x, y in zip(inputs, longer, strict=True):
        assert torch.equal(y.grad[:, :, : branching.tokens], x.grad)
        assert not y.grad[:, :, branching.tokens :].any()


@pytest.mark.parametrize("shared", [0, 9])
def test_bfloat16_is_as_near_to_the_truth_as_its_digits_allow(shared):
    branching = Branching(LAYOUTS["completions of different lengths"], shared)
    inputs = [x.detach() for x in random_inputs(branching, torch.bfloat16)]
    out = attend(*inputs, branching, SCALE)
    exact = with_a_mask(*(x.double() for x in inputs), branching)
    assert out.dtype == torch.bfloat16
    assert (out.double() - exact).abs().max() < 2**-7 * exact.abs().max()


def test_a_token_sees_its_prompt_and_what_comes_before_it_in_its_own_completion():
    seen = Branching(((2, (2, 1)), (1, (1,)))).visible()[0, 0]
    assert [[int(x) for x in row] for row in seen] == [
        [1, 0, 0, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0, 0],
        [1, 1, 1, 0, 0, 0, 0],
        [1, 1, 1, 1, 0, 0, 0],
        [1, 1, 0, 0, 1, 0, 0],
        [0, 0, 0, 0, 0, 1, 0],
        [0, 0, 0, 0, 0, 1, 1],
    ]


def test_all_rows_see_the_text_before_them():
    seen = Branching(((1, (1,)), (2, ())), shared=2).visible()[0, 0]
    assert [[int(x) for x in row] for row in seen] == [
        [1, 0, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0],
        [1, 1, 1, 0, 0, 0],
        [1, 1, 1, 1, 0, 0],
        [1, 1, 0, 0, 1, 0],
        [1, 1, 0, 0, 1, 1],
    ]


def test_the_form_of_other_devices_refuses_text_before_the_rows():
    branching = Branching(((3, (2, 2)),), shared=2)
    with pytest.raises(ValueError, match="on a CPU alone"):
        _in_two_passes(*random_inputs(branching, torch.float32), branching, SCALE)


@pytest.mark.parametrize("shared", [0, 3])
def test_scores_far_apart_stay_finite(shared):
    branching = Branching(((3, (2, 2)),), shared)
    inputs = [(100 * x).detach().requires_grad_() for x in random_inputs(branching, torch.float32)]
    attend(*inputs, branching, SCALE).sum().backward()
    assert all(x.grad.isfinite().all() for x in inputs)


def test_without_a_gradient_fewer_key_heads_are_as_good_as_repeated_ones():
    query, key, value = (x.detach() for x in random_inputs(Branching(((9, (3, 4)),)), torch.float32))
    mask = torch.zeros(1, 1, 5, 16).masked_fill_(
        torch.rand(1, 1, 5, 16) < 0.3, torch.finfo(torch.float32).min
    )
    repeated = [x.repeat_interleave(HEADS // KEY_HEADS, dim=1) for x in (key, value)]
    last = query[:, :, -5:]
    expected = scaled_dot_product_attention(last, *repeated, attn_mask=mask, scale=SCALE)
    torch.testing.assert_close(
        attend_without_gradient(last, key, value, mask, SCALE), expected.transpose(1, 2), atol=1e-6, rtol=0
    )
    expected = scaled_dot_product_attention(query, *repeated, is_causal=True, scale=SCALE)
    torch.testing.assert_close(
        attend_without_gradient(query, key, value, None, SCALE), expected.transpose(1, 2), atol=1e-6, rtol=0
    )
