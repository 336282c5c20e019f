"""What every rollout worker promises, whichever engine is behind it."""

import dataclasses

import numpy as np
import pytest
import torch

from rlaudio.rollout.transformers import Transformers
from rlaudio.training.packing import Branch, PackedRow, pack
from rlaudio.training.policy import Distribution, token_logprobs
from rlaudio.types import Group, greedy
from tests.rollout.conftest import KEY, WARM, WORKERS, nudge, prompts_of
from tests.settings import sampling_params

DISTRIBUTIONS = [
    sampling_params(3, temperature=1.0, max_new_tokens=6),
    sampling_params(3, temperature=1.5, top_k=4, max_new_tokens=6),
    sampling_params(3, temperature=1.2, top_p=0.6, max_new_tokens=6),
    sampling_params(3, temperature=0.8, top_k=20, top_p=0.5, max_new_tokens=6),
    greedy(6),
]


@pytest.fixture
def prompts(policy):
    return prompts_of(policy)


def tokens(groups):
    return [[c.token_ids.tolist() for c in group.completions] for group in groups]


def completions(groups):
    return [c for group in groups for c in group.completions]


def largest_gap(family, groups, sampling):
    """Between the log-probs that sampling reported and those that training computes, in nats."""
    rows = [
        PackedRow(
            group.prompt,
            tuple(
                Branch(c.token_ids, c.logprobs, np.ones(len(c.token_ids)), 1.0, c.support)
                for c in group.completions
            ),
        )
        for group in groups
    ]
    batch = pack(rows).to(family.device)
    with torch.no_grad():
        trained = token_logprobs(family, batch, Distribution(temperature=sampling.temperature or 1.0))
    return float((trained.logprobs - batch.behaviour_logprobs).abs().max())


# --- any worker ----------------------------------------------------------------------------------


def test_there_is_one_group_a_prompt_in_their_order_and_one_completion_a_sample(case, prompts):
    groups = case.worker.generate(prompts, WARM, KEY)
    assert [group.prompt for group in groups] == prompts
    assert [len(group.completions) for group in groups] == [3] * len(prompts)


def test_every_token_has_its_id_its_logprob_and_its_piece_of_text(case, prompts):
    for completion in completions(case.worker.generate(prompts, WARM, KEY)):
        assert completion.token_ids.dtype == np.int64 and completion.logprobs.dtype == np.float32
        assert 1 <= len(completion.token_ids) <= 6
        assert len(completion.token_ids) == len(completion.logprobs) == len(completion.token_texts)
        assert np.isfinite(completion.logprobs).all() and (completion.logprobs <= 0).all()
        assert "".join(completion.token_texts) == completion.text


def test_no_prompts_give_no_groups(case):
    assert case.worker.generate([], WARM, KEY) == []


def test_a_completion_ends_with_its_only_stop_token_or_at_the_limit(case, prompts):
    actual = completions(case.worker.generate(prompts, dataclasses.replace(WARM, temperature=2.0), KEY))
    actual += completions(case.worker.generate(prompts, dataclasses.replace(WARM, max_new_tokens=1), KEY))
    for completion in actual:
        stops = np.isin(completion.token_ids, case.stop_token_ids)
        assert not stops[:-1].any()
        assert stops[-1] == (completion.stop_reason == "stop")
    assert {c.stop_reason for c in actual} == {"stop", "length"}


def test_the_same_key_repeats_the_same_completions(case, prompts):
    first, again = (tokens(case.worker.generate(prompts, WARM, KEY)) for _ in range(2))
    assert first == again


def test_completions_do_not_depend_on_what_is_asked_beside_them_or_on_how_many_workers_ask(case, prompts):
    together = tokens(case.worker.generate(prompts, WARM, KEY))
    backwards = tokens(case.worker.generate(prompts[::-1], WARM, KEY))
    shares = [tokens(case.worker.generate(prompts[rank::2], WARM, KEY)) for rank in range(2)]
    assert backwards[::-1] == together
    assert [shares[i % 2][i // 2] for i in range(len(prompts))] == together


def test_completions_carry_the_version_of_the_weights_that_sampled_them(case, changeable, prompts):
    before = case.worker.generate(prompts[:1], greedy(2), KEY)
    case.worker.load_weights(changeable.named_weights(), version=7)
    after = case.worker.generate(prompts[:1], greedy(2), KEY)
    assert before[0].completions[0].weights_version == 0
    assert after[0].completions[0].weights_version == case.worker.weights_version == 7


def test_a_worker_that_slept_answers_as_before(case, prompts):
    before = tokens(case.worker.generate(prompts, WARM, KEY))
    case.worker.sleep()
    assert tokens(case.worker.generate(prompts, WARM, KEY)) == before


def refuses_once_closed(worker, prompts):
    """Close a worker and ask it."""
    worker.close()
    worker.close()  # a second time is no error
    with pytest.raises(RuntimeError, match="closed"):
        worker.generate(prompts, WARM, KEY)


# that of a server is closed in vllm/test_vllm_server.py, where one more is started anyway
@pytest.mark.parametrize("case", [name for name in WORKERS if name != "vllm_server"], indirect=True)
def test_a_closed_worker_refuses_and_another_goes_on(case, prompts):
    refuses_once_closed(case.open_another(), prompts)
    assert isinstance(case.worker.generate(prompts[:1], WARM, KEY)[0], Group)


# --- workers that sample from a model ------------------------------------------------------------


@pytest.mark.parametrize("sampling", DISTRIBUTIONS, ids=str)
def test_training_computes_the_logprobs_that_sampling_reported(policy, sampler, prompts, sampling):
    groups = sampler.generate(prompts, sampling, KEY)
    assert largest_gap(policy, groups, sampling) < 1e-4


@pytest.mark.parametrize("sampling", DISTRIBUTIONS, ids=str)
def test_the_support_holds_every_sampled_token_and_only_where_something_was_left_out(
    sampler, prompts, sampling
):
    limited = sampling.temperature > 0 and (sampling.top_k > 0 or sampling.top_p < 1)
    for completion in completions(sampler.generate(prompts, sampling, KEY)):
        assert (completion.support is not None) == limited
        if completion.support is not None:
            assert (completion.support == completion.token_ids[:, None]).sum(1).tolist() == [1] * len(
                completion.token_ids
            )
            assert not sampling.top_k or completion.support.shape[1] <= sampling.top_k


def test_samples_of_a_group_differ_and_another_key_draws_others(sampler, prompts):
    hot = sampling_params(4, temperature=2.0, max_new_tokens=6)
    groups = tokens(sampler.generate(prompts, hot, KEY))
    assert all(len({tuple(single) for single in group}) > 1 for group in groups)
    assert tokens(sampler.generate(prompts, hot, (0, "test", 1))) != groups


def test_equal_prompts_of_other_questions_draw_others(policy, sampler, prompts):
    twin = dataclasses.replace(
        prompts[0], question=dataclasses.replace(prompts[0].question, id="another question")
    )
    hot = sampling_params(4, temperature=2.0, max_new_tokens=6)
    first, second = tokens(sampler.generate([prompts[0], twin], hot, KEY))
    assert first != second


def test_forbidden_tokens_are_never_sampled_though_the_model_wants_them(changeable, sampler, prompts):
    head = changeable.head.weight
    forbidden = list(changeable.forbidden_token_ids)
    wanted = head.detach().clone()
    wanted[forbidden] = wanted[list(changeable.stop_token_ids)].mean(0) * 3  # likelier than anything else
    name = next(n for n, p in changeable.model.named_parameters() if p is head)
    sampler.load_weights([(name, wanted)], version=1)
    for sampling in (greedy(6), sampling_params(8, temperature=2.0, max_new_tokens=6)):
        groups = sampler.generate(prompts, sampling, KEY)
        assert not {t for c in completions(groups) for t in c.token_ids.tolist()} & set(forbidden)
        assert largest_gap(changeable, groups, sampling) < 1e-4


def test_greedy_completions_of_a_group_are_equal(sampler, prompts):
    groups = sampler.generate(prompts, dataclasses.replace(greedy(6), group_size=3), KEY)
    for group in tokens(groups):
        assert len(group) == 3 and group[0] == group[1] == group[2]


def test_all_workers_take_the_same_likeliest_tokens_before_and_after_an_update(changeable, sampler, prompts):
    def plain():
        return tokens(Transformers(changeable).generate(prompts, greedy(8), KEY))

    before = plain()
    assert tokens(sampler.generate(prompts, greedy(8), KEY)) == before
    sampler.load_weights(nudge(changeable), version=1)
    assert tokens(sampler.generate(prompts, greedy(8), KEY)) == plain() != before


@pytest.mark.parametrize("part", ["audio_tower", "model.layers.0", "lm_head"])
def test_both_engines_agree_after_an_update_of_one_part(changeable, sampler, prompts, part):
    some = [(name, tensor) for name, tensor in nudge(changeable) if name.startswith(part)]
    assert some
    before = sampler.generate(prompts, WARM, KEY)
    sampler.load_weights(some, version=1)
    after = sampler.generate(prompts, WARM, KEY)
    assert largest_gap(changeable, after, WARM) < 1e-4
    assert largest_gap(changeable, before, WARM) > 1e-3
