"""What engines report, as records."""

import numpy as np
import pytest

from rlaudio.rollout.completions import SampledTokens, likeliest_to_report, request_seed, to_completion
from rlaudio.types import greedy
from tests.settings import sampling_params

REST = -np.inf


def reported(*rows, token_ids=(5, 7), finish_reason="stop"):
    """Tokens 5 and 7 with the given (ids, log-probs) of the likeliest tokens beside each."""
    return SampledTokens(
        token_ids=np.array(token_ids),
        logprobs=np.full(len(token_ids), -0.5, dtype=np.float32),
        likeliest=tuple((np.array(ids), np.array(logprobs)) for ids, logprobs in rows),
        finish_reason=finish_reason,
    )


def test_the_support_is_what_has_a_probability_padded_to_the_widest(policy):
    sampled = reported(([5, 6, 9], [-0.5, -0.9, REST]), ([7, 8, 9], [-0.5, REST, REST]))
    completion = to_completion(policy, sampled, 3, support=3, vocabulary=1024)
    assert completion.support.tolist() == [[5, 6], [7, -1]]
    assert completion.weights_version == 3


def test_a_support_wider_than_what_was_reported_is_refused(policy):
    sampled = reported(([5, 6], [-0.5, -0.9]), ([7, 8], [-0.5, REST]))
    with pytest.raises(ValueError, match=r"left 2 tokens or more .* raise rollout\.support_tokens"):
        to_completion(policy, sampled, 0, support=2, vocabulary=1024)
    assert to_completion(policy, sampled, 0, support=2, vocabulary=2).support.shape == (2, 2)  # all there are


def test_a_completion_that_the_engine_gave_up_is_an_error(policy):
    with pytest.raises(RuntimeError, match="ended a completion with 'abort'"):
        to_completion(policy, reported(finish_reason="abort"), 0, support=0, vocabulary=1024)


@pytest.mark.parametrize(
    ("sampling", "expected"),
    [
        (greedy(8), 0),
        (sampling_params(temperature=0.0, top_k=4), 0),
        (sampling_params(), 0),
        (sampling_params(top_k=4), 20),  # ties with the fourth are kept as well
        (sampling_params(top_k=1000), 1010),
        (sampling_params(top_p=0.9), 64),
    ],
)
def test_as_many_likeliest_tokens_are_asked_for_as_the_support_may_have(sampling, expected):
    assert likeliest_to_report(sampling, vocabulary=1010, limit=64) == expected


def test_seeds_depend_on_every_part_of_the_key_and_on_the_item_and_leave_room_to_count_up():
    seeds = {request_seed((0, "rl", step), item) for step in range(50) for item in ("q1", "q2")}
    seeds |= {request_seed((1, "rl", 0), "q1"), request_seed((0, "sft", 0), "q1")}
    assert len(seeds) == 102
    assert min(seeds) >= 0 and max(seeds) + 1024 < 2**63
    assert request_seed((0, "rl", 7), "q1") == 2734387607246502813  # the same in every process and version
