"""Building blocks of synthesis: periodic tones, shaped noise, envelopes. All mono float32 at 16 kHz."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

SAMPLE_RATE_HZ = 16_000
_TABLE = 2048  # samples of one period; a power of two, so that a mask wraps the phase


def length(seconds: float) -> int:
    """Samples in a time, at least one."""
    return max(1, round(seconds * SAMPLE_RATE_HZ))


def tone(pitch_hz: float | np.ndarray, partials: Sequence[float], seconds: float = 0.0) -> np.ndarray:
    """A periodic wave [n] of peak 1 whose partial k has amplitude `partials[k - 1]`.

    `pitch_hz` is a track [n] or, with `seconds`, one number. Partials that would pass 7.5 kHz are left out.
    """
    track = np.full(length(seconds), pitch_hz) if np.ndim(pitch_hz) == 0 else np.asarray(pitch_hz)
    audible = max(1, min(len(partials), int(7500.0 / track.max())))
    spectrum = np.zeros(_TABLE // 2 + 1, dtype=np.complex64)
    spectrum[1 : audible + 1] = -1j * np.asarray(partials[:audible])
    period = np.fft.irfft(spectrum, _TABLE).astype(np.float32)
    phase = np.cumsum(track) * (_TABLE / SAMPLE_RATE_HZ)
    return period[phase.astype(np.int64) & (_TABLE - 1)] / np.abs(period).max()


def noise(
    rng: np.random.Generator, seconds: float, low_hz: float = 0.0, high_hz: float = 8000.0
) -> np.ndarray:
    """Gaussian noise [n] of peak 1 in a band with soft edges."""
    count = length(seconds)
    samples = rng.standard_normal(-(-count // 512) * 512, dtype=np.float32)  # a length with a fast transform
    if low_hz > 0.0 or high_hz < 8000.0:
        spectrum = np.fft.rfft(samples)
        frequency = np.linspace(0.0, SAMPLE_RATE_HZ / 2, len(spectrum))
        below = np.maximum(0.0, low_hz - frequency) / (0.2 * low_hz + 20.0)
        above = np.maximum(0.0, frequency - high_hz) / (0.2 * high_hz + 20.0)
        samples = np.fft.irfft(spectrum * np.exp(-(below + above)), len(samples)).astype(np.float32)
    samples = samples[:count]
    return samples / (np.abs(samples).max() + 1e-9)


def glide(seconds: float, *points: float) -> np.ndarray:
    """A curve [n] through equally spaced points: pitch tracks and slow envelopes."""
    return np.interp(np.linspace(0.0, len(points) - 1.0, length(seconds)), np.arange(len(points)), points)


def envelope(seconds: float, attack: float = 0.01, release: float = 0.03) -> np.ndarray:
    """1 with linear ramps [n] of `attack` and `release` seconds, shortened where they do not fit."""
    count = length(seconds)
    time = np.arange(count) / SAMPLE_RATE_HZ
    rise = np.minimum(1.0, (time + 1.0 / SAMPLE_RATE_HZ) / min(attack, seconds / 2))
    fall = np.minimum(1.0, (seconds - time) / min(release, seconds / 2))
    return np.clip(np.minimum(rise, fall), 0.0, 1.0).astype(np.float32)


def decay(seconds: float, time_constant: float) -> np.ndarray:
    """An exponential decay [n] after a 2 ms attack, for struck or plucked sounds."""
    time = np.arange(length(seconds)) / SAMPLE_RATE_HZ
    return (np.exp(-time / time_constant) * envelope(seconds, 0.002, 0.01)).astype(np.float32)


def pulses(seconds: float, rate_hz: float, duty: float, rng: np.random.Generator) -> np.ndarray:
    """A gate [n] that opens `rate_hz` times a second for a share `duty` of each cycle, at a random phase."""
    phase = np.arange(length(seconds)) * (rate_hz / SAMPLE_RATE_HZ) + rng.uniform(0.0, 1.0 - duty)
    return ((phase % 1.0) < duty).astype(np.float32)


def sequence(parts: Sequence[np.ndarray], gap_seconds: float) -> np.ndarray:
    """Parts one after another with equal gaps of silence."""
    gap = np.zeros(length(gap_seconds), dtype=np.float32)
    return np.concatenate([piece for part in parts for piece in (part, gap)][:-1])
