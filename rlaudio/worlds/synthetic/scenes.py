"""Clips of the embedded world: sounds placed on a canvas, with a caption of everything audible.

The length of a canvas never depends on the answer, so that silence of the clip's length carries no
information about it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rlaudio.worlds.synthetic.instruments import INSTRUMENTS, MELODIC, drum
from rlaudio.worlds.synthetic.signal import envelope, glide, length
from rlaudio.worlds.synthetic.sources import SOURCES
from rlaudio.worlds.synthetic.voices import VOICES, VOWELS, speak

NUMBERS = ("one", "two", "three", "four")
BY_NAME = {source.name: source for source in SOURCES}
NAMES = tuple(BY_NAME)
STEADY = tuple(s.name for s in SOURCES if s.steady)
SINGLE = tuple(s.name for s in SOURCES if s.single)
BEDS = ("rain", "wind", "engine", "cricket", "train")
VOLUMES = {
    "grows": (0.05, 0.15, 0.5, 1.0),
    "fades": (1.0, 0.5, 0.15, 0.05),
    "stays level": (0.6, 0.6),
    "swells and fades": (0.05, 0.4, 1.0, 0.4, 0.05),
}
SPANS = {"half a second": 0.5, "one second": 1.0, "two seconds": 2.0, "three seconds": 3.0}
SEMITONES = {"unison": 0, "third": 4, "fifth": 7, "octave": 12}
# Pitch of five notes in steps; a step is drawn for each melody.
CONTOURS = {
    "rising": (0, 1, 2, 3, 4),
    "falling": (4, 3, 2, 1, 0),
    "arched": (0, 2, 4, 2, 0),
    "dipping": (4, 2, 0, 2, 4),
    "level": (2, 2, 2, 2, 2),
}
# Onsets of seven strokes as shares of the pattern's length.
RHYTHMS = {
    "steady": (0, 1 / 6, 2 / 6, 3 / 6, 4 / 6, 5 / 6, 1),
    "galloping": (0, 0.09, 1 / 3, 1 / 3 + 0.09, 2 / 3, 2 / 3 + 0.09, 1),
    "speeding up": (0, 0.28, 0.51, 0.69, 0.83, 0.93, 1),
    "slowing down": (0, 0.07, 0.17, 0.31, 0.49, 0.72, 1),
}


@dataclass(frozen=True, eq=False)
class Scene:
    """A clip [n] float32 within -1 and 1, and its caption."""

    samples: np.ndarray
    caption: str


def source(rng: np.random.Generator, name: str) -> Scene:
    """One sound source, once or more."""
    canvas = _canvas(rng, 1.0, 1.6)
    if name in SINGLE:
        count = int(rng.integers(1, 4))
        _strew(rng, canvas, [_render(rng, name, 0.4) for _ in range(count)])
        return _finish(rng, canvas, f"{BY_NAME[name].phrase}, {_times(count)}")
    _strew(rng, canvas, [_render(rng, name, rng.uniform(0.6, 0.9))])
    return _finish(rng, canvas, BY_NAME[name].phrase)


def background(rng: np.random.Generator, bed: str) -> Scene:
    """One event over a sound that goes on through the whole clip."""
    event = str(rng.choice([name for name in NAMES if name not in BEDS]))
    canvas = _canvas(rng, 1.4, 2.0)
    _strew(rng, canvas, [_render(rng, event, rng.uniform(0.4, 0.6))])
    canvas += 0.35 * _render(rng, bed, len(canvas) / 16_000)[: len(canvas)]
    return _finish(rng, canvas, f"{BY_NAME[event].phrase} over {BY_NAME[bed].phrase}")


def volume(rng: np.random.Generator, change: str) -> Scene:
    """A steady sound whose loudness changes."""
    name = str(rng.choice(["rain", "engine", "train", "cricket", "alarm", "siren"]))
    canvas = _canvas(rng, 1.4, 2.0)
    seconds = len(canvas) / 16_000
    canvas += _fit(_render(rng, name, seconds) * glide(seconds, *VOLUMES[change]), len(canvas))
    return _finish(rng, canvas, f"{BY_NAME[name].phrase} that {change}")


def instrument(rng: np.random.Generator, name: str) -> Scene:
    """A few notes of one instrument."""
    count = int(rng.integers(2, 4))
    canvas = _canvas(rng, 1.2, 1.6)
    notes = [INSTRUMENTS[name](rng, rng.uniform(220.0, 600.0), rng.uniform(0.25, 0.35)) for _ in range(count)]
    _strew(rng, canvas, notes)
    return _finish(rng, canvas, f"{_with_article(name)}, {_plural(count, 'note')}")


def contour(rng: np.random.Generator, shape: str) -> Scene:
    """A melody of five notes with the given contour."""
    name = str(rng.choice(list(MELODIC)))
    step, root = rng.uniform(3.0, 5.0), rng.uniform(300.0, 420.0)
    seconds = rng.uniform(0.2, 0.3)
    canvas = _canvas(rng, 1.6, 2.0)
    notes = [MELODIC[name](rng, root * 2 ** (step * k / 12), seconds) for k in CONTOURS[shape]]
    _place_row(rng, canvas, notes, gap_seconds=0.03)
    return _finish(rng, canvas, f"{_with_article(name)}, {shape}")


def interval(rng: np.random.Generator, name: str) -> Scene:
    """Two notes, the second not below the first."""
    player = str(rng.choice(["piano", "organ", "violin", "trumpet"]))
    root = rng.uniform(300.0, 500.0)
    canvas = _canvas(rng, 1.1, 1.4)
    pitches = (root, root * 2 ** (SEMITONES[name] / 12))
    _place_row(rng, canvas, [MELODIC[player](rng, pitch, 0.42) for pitch in pitches], gap_seconds=0.05)
    return _finish(rng, canvas, f"{_with_article(player)}, {_with_article(name)}")


def rhythm(rng: np.random.Generator, pattern: str) -> Scene:
    """Seven strokes of a drum or a xylophone."""
    canvas = _canvas(rng, 1.9, 2.3)
    if rng.random() < 0.5:
        name, stroke = "drum", drum(rng, 0.0, 0.12)
    else:
        name, stroke = "xylophone", MELODIC["xylophone"](rng, rng.uniform(300.0, 600.0), 0.12)
    span = rng.uniform(0.8, 0.95) * (len(canvas) / 16_000 - 0.15)
    start = rng.uniform(0.0, len(canvas) / 16_000 - 0.15 - span)
    for onset in RHYTHMS[pattern]:
        _add(canvas, stroke * rng.uniform(0.8, 1.0), start + span * (onset + rng.uniform(-0.008, 0.008)))
    return _finish(rng, canvas, f"{_with_article(name)}, {pattern}")


def vowel(rng: np.random.Generator, spoken: str) -> Scene:
    """One vowel by any voice."""
    return _speech(rng, str(rng.choice(VOICES)), [spoken])


def voice(rng: np.random.Generator, speaker: str) -> Scene:
    """One vowel by the given voice."""
    return _speech(rng, speaker, [str(rng.choice(VOWELS))])


def last_vowel(rng: np.random.Generator, spoken: str, before: str) -> Scene:
    """Two vowels by one voice."""
    return _speech(rng, str(rng.choice(VOICES)), [before, spoken])


def syllables(rng: np.random.Generator, count: str) -> Scene:
    """The same vowel one to four times."""
    speaker, spoken = str(rng.choice(VOICES)), str(rng.choice(VOWELS))
    canvas = _canvas(rng, 1.8, 2.2)
    number = NUMBERS.index(count) + 1
    parts = [speak(rng, speaker, spoken, rng.uniform(0.2, 0.26)) for _ in range(number)]
    _strew(rng, canvas, parts, least_gap_seconds=0.12)
    return _finish(rng, canvas, f"{_with_article(speaker)} says {spoken}, {_times(number)}")


def repeated_sound(rng: np.random.Generator, name: str, count: str) -> Scene:
    """A short sound one to four times."""
    canvas = _canvas(rng, 2.0, 2.4)
    number = NUMBERS.index(count) + 1
    _strew(rng, canvas, [_render(rng, name, 0.32) for _ in range(number)], least_gap_seconds=0.12)
    return _finish(rng, canvas, f"{BY_NAME[name].phrase}, {_times(number)}")


def row(rng: np.random.Generator, names: Sequence[str]) -> Scene:
    """Different sounds, one after the other."""
    canvas = _canvas(rng, 0.55 * len(names) + 0.4, 0.6 * len(names) + 0.8)
    _strew(
        rng, canvas, [_render(rng, name, rng.uniform(0.35, 0.5)) for name in names], least_gap_seconds=0.04
    )
    return _finish(rng, canvas, ", then ".join(BY_NAME[name].phrase for name in names))


def lasting(rng: np.random.Generator, name: str, span: str) -> Scene:
    """A steady sound that lasts for the given time."""
    canvas = np.zeros(length(3.0), dtype=np.float32)
    seconds = min(SPANS[span] * rng.uniform(0.93, 1.07), 3.0)
    _strew(rng, canvas, [_fit(_render(rng, name, seconds), length(seconds)) * envelope(seconds, 0.01, 0.01)])
    return _finish(rng, canvas, f"{BY_NAME[name].phrase} for {span}")


def _speech(rng: np.random.Generator, speaker: str, vowels: Sequence[str]) -> Scene:
    canvas = _canvas(rng, 0.55 * len(vowels) + 0.45, 0.65 * len(vowels) + 0.6)
    parts = [speak(rng, speaker, spoken, rng.uniform(0.4, 0.55)) for spoken in vowels]
    _strew(rng, canvas, parts, least_gap_seconds=0.05)
    return _finish(rng, canvas, f"{_with_article(speaker)} says {', then '.join(vowels)}")


# --- placing and finishing ---------------------------------------------------------------------------


def _canvas(rng: np.random.Generator, shortest: float, longest: float) -> np.ndarray:
    return np.zeros(length(rng.uniform(shortest, longest)), dtype=np.float32)


def _render(rng: np.random.Generator, name: str, seconds: float) -> np.ndarray:
    return BY_NAME[name].render(rng, seconds)


def _fit(samples: np.ndarray, count: int) -> np.ndarray:
    return np.pad(samples[:count], (0, max(0, count - len(samples)))).astype(np.float32)


def _add(canvas: np.ndarray, samples: np.ndarray, start_seconds: float) -> None:
    start = max(0, min(int(start_seconds * 16_000), len(canvas) - 1))
    piece = samples[: len(canvas) - start]
    canvas[start : start + len(piece)] += piece


def _strew(
    rng: np.random.Generator, canvas: np.ndarray, parts: Sequence[np.ndarray], least_gap_seconds: float = 0.08
) -> None:
    """Put parts on the canvas in order, the spare time divided at random around and between them."""
    spare = len(canvas) / 16_000 - sum(len(p) for p in parts) / 16_000 - least_gap_seconds * (len(parts) - 1)
    cuts = np.sort(rng.uniform(0.0, max(spare, 0.0), len(parts)))
    used = 0.0
    for cut, part in zip(cuts, parts, strict=True):
        _add(canvas, part * rng.uniform(0.75, 1.0), cut + used)
        used += len(part) / 16_000 + least_gap_seconds


def _place_row(
    rng: np.random.Generator, canvas: np.ndarray, parts: Sequence[np.ndarray], gap_seconds: float
) -> None:
    """Put parts on the canvas with equal gaps, the whole row at a random start."""
    total = sum(len(p) for p in parts) / 16_000 + gap_seconds * (len(parts) - 1)
    start = rng.uniform(0.0, max(0.0, len(canvas) / 16_000 - total))
    for part in parts:
        _add(canvas, part, start)
        start += len(part) / 16_000 + gap_seconds


def _finish(rng: np.random.Generator, canvas: np.ndarray, caption: str) -> Scene:
    """Set the level (peak -14 to -1 dB) and add hiss, which is in the caption where it is audible."""
    peak = 10.0 ** (rng.uniform(-14.0, -1.0) / 20.0)
    canvas = canvas * (peak / (np.abs(canvas).max() + 1e-9))
    if rng.random() < 0.25:
        level = peak * 10.0 ** (rng.uniform(-32.0, -24.0) / 20.0)
        canvas = canvas + level * rng.standard_normal(len(canvas), dtype=np.float32)
        caption += ", with hiss"
    else:
        canvas = canvas + peak * 1e-3 * rng.standard_normal(len(canvas), dtype=np.float32)
    return Scene(np.clip(canvas, -1.0, 1.0).astype(np.float32), caption)


def _times(count: int) -> str:
    return "one time" if count == 1 else f"{NUMBERS[count - 1]} times"


def _plural(count: int, noun: str) -> str:
    return f"{NUMBERS[count - 1]} {noun}{'s' if count > 1 else ''}"


def _with_article(name: str) -> str:
    return f"{'an' if name[0] in 'aeiou' and name != 'unison' else 'a'} {name}"
