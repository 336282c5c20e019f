"""Sampling one step ahead: which weights sampled what, what waits for what, and what a checkpoint keeps."""

import threading
from dataclasses import replace

import numpy as np
import pytest
import torch

from rlaudio.algorithms.grpo import GRPO
from rlaudio.config.recipe import load_recipe
from rlaudio.rollout.one_step_off import OneStepOff
from rlaudio.rollout.scripted import Scripted
from rlaudio.rollout.transformers import Transformers
from rlaudio.training.learner import Correction, Learner
from rlaudio.training.packing import Branch, PackedRow, pack
from rlaudio.training.policy import token_logprobs
from tests.conftest import fresh, make_prompt
from tests.factories import make_prompt as made_up_prompt
from tests.rollout.conftest import KEY, WARM, nudge, prompts_of
from tests.rollout.test_worker import largest_gap, tokens
from tests.settings import learner_settings, sampling_params

LATER = (0, "test", 1)


class Gate:
    """A scripted worker that answers when the gate is open, and notes when it was asked to sleep."""

    def __init__(self, answer=lambda prompt, sample: "yes"):
        self.opened, self.reached = threading.Event(), threading.Event()
        self.slept = 0
        self._scripted = Scripted(self._wait_then(answer))
        self.generate, self.close = self._scripted.generate, self._scripted.close
        self.load_weights = self._scripted.load_weights
        self.weights_version = 0

    def _wait_then(self, answer):
        def answered(prompt, sample):
            self.reached.set()
            self.opened.wait()
            return answer(prompt, sample)

        return answered

    def sleep(self):
        self.slept += 1


@pytest.fixture
def gate():
    gate = Gate()
    yield gate
    gate.opened.set()


def versions(groups):
    return {c.weights_version for group in groups for c in group.completions}


def test_what_is_begun_is_sampled_while_the_caller_goes_on(gate):
    ahead = OneStepOff(gate)
    ahead.begin([([made_up_prompt()], LATER)], WARM)  # returns, though the gate is shut
    gate.reached.wait()
    gate.opened.set()
    assert [c.text for c in ahead.generate([made_up_prompt()], WARM, LATER)[0].completions] == ["yes"] * 3
    assert len(gate._scripted.calls) == 1
    ahead.close()


def test_new_weights_wait_until_the_old_ones_have_sampled(gate):
    ahead = OneStepOff(gate)
    ahead.begin([([made_up_prompt()], LATER)], WARM)
    loading = threading.Thread(target=ahead.load_weights, args=((), 1))
    loading.start()
    gate.reached.wait()
    gate.opened.set()
    loading.join()
    assert ahead.weights_version == 1
    assert versions(ahead.generate([made_up_prompt()], WARM, LATER)) == {0}
    assert versions(ahead.generate([made_up_prompt()], WARM, LATER)) == {1}  # it is given out once
    ahead.close()


def test_what_was_sampled_ahead_is_what_the_old_weights_would_have_answered():
    family = fresh()
    ahead, prompts = OneStepOff(Transformers(family)), prompts_of(family)
    expected = tokens(Transformers(family).generate(prompts, WARM, LATER))
    ahead.begin([(prompts, LATER)], WARM)
    ahead.load_weights(nudge(family), version=1)
    groups = ahead.generate(prompts, WARM, LATER)
    assert tokens(groups) == expected and [group.prompt for group in groups] == prompts
    assert versions(groups) == {0}
    now = ahead.generate(prompts, WARM, LATER)
    assert versions(now) == {1} and largest_gap(family, now, WARM) < 1e-4 < largest_gap(family, groups, WARM)
    ahead.close()


@pytest.mark.parametrize(
    ("sampling", "key", "count"),
    [(WARM, KEY, 1), (sampling_params(2, temperature=1.3, max_new_tokens=6), LATER, 1), (WARM, LATER, 2)],
)
def test_another_request_than_the_one_begun_is_answered_by_the_weights_of_now(gate, sampling, key, count):
    gate.opened.set()
    ahead = OneStepOff(gate)
    ahead.begin([([made_up_prompt()], LATER)], WARM)
    ahead.load_weights((), 1)
    groups = ahead.generate([made_up_prompt()] * count, sampling, key)
    assert versions(groups) == {1} and len(groups) == count
    assert versions(ahead.generate([made_up_prompt()], WARM, LATER)) == {0}  # that one is still there
    ahead.close()


def test_an_engine_that_samples_is_not_put_to_sleep(gate):
    ahead = OneStepOff(gate)
    ahead.begin([([made_up_prompt()], LATER)], WARM)
    gate.reached.wait()
    ahead.sleep()
    assert gate.slept == 0
    gate.opened.set()
    ahead.generate([made_up_prompt()], WARM, LATER)
    ahead.sleep()
    assert gate.slept == 1
    ahead.close()


@pytest.mark.parametrize("call", ["generate", "load_weights", "begin", "state_dict"])
def test_an_error_in_the_background_is_raised_by_the_next_call(call):
    def fail(prompt, sample):
        raise ArithmeticError("the engine died")

    ahead = OneStepOff(Scripted(fail))
    asked, prompts = ([([made_up_prompt()], LATER)], WARM), [made_up_prompt()]
    ahead.begin(*asked)
    arguments = {
        "begin": asked,
        "generate": (prompts, WARM, LATER),
        "load_weights": ((), 1),
        "state_dict": (),
    }
    with pytest.raises(ArithmeticError, match="the engine died"):
        getattr(ahead, call)(*arguments[call])
    ahead.close()


def test_what_was_sampled_ahead_outlives_the_process(policy, tmp_path):
    prompts = prompts_of(policy)
    sampling = sampling_params(2, temperature=1.2, top_k=4, max_new_tokens=5)
    ahead = OneStepOff(Transformers(policy))
    assert ahead.state_dict() is None
    ahead.begin([(prompts, LATER)], sampling)
    torch.save(ahead.state_dict(), tmp_path / "ahead.pt")
    again = OneStepOff(Scripted(lambda prompt, sample: "sampled anew"))
    again.load_state_dict(torch.load(tmp_path / "ahead.pt", weights_only=True))
    for first, second in zip(
        ahead.generate(prompts, sampling, LATER), again.generate(prompts, sampling, LATER), strict=True
    ):
        assert first.prompt is second.prompt
        for a, b in zip(first.completions, second.completions, strict=True):
            assert (a.text, a.token_texts, a.stop_reason) == (b.text, b.token_texts, b.stop_reason)
            for name in ("token_ids", "logprobs", "support"):
                assert np.array_equal(getattr(a, name), getattr(b, name))
                assert getattr(a, name).dtype == getattr(b, name).dtype
    ahead.close()


def test_a_step_that_is_broken_off_keeps_what_was_sampled_for_it(policy):
    prompts, sampling = prompts_of(policy), sampling_params(2, temperature=1.2, max_new_tokens=3)
    ahead = OneStepOff(Transformers(policy))
    ahead.begin([(prompts, LATER)], sampling)
    handed_out = ahead.generate(prompts, sampling, LATER)
    again = OneStepOff(Scripted(lambda prompt, sample: "sampled anew"))
    again.load_state_dict(ahead.state_dict())
    texts = [[c.text for c in group.completions] for group in again.generate(prompts, sampling, LATER)]
    assert texts == [[c.text for c in group.completions] for group in handed_out]
    ahead.load_weights((), 1)  # the step is done
    assert ahead.state_dict() is None
    ahead.close()


def test_vllm_samples_ahead_what_its_weights_of_then_answer(changeable, vllm_worker):
    prompts = prompts_of(changeable)
    expected = tokens(vllm_worker.generate(prompts, WARM, LATER))
    ahead = OneStepOff(vllm_worker)
    ahead.begin([(prompts, LATER)], WARM)
    Transformers(changeable).generate(prompts, WARM, KEY)  # something that computes meanwhile
    ahead.load_weights(nudge(changeable), version=1)
    assert tokens(ahead.generate(prompts, WARM, LATER)) == expected
    now = ahead.generate(prompts, WARM, LATER)
    assert versions(now) == {1} and largest_gap(changeable, now, WARM) < 1e-4


# --- correction ----------------------------------------------------------------------------------


def every_answer(family, advantages, logprobs, weights) -> PackedRow:
    """A prompt with every one-token answer there is, so that sums over it are exact expectations."""
    allowed = [t for t in range(family.head.out_features) if t not in family.forbidden_token_ids]
    return PackedRow(
        make_prompt(family, 1),
        tuple(
            Branch(np.array([token]), np.array([lp], dtype=np.float32), np.array([advantage]), float(weight))
            for token, lp, advantage, weight in zip(allowed, logprobs, advantages, weights, strict=True)
        ),
    )


def gradient(family, loss) -> torch.Tensor:
    family.model.zero_grad()
    loss.backward()
    return torch.cat([p.grad.flatten() for p in family.model.parameters() if p.grad is not None])


@pytest.mark.parametrize("by", ["token", "sequence"])
def test_corrected_samples_of_old_weights_give_the_gradient_of_new_ones(family, by):
    """Summed over all answers, weighted by the old policy: the policy gradient of the new one, exactly."""
    count = family.head.out_features - len(set(family.forbidden_token_ids))
    advantages = np.random.default_rng(0).standard_normal(count)
    flat = np.zeros(count, dtype=np.float32)
    blank = every_answer(family, advantages, flat, flat)
    with torch.no_grad():
        old = token_logprobs(family, pack([blank])).logprobs
    assert float(old.exp().sum()) == pytest.approx(1.0, abs=1e-4)  # nothing is left out
    family.load_weights(nudge(family, size=0.02))
    expected = -(token_logprobs(family, pack([blank])).logprobs.exp() * torch.from_numpy(advantages)).sum()
    wanted = gradient(family, expected)

    def found(correction: Correction) -> torch.Tensor:
        settings = replace(learner_settings(lr=1.0, steps=1), correction=correction)
        learner = Learner(family, GRPO(kl=0.0), settings)
        rows = [every_answer(family, advantages, old.numpy(), old.exp().numpy())]
        batch = pack(rows)
        tokens = learner.tokens(rows, batch, learner.strategy.forward(batch))
        return gradient(family, learner.algorithm.loss(tokens).total)

    def error(gradient: torch.Tensor) -> float:
        return float((gradient - wanted).norm() / wanted.norm())

    assert error(found(Correction(by=by, cap=1e6))) < 1e-3
    assert error(found(Correction(by="off", cap=1e6))) > 0.1


# --- recipe --------------------------------------------------------------------------------------


@pytest.mark.parametrize("mismatch", ["{correct: none}", "{logprobs: paper}"])
def test_a_recipe_that_allows_lag_must_correct_for_it(mismatch):
    with pytest.raises(ValueError, match=r"need importance correction; set mismatch.correct to token or"):
        load_recipe("tiny_weak_to_strong", ["sampling.max_lag=1", f"mismatch={mismatch}"])
