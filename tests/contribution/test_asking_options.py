"""Options asked of the voter that ships and hears: what audio adds, where the truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from rlaudio.contribution.asking_options import ask_options, spelled_out
from rlaudio.contribution.option_shares import AudioGain, OptionLogprobs, auc
from rlaudio.models.qwen2_5_omni import Qwen2_5Omni
from rlaudio.prompts.builder import PromptBuilder
from rlaudio.rollout.transformers import Transformers
from rlaudio.worlds.synthetic import synthetic

pytestmark = pytest.mark.slow

# Of two of the 16 skills its ears are not sure; the mean over 40 questions allows for that.
HEARD = 0.4


@pytest.fixture(scope="module")
def asked():
    """Whether text answers, p(gold | silence) and what audio adds, of each of 80 questions."""
    family = Qwen2_5Omni(path="tiny/voter_d", device="cpu")
    prompts, of_options = PromptBuilder(family), spelled_out(Transformers(family), family)
    questions = synthetic(split="asked", count=80).questions
    heard = ask_options(questions, prompts, of_options, "audio")
    unheard = ask_options(questions, prompts, of_options, "silence")
    gains = [AudioGain.of(*pair).probability.value for pair in zip(heard, unheard, strict=True)]
    answerable = [OptionLogprobs.answerability([without]).value for without in unheard]
    return np.array([q.text_answerable for q in questions]), np.array(answerable), np.array(gains)


def test_audio_adds_to_what_only_audio_answers_and_nothing_where_text_does(asked):
    by_text, _, gains = asked
    assert gains[~by_text].mean() > HEARD
    assert abs(gains[by_text].mean()) < 0.1


def test_answerability_and_gain_tell_the_kinds_of_questions_apart(asked):
    by_text, answerable, gains = asked
    assert auc(answerable, by_text) > 0.97
    assert auc(gains, ~by_text) > 0.85
