"""Clips played differently keep their answer."""

from __future__ import annotations

import numpy as np

from rlaudio.worlds.synthetic.scenes import Scene
from rlaudio.worlds.synthetic.shifted import shifted
from rlaudio.worlds.synthetic.signal import SAMPLE_RATE_HZ


def test_a_shifted_tone_has_another_pitch_and_more_noise():
    tone = np.sin(2 * np.pi * 440.0 * np.arange(16_000) / SAMPLE_RATE_HZ).astype(np.float32) * 0.5
    for seed in range(8):
        samples = shifted(np.random.default_rng(seed), Scene(tone, "a tone")).samples
        spectrum = np.abs(np.fft.rfft(samples))
        pitch = np.fft.rfftfreq(len(samples), 1 / SAMPLE_RATE_HZ)[spectrum.argmax()]
        assert 1 / 1.19 - 0.01 < pitch / 440.0 < 1 / 0.84 + 0.01
        assert abs(pitch / 440.0 - 1.0) > 0.07
        noise = np.sqrt(np.mean(samples[:6000] ** 2))  # the pause before
        assert 10 ** (-20 / 20) * 0.9 < noise / np.sqrt(np.mean(tone**2)) < 10 ** (-12 / 20) * 1.1
