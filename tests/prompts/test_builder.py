"""Which audio a question is asked with."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

import numpy as np
import pytest
import soundfile

from rlaudio.audio.controls import CHANGES, silence
from rlaudio.audio.reading import read_clip
from rlaudio.prompts.builder import PromptBuilder
from rlaudio.prompts.wording import render_user_text
from rlaudio.types import HeardClip, Prompt, Question
from tests.factories import make_question


@dataclass
class Echo:
    """A family that hands back what it was given: the samples as features, no tokens."""

    def encode_prompt(self, question: Question, system_text: str, user_text: str, clips) -> Prompt:
        self.texts = (system_text, user_text)
        nothing = np.zeros(0, dtype=np.int64)
        heard = tuple(HeardClip(clip.digest, clip.truncated, clip.seconds) for clip in clips)
        samples = {f"clip {number}": clip.samples for number, clip in enumerate(clips)}
        return Prompt(question, nothing, nothing, heard, samples)


@pytest.fixture
def questions(tmp_path) -> list[Question]:
    """Two questions about noise of 1 s and of 2 s."""
    made = []
    for seconds in (1, 2):
        path = tmp_path / f"{seconds}.wav"
        soundfile.write(path, np.random.default_rng(seconds).normal(0, 0.1, seconds * 16_000), 16_000)
        made.append(make_question(id=f"q{seconds}", clip=path))
    return made


def heard(prompt: Prompt) -> np.ndarray:
    """The samples of the prompt's only clip."""
    (samples,) = prompt.features.values()
    return samples


def test_a_prompts_silence_has_the_length_that_was_heard_and_no_clip_is_opened(questions):
    builder = PromptBuilder(Echo())
    prompt = builder.prompt(questions[1])
    questions[1].clips[0].unlink()
    silent = builder.silent(prompt)
    assert heard(silent).shape == heard(prompt).shape and not heard(silent).any()
    assert silent.clips == (HeardClip(silence(2.0).digest, seconds=2.0),)


def test_a_question_is_asked_with_its_own_clip_in_its_own_style(questions):
    family = Echo()
    builder = PromptBuilder(family, system="Listen.")
    prompt = builder.prompt(replace(questions[0], style="thinking"))
    np.testing.assert_array_equal(heard(prompt), read_clip(questions[0].clips[0]).samples)
    assert family.texts == ("Listen.", render_user_text(replace(questions[0], style="thinking")))


def test_silence_is_as_long_as_the_clip(questions):
    silent = heard(PromptBuilder(Echo()).prompt(questions[1], "silence"))
    assert len(silent) == 2 * 16_000
    assert not silent.any()


def test_silence_is_as_long_as_what_the_length_policy_leaves(questions):
    assert len(heard(PromptBuilder(Echo(), max_seconds=1.5).prompt(questions[1], "silence"))) == 24_000


def test_silence_of_a_given_length_does_not_need_the_clip():
    prompt = PromptBuilder(Echo()).prompt(make_question(clip="gone.wav"), "silence", silence_seconds=30.0)
    assert len(heard(prompt)) == 30 * 16_000


def test_mismatched_audio_is_the_partners(questions):
    local, partner = questions
    prompt = PromptBuilder(Echo()).prompt(local, "mismatch", partner=partner)
    assert prompt.question is local
    np.testing.assert_array_equal(heard(prompt), read_clip(partner.clips[0]).samples)


def test_mismatched_audio_without_a_partner_is_an_error(questions):
    with pytest.raises(ValueError, match="question q1: mismatched audio needs the partner"):
        PromptBuilder(Echo()).prompt(questions[0], "mismatch")


def test_an_unknown_control_is_an_error(questions):
    with pytest.raises(ValueError, match="'echo'; expected one of audio, silence, mismatch, no_audio"):
        PromptBuilder(Echo()).prompt(questions[0], "echo")


def test_without_audio_the_prompt_holds_no_clip_and_none_is_opened(questions):
    questions[0].clips[0].unlink()
    prompt = PromptBuilder(Echo()).prompt(questions[0], "no_audio")
    assert prompt.clips == ()


def test_thirty_seconds_of_silence_are_heard_whatever_the_clips_length(questions):
    questions[0].clips[0].unlink()
    silent = heard(PromptBuilder(Echo()).prompt(questions[0], "silence_30s"))
    assert len(silent) == 30 * 16_000 and not silent.any()


@pytest.mark.parametrize("control", CHANGES)
def test_a_changed_clip_is_as_long_as_the_clip_and_the_same_each_time(questions, control):
    unchanged = heard(PromptBuilder(Echo()).prompt(questions[1]))
    once, again = (heard(PromptBuilder(Echo()).prompt(questions[1], control)) for _ in range(2))
    assert once.shape == unchanged.shape and (once != unchanged).any()
    np.testing.assert_array_equal(once, again)


def test_a_cut_clip_is_told_once(questions, caplog):
    builder = PromptBuilder(Echo(), max_seconds=1.5)
    with caplog.at_level(logging.INFO):
        for question in (*questions, *questions):
            builder.prompt(question)
    assert [record.getMessage().count("cut to 1.5 s") for record in caplog.records] == [1]


def test_an_odd_clip_is_told_once(tmp_path, caplog):
    soundfile.write(tmp_path / "a.wav", np.zeros(16_000), 16_000)
    builder = PromptBuilder(Echo())
    for _ in range(2):
        builder.prompt(make_question(clip=tmp_path / "a.wav"))
    assert caplog.text.count("digital silence") == 1


def test_a_clip_that_cannot_be_read_is_named_with_its_question():
    with pytest.raises(FileNotFoundError, match=r"question q9: gone\.wav"):
        PromptBuilder(Echo()).prompt(make_question(id="q9", clip="gone.wav"))
