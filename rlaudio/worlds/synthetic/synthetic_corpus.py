"""Training examples of the embedded world: captions, short answers, facts and a few exam questions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from rlaudio.audio.controls import silence
from rlaudio.audio.reading import clip_of
from rlaudio.prompts.wording import SYSTEM
from rlaudio.types import Clip, Question
from rlaudio.worlds.corpus import DEFAULT_SYSTEM, Example, Exchange, exam
from rlaudio.worlds.synthetic.generate import Split, items
from rlaudio.worlds.synthetic.kinds import KindShares
from rlaudio.worlds.synthetic.subjects import Item

DESCRIBE = "Describe the audio."
AUDIO_ONLY = KindShares(text_answerable=0.0)
SILENCE_SECONDS = (1.0, 1.5, 2.0, 3.0, 8.0, 30.0)  # 30: the paper's voters
SILENCE_SHARES = (0.3, 0.25, 0.2, 0.15, 0.06, 0.04)


@dataclass(frozen=True, kw_only=True)
class Mixture:
    """How many examples of which kind a model is trained on."""

    hearing: int = 0  # clips, each with its caption
    asked: float = 1.0  # share of those clips that have an open question as well
    choices: float = 0.0  # share of those clips with a choice in everyday words besides
    facts: int = 0  # text alone: questions that need no clip, in everyday words
    exams: int = 0  # clips with one audio-only exam question each
    silent_exams: int = 0  # silence with text-answerable exam questions
    silent_guesses: float = 0.0  # share of audio-only questions among those, which can only be guessed


def synthetic_corpus(mixture: Mixture, name: str, seed: int) -> Iterator[Example]:
    """All examples of a model, from splits named after it, which are not used for evaluation."""
    rng = np.random.default_rng([seed, 1])
    for item in items(Split(f"{name}-hearing", seed, AUDIO_ONLY), mixture.hearing):
        choice = (_choice(item),) if rng.random() < mixture.choices else ()
        # Without a draw where all clips have it: the models that ship were made so.
        asked = (_open(item),) if mixture.asked == 1.0 or rng.random() < mixture.asked else ()
        yield Example(clip_of(item.scene.samples), (_caption(item), *asked, *choice))
    for item in items(Split(f"{name}-exams", seed, AUDIO_ONLY), mixture.exams):
        yield Example(clip_of(item.scene.samples), (_exam(item),), SYSTEM)
    facts = items(Split(f"{name}-facts", seed, KindShares(1.0)), 6 * mixture.facts)
    for group in _groups(facts, 6, mixture.facts):
        exchanges = [e for item in group for e in (_open(item), _choice(item))]
        yield Example(None, tuple(exchanges[k] for k in rng.permutation(12)[:6]))
    shares = KindShares(1.0 - mixture.silent_guesses)
    questions = items(Split(f"{name}-silence", seed, shares), 6 * mixture.silent_exams)
    for group in _groups(questions, 6, mixture.silent_exams):
        yield Example(_some_silence(rng), tuple(_exam(item) for item in group), SYSTEM)


def texts(count: int = 1500) -> list[str]:
    """Texts for the tokenizer: every wording of the world, in the proportions of its questions."""
    frame = f"{SYSTEM} {DEFAULT_SYSTEM} {DESCRIBE} Options: Repeat from. system user assistant"
    return [frame] * 100 + [
        f"{_exam(item).instruction} {item.scene.caption}." for item in items(Split("vocabulary"), count)
    ]


def _caption(item: Item) -> Exchange:
    return Exchange(DESCRIBE, f"{item.scene.caption}.")


def _open(item: Item) -> Exchange:
    return Exchange(item.question, item.answer)


def _choice(item: Item) -> Exchange:
    return Exchange(f"{item.question} Options: {', '.join(item.choices)}.", item.answer)


def _some_silence(rng: np.random.Generator) -> Clip:
    """Usually as long as clips are, sometimes as long as voters get."""
    return silence(float(rng.choice(SILENCE_SECONDS, p=SILENCE_SHARES)))


def _exam(item: Item) -> Exchange:
    question = Question.multiple_choice("example", item.question, item.choices, item.answer)
    return exam(question)


def _groups(stream: Iterator[Item], size: int, count: int) -> Iterator[Sequence[Item]]:
    for _ in range(count):
        yield list(islice(stream, size))
