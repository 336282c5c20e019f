"""Log-mel features against the extractor's own 300-second padding."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from transformers import WhisperFeatureExtractor

from rlaudio.audio.controls import silence
from rlaudio.audio.logmel import LogMel, reference
from rlaudio.audio.reading import clip_of

# As in the preprocessor_config.json of Qwen2.5-Omni (128) and of the small embedded models (64).
EXTRACTORS = {
    mels: WhisperFeatureExtractor(feature_size=mels, chunk_length=300, hop_length=160, n_fft=400)
    for mels in (64, 128)
}


def noise(count: int, seed: int = 0, level: float = 0.1):
    return clip_of(np.random.default_rng(seed).normal(0, level, count).astype(np.float32))


def test_features_do_not_depend_on_the_default_dtype_that_another_thread_sets():
    clip = noise(16_000)
    expected = LogMel(EXTRACTORS[64])(clip)
    torch.set_default_dtype(torch.bfloat16)  # as transformers does while it opens a model
    try:
        features = LogMel(EXTRACTORS[64])(clip)
    finally:
        torch.set_default_dtype(torch.float32)
    np.testing.assert_array_equal(features, expected)


def test_threads_that_ask_for_one_clip_get_one_array():
    log_mel, clip = LogMel(EXTRACTORS[64]), noise(48_000)
    with ThreadPoolExecutor(4) as threads:
        features = list(threads.map(lambda _: log_mel(clip), range(8)))
    assert all(array is features[0] for array in features) and log_mel(clip) is features[0]


@pytest.mark.slow
@pytest.mark.parametrize("mels", [64, 128])
@settings(max_examples=40, deadline=None)
@given(count=st.integers(1, 160_000), level=st.sampled_from([1e-6, 1e-2, 1.0]), quiet_end=st.integers(0, 800))
@example(count=1, level=1.0, quiet_end=0)  # shorter than a hop
@example(count=159, level=1.0, quiet_end=0)
@example(count=160, level=1.0, quiet_end=0)  # one hop
@example(count=161, level=1.0, quiet_end=0)
@example(count=200, level=1.0, quiet_end=0)  # half a window: the reflection at the start
@example(count=201, level=1.0, quiet_end=0)
@example(count=15_999, level=1.0, quiet_end=0)
@example(count=16_001, level=1.0, quiet_end=0)
def test_features_equal_the_300_second_padding_bit_for_bit(mels, count, level, quiet_end):
    samples = noise(count, seed=count, level=level).samples.copy()
    samples[max(1, count - quiet_end) :] = 0.0
    clip = clip_of(samples)
    fast, slow = LogMel(EXTRACTORS[mels])(clip), reference(EXTRACTORS[mels], clip)
    assert fast.dtype == slow.dtype == np.float32
    np.testing.assert_array_equal(fast, slow)


def test_the_loudest_moment_at_the_very_end_sets_the_floor_as_in_the_reference():
    samples = np.full(16_001, 1e-4, dtype=np.float32)
    samples[-1] = 1.0
    clip = clip_of(samples)
    np.testing.assert_array_equal(LogMel(EXTRACTORS[64])(clip), reference(EXTRACTORS[64], clip))


@pytest.mark.parametrize("count", [300 * 16_000, 300 * 16_000 - 100, 300 * 16_000 - 200])
def test_features_are_exact_up_to_the_end_of_the_window(count):
    clip = noise(count)
    np.testing.assert_array_equal(LogMel(EXTRACTORS[64])(clip), reference(EXTRACTORS[64], clip))


def test_silence_is_exact_too():
    clip = silence(30.0)
    features = LogMel(EXTRACTORS[128])(clip)
    assert features.shape == (128, 3000)
    np.testing.assert_array_equal(features, reference(EXTRACTORS[128], clip))


def test_the_extractor_computes_little_more_than_the_clip(monkeypatch):
    clip, computed = noise(2 * 16_000), []
    extracted = LogMel.extracted
    monkeypatch.setattr(
        LogMel, "extracted", lambda self, x, **how: computed.append(len(x)) or extracted(self, x, **how)
    )
    LogMel(EXTRACTORS[128]).extract(clip)
    assert len(clip.samples) <= sum(computed) < 1.05 * len(clip.samples)  # padded to its window: 150 times


def test_the_cache_returns_the_same_array_and_forgets_the_least_recently_used():
    one_second_mb = 64 * 100 * 4 / 2**20
    logmel = LogMel(EXTRACTORS[64], cache_mb=2.5 * one_second_mb)
    first, second, third = (noise(16_000, seed) for seed in range(3))
    kept, dropped = logmel(first), logmel(second)
    assert logmel(first) is kept
    logmel(third)
    assert logmel(first) is kept
    assert logmel(second) is not dropped


def test_a_cache_of_no_size_still_gives_features():
    logmel = LogMel(EXTRACTORS[64], cache_mb=0)
    clip = noise(1000)
    np.testing.assert_array_equal(logmel(clip), logmel(clip))


def test_a_clip_beyond_the_window_is_refused():
    with pytest.raises(ValueError, match=r"300\.\d+ s.*at most 300 s.*max_seconds"):
        LogMel(EXTRACTORS[64])(silence(300.01))


def test_an_extractor_with_dither_is_refused():
    with pytest.raises(ValueError, match="dither"):
        LogMel(WhisperFeatureExtractor(dither=1e-4))
