"""Channels to one: their average, unless they cancel each other out."""

from __future__ import annotations

import numpy as np
import pytest

from rlaudio.audio.channels import to_mono

COUNT = 16_000
LEFT, RIGHT = np.random.default_rng(0).normal(0, 0.1, (2, COUNT)).astype(np.float32)
SILENT = np.zeros(COUNT, dtype=np.float32)


def channels(*samples: np.ndarray) -> np.ndarray:
    return np.stack(samples, axis=1)


@pytest.mark.parametrize(
    "samples",
    [
        channels(LEFT, LEFT),
        channels(LEFT, RIGHT),
        channels(LEFT, SILENT),
        channels(LEFT, *[SILENT] * 7),
        channels(SILENT, SILENT),
        channels(LEFT, -0.2 * LEFT),
        np.random.default_rng(1).normal(0, 0.1, (COUNT, 8)).astype(np.float32),
    ],
)
def test_channels_that_leave_enough_are_averaged_to_the_bit(samples):
    mono, channel = to_mono(samples)
    assert channel is None
    np.testing.assert_array_equal(mono, samples.mean(axis=1))


@pytest.mark.parametrize(
    ("samples", "loudest"),
    [
        (channels(LEFT, -LEFT), 0),
        (channels(-0.8 * LEFT, LEFT), 1),
        (channels(*[LEFT, -LEFT] * 4), 0),
        (channels(LEFT, np.where(np.arange(COUNT) < COUNT // 2, LEFT, -1.1 * LEFT)), 1),
    ],
)
def test_of_channels_that_cancel_out_the_loudest_is_kept_to_the_bit(samples, loudest):
    mono, channel = to_mono(samples)
    assert channel == loudest
    np.testing.assert_array_equal(mono, samples[:, loudest])


def test_one_channel_is_itself():
    mono, channel = to_mono(LEFT[:, None])
    assert channel is None
    np.testing.assert_array_equal(mono, LEFT)
