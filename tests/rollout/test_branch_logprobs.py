"""Log-probs of given completions as branches of one prompt, against a row for each of them."""

import numpy as np
import pytest

from rlaudio.rollout.branch_logprobs import branch_logprobs
from rlaudio.rollout.canary import plain_logprobs
from rlaudio.rollout.transformers import Transformers
from rlaudio.types import Completion, Group, Question
from tests.conftest import make_prompt, tone


def completions_of(family, *texts):
    return [family.encode_completion(f"<answer>{text}</answer>") for text in texts]


def row_by_row(family, prompt, completions):
    """The slow way: each completion in a row of its own, nothing shared."""
    nothing = [np.zeros(len(ids), np.float32) for ids in completions]
    given = tuple(
        Completion.single_turn(ids, none, "", (), "stop", 0)
        for ids, none in zip(completions, nothing, strict=True)
    )
    return [float(row.astype(np.float64).sum()) for row in plain_logprobs(family, Group(prompt, given), 1.0)]


def about_one_clip(family, *texts):
    """Prompts with one clip and different words behind it."""
    made = []
    for number, text in enumerate(texts):
        question = Question.multiple_choice(f"q{number}", text, ("a", "b"), "a")
        made.append(family.encode_prompt(question, "You listen.", text, [tone(0.7, 1)]))
    return made


@pytest.fixture(scope="module")
def cases(shared_family):
    """Prompts that share nothing, a clip, or all but the end; completions of different lengths."""
    prompts = [
        make_prompt(shared_family, 0),
        make_prompt(shared_family, 1, seconds=1.2, words=9),
        *about_one_clip(shared_family, "Which of a dog, a cat?", "Which of a cat, a dog?", "What is it?"),
    ]
    texts = [("a", "b"), ("a dog", "a very long option of many words", "x"), ("a",), ("b", "a"), ("a", "a")]
    return prompts, [completions_of(shared_family, *given) for given in texts]


def test_branches_are_as_likely_as_rows_of_their_own(shared_family, cases):
    prompts, completions = cases
    measured = branch_logprobs(shared_family, prompts, completions)
    for prompt, given, logprobs in zip(prompts, completions, measured, strict=True):
        assert logprobs.shape == (len(given),) and logprobs.dtype == np.float64
        np.testing.assert_allclose(logprobs, row_by_row(shared_family, prompt, given), atol=2e-4)


@pytest.mark.parametrize("batch_tokens", [1, 300, 65_536])
def test_a_worker_gives_the_same_in_any_batches_and_in_the_order_of_the_prompts(
    shared_family, cases, batch_tokens
):
    prompts, completions = cases
    worker = Transformers(shared_family, batch_tokens=batch_tokens)
    together = branch_logprobs(shared_family, prompts, completions)
    backwards = worker.completion_logprobs(prompts[::-1], completions[::-1])[::-1]
    for a, b in zip(together, backwards, strict=True):
        np.testing.assert_allclose(a, b, atol=2e-4)


def test_completions_of_a_single_token_need_nothing_behind_the_prompt(shared_family, cases):
    prompts, _ = cases
    given = [[ids[:1] for ids in completions_of(shared_family, "a", "b")] for _ in prompts]
    for prompt, ids, logprobs in zip(
        prompts, given, branch_logprobs(shared_family, prompts, given), strict=True
    ):
        np.testing.assert_allclose(logprobs, row_by_row(shared_family, prompt, ids), atol=2e-4)


def test_completions_with_equal_tokens_are_equally_likely(shared_family, cases):
    prompts, completions = cases
    logprobs = branch_logprobs(shared_family, prompts, completions)[4]
    assert logprobs[0] == pytest.approx(logprobs[1], abs=1e-4)


@pytest.mark.parametrize("given", [[], [np.zeros(0, np.int64)]])
def test_a_completion_without_tokens_is_refused(shared_family, cases, given):
    with pytest.raises(ValueError, match=r"question q0: .*expected at least one, each with a token"):
        branch_logprobs(shared_family, cases[0][:1], [given])


def test_no_prompts_have_no_log_probs(shared_family):
    assert Transformers(shared_family).completion_logprobs([], []) == []


def test_a_closed_worker_gives_none(shared_family, cases):
    worker = Transformers(shared_family)
    worker.close()
    with pytest.raises(RuntimeError, match="closed"):
        worker.completion_logprobs(*cases)
