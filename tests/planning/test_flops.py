"""Operations of an update and of sampling are those that torch counts."""

import pytest
from torch.utils.flop_counter import FlopCounterMode, sdpa_backward_flop_count, sdpa_flop_count

from rlaudio.planning import flops
from rlaudio.rollout.transformers import Transformers
from rlaudio.training.packing import pack
from rlaudio.training.policy import token_logprobs
from rlaudio.utils import onednn_linear
from tests.conftest import make_prompt
from tests.planning.small_model import (
    COMPLETION,
    GROUP,
    ROWS,
    SECONDS,
    loaded,
    pass_of,
    rows_of,
    size_of,
    tokens_of,
)
from tests.settings import sampling_params


@pytest.fixture(autouse=True)
def without_onednn(monkeypatch):
    """Its layers pad rows, and compute the last product of a checkpointed block once more."""
    monkeypatch.setattr(onednn_linear, "onednn_is_faster", lambda: False)


@pytest.mark.parametrize(
    ("given", "tolerance"),
    [
        ({}, 0.001),
        ({"gradient_checkpointing": True}, 0.001),
        ({"freeze": ["audio_tower"]}, 0.001),
        ({"freeze": ["audio_tower", "projector"]}, 0.001),
        ({"freeze": ["language_model"]}, 0.001),
        ({"lora_rank": 8}, 0.02),  # the first block's projections need no gradient for their input
        ({"lora_rank": 8, "gradient_checkpointing": True}, 0.02),
    ],
)
def test_operations_of_an_update_are_those_that_torch_counts(given, tolerance):
    """Eager attention, of which torch counts every product; fused kernels of a CPU it does not count."""
    size, family = size_of(**given), loaded(attention="eager", **given)
    batch, tokens = pack(rows_of(family)), tokens_of(family)
    if not size.audio_trains:
        family.embed(batch.token_ids, batch.prompts)  # encodes the clips once
    with FlopCounterMode(display=False) as counter:
        scored = token_logprobs(family, batch)
        forward = counter.get_total_flops()
        scored.logprobs.sum().backward()
    vocabulary = size.decoder.vocabulary
    clips = ROWS if size.audio_trains else 0
    expected = flops.forward(size, pass_of(tokens, "eager", clips), vocabulary)
    whole = flops.update(
        size,
        pass_of(tokens, "eager"),
        vocabulary,
        checkpointing=given.get("gradient_checkpointing", False),
        eager=True,
        head_twice=False,
    )
    assert expected.total == pytest.approx(forward, rel=tolerance)
    assert whole.total == pytest.approx(counter.get_total_flops(), rel=tolerance)


def test_a_chunked_head_is_computed_again_and_a_narrow_support_costs_its_own_rows_alone():
    size, family = size_of(), loaded(attention="eager")
    tokens = tokens_of(family)
    how = {"checkpointing": False, "eager": True}
    whole = flops.update(size, pass_of(tokens, "eager"), 1024, head_twice=True, **how)
    with FlopCounterMode(display=False) as counter:
        token_logprobs(family, pack(rows_of(family)), chunk=tokens.targets // 2).logprobs.sum().backward()
    assert whole.total == pytest.approx(counter.get_total_flops(), rel=0.001)
    narrow = flops.forward(size, pass_of(tokens, "eager"), 4)
    assert narrow.head == 2 * ROWS * GROUP * COMPLETION * 4 * 128


def test_fused_attention_goes_backward_in_the_operations_that_torch_states_for_it():
    size, given = size_of(), flops.ForwardPass(tokens=60, pairs=60 * 60, targets=0, clips=0, frames=4)
    whole = flops.update(size, given, 0, checkpointing=False, eager=False, head_twice=False)
    heads = (1, 4, 60, 32)
    stated = sdpa_flop_count(heads, heads, heads) + sdpa_backward_flop_count(heads, heads, heads, heads)
    assert whole.attention == 4 * stated


def test_operations_of_sampling_are_those_that_torch_counts():
    size, family = size_of(), loaded(attention="eager")
    family.stop_token_ids = ()  # every completion as long as it may be
    prompt = make_prompt(family, 1, seconds=SECONDS)
    with FlopCounterMode(display=False) as counter:
        Transformers(family).generate(
            [prompt], sampling_params(GROUP, temperature=1.0, max_new_tokens=9), (0,)
        )
    length, frames = len(prompt.token_ids), prompt.features["input_features"].shape[1]
    sampled = flops.Decoding(question_count=1, group_size=GROUP, prompt=length, completion=9)
    expected = flops.prefill_flops(size, 1, length, frames) + flops.decode(size, sampled)
    assert expected.total == pytest.approx(counter.get_total_flops(), rel=0.001)
