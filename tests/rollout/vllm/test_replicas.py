"""Several vLLM servers: who is asked, what happens when one dies, and that results do not depend on it."""

import threading
from contextlib import ExitStack, closing, contextmanager
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from rlaudio.rollout.canary import CanaryError
from rlaudio.rollout.completions import SampledTokens
from rlaudio.rollout.vllm.replicas import Replicas
from rlaudio.rollout.vllm.vllm_server import VllmServer
from rlaudio.rollout.worker import EngineDied
from rlaudio.types import greedy
from tests.conftest import make_prompt
from tests.rollout.conftest import KEY, WARM, nudge, prompts_of
from tests.rollout.test_worker import largest_gap, tokens

ANSWER = SampledTokens(np.array([1]), np.array([0.0], dtype=np.float32), (), "stop")


class FakeServer:
    """A server of the interface of ServerClient: it answers, waits for `go`, is dead, or fails otherwise."""

    def __init__(self, url, *, dead=False, fails_at=None):
        self.url, self.dead, self.fails_at = url, dead, fails_at
        self.in_flight, self.counts = 0, (0, 0)
        self.asked, self.loaded = [], []
        self.go = threading.Event()
        self.go.set()

    def _live(self):
        if self.dead:
            raise EngineDied(f"{self.url} is gone")

    def sample(self, body, report, label):
        self.asked.append(body["prompt"])
        if body["prompt"] == self.fails_at:
            raise RuntimeError("other weights sampled a completion")
        self.go.wait(60)
        self._live()
        return [ANSWER]

    def load(self, sender, label):
        self._live()
        self.loaded.append(label)

    def count(self):
        self._live()
        self.counts = (10, 5)
        return self.counts


class FakeSender:
    at_once = True

    @contextmanager
    def holding(self, weights):
        yield


@pytest.fixture
def engine_of(policy):
    """Makes an engine of servers."""
    with ExitStack() as opened:
        prompts: Any = SimpleNamespace(vocabulary=9, body=lambda prompt: {"prompt": prompt.question.id})

        def make(*servers):
            engine = Replicas(policy, servers, "run", prompts=prompts, step_tokens=None, opened=opened)
            engine.sender = FakeSender()
            return engine

        yield make


def sample(engine, policy, count):
    prompts = [make_prompt(policy, seed) for seed in range(count)]
    return engine.sample(prompts, greedy(1), 0, list(range(count)))


def test_a_request_goes_to_the_server_with_the_fewest_in_flight(engine_of, policy):
    a, b = FakeServer("a"), FakeServer("b")
    a.in_flight = 3
    all_asked = threading.Barrier(5, timeout=120)  # none is answered before
    a.go = b.go = SimpleNamespace(wait=lambda _: all_asked.wait())
    assert sample(engine_of(a, b), policy, 5) == [[ANSWER]] * 5
    assert (len(a.asked), len(b.asked)) == (1, 4)
    assert (a.in_flight, b.in_flight) == (3, 0)


def test_what_a_dead_server_was_asked_is_asked_of_others_and_it_is_asked_no_more(engine_of, policy, caplog):
    gone, there = FakeServer("gone", dead=True), FakeServer("there")
    engine = engine_of(gone, there)
    assert sample(engine, policy, 4) == [[ANSWER]] * 4
    asked = len(gone.asked)
    assert asked and set(gone.asked) <= set(there.asked) and engine.dead == {"gone"}
    assert sample(engine, policy, 2) == [[ANSWER]] * 2 and len(gone.asked) == asked
    assert caplog.text.count("gone is left out, and its work repeated by other servers") == 1


def test_the_engine_dies_with_its_last_server(engine_of, policy):
    engine = engine_of(FakeServer("a", dead=True), FakeServer("b", dead=True))
    with pytest.raises(EngineDied, match=r"all 2 servers are gone; the last: [ab] is gone"):
        sample(engine, policy, 3)
    with pytest.raises(EngineDied, match="is gone"):
        sample(engine, policy, 1)


def test_weights_reach_every_server_but_a_dead_one(engine_of):
    a, gone, b = FakeServer("a"), FakeServer("gone", dead=True), FakeServer("b")
    engine = engine_of(a, gone, b)
    engine.update([], version=3)
    assert a.loaded == b.loaded == ["run-3"] == [engine.label] and engine.dead == {"gone"}


def test_weights_that_reach_no_server_have_killed_the_engine(engine_of):
    engine = engine_of(FakeServer("a", dead=True), FakeServer("b", dead=True))
    with pytest.raises(EngineDied, match="all 2 servers are gone"):
        engine.update([], version=1)
    assert engine.label == ""


def test_counts_keep_what_a_dead_server_last_said(engine_of):
    a, b = FakeServer("a"), FakeServer("b")
    engine = engine_of(a, b)
    assert (engine.prompt_tokens, engine.cached_tokens) == (20, 10)
    a.dead = True
    assert (engine.prompt_tokens, engine.cached_tokens) == (20, 10)
    assert engine.dead == {"a"}


def test_servers_that_another_process_found_dead_are_left_out(engine_of):
    engine = engine_of(FakeServer("a"), FakeServer("b"))
    engine.leave_out({"a"})
    assert [server.url for server in engine.live] == ["b"]
    with pytest.raises(
        EngineDied, match="all 2 servers are gone; the last: another process of this run found"
    ):
        engine.leave_out({"b"})


def test_a_server_that_is_asked_alone_and_dies_is_left_out_once(engine_of, policy, caplog):
    gone, there = FakeServer("gone", dead=True), FakeServer("there")
    engine = engine_of(gone, there)
    with engine.alone(gone):
        sample(engine, policy, 3)
    assert engine.live == (there,) and engine.dead == {"gone"} and not there.asked
    assert caplog.text.count("gone is left out") == 1 and "all 2 servers" not in caplog.text
    with engine.alone(there):
        assert sample(engine, policy, 1) == [[ANSWER]]


def test_the_engine_dies_with_its_last_server_asked_alone(engine_of, policy):
    a, b = FakeServer("a", dead=True), FakeServer("b", dead=True)
    engine = engine_of(a, b)
    with engine.alone(a):
        sample(engine, policy, 1)
    with pytest.raises(EngineDied, match="all 2 servers are gone; the last: b is gone"), engine.alone(b):
        sample(engine, policy, 1)


def test_a_failed_canary_of_a_server_leaves_the_others_alive(engine_of, policy):
    a, b = FakeServer("a"), FakeServer("b")
    engine = engine_of(a, b)
    with pytest.raises(CanaryError), engine.alone(a):
        raise CanaryError("log-probs differ")
    assert engine.live == (a, b) and not engine.dead
    a.dead = True
    assert sample(engine, policy, 2) == [[ANSWER]] * 2 and b.asked


def test_no_request_is_under_way_after_one_has_failed(engine_of, policy):
    first = make_prompt(policy, 0).question.id
    server = FakeServer("a", fails_at=first)
    server.go.clear()
    engine = engine_of(server)
    threading.Timer(0.5, server.go.set).start()
    with pytest.raises(RuntimeError, match="other weights"):
        sample(engine, policy, 3)
    assert server.go.is_set() and server.in_flight == 0


# --- real servers --------------------------------------------------------------------------------


@pytest.mark.slow
def test_two_servers_answer_as_one_and_one_of_them_may_die(
    needs_vllm, changeable, vllm_server_worker, caplog
):
    prompts = prompts_of(changeable)
    vllm_server_worker.load_weights(nudge(changeable), version=1)
    expected = tokens(vllm_server_worker.generate(prompts, WARM, KEY))
    with closing(VllmServer(changeable, replicas=2, kv_cache_gb=0.25)) as worker:
        worker.load_weights(nudge(changeable, size=0.0), version=4)
        assert tokens(worker.generate(prompts, WARM, KEY)) == expected
        assert all(server.count()[0] > 0 for server in worker._engine.live)
        first, second = worker._engine.live
        first._started._process.kill()
        groups = worker.generate(prompts, WARM, KEY)
        assert tokens(groups) == expected and worker.urls == (second.url,)
        assert "ended by signal 9" in caplog.text
        worker.load_weights(nudge(changeable, seed=2), version=5)
        assert largest_gap(changeable, worker.generate(prompts, WARM, KEY), WARM) < 1e-4
        stale = worker._engine.live[0].load
        worker._engine.live[0].load = lambda sender, label: None
        with pytest.raises(CanaryError, match="log-probs of the sampling engine and the model differ"):
            worker.load_weights(nudge(changeable, seed=3), version=5)
        worker._engine.live[0].load = stale
