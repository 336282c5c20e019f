"""Prompts computed one behind another against prompts in padded rows under masks."""

import copy

import pytest
import torch

from rlaudio.models.qwen2_5_omni import Qwen2_5Omni
from rlaudio.rollout.prefill import _in_rows, _packed, shared_prefixes
from tests.conftest import make_prompt
from tests.rollout.test_branch_logprobs import about_one_clip


def batches(family):
    """Prompts that share the text before the audio, clips, both, and nothing."""
    tones = [make_prompt(family, seed, seconds=0.3 + 0.4 * seed, words=1 + 3 * seed) for seed in range(3)]
    dogs = about_one_clip(family, "Which of a dog, a cat?", "Which of a cat, a dog?", "What is it?")
    return {
        "text": tones,
        "a clip": dogs,
        "clips among others": [dogs[0], tones[1], dogs[2], tones[0]],
        "one alone": tones[:1],
    }


@pytest.mark.parametrize("which", ["text", "a clip", "clips among others", "one alone"])
@torch.no_grad()
def test_both_ways_give_the_same_cache_and_logits(shared_family, which):
    prefixes = shared_prefixes(batches(shared_family)[which], shared_family.forbidden_token_ids)
    assert bool(prefixes.width) == (which != "one alone")
    (cache, logits), (expected_cache, expected) = (
        way(shared_family, prefixes) for way in (_packed, _in_rows)
    )
    torch.testing.assert_close(logits, expected, atol=2e-5, rtol=0)
    held = prefixes.held()[:, None, :, None]
    for layer, other in zip(cache.layers, expected_cache.layers, strict=True):
        for kept, wanted in ((layer.keys, other.keys), (layer.values, other.values)):
            torch.testing.assert_close(kept * held, wanted * held, atol=2e-5, rtol=0)


@torch.no_grad()
def test_it_computes_no_padding(shared_family, monkeypatch):
    prefixes = shared_prefixes(batches(shared_family)["text"], shared_family.forbidden_token_ids)
    computed, hidden = [], type(shared_family).hidden

    def counted(family, embeddings, *rest):
        computed.append(embeddings.shape[1])
        return hidden(family, embeddings, *rest)

    monkeypatch.setattr(type(shared_family), "hidden", counted)
    _packed(shared_family, prefixes)
    assert computed == [prefixes.width + int(prefixes.rest.sum())]


def test_a_family_with_a_cache_of_its_own_goes_the_general_way(shared_family):
    class Own(Qwen2_5Omni):
        def new_cache(self):
            """A cache that somebody else made."""

    other = copy.copy(shared_family)
    other.__class__ = Own
    assert shared_family.packs_prompts and not other.packs_prompts
