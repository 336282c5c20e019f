"""Voices of the embedded world: vowels by formant synthesis, spoken by a man, a woman, a child or a robot."""

from __future__ import annotations

import numpy as np

from rlaudio.worlds.synthetic.signal import envelope, glide, length, pulses, tone

# First three formants of a male speaker in Hz (Peterson and Barney 1952).
FORMANTS_HZ = {
    "ah": (730.0, 1090.0, 2440.0),
    "ee": (270.0, 2290.0, 3010.0),
    "oo": (300.0, 870.0, 2240.0),
    "eh": (530.0, 1840.0, 2480.0),
    "er": (490.0, 1350.0, 1690.0),
}
# Pitch range in Hz, and how much shorter than a man's the vocal tract is.
SPEAKERS = {
    "man": (95.0, 130.0, 1.0),
    "woman": (185.0, 235.0, 1.15),
    "child": (290.0, 350.0, 1.35),
    "robot": (140.0, 160.0, 1.05),
}
VOWELS = tuple(FORMANTS_HZ)
VOICES = tuple(SPEAKERS)


def speak(rng: np.random.Generator, voice: str, vowel: str, seconds: float) -> np.ndarray:
    """One vowel [n] of peak about 1: glottal partials weighted by the vowel's formants."""
    low, high, scale = SPEAKERS[voice]
    pitch = rng.uniform(low, high)
    harmonics = pitch * np.arange(1, int(5000.0 / pitch))
    weights = np.full(len(harmonics), 0.003)
    for level, formant in zip((1.0, 0.6, 0.3), FORMANTS_HZ[vowel], strict=True):
        centre = formant * scale * rng.uniform(0.97, 1.03)
        width = 60.0 + 0.06 * centre
        weights = weights + level / (1.0 + ((harmonics - centre) / width) ** 2)
    if voice == "robot":  # constant pitch, and a gated sound
        sound = tone(pitch, list(weights), seconds) * (0.25 + 0.75 * pulses(seconds, 25.0, 0.5, rng))
    else:
        vibrato = 0.015 * np.sin(
            2 * np.pi * 5.0 * np.arange(length(seconds)) / 16_000 + rng.uniform(0.0, 6.0)
        )
        contour = glide(seconds, rng.uniform(0.95, 1.08), 1.0, rng.uniform(0.88, 1.0))
        sound = tone(pitch * (contour + vibrato), list(weights))
    return sound * envelope(seconds, 0.04, 0.06)
