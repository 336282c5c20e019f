"""Musical instruments of the embedded world, one note at a time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rlaudio.worlds.synthetic.signal import decay, envelope, glide, length, noise, tone

Play = Callable[[np.random.Generator, float, float], np.ndarray]


def _piano(rng: np.random.Generator, pitch_hz: float, seconds: float) -> np.ndarray:
    return tone(pitch_hz, [1, 0.6, 0.4, 0.3, 0.2, 0.1], seconds) * decay(seconds, 0.3)


def _flute(rng: np.random.Generator, pitch_hz: float, seconds: float) -> np.ndarray:
    breath = noise(rng, seconds, 2000.0, 6000.0)
    return (tone(2.0 * pitch_hz, [1.0, 0.08], seconds) + 0.12 * breath) * envelope(seconds, 0.08, 0.08)


def _organ(rng: np.random.Generator, pitch_hz: float, seconds: float) -> np.ndarray:
    return tone(pitch_hz, [1, 0.9, 0, 0.8, 0, 0, 0, 0.7, 0, 0, 0, 0, 0, 0, 0, 0.5], seconds) * envelope(
        seconds
    )


def _guitar(rng: np.random.Generator, pitch_hz: float, seconds: float) -> np.ndarray:
    bright = tone(pitch_hz, [1.0] * 16, seconds) * decay(seconds, 0.025)
    return 0.6 * bright + 0.6 * tone(pitch_hz, [1, 0, 0.4], seconds) * decay(seconds, 0.12)


def _violin(rng: np.random.Generator, pitch_hz: float, seconds: float) -> np.ndarray:
    vibrato = 1.0 + 0.02 * np.sin(2 * np.pi * 6.5 * np.arange(length(seconds)) / 16_000)
    return tone(pitch_hz * vibrato, [1 / k**0.7 for k in range(1, 17)]) * envelope(seconds, 0.07, 0.05)


def _trumpet(rng: np.random.Generator, pitch_hz: float, seconds: float) -> np.ndarray:
    dark, bright = (
        tone(pitch_hz, [1, 0.5], seconds),
        tone(pitch_hz, [0.4, 0.7, 1, 1, 0.9, 0.8, 0.5, 0.3], seconds),
    )
    opening = glide(seconds, 0.0, 1.0, 1.0, 1.0)
    return (dark * (1 - opening) + bright * opening) * envelope(seconds, 0.03, 0.04)


def _xylophone(rng: np.random.Generator, pitch_hz: float, seconds: float) -> np.ndarray:
    bar = tone(2.0 * pitch_hz, [1.0], seconds) * decay(seconds, 0.06)
    return bar + 0.5 * tone(7.8 * pitch_hz, [1.0], seconds) * decay(seconds, 0.015)


def drum(rng: np.random.Generator, pitch_hz: float, seconds: float) -> np.ndarray:
    """A drum: its pitch falls, so it plays no melodies."""
    skin = tone(glide(seconds, 170.0, 75.0, 65.0, 60.0), [1.0]) * decay(seconds, 0.08)
    return skin + 0.5 * noise(rng, seconds, 0.0, 4000.0) * decay(seconds, 0.012)


MELODIC: dict[str, Play] = {
    "piano": _piano,
    "flute": _flute,
    "organ": _organ,
    "guitar": _guitar,
    "violin": _violin,
    "trumpet": _trumpet,
    "xylophone": _xylophone,
}
INSTRUMENTS: dict[str, Play] = {**MELODIC, "drum": drum}
