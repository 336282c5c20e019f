"""Leaks between sets: by decoded audio, by text, by both."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from rlaudio.audio.reading import clip_of
from rlaudio.data.leakage import find_leaks, normalised
from tests.factories import make_question


def noise(path: Path, seed: int, seconds: float = 0.1) -> Path:
    samples = np.random.default_rng(seed).integers(-9000, 9000, round(16_000 * seconds), dtype=np.int16)
    soundfile.write(path, samples, 16_000)
    return path


def told(leaks) -> list[tuple[str, str, str, str, str]]:
    return [(leak.set, leak.id, leak.shared, leak.other_set, leak.other_id) for leak in leaks.leaks]


@pytest.fixture
def sets(tmp_path):
    """A set to train on, and one to test on: a copy in flac, a text, both, and neither."""
    clips = [noise(tmp_path / f"{seed}.wav", seed) for seed in range(4)]
    train = [
        make_question(id=f"t{n}", clip=clip, question=f"What calls {n}?") for n, clip in enumerate(clips)
    ]
    test = [
        make_question(id="copy", clip=noise(tmp_path / "copy.flac", seed=1), question="Who is it?"),
        make_question(id="text", clip=noise(tmp_path / "new.wav", seed=9), question="what  calls 2"),
        make_question(
            id="both",
            clip=noise(tmp_path / "again.wav", seed=3),
            question="What calls 3?",
            choices=("a bird", "A cat.", "a cow", "a dog"),
        ),
        make_question(id="new", clip=noise(tmp_path / "other.wav", seed=8), question="Who else?"),
    ]
    return {"train": train, "test": test}


def test_every_leak_is_found_from_both_sides_with_what_is_shared(sets):
    assert told(find_leaks(sets)) == [
        ("train", "t1", "audio", "test", "copy"),
        ("train", "t2", "text", "test", "text"),
        ("train", "t3", "audio and text", "test", "both"),
        ("test", "copy", "audio", "train", "t1"),
        ("test", "text", "text", "train", "t2"),
        ("test", "both", "audio and text", "train", "t3"),
    ]


def test_what_leaks_is_counted_and_masked_by_kind(sets):
    leaks = find_leaks(sets)
    assert leaks.between("test", "train") == {"audio": 1, "text": 1, "audio and text": 1}
    assert leaks.left_out("test") == {0, 1, 2}
    assert leaks.left_out("train", ("audio", "audio and text")) == {1, 3}


def test_a_question_that_shares_audio_with_one_and_text_with_another_is_a_leak_of_audio(sets, tmp_path):
    mixed = make_question(id="m", clip=noise(tmp_path / "m.wav", seed=0), question="What calls 2?")
    assert told(find_leaks({"test": [mixed], "train": sets["train"]}))[0][2:] == ("audio", "train", "t0")


def test_other_options_make_another_text():
    left = make_question(id="a", clip="gone.wav")
    right = make_question(id="b", clip="gone2.wav", choices=("a dog", "a wolf"))
    leaks = find_leaks({"left": [left], "right": [right]})
    assert (leaks.leaks, leaks.unreadable) == ((), {"left": 1, "right": 1})


def test_audio_that_is_equal_up_to_the_limit_leaks():
    start = np.random.default_rng(0).normal(scale=0.1, size=16_000)
    samples = {"left": start, "right": np.concatenate([start, start])}
    sets = {
        name: [replace(make_question(id=name, question=name), clips=(clip_of(given),))]
        for name, given in samples.items()
    }
    assert find_leaks(sets).leaks == ()
    assert len(find_leaks(sets, max_seconds=0.5).leaks) == 2


def test_three_sets_are_compared_in_pairs(sets, tmp_path):
    third = [make_question(id="x", clip=noise(tmp_path / "x.wav", seed=9), question="Else?")]
    leaks = told(find_leaks({**sets, "third": third}))
    assert ("test", "text", "audio", "third", "x") in leaks
    assert ("third", "x", "audio", "test", "text") in leaks


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  What's THIS? ", "what s this"),
        ("ﬁve\tstraße", "five strasse"),
        ("21.2s", "21 2s"),
        ("你好...", "你好"),
    ],
)
def test_texts_are_compared_by_their_words(text, expected):
    assert normalised(text) == expected
