"""Transcripts and other texts that the examples teach."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from rlaudio.worlds.recordings.questions import (
    KINDS,
    Pool,
    Recording,
    number_of,
    number_word,
)
from rlaudio.worlds.recordings.transcripts import clue_examples, facts

DIGITS = [number_word(value) for value in range(10)]


def pool_of(words, takes: int = 3) -> Pool:
    return Pool({w: [Recording(Path(f"{w}_ann_{t}.wav"), w, "ann") for t in range(takes)] for w in words})


def test_facts_about_numbers_are_true():
    rows = list(facts(DIGITS))
    assert {"What is the sum of four and nine?": "thirteen"}.items() <= {
        row["instruction"]: row["response"] for row in rows
    }.items()
    for row in rows:
        words = [word for word in re.findall(r"\w+", row["instruction"]) if number_of(word) is not None]
        if "sum" in row["instruction"]:
            assert row["response"] == number_word(sum(map(number_of, words)))
        elif "larger" in row["instruction"]:
            assert row["response"] == max(words, key=number_of)


def test_words_that_are_no_numbers_have_only_facts_about_amounts():
    assert all("number of" in row["instruction"] for row in facts(["dog", "cat"]))


def test_clue_examples_are_text_alone_and_not_in_the_papers_format():
    for row in clue_examples(np.random.default_rng(0), pool_of(DIGITS), list(KINDS), 20):
        assert row["audio_path"] is None
        assert "<answer>" not in row["instruction"] + row["response"]
