"""The transformers worker against the model run plainly, one prompt at a time."""

import dataclasses

import numpy as np
import pytest
import torch

from rlaudio.models.qwen2_5_omni import Qwen2_5Omni
from rlaudio.rollout.sampling import draw
from rlaudio.rollout.transformers import Transformers
from rlaudio.training.packing import Branch, Row, pack
from rlaudio.training.policy import Distribution, token_logprobs
from rlaudio.types import Sampling, greedy
from tests.conftest import TINY, make_prompt

KEY = (0, "test", 0)


@pytest.fixture
def prompts(shared_family):
    return [make_prompt(shared_family, s, seconds=0.4 + 0.5 * s, words=1 + 2 * s) for s in range(4)]


def plain_greedy(family, prompt, count):
    """The most likely next token, from a whole forward pass each time."""
    ids = list(prompt.token_ids)
    for _ in range(count):
        with torch.no_grad():
            tokens = torch.tensor([ids])
            features = torch.from_numpy(prompt.features)[None]
            logits = family.model(
                input_ids=tokens,
                input_features=features,
                feature_attention_mask=torch.ones(1, features.shape[2], dtype=torch.long),
                position_ids=torch.arange(len(ids))[None],
            ).logits[0, -1]
        logits[list(family.forbidden_token_ids)] = float("-inf")
        ids.append(int(logits.argmax()))
        if ids[-1] in family.stop_token_ids:
            break
    return ids[len(prompt.token_ids) :]


def test_greedy_tokens_are_those_of_the_plain_model(shared_family, prompts):
    groups = Transformers(shared_family).generate(prompts, greedy(8), KEY)
    for prompt, group in zip(prompts, groups, strict=True):
        assert group.completions[0].token_ids.tolist() == plain_greedy(shared_family, prompt, 8)


@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(3, temperature=1.0, max_new_tokens=6),
        Sampling(3, temperature=1.5, top_k=4, max_new_tokens=6),
        Sampling(3, temperature=1.2, top_p=0.6, max_new_tokens=6),
        Sampling(3, temperature=0.8, top_k=20, top_p=0.5, max_new_tokens=6),
    ],
)
def test_training_computes_the_logprobs_that_sampling_reported(shared_family, prompts, sampling):
    groups = Transformers(shared_family).generate(prompts, sampling, KEY)
    rows = [
        Row(
            g.prompt,
            tuple(
                Branch(c.token_ids, c.logprobs, np.ones(len(c.token_ids)), 1.0, c.support)
                for c in g.completions
            ),
        )
        for g in groups
    ]
    batch = pack(rows)
    with torch.no_grad():
        trained = token_logprobs(
            shared_family, batch, Distribution(temperature=sampling.temperature)
        ).logprobs
    torch.testing.assert_close(trained, batch.behaviour_logprobs, atol=2e-5, rtol=0)


def test_completions_do_not_depend_on_what_is_sampled_beside_them(shared_family, prompts):
    sampling = Sampling(4, temperature=1.0, max_new_tokens=6)
    together = Transformers(shared_family).generate(prompts, sampling, KEY)
    alone = [Transformers(shared_family).generate([p], sampling, KEY)[0] for p in reversed(prompts)]
    tiny_batches = Transformers(shared_family, batch_tokens=1).generate(prompts, sampling, KEY)
    for a, b, c in zip(together, reversed(alone), tiny_batches, strict=True):
        for x, y, z in zip(a.completions, b.completions, c.completions, strict=True):
            assert x.token_ids.tolist() == y.token_ids.tolist() == z.token_ids.tolist()


def test_another_key_draws_other_completions(shared_family, prompts):
    worker = Transformers(shared_family)
    sampling = Sampling(4, temperature=1.5, max_new_tokens=6)
    first, again, other = (worker.generate(prompts, sampling, k) for k in [KEY, KEY, (0, "test", 1)])
    texts = [
        [c.token_ids.tolist() for g in groups for c in g.completions] for groups in (first, again, other)
    ]
    assert texts[0] == texts[1] != texts[2]


def test_prompts_that_share_their_audio_share_its_computation_and_nothing_else(shared_family):
    questions = [make_prompt(shared_family, 0, words=w) for w in (1, 4, 2, 9)]
    seen = []
    worker = Transformers(_Recording(shared_family, seen))
    shared = worker.generate(questions, greedy(5), KEY)
    assert seen[0] == 1  # the audio went through the model once
    for prompt, group in zip(questions, shared, strict=True):
        assert group.completions[0].token_ids.tolist() == plain_greedy(shared_family, prompt, 5)


def test_gradient_checkpointing_leaves_sampling_as_it_is(shared_family, prompts):
    family = Qwen2_5Omni(path=TINY, device="cpu", gradient_checkpointing=True)
    sampling = Sampling(3, temperature=1.0, max_new_tokens=6)
    plain, checkpointed = (Transformers(f).generate(prompts, sampling, KEY) for f in (shared_family, family))
    for one, other in zip(plain, checkpointed, strict=True):
        for x, y in zip(one.completions, other.completions, strict=True):
            assert x.token_ids.tolist() == y.token_ids.tolist()


def test_placeholders_are_never_sampled(shared_family, prompts):
    groups = Transformers(shared_family).generate(prompts, Sampling(8, 5.0, max_new_tokens=12), KEY)
    sampled = {int(t) for g in groups for c in g.completions for t in c.token_ids}
    assert sampled and not sampled & set(shared_family.forbidden_token_ids)


def test_a_completion_ends_with_its_stop_token_or_at_the_limit(shared_family, prompts):
    groups = Transformers(shared_family).generate(prompts, Sampling(8, 3.0, max_new_tokens=9), KEY)
    for completion in (c for g in groups for c in g.completions):
        stops = np.isin(completion.token_ids, shared_family.stop_token_ids)
        assert not stops[:-1].any()
        assert stops[-1] == (completion.stop_reason == "stop")
        assert completion.stop_reason == "stop" or len(completion.token_ids) == 9
        assert len(completion.token_ids) == len(completion.logprobs) == len(completion.token_texts)


def test_loaded_weights_change_the_answers_and_stamp_their_version(family, prompts):
    worker = Transformers(family)
    before = worker.generate(prompts, greedy(6), KEY)
    generator = torch.Generator().manual_seed(1)
    noise = [(n, torch.randn(w.shape, generator=generator)) for n, w in family.named_weights()]
    worker.load_weights(noise, version=7)
    after = worker.generate(prompts, greedy(6), KEY)
    assert [c.weights_version for g in after for c in g.completions] == [7] * 4
    assert [g.completions[0].text for g in before] != [g.completions[0].text for g in after]


def test_draw_inverts_the_cumulative_distribution():
    logits = torch.log(torch.tensor([[0.5, 0.3, 0.2]])).repeat(4, 1)
    drawn = draw(logits, Sampling(temperature=1.0), torch.tensor([0.0, 0.49, 0.79, 0.9999]))
    assert drawn.tokens.tolist() == [0, 0, 1, 2]
    torch.testing.assert_close(drawn.logprobs.exp(), torch.tensor([0.5, 0.5, 0.3, 0.2]))


def test_top_k_renormalises_and_records_its_support():
    logits = torch.log(torch.tensor([[0.5, 0.3, 0.2]]))
    drawn = draw(logits, Sampling(temperature=1.0, top_k=2), torch.tensor([0.99]))
    assert drawn.tokens.tolist() == [1] and drawn.support.tolist() == [[0, 1]]
    torch.testing.assert_close(drawn.logprobs.exp(), torch.tensor([0.3 / 0.8]))


def test_top_p_keeps_the_shortest_run_that_reaches_p():
    logits = torch.log(torch.tensor([[0.5, 0.3, 0.2], [0.9, 0.06, 0.04]]))
    drawn = draw(logits, Sampling(temperature=1.0, top_p=0.8), torch.tensor([0.99, 0.99]))
    assert drawn.tokens.tolist() == [1, 0]
    assert drawn.support.tolist() == [[0, 1], [0, -1]]


def test_top_k_wider_than_the_allowed_tokens_does_not_admit_forbidden_ones():
    logits = torch.tensor([[0.0, float("-inf"), float("-inf")]])
    drawn = draw(logits, Sampling(temperature=1.0, top_k=3), torch.tensor([0.999999]))
    assert drawn.tokens.tolist() == [0] and drawn.support.tolist() == [[0]]


class _Recording:
    """A family that notes how many prompts' audio was embedded in each call."""

    def __init__(self, family, seen):
        self._family, self._seen = family, seen

    def __getattr__(self, name):
        return getattr(self._family, name)

    def embed(self, token_ids, prompts=()):
        self._seen.append(len(prompts))
        return self._family.embed(token_ids, prompts)


def test_group_and_completion_records_are_frozen(shared_family, prompts):
    group = Transformers(shared_family).generate(prompts[:1], greedy(2), KEY)[0]
    with pytest.raises(dataclasses.FrozenInstanceError):
        group.completions[0].text = "other"
