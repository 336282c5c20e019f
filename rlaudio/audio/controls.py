"""Control conditions: audio that should help less, to see whether a question's own clip mattered.

audio                the question's own clip
silence              digital silence of the clip's length
silence_30s          30 s of digital silence, as the paper's voters hear it (arXiv:2509.21060)
no_audio             no clip at all: the prompt has no audio tokens
noise                white noise of the clip's length and level
shuffle              the clip's pieces of half a second in random order
reverse              the clip backwards
mismatch             the clip of another question, with another answer where there is one
mismatch_same_type   the same among questions of the same category, mismatch_other_type of another one
snr_20, snr_10, snr_0, snr_minus_10     the clip under white noise so many decibels softer than itself
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial

import numpy as np

from rlaudio.audio.reading import SAMPLE_RATE_HZ, clip_of
from rlaudio.types import Clip, Control, Question
from rlaudio.utils.number_format import of_all
from rlaudio.utils.randomness import generator

PIECE_SECONDS = 0.5
_SWAPS_TRIED = 64  # per question and round
_ROUNDS_WITHOUT_GAIN = 3  # after which the swaps end


@lru_cache(maxsize=4)  # a labelling asks every question with the same 30 s, and hashing them costs 4 ms
def silence(seconds: float) -> Clip:
    """Digital silence: zeros, as in the paper (30 s; noise would be content). arXiv:2509.21060."""
    count = round(seconds * SAMPLE_RATE_HZ)
    if count < 1:
        raise ValueError(f"silence of {seconds} s has no samples; expected a positive number of seconds")
    return clip_of(np.zeros(count, dtype=np.float32))


def noise(clip: Clip) -> Clip:
    """White noise of the clip's length and root mean square, the same for the same clip."""
    return clip_of(_noise(clip, 0.0))


def with_noise(clip: Clip, snr_db: float) -> Clip:
    """The clip and white noise that is `snr_db` decibels softer by its root mean square."""
    return clip_of(clip.samples + _noise(clip, snr_db))


def shuffled(clip: Clip) -> Clip:
    """The clip cut into pieces of half a second, in an order that is the same for the same clip."""
    length = round(PIECE_SECONDS * SAMPLE_RATE_HZ)
    pieces = np.split(clip.samples, range(length, len(clip.samples), length))
    order = generator("shuffle", clip.digest).permutation(len(pieces))
    return clip_of(np.concatenate([pieces[number] for number in order]))


def backwards(clip: Clip) -> Clip:
    """The clip from its end to its beginning."""
    return clip_of(clip.samples[::-1])


CHANGES: Mapping[Control, Callable[[Clip], Clip]] = {
    "noise": noise,
    "shuffle": shuffled,
    "reverse": backwards,
    "snr_20": partial(with_noise, snr_db=20.0),
    "snr_10": partial(with_noise, snr_db=10.0),
    "snr_0": partial(with_noise, snr_db=0.0),
    "snr_minus_10": partial(with_noise, snr_db=-10.0),
}


def _noise(clip: Clip, softer_db: float) -> np.ndarray:
    samples = clip.samples.astype(np.float64)
    level = np.sqrt(np.mean(samples**2)) * 10 ** (-softer_db / 20)
    drawn = generator("noise", clip.digest).standard_normal(len(samples))
    return (level * drawn / np.sqrt(np.mean(drawn**2))).astype(np.float32)


def lenders(questions: Sequence[Question], control: Control, seed: int) -> list[int]:
    """For every question the index of the one whose clip it hears: its own except where they are mismatched.

    Questions without a clip lend none and hear none.
    Raises ValueError where a mismatch cannot be had.
    """
    draw = _LENDERS.get(control)
    lent = list(range(len(questions)))
    heard = [index for index in lent if questions[index].clips]
    if draw is not None:
        for index, other in zip(heard, draw([questions[n] for n in heard], seed), strict=True):
            lent[index] = heard[other]
    return lent


def _within_types(questions: Sequence[Question], seed: int) -> list[int]:
    lender = np.arange(len(questions))
    types = _types(questions)
    for number in dict.fromkeys(types.tolist()):
        of_type = np.flatnonzero(types == number)
        try:
            lender[of_type] = of_type[mismatch([questions[index] for index in of_type.tolist()], seed)]
        except ValueError as error:
            name = questions[int(of_type[0])].groups.get("category", "none")
            raise ValueError(f"category {name!r}: {error}") from error
    return [int(index) for index in lender]


def _across_types(questions: Sequence[Question], seed: int) -> list[int]:
    """As questions are lent across clips: sorted by type, shifted by the largest type."""
    types, clips = _types(questions), _clips(questions)
    try:
        lender = [int(index) for index in _borrow_across_clips(types, np.random.default_rng(seed))]
    except ValueError as error:
        raise ValueError(
            "audio of another type: more than half of the questions are of one category; expected none to be"
        ) from error

    def fits(asker: int, lent: int) -> bool:
        return bool(types[asker] != types[lent] and clips[asker] != clips[lent])

    for asker in range(len(lender)):  # a clip may belong to questions of several types
        if not fits(asker, lender[asker]):
            others = (n for n, lent in enumerate(lender) if fits(asker, lent) and fits(n, lender[asker]))
            other = next(others, None)
            if other is None:
                raise ValueError(
                    f"audio of another type: none can be had for question {questions[asker].id}, whose "
                    "clip is that of too many others"
                )
            lender[asker], lender[other] = lender[other], lender[asker]
    return lender


def _types(questions: Sequence[Question]) -> np.ndarray:
    return _numbered([question.groups.get("category", "") for question in questions])


def _clips(questions: Sequence[Question]) -> np.ndarray:
    return _numbered([" ".join(sorted(set(question.clip_names))) for question in questions])


def mismatch(questions: Sequence[Question], seed: int) -> list[int]:
    """For every question the index of the one that lends it its clip, each question lending once.

    The lender's clip is always another file, and its gold answer another text as far as random swaps find
    one. The result is a permutation, so the set's audio as a whole stays the same. Raises ValueError where
    one clip belongs to more than half of the questions.
    """
    generator = np.random.default_rng(seed)
    clips = _clips(questions)
    answers = _numbered([question.answer.lower() for question in questions])
    lender = _borrow_across_clips(clips, generator)
    return _swap_equal_answers_away(lender.tolist(), clips.tolist(), answers.tolist(), generator)


def _swap_equal_answers_away(
    lender: list[int], clips: list[int], answers: list[int], generator: np.random.Generator
) -> list[int]:
    lender = list(lender)
    fewest, rounds_without_gain = len(lender) + 1, 0
    while rounds_without_gain < _ROUNDS_WITHOUT_GAIN:
        conflicts = [asker for asker, lent in enumerate(lender) if answers[asker] == answers[lent]]
        if not conflicts:
            break
        rounds_without_gain = 0 if len(conflicts) < fewest else rounds_without_gain + 1
        fewest = min(fewest, len(conflicts))
        for asker in conflicts:
            for other in generator.integers(len(lender), size=_SWAPS_TRIED).tolist():
                old, new = lender[asker], lender[other]
                if clips[asker] == clips[new] or clips[other] == clips[old]:
                    continue
                before = (answers[asker] == answers[old]) + (answers[other] == answers[new])
                after = (answers[asker] == answers[new]) + (answers[other] == answers[old])
                if after <= before:  # an equal swap moves the conflict to a question that may solve it
                    lender[asker], lender[other] = new, old
                if after < before:
                    break
    return lender


def _numbered(texts: Sequence[str]) -> np.ndarray:
    return np.unique(texts, return_inverse=True)[1] if texts else np.zeros(0, dtype=np.int64)


def _borrow_across_clips(clips: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """A random permutation [questions] that gives no question its own clip.

    Questions are sorted by clip, clips in random order; a shift by the largest number of questions that share
    a clip gives each question another clip.
    """
    if len(clips) == 0:
        return clips
    most = int(np.bincount(clips).max())
    if 2 * most > len(clips):
        raise ValueError(
            f"mismatched audio: {of_all(most, len(clips))} questions share one clip and cannot all borrow "
            "another; expected no clip to belong to more than half of the questions"
        )
    shuffled = generator.permutation(len(clips))
    rank_of_clip = generator.permutation(int(clips.max()) + 1)
    order = shuffled[np.argsort(rank_of_clip[clips[shuffled]], kind="stable")]
    lender = np.empty(len(clips), dtype=np.int64)
    lender[order] = np.roll(order, most)
    return lender


_LENDERS: Mapping[Control, Callable[[Sequence[Question], int], list[int]]] = {
    "mismatch": mismatch,
    "mismatch_same_type": _within_types,
    "mismatch_other_type": _across_types,
}
