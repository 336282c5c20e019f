"""The transformers worker against the model run plainly, one prompt at a time."""

import dataclasses

import numpy as np
import pytest
import torch

from rlaudio.models.qwen2_5_omni import Qwen2_5Omni
from rlaudio.rollout.transformers import Transformers
from rlaudio.types import greedy
from tests.conftest import TINY, make_prompt
from tests.settings import sampling_params

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
            audio = {}
            if prompt.clips:
                features = torch.from_numpy(prompt.features["input_features"])[None]
                heard = torch.ones(1, features.shape[2], dtype=torch.long)
                audio = {"input_features": features, "feature_attention_mask": heard}
            positions = torch.arange(len(ids))[None]
            logits = family.model(input_ids=tokens, position_ids=positions, **audio).logits[0, -1]
        logits[list(family.forbidden_token_ids)] = float("-inf")
        ids.append(int(logits.argmax()))
        if ids[-1] in family.stop_token_ids:
            break
    return ids[len(prompt.token_ids) :]


def test_greedy_tokens_are_those_of_the_plain_model(shared_family, prompts):
    groups = Transformers(shared_family).generate(prompts, greedy(8), KEY)
    for prompt, group in zip(prompts, groups, strict=True):
        assert group.completions[0].token_ids.tolist() == plain_greedy(shared_family, prompt, 8)


def test_completions_do_not_depend_on_what_is_sampled_beside_them(shared_family, prompts):
    sampling = sampling_params(4, temperature=1.0, max_new_tokens=6)
    together = Transformers(shared_family).generate(prompts, sampling, KEY)
    alone = [Transformers(shared_family).generate([p], sampling, KEY)[0] for p in reversed(prompts)]
    tiny_batches = Transformers(shared_family, batch_tokens=1).generate(prompts, sampling, KEY)
    for a, b, c in zip(together, reversed(alone), tiny_batches, strict=True):
        for x, y, z in zip(a.completions, b.completions, c.completions, strict=True):
            assert x.token_ids.tolist() == y.token_ids.tolist() == z.token_ids.tolist()


def test_prompts_that_share_their_audio_share_its_computation_and_nothing_else(shared_family):
    questions = [make_prompt(shared_family, 0, words=w) for w in (1, 4, 2, 9)]
    seen = []
    worker = Transformers(_Recording(shared_family, seen))
    shared = worker.generate(questions, greedy(5), KEY)
    assert seen[0] == 1  # the audio went through the model once
    for prompt, group in zip(questions, shared, strict=True):
        assert group.completions[0].token_ids.tolist() == plain_greedy(shared_family, prompt, 5)


def test_several_questions_about_each_of_several_clips_hear_every_clip_once(shared_family):
    clips = (0, 1, 0, 2, 1, 0, 3)
    questions = [
        make_prompt(shared_family, clip, seconds=0.4 + 0.5 * clip, words=1 + 3 * number)
        for number, clip in enumerate(clips)
    ]
    seen = []
    sampling = sampling_params(group_size=3, max_new_tokens=6)
    together = Transformers(_Recording(shared_family, seen)).generate(questions, sampling, KEY)
    assert sum(seen) == 4
    for question, group in zip(questions, together, strict=True):
        [alone] = Transformers(shared_family).generate([question], sampling, KEY)
        for completion, other in zip(group.completions, alone.completions, strict=True):
            assert completion.token_ids.tolist() == other.token_ids.tolist()
            np.testing.assert_allclose(completion.logprobs, other.logprobs, atol=1e-5)


def without_audio(family, prompt):
    ids = prompt.token_ids[prompt.token_ids != family.audio_token_id]
    return dataclasses.replace(prompt, token_ids=ids, positions=np.arange(len(ids)), clips=(), features={})


def test_questions_without_audio_are_answered_beside_questions_with_it(shared_family):
    silent = [without_audio(shared_family, make_prompt(shared_family, n, words=2 + n)) for n in range(2)]
    heard = [make_prompt(shared_family, 5, words=w) for w in (1, 3)]
    prompts = [silent[0], heard[0], silent[1], heard[1]]
    for prompt, group in zip(
        prompts, Transformers(shared_family).generate(prompts, greedy(5), KEY), strict=True
    ):
        assert group.completions[0].token_ids.tolist() == plain_greedy(shared_family, prompt, 5)


def test_gradient_checkpointing_leaves_sampling_as_it_is(shared_family, prompts):
    family = Qwen2_5Omni(path=TINY, device="cpu", gradient_checkpointing=True)
    sampling = sampling_params(3, temperature=1.0, max_new_tokens=6)
    plain, checkpointed = (Transformers(f).generate(prompts, sampling, KEY) for f in (shared_family, family))
    for first, second in zip(plain, checkpointed, strict=True):
        for x, y in zip(first.completions, second.completions, strict=True):
            assert x.token_ids.tolist() == y.token_ids.tolist()


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


def test_eager_attention_samples_the_same(shared_family, prompts):
    eager = Qwen2_5Omni(path=TINY, device="cpu", attention="eager")
    sampling = sampling_params(3, temperature=1.0, max_new_tokens=6)
    for first, second in zip(
        *(Transformers(f).generate(prompts, sampling, KEY) for f in (shared_family, eager)), strict=True
    ):
        for x, y in zip(first.completions, second.completions, strict=True):
            assert x.token_ids.tolist() == y.token_ids.tolist()
            np.testing.assert_allclose(x.logprobs, y.logprobs, atol=2e-5)
