"""Pretraining examples of small models: transcripts, facts and a few plain questions.

Examples are rows `{"audio_path", "instruction", "response", "kind"}`, with `question` and `choices` where one
is asked; facts and questions after a clue have no audio (`audio_path` null). None of them is in the prompt
format of the exam.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from rlaudio.worlds.recordings.questions import (
    AMOUNTS,
    KINDS,
    Draft,
    Giveaway,
    Pool,
    Recording,
    Rng,
    number_of,
    number_word,
)

_TRANSCRIBE = ("Transcribe the recording.", "Write down what is said.", "Which words are spoken, in order?")
_LONGEST = 4  # words of a composed example


def transcript(rng: Rng, spoken: Sequence[Recording]) -> dict[str, Any]:
    """The example that asks for a clip's transcript; the caller adds the clip."""
    response = ", ".join(recording.word for recording in spoken)
    return {"instruction": str(rng.choice(_TRANSCRIBE)), "response": response, "kind": "transcription"}


def composition(rng: Rng, pool: Pool) -> tuple[Recording, ...]:
    """Two to four recordings of any words, one after the other; most often two or three."""
    length = min(int(rng.choice([2, 2, 3, 3, _LONGEST])), 2 * len(pool.words))
    return pool.say(rng, [str(word) for word in rng.choice(pool.words, length)])


def question_example(draft: Draft, rng: Rng) -> dict[str, Any]:
    """A question with its options in random order, answered by the text of one."""
    choices = [str(option) for option in rng.permutation([draft.answer, *draft.others])]
    return {
        "instruction": f"{draft.question} Options: {'; '.join(choices)}.",
        "response": draft.answer,
        "kind": "question",
        "question": draft.question,
        "choices": choices,
    }


def clue_examples(rng: Rng, pool: Pool, kinds: Sequence[str], amount: int) -> Iterator[dict[str, Any]]:
    """Questions that text alone answers, without audio."""
    mechanisms: tuple[Giveaway, ...] = ("knowledge", "logic")
    for number in range(amount):
        kind = KINDS[kinds[number % len(kinds)]]
        draft = kind(rng, pool, mechanisms[number // len(kinds) % 2])
        yield {"audio_path": None, **question_example(draft, rng)}


def facts(words: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Facts about numbers, if the words are numbers: amounts, counting, sums and which is larger."""
    values = sorted(value for value in map(number_of, words) if value is not None)
    for amount, things in AMOUNTS.items():
        for thing in things:
            yield _fact(f"What is the number of {thing}?", number_word(amount))
    for value in sorted({*values, *(first + second for first in values for second in values)}):
        yield _fact(f"Which number follows {number_word(value)} when counting?", number_word(value + 1))
        yield _fact(f"Which number comes before {number_word(value + 1)} when counting?", number_word(value))
    for first in values:
        for second in values:
            pair = f"{number_word(first)} and {number_word(second)}"
            yield _fact(f"What is the sum of {pair}?", number_word(first + second))
            if first != second:
                yield _fact(f"Which is larger, {pair}?", number_word(max(first, second)))
                yield _fact(f"Which is smaller, {pair}?", number_word(min(first, second)))


def _fact(instruction: str, response: str) -> dict[str, Any]:
    return {"audio_path": None, "instruction": instruction, "response": response, "kind": "fact"}
