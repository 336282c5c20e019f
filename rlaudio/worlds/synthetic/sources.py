"""The sound sources of the embedded world: synthesis, name and world knowledge of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rlaudio.worlds.synthetic.signal import decay, envelope, glide, length, noise, pulses, sequence, tone

Render = Callable[[np.random.Generator, float], np.ndarray]


@dataclass(frozen=True)
class Source:
    """A sound. `render(rng, seconds)` returns one occurrence of about that length."""

    name: str  # as written in options
    phrase: str  # as written in captions
    render: Render
    clues: tuple[str, ...]  # "It ...": world knowledge that identifies it without its name
    steady: bool = False  # can last for any time
    single: bool = False  # one occurrence is one short event, so that occurrences can be counted


def _dog(rng: np.random.Generator, seconds: float) -> np.ndarray:
    seconds = min(seconds, rng.uniform(0.18, 0.26))
    pitch = rng.uniform(420.0, 560.0)
    bark = tone(glide(seconds, 0.8 * pitch, pitch, 0.6 * pitch), [1, 0.9, 0.8, 0.5, 0.3, 0.2])
    return (0.7 * bark + 0.4 * noise(rng, seconds, 500.0, 2500.0)) * envelope(seconds, 0.015, 0.1)


def _cat(rng: np.random.Generator, seconds: float) -> np.ndarray:
    pitch = rng.uniform(560.0, 700.0)
    meow = tone(glide(seconds, 0.8 * pitch, 1.2 * pitch, 1.1 * pitch, 0.65 * pitch), [0.5, 1, 0.8, 0.5, 0.2])
    return meow * envelope(seconds, 0.1, 0.2)


def _bird(rng: np.random.Generator, seconds: float) -> np.ndarray:
    base = rng.uniform(2600.0, 3600.0)
    count = max(2, round(seconds / 0.13))
    chirps = [tone(glide(0.08, base, 1.5 * base), [1.0]) * envelope(0.08, 0.01, 0.02) for _ in range(count)]
    return sequence(chirps, 0.05)


def _cow(rng: np.random.Generator, seconds: float) -> np.ndarray:
    pitch = rng.uniform(120.0, 150.0)
    moo = tone(glide(seconds, 0.9 * pitch, pitch, pitch, 0.8 * pitch), [0.6, 1, 0.9, 0.7, 0.3, 0.2, 0.1])
    return moo * envelope(seconds, 0.12, 0.15)


def _frog(rng: np.random.Generator, seconds: float) -> np.ndarray:
    seconds = min(seconds, rng.uniform(0.2, 0.28))
    croak = noise(rng, seconds, 700.0, 1300.0) * pulses(seconds, rng.uniform(38.0, 46.0), 0.4, rng)
    return croak * envelope(seconds, 0.03, 0.05)


def _cricket(rng: np.random.Generator, seconds: float) -> np.ndarray:
    return tone(rng.uniform(4700.0, 5600.0), [1.0], seconds) * pulses(
        seconds, rng.uniform(15.0, 19.0), 0.55, rng
    )


def _owl(rng: np.random.Generator, seconds: float) -> np.ndarray:
    seconds = min(seconds, rng.uniform(0.24, 0.32))
    pitch = rng.uniform(340.0, 420.0)
    return tone(glide(seconds, pitch, 1.05 * pitch, 0.9 * pitch), [1.0, 0.05]) * envelope(seconds, 0.08, 0.12)


def _bell(rng: np.random.Generator, seconds: float) -> np.ndarray:
    seconds = min(seconds, rng.uniform(0.3, 0.42))
    pitch = rng.uniform(700.0, 900.0)
    partials = ((1.0, 1.0), (2.4, 0.8), (3.9, 0.6), (5.8, 0.4))
    ring = sum(level * tone(ratio * pitch, [1.0], seconds) for ratio, level in partials)
    return np.asarray(ring) * decay(seconds, 0.18)


def _siren(rng: np.random.Generator, seconds: float) -> np.ndarray:
    time = np.arange(length(seconds)) / 16_000
    sweep = np.sin(2 * np.pi * (rng.uniform(2.0, 2.8) * time + rng.uniform()))
    return tone(1000.0 + 380.0 * sweep, [1, 0.4, 0.3]) * envelope(seconds)


def _alarm(rng: np.random.Generator, seconds: float) -> np.ndarray:
    return tone(rng.uniform(2000.0, 2400.0), [1, 0, 0.5], seconds) * pulses(
        seconds, rng.uniform(6.0, 7.5), 0.5, rng
    )


def _clock(rng: np.random.Generator, seconds: float) -> np.ndarray:
    tick = noise(rng, 0.012, 2500.0, 6000.0)
    tock = noise(rng, 0.012, 1200.0, 3000.0)
    return sequence([(tick, tock)[k % 2] for k in range(max(2, round(seconds / 0.16)))], 0.148)


def _knocking(rng: np.random.Generator, seconds: float) -> np.ndarray:
    pitch = rng.uniform(150.0, 200.0)
    knock = (tone(pitch, [1, 0.3], 0.07) + 0.4 * noise(rng, 0.07, 0.0, 900.0)) * decay(0.07, 0.02)
    return sequence([knock] * max(2, round(seconds / 0.17)), 0.1)


def _engine(rng: np.random.Generator, seconds: float) -> np.ndarray:
    pitch = rng.uniform(55.0, 75.0)
    rumble = tone(pitch * glide(seconds, 1.0, rng.uniform(0.95, 1.08)), [1 / k for k in range(1, 13)])
    return (rumble + 0.25 * noise(rng, seconds, 0.0, 500.0)) * envelope(seconds, 0.04, 0.04)


def _train(rng: np.random.Generator, seconds: float) -> np.ndarray:
    root = rng.uniform(620.0, 700.0)
    whistle = sum(tone(ratio * root, [1, 0.3], seconds) for ratio in (1.0, 1.26, 1.5, 1.87))
    return (0.25 * np.asarray(whistle) + 0.15 * noise(rng, seconds, 1500.0, 5000.0)) * envelope(
        seconds, 0.06, 0.1
    )


def _horn(rng: np.random.Generator, seconds: float) -> np.ndarray:
    seconds = min(seconds, rng.uniform(0.22, 0.32))
    root = rng.uniform(370.0, 430.0)
    partials = [1, 0.9, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4]
    return (
        0.5
        * (tone(root, partials, seconds) + tone(1.26 * root, partials, seconds))
        * envelope(seconds, 0.01, 0.02)
    )


def _phone(rng: np.random.Generator, seconds: float) -> np.ndarray:
    high = rng.uniform(1500.0, 1700.0)
    gate = pulses(seconds, rng.uniform(18.0, 22.0), 0.5, rng)
    return (
        tone(high, [1, 0, 0.3], seconds) * gate + tone(0.8 * high, [1, 0, 0.3], seconds) * (1 - gate)
    ) * 0.7


def _rain(rng: np.random.Generator, seconds: float) -> np.ndarray:
    drops = (rng.random(length(seconds)) < 0.004) * rng.standard_normal(length(seconds))
    return (0.7 * noise(rng, seconds, 1000.0, 8000.0) + 0.5 * drops).astype(np.float32)


def _wind(rng: np.random.Generator, seconds: float) -> np.ndarray:
    centre = rng.uniform(350.0, 500.0)
    gusts = glide(seconds, *rng.uniform(0.5, 1.0, 2 + int(3 * seconds)))
    return noise(rng, seconds, 0.8 * centre, 1.3 * centre) * gusts * envelope(seconds, 0.06, 0.06)


def _thunder(rng: np.random.Generator, seconds: float) -> np.ndarray:
    crack = noise(rng, seconds, 0.0, 3000.0) * decay(seconds, 0.04)
    return (crack + noise(rng, seconds, 0.0, 140.0) * decay(seconds, 0.35)) * 0.7


def _water(rng: np.random.Generator, seconds: float) -> np.ndarray:
    pitch = rng.uniform(1000.0, 1300.0)
    return tone(glide(0.09, pitch, 2.0 * pitch), [1.0]) * envelope(0.09, 0.005, 0.05)


SOURCES: tuple[Source, ...] = (
    Source("dog", "a dog", _dog, ("barks", "wags its tail", "guards the kennel"), single=True),
    Source("cat", "a cat", _cat, ("meows", "purrs", "chases mice")),
    Source("bird", "a bird", _bird, ("chirps", "has feathers", "builds a nest")),
    Source("cow", "a cow", _cow, ("moos", "gives milk", "eats grass")),
    Source("frog", "a frog", _frog, ("croaks", "lives in a pond", "was a tadpole"), single=True),
    Source("cricket", "a cricket", _cricket, ("is an insect", "has six legs"), steady=True),
    Source("owl", "an owl", _owl, ("hoots", "hunts at night"), single=True),
    Source("bell", "a bell", _bell, ("tolls", "hangs in a church tower", "is made of bronze"), single=True),
    Source("siren", "a siren", _siren, ("wails", "is on a fire truck"), steady=True),
    Source("alarm", "an alarm", _alarm, ("wakes sleepers", "warns of smoke"), steady=True),
    Source("clock", "a clock", _clock, ("ticks", "tells the time"), steady=True),
    Source("knocking", "knocking", _knocking, ("is done at a door", "is done by a visitor"), steady=True),
    Source("engine", "an engine", _engine, ("burns fuel", "drives a car"), steady=True),
    Source("train", "a train", _train, ("runs on rails", "stops at a station"), steady=True),
    Source("horn", "a horn", _horn, ("honks", "is pressed by a driver"), single=True),
    Source("phone", "a phone", _phone, ("is used to call a friend", "has a touch screen"), steady=True),
    Source("rain", "rain", _rain, ("falls from clouds", "makes the streets wet"), steady=True),
    Source("wind", "wind", _wind, ("fills sails", "moves the leaves"), steady=True),
    Source("thunder", "thunder", _thunder, ("follows lightning", "ends a hot day")),
    Source("water", "water", _water, ("drips", "leaks from a tap"), single=True),
)
