"""A model family of words for tests: prompts from question and clip without any model, and clips on disk."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import soundfile

from rlaudio.prompts.builder import PromptBuilder
from rlaudio.types import Dataset, HeardClip, Prompt, Question
from tests.factories import make_contributions, make_question


class WordFamily:
    """Every word of a prompt is one token; features are zeros of the clip's length."""

    def encode_prompt(self, question: Question, system_text: str, user_text: str, clips) -> Prompt:
        words = f"{system_text} {user_text}".split()
        return Prompt(
            question=question,
            token_ids=np.array([zlib.crc32(word.encode()) for word in words], dtype=np.int64),
            positions=np.arange(len(words)),
            clips=tuple(HeardClip(clip.digest) for clip in clips),
            features={"frames": np.zeros((2, sum(round(100 * clip.seconds) for clip in clips)), np.float32)},
        )


def word_prompts(**options) -> PromptBuilder:
    return PromptBuilder(WordFamily(), **options)


def questions_on_disk(folder: Path, count: int, labels=None, **fields) -> Dataset:
    """Questions q0, q1, ... with clips of 0.1 s, 0.2 s, ...; the gold answer moves through the options.

    `labels` are contributions by id, `fields` the other fields of every question.
    """
    choices = ("a dog", "a cat", "a cow", "a bird")
    questions = []
    for number in range(count):
        path = folder / f"q{number}.wav"
        noise = np.random.default_rng(number).normal(scale=0.1, size=1600 * (number + 1))
        soundfile.write(path, noise.astype(np.float32), 16_000)
        fields_of_question = {name: values[number] for name, values in fields.items()}
        questions.append(
            make_question(
                id=f"q{number}",
                question=f"Who calls {number}?",
                choices=choices,
                answer=choices[number % 4],
                clip=path,
                **fields_of_question,
            )
        )
    return Dataset(tuple(questions), make_contributions(**(labels or {})))
