"""Engines that die: a new one takes the same weights over, and is asked the same with the same seeds."""

import logging

import pytest
import torch

from rlaudio.rollout.canary import CanaryError
from rlaudio.rollout.reopening_worker import ReopeningWorker, open_engine
from rlaudio.rollout.transformers import Transformers
from rlaudio.rollout.vllm.vllm import Vllm
from rlaudio.rollout.vllm.vllm_server import VllmServer
from rlaudio.rollout.worker import EngineDied
from rlaudio.types import greedy
from rlaudio.utils.processes import Processes
from tests.rollout.conftest import KEY, WARM, nudge, prompts_of
from tests.rollout.test_worker import largest_gap, tokens
from tests.rollout.vllm.test_vllm import Tampered


class Mortal(Transformers):
    """A worker whose engine dies of requests while `deaths` last, of weights while `deaths_of_weights` do."""

    deaths = 0
    deaths_of_weights = 0
    opened = 0
    closed = 0

    def __init__(self, family):
        super().__init__(family)
        Mortal.opened += 1

    def generate(self, prompts, sampling, key):
        if Mortal.deaths:
            Mortal.deaths -= 1
            raise EngineDied("the engine died")
        return super().generate(prompts, sampling, key)

    def load_weights(self, weights, version):
        if Mortal.deaths_of_weights:
            Mortal.deaths_of_weights -= 1
            list(weights)
            raise EngineDied("the engine died")
        super().load_weights(weights, version)

    def close(self):
        Mortal.closed += 1
        super().close()


@pytest.fixture(autouse=True)
def none_yet():
    Mortal.deaths = Mortal.deaths_of_weights = Mortal.opened = Mortal.closed = 0


def test_a_request_that_an_engine_died_of_is_answered_by_a_new_one_with_the_same_weights(changeable, caplog):
    worker, prompts = ReopeningWorker(Mortal, changeable), prompts_of(changeable)
    worker.load_weights(nudge(changeable), version=4)
    expected = tokens(Transformers(changeable).generate(prompts, WARM, KEY))
    Mortal.deaths = 1
    with caplog.at_level(logging.WARNING):
        groups = worker.generate(prompts, WARM, KEY)
    assert tokens(groups) == expected
    assert {c.weights_version for group in groups for c in group.completions} == {4}
    assert (Mortal.opened, Mortal.closed, worker.reopened) == (2, 1, 1)
    assert "the engine died; the step is repeated on a new engine" in caplog.text


def test_a_request_that_two_engines_died_of_stops_the_run_and_says_how_to_go_on(policy):
    worker = ReopeningWorker(Mortal, policy)
    Mortal.deaths = 2
    with pytest.raises(EngineDied, match=r"so did the one before it, of the same 5 questions from"):
        worker.generate(prompts_of(policy), WARM, KEY)
    assert Mortal.opened == 2


def test_where_no_other_engine_opens_the_run_stops_as_where_it_died(policy):
    class Once(Mortal):
        def __init__(self, family):
            super().__init__(family)
            if Mortal.opened > 1:
                raise ValueError("no server answers")

    worker = ReopeningWorker(Once, policy)
    Mortal.deaths = 1
    with pytest.raises(EngineDied, match=r"died, and no new one could be opened: no server"):
        worker.generate(prompts_of(policy), WARM, KEY)


def test_every_request_has_a_second_try_of_its_own(policy):
    worker = ReopeningWorker(Mortal, policy)
    for number in (1, 2):
        Mortal.deaths = 1
        worker.generate(prompts_of(policy)[:1], greedy(2), KEY)
        assert worker.reopened == number


def test_what_is_wrong_with_the_request_is_not_asked_twice(policy):
    class Refusing(Mortal):
        def generate(self, prompts, sampling, key):
            raise ValueError("does not fit")

    worker = ReopeningWorker(Refusing, policy)
    with pytest.raises(ValueError, match="does not fit"):
        worker.generate(prompts_of(policy), WARM, KEY)
    assert Mortal.opened == 1


def test_weights_that_an_engine_died_of_go_to_a_new_one_under_their_new_version(changeable, caplog):
    worker, new = ReopeningWorker(Mortal, changeable), nudge(changeable)
    Mortal.deaths_of_weights = 1
    with caplog.at_level(logging.WARNING):
        worker.load_weights(iter(new), version=4)
    assert (Mortal.opened, Mortal.closed, worker.reopened) == (2, 1, 1)
    assert "the engine died; a new engine takes weights version 4 over" in caplog.text
    assert worker.weights_version == worker.worker.weights_version == 4
    now = dict(changeable.named_weights())
    assert all(torch.equal(now[name], tensor) for name, tensor in new)


def test_weights_that_two_engines_died_of_stop_the_run_and_say_how_to_go_on(policy):
    worker = ReopeningWorker(Mortal, policy)
    Mortal.deaths_of_weights = 2
    with pytest.raises(EngineDied, match=r"version 1 over; the engine before it died too"):
        worker.load_weights(policy.named_weights(), version=1)
    assert Mortal.opened == 2


def test_an_engine_that_disagrees_with_the_model_is_not_opened_anew(policy):
    class Disagreeing(Mortal):
        def load_weights(self, weights, version):
            raise CanaryError("log-probs differ")

    worker = ReopeningWorker(Disagreeing, policy)
    with pytest.raises(CanaryError, match="log-probs differ"):
        worker.load_weights(policy.named_weights(), version=1)
    assert Mortal.opened == 1


def test_each_of_several_processes_reopens_an_engine_of_its_own_but_not_one_that_all_ask(policy):
    class Shared(VllmServer):
        def __init__(self, family):
            self.weights_version = 0

    second_of_two = Processes(rank=1, size=2)
    local = open_engine(Mortal, policy, second_of_two)
    Mortal.deaths = 1
    assert local.generate(prompts_of(policy)[:1], greedy(2), KEY)
    assert Mortal.opened == 2
    assert type(open_engine(Shared, policy, second_of_two)) is Shared
    assert type(open_engine(Shared, policy, Processes())) is ReopeningWorker


def test_an_engine_inside_one_of_several_processes_is_not_reopened_by_it_alone(policy, vllm_worker):
    """vLLM makes process groups as it opens, and the others would not come to make them too."""
    second_of_two = Processes(rank=1, size=2)
    assert open_engine(lambda family: vllm_worker, policy, second_of_two) is vllm_worker


def test_a_vllm_engine_that_dies_amid_a_step_is_replaced(changeable, vllm_worker, needs_vllm):
    """The first of two engines fails inside the model, after some tokens, and leaves its requests behind."""
    worker, prompts = ReopeningWorker(Vllm, changeable), prompts_of(changeable)
    worker.load_weights(nudge(changeable), version=2)
    calls = 0

    def fail(module, arguments):
        nonlocal calls
        calls += 1
        if calls == 3:
            raise RuntimeError("the device is gone")

    dying = worker.worker
    dying._engine._llm.apply_model(
        lambda model: model.language_model.model.layers[0].register_forward_pre_hook(fail)
    )
    groups = worker.generate(prompts, WARM, KEY)
    assert calls == 3 and worker.reopened == 1
    assert {c.weights_version for group in groups for c in group.completions} == {2}
    assert tokens(groups) == tokens(worker.generate(prompts, WARM, KEY))
    assert largest_gap(changeable, groups, WARM) < 1e-4
    with pytest.raises(RuntimeError, match="closed"):
        dying.generate(prompts, WARM, KEY)
    worker.close()


def test_a_vllm_engine_that_dies_amid_an_update_is_replaced(changeable, vllm_worker, needs_vllm):
    def fail(*arguments, **options):
        raise RuntimeError("the device is gone")

    worker, prompts = ReopeningWorker(Vllm, changeable), prompts_of(changeable)
    engine = worker.worker._engine
    engine._llm = Tampered(engine._llm, collective_rpc=fail)
    worker.load_weights(iter(nudge(changeable)), version=2)
    groups = worker.generate(prompts, WARM, KEY)
    assert worker.reopened == 1 and largest_gap(changeable, groups, WARM) < 1e-4
    assert {c.weights_version for group in groups for c in group.completions} == {2}
    worker.close()
