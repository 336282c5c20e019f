"""The scripted worker keeps the protocol of rollout workers without a model."""

import numpy as np
import pytest

from rlaudio.rollout.scripted import STOP_TOKEN_ID, Scripted
from rlaudio.types import greedy
from tests.factories import make_prompt, make_question
from tests.settings import sampling_params

PROMPTS = [make_prompt(make_question(id=f"q{number}")) for number in range(3)]


def complete(text: str, max_new_tokens: int = 64):
    (group,) = Scripted(lambda prompt, sample: text).generate(PROMPTS[:1], greedy(max_new_tokens), (0,))
    return group.completions[0]


def test_groups_come_in_the_order_of_the_prompts_with_one_completion_a_sample():
    worker = Scripted(lambda prompt, sample: f"{prompt.question.id} {sample}")
    groups = worker.generate(PROMPTS, sampling_params(group_size=2), (0, "grpo", 1))
    assert [group.prompt for group in groups] == PROMPTS
    assert [[c.text for c in group.completions] for group in groups] == [
        ["q0 0", "q0 1"],
        ["q1 0", "q1 1"],
        ["q2 0", "q2 1"],
    ]


@pytest.mark.parametrize("text", ["<answer>a dog</answer>", "", " two  spaces ", "\n", "line\nline"])
def test_pieces_join_to_the_text_and_end_with_a_silent_stop_token(text):
    completion = complete(text)
    assert "".join(completion.token_texts) == completion.text == text
    assert completion.token_ids[-1] == STOP_TOKEN_ID
    assert completion.token_texts[-1] == ""
    assert len(completion.token_ids) == len(completion.token_texts) == len(completion.logprobs)
    assert completion.stop_reason == "stop"


def test_an_answer_longer_than_allowed_is_cut_and_says_so():
    completion = complete("one two three four", max_new_tokens=3)
    assert completion.text == "one two three"
    assert completion.stop_reason == "length"
    assert STOP_TOKEN_ID not in completion.token_ids


def test_an_answer_without_room_for_the_stop_token_counts_as_truncated():
    assert complete("one two three", max_new_tokens=3).stop_reason == "length"
    assert complete("one two three", max_new_tokens=4).stop_reason == "stop"


def test_equal_words_have_equal_token_ids_in_one_worker():
    worker = Scripted(lambda prompt, sample: " dog dog cat")
    (group,) = worker.generate(PROMPTS[:1], greedy(8), (0,))
    np.testing.assert_array_equal(group.completions[0].token_ids, [1, 1, 2, STOP_TOKEN_ID])
