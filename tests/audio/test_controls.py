"""Silence and borrowed clips."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlaudio.audio.controls import backwards, lenders, mismatch, noise, shuffled, silence, with_noise
from rlaudio.audio.reading import clip_of
from tests.factories import make_question


def questions_of(clips_and_answers):
    return [
        make_question(id=str(i), clip=f"{clip}.wav", choices=("a", "b", "c", "d"), answer=answer)
        for i, (clip, answer) in enumerate(clips_and_answers)
    ]


def test_silence_is_zeros_of_the_given_length():
    clip = silence(30.0)
    assert clip.seconds == 30.0
    assert not clip.samples.any()


def test_silence_of_no_length_is_an_error():
    with pytest.raises(ValueError, match="expected a positive number of seconds"):
        silence(0.0)


@given(answers=st.lists(st.sampled_from("abcd"), min_size=2, max_size=40), seed=st.integers(0, 2**32 - 1))
def test_every_clip_is_lent_once_and_never_to_its_owner(answers, seed):
    lenders = mismatch(questions_of(enumerate(answers)), seed)
    assert sorted(lenders) == list(range(len(answers)))
    assert all(asker != lender for asker, lender in enumerate(lenders))


@given(repeats=st.integers(1, 10), seed=st.integers(0, 2**32 - 1))
def test_the_lender_has_another_answer_wherever_there_are_enough(repeats, seed):
    answers = "abcd" * repeats
    lenders = mismatch(questions_of(enumerate(answers)), seed)
    assert all(answers[asker] != answers[lender] for asker, lender in enumerate(lenders))


def test_questions_about_the_same_clip_do_not_lend_to_each_other():
    questions = questions_of([(0, "a"), (0, "b"), (1, "a"), (1, "b"), (2, "c"), (2, "d")])
    for seed in range(50):
        lenders = mismatch(questions, seed)
        assert all(
            questions[asker].clips[0] != questions[lender].clips[0] for asker, lender in enumerate(lenders)
        )


def test_one_answer_for_nearly_all_still_gives_every_question_another_clip():
    questions = questions_of(enumerate("a" * 500 + "b"))
    lenders = mismatch(questions, seed=0)
    assert all(asker != lender for asker, lender in enumerate(lenders))
    assert questions[lenders[500]].answer == "a"


def test_the_same_seed_draws_the_same_lenders():
    questions = questions_of(enumerate("abcd" * 10))
    assert mismatch(questions, 1) == mismatch(questions, 1) != mismatch(questions, 2)


def test_a_clip_that_most_questions_share_cannot_be_mismatched():
    with pytest.raises(ValueError, match="2 of 3 questions share one clip"):
        mismatch(questions_of([(0, "a"), (0, "b"), (1, "c")]), seed=0)


def test_no_questions_need_no_lenders():
    assert mismatch([], seed=0) == []


def test_the_lender_indices_are_plain_integers():
    assert all(type(index) is int for index in mismatch(questions_of(enumerate("abcd")), 0))


def clip(seconds=2.0, level=0.1):
    return clip_of(level * np.sin(np.arange(round(seconds * 16_000)) / 9))


def level_db(samples):
    return 10 * np.log10(np.mean(np.asarray(samples, dtype=np.float64) ** 2))


def test_noise_has_the_level_of_the_clip_and_none_of_its_sound():
    original = clip()
    assert level_db(noise(original).samples) == pytest.approx(level_db(original.samples), abs=1e-3)
    assert abs(np.corrcoef(noise(original).samples, original.samples)[0, 1]) < 0.02


@pytest.mark.parametrize("snr_db", [20.0, 0.0, -10.0])
def test_added_noise_is_so_much_softer_than_the_clip(snr_db):
    original = clip()
    added = with_noise(original, snr_db).samples - original.samples
    assert level_db(original.samples) - level_db(added) == pytest.approx(snr_db, abs=1e-3)


def test_a_shuffled_clip_holds_the_pieces_of_half_a_second_in_another_order():
    original = clip_of(np.repeat(np.arange(1.0, 6.0), 8_000)[:-100] / 10)  # the last piece is shorter
    pieces = shuffled(original).samples
    assert sorted(pieces) == sorted(original.samples)
    assert (np.diff(pieces) != 0).sum() == 4 and (pieces != original.samples).any()


def test_a_clip_backwards_twice_is_the_clip():
    assert backwards(backwards(clip())).digest == clip().digest


def of_types(types):
    questions = questions_of([(number, "abcd"[number % 4]) for number in range(len(types))])
    return [replace(q, groups={"category": kind}) for q, kind in zip(questions, types, strict=True)]


def test_mismatched_clips_come_from_the_same_type_or_another_one_as_asked():
    types = ["speech", "speech", "speech", "music", "music", "music", "sound", "sound", "sound"]
    questions = of_types(types)
    same, other = (lenders(questions, f"mismatch_{which}_type", seed=3) for which in ("same", "other"))
    assert sorted(same) == sorted(other) == list(range(9))
    assert all(types[asker] == types[lender] and asker != lender for asker, lender in enumerate(same))
    assert all(types[asker] != types[lender] for asker, lender in enumerate(other))


def test_audio_of_another_type_cannot_be_had_where_most_are_of_one():
    with pytest.raises(ValueError, match="more than half of the questions are of one category"):
        lenders(of_types(["speech", "speech", "speech", "music"]), "mismatch_other_type", seed=0)


def test_every_question_hears_its_own_clip_under_other_controls():
    assert lenders(of_types(["speech", "music"]), "silence", seed=0) == [0, 1]


def test_questions_without_a_clip_lend_none_and_hear_none():
    questions = questions_of([(number, "abcd"[number % 4]) for number in range(6)])
    questions[1], questions[4] = (replace(questions[n], clips=()) for n in (1, 4))
    lent = lenders(questions, "mismatch", seed=0)
    assert (lent[1], lent[4]) == (1, 4)
    assert sorted(lent[n] for n in (0, 2, 3, 5)) == [0, 2, 3, 5]


def test_audio_of_another_type_is_never_the_own_clip():
    questions = of_types(["speech", "music"] * 4)
    shared = [replace(q, clips=questions[2 * (n // 2)].clips) for n, q in enumerate(questions)]
    for seed in range(20):
        lent = lenders(shared, "mismatch_other_type", seed)
        assert sorted(lent) == list(range(8))
        assert all(shared[n].clips != shared[other].clips for n, other in enumerate(lent))
        assert all(shared[n].groups != shared[other].groups for n, other in enumerate(lent))


def test_a_category_without_another_clip_is_named():
    with pytest.raises(ValueError, match="category 'music': mismatched audio: 1 of 1 questions"):
        lenders(of_types(["speech", "speech", "music"]), "mismatch_same_type", seed=0)
