"""The paper's prompts to the letter, and which audio a question is asked with."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from rlaudio.audio.controls import CHANGES, silence
from rlaudio.audio.reading import read_clip
from rlaudio.prompts.builder import PromptBuilder
from rlaudio.prompts.wording import SYSTEM, render_user_text
from rlaudio.types import Check, Choice, HeardClip, OpenText, Prompt, Question
from tests.factories import make_question

GOLDEN = Path(__file__).parent / "golden"
SOURCE = make_question(
    question="What is the likely source of the sound?",
    choices=("A dog barking", "A car horn", "Rain on a roof", "A ringing bell"),
)
QUOTES = make_question(
    question="Who speaks?",
    choices=("The baker's wife", 'A "friend"', "Both 'one' and \"two\"", "Zoë"),
)


def golden(name: str) -> str:
    return (GOLDEN / name).read_text(encoding="utf-8")


def test_the_system_prompt_is_the_papers():
    assert golden("system.txt") == SYSTEM


def test_the_answer_only_prompt_is_the_papers():
    assert render_user_text(SOURCE) == golden("user_answer_only.txt")


def test_the_thinking_prompt_is_that_of_r1_aqa():
    assert render_user_text(replace(SOURCE, style="thinking")) == golden("user_thinking.txt")


def test_quotes_in_options_are_quoted_as_python_does():
    assert render_user_text(QUOTES) == golden("user_quotes.txt")


def test_an_unknown_style_is_an_error_that_lists_the_known_ones():
    with pytest.raises(ValueError, match="'think'; expected one of answer_only, thinking, letters"):
        render_user_text(replace(SOURCE, style="think"))


def test_letters_are_asked_for_in_the_words_of_mmsu():
    question = make_question(choices=("a dog", "a cat", "a cow", "rain"), style="letters")
    assert render_user_text(question) == (
        "Choose the most suitable answer from options A, B, C, and D. "
        "You must respond with only A, B, C, or D."
        f"\n\nQuestion: {question.question}\n\nA. a dog\nB. a cat\nC. a cow\nD. rain"
    )
    of_two = replace(question, target=Choice(("a dog", "a cat"), 0))
    assert render_user_text(of_two).startswith(
        "Choose the most suitable answer from options A and B. You must respond with only A or B.\n"
    )


def test_a_question_without_options_is_asked_without_them():
    question = Question("q", "What is heard?", (), OpenText("rain"))
    assert render_user_text(question) == "What is heard? Output the final answer in <answer> </answer>."


def test_more_options_than_letters_cannot_be_lettered():
    question = make_question(choices=tuple(map(str, range(27))), style="letters")
    with pytest.raises(ValueError, match="27 options and 26 letters"):
        render_user_text(question)


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
    own = heard(PromptBuilder(Echo()).prompt(questions[1]))
    once, again = (heard(PromptBuilder(Echo()).prompt(questions[1], control)) for _ in range(2))
    assert once.shape == own.shape and (once != own).any()
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


def test_a_question_whose_form_is_checked_is_asked_in_its_own_words_alone():
    question = Question("q", "Describe it in capitals.", (), Check("All Uppercase"))
    assert render_user_text(question) == "Describe it in capitals."
