"""Another sound of the same scene: what a model meets outside its training data."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rlaudio.worlds.synthetic.scenes import Scene
from rlaudio.worlds.synthetic.signal import length

STRETCHES = ((0.84, 0.92), (1.09, 1.19))  # of time; pitch and formants move by the inverse
NOISE_DB = (-20.0, -12.0)  # of the scene's level
PAUSES_SECONDS = (0.4, 1.0)


def shifted(rng: np.random.Generator, scene: Scene) -> Scene:
    """The scene slower or faster, as by other voices and instruments, in noise, with longer pauses around it.

    Intervals, order and counts stay; lengths change by less than a fifth. The level stays within -1 and 1.
    """
    slowest, fastest = STRETCHES[int(rng.integers(2))]
    count = round(len(scene.samples) * rng.uniform(slowest, fastest))
    places = np.linspace(0.0, len(scene.samples) - 1.0, count)
    samples = np.interp(places, np.arange(len(scene.samples)), scene.samples)
    before, after = (np.zeros(length(rng.uniform(*PAUSES_SECONDS))) for _ in range(2))
    samples = np.concatenate([before, samples, after])
    level = np.sqrt(np.mean(scene.samples**2)) * 10.0 ** (rng.uniform(*NOISE_DB) / 20.0)
    noisy = samples + level * rng.standard_normal(len(samples))
    return replace(scene, samples=np.clip(noisy, -1.0, 1.0).astype(np.float32))
