"""The canary sees what no training curve shows. Here the "other engine" is a second model."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from rlaudio.models.qwen2_5_omni import Qwen2_5Omni
from rlaudio.rollout.canary import SAMPLING, Canary, CanaryError, canary_prompts, plain_logprobs
from rlaudio.rollout.transformers import Transformers
from tests.conftest import TINY, fresh
from tests.rollout.conftest import nudge


@pytest.fixture(scope="module")
def sampling_family():
    return fresh()


@pytest.fixture
def engine(sampling_family, policy):
    """An engine of its own that has the policy's weights when a test begins."""
    worker = Transformers(sampling_family)
    worker.load_weights(policy.named_weights(), version=0)
    return worker


def test_engines_that_agree_pass(policy, engine):
    assert Canary(policy).check(engine.generate, "opening") < 1e-5


def test_an_update_that_did_not_arrive_is_caught_and_its_phase_named(changeable, engine):
    changeable.load_weights(nudge(changeable))
    with pytest.raises(CanaryError, match=r"^after sending weights version 3: .*canary-text.* other weights"):
        Canary(changeable).check(engine.generate, "after sending weights version 3")


@pytest.mark.parametrize("half", [0, 1])
def test_an_update_of_half_the_tensors_is_caught(changeable, engine, half):
    changeable.load_weights(nudge(changeable))
    engine.load_weights(list(changeable.named_weights())[half::2], version=1)
    with pytest.raises(CanaryError, match="other weights"):
        Canary(changeable).check(engine.generate, "update")


def test_an_audio_tower_that_was_left_out_is_told_by_the_text_that_agrees(changeable, engine):
    changeable.load_weights((n, w) for n, w in nudge(changeable) if n.startswith("audio_tower"))
    with pytest.raises(CanaryError, match=r"canary-tone, canary-noise; .*the audio tower's weights"):
        Canary(changeable).check(engine.generate, "update")


def test_audio_of_another_prompt_is_caught(policy, engine):
    def swapped(prompts, sampling, key):
        tone, noise, text = prompts
        heard = [
            dataclasses.replace(tone, features=noise.features, clips=noise.clips),
            dataclasses.replace(noise, features=tone.features, clips=tone.clips),
            text,
        ]
        groups = engine.generate(heard, sampling, key)
        return [dataclasses.replace(g, prompt=p) for g, p in zip(groups, prompts, strict=True)]

    with pytest.raises(CanaryError, match="hears other audio"):
        Canary(policy).check(swapped, "opening")


def test_another_temperature_is_caught(policy, engine):
    def raw(prompts, sampling, key):
        return engine.generate(prompts, dataclasses.replace(sampling, temperature=1.0), key)

    with pytest.raises(CanaryError, match="another distribution"):
        Canary(policy).check(raw, "opening")


@pytest.mark.parametrize("where", [0, 1, 2])
def test_a_logprob_that_is_not_a_number_is_caught(policy, engine, where):
    def broken(prompts, sampling, key):
        groups = engine.generate(prompts, sampling, key)
        groups[where].completions[0].logprobs[-1] = math.nan
        return groups

    with pytest.raises(CanaryError, match="by nan nats a token on canary-"):
        Canary(policy).check(broken, "opening")


def test_the_tolerance_is_what_is_asked_for(changeable, engine):
    changeable.load_weights(nudge(changeable, size=1e-4))
    gap = Canary(changeable, tolerance=1.0).check(engine.generate, "update")
    assert Canary(changeable, tolerance=1.01 * gap).check(engine.generate, "update") == gap
    with pytest.raises(CanaryError):
        Canary(changeable, tolerance=0.99 * gap).check(engine.generate, "update")


def test_half_precision_has_a_wider_tolerance():
    coarse = Qwen2_5Omni(path=TINY, device="cpu", dtype="bfloat16")
    fine = fresh()
    assert Canary(coarse).tolerance > 50 * Canary(fine).tolerance


def test_there_are_prompts_with_different_audio_and_one_of_text_alone(policy):
    tone, noise, text = canary_prompts(policy)
    assert len(tone.token_ids) == len(noise.token_ids)  # so that one can take the other's place
    assert not np.array_equal(tone.features["input_features"], noise.features["input_features"])
    assert not text.clips and not text.features and policy.audio_token_id not in text.token_ids
    assert min(len(p.token_ids) for p in (tone, noise, text)) > 128  # a whole cache block of any engine


def test_plain_logprobs_are_those_of_the_model_called_as_transformers_means_it(policy, engine):
    for prompt in canary_prompts(policy):
        (group,) = engine.generate([prompt], dataclasses.replace(SAMPLING, group_size=3), ("key",))
        for completion, actual in zip(group.completions, plain_logprobs(policy, group, 1.3), strict=True):
            ids = torch.from_numpy(np.concatenate([prompt.token_ids, completion.token_ids]))[None]
            audio = {}
            if prompt.clips:
                mask = torch.ones(1, prompt.features["input_features"].shape[1], dtype=torch.long)
                audio = {
                    "input_features": torch.from_numpy(prompt.features["input_features"])[None],
                    "feature_attention_mask": mask,
                }
            with torch.no_grad():
                logits = policy.model(
                    input_ids=ids, position_ids=torch.arange(ids.shape[1])[None], **audio
                ).logits[0, len(prompt.token_ids) - 1 : -1]
            logits[:, list(policy.forbidden_token_ids)] = float("-inf")
            expected = (logits / 1.3).log_softmax(-1)[range(len(actual)), completion.token_ids]
            np.testing.assert_allclose(actual, expected.numpy(), atol=2e-5)
