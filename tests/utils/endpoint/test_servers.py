"""Several servers of a model: who is asked, and who answers for one that fails."""

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from rlaudio.rollout.endpoint_worker import EndpointModel
from rlaudio.utils.endpoint.address import Address
from rlaudio.utils.endpoint.client import Client, impatient
from rlaudio.utils.endpoint.failures import (
    BadAnswer,
    GaveUp,
    Transient,
)
from rlaudio.utils.endpoint.replies import Reply
from rlaudio.utils.endpoint.servers import AVOID_SECONDS, Servers
from tests.endpoint_asking import answer_of, plain
from tests.endpoint_server import Server, fails, patient, says, sends

pytestmark = pytest.mark.usefixtures("no_keys_and_no_cache_of_this_user")


@pytest.fixture
def second(no_keys_and_no_cache_of_this_user):
    opened = Server()
    yield opened
    opened.close()


def both(server: Server, second: Server, folder: Path, **changes: Any) -> Client:
    return Client(Address.of(f"{server.url},{second.url}", "m"), patient(folder, **changes))


def test_requests_go_to_all_servers_of_a_model(server, second, tmp_path):
    meeting = threading.Barrier(2)  # each server is still busy when the other one is asked

    def meets(handler: Any) -> None:
        meeting.wait(timeout=5)
        says("fine")(handler)

    server.script, second.script = [meets] * 4, [meets] * 4
    client = both(server, second, tmp_path, concurrency=2)
    replies = client.ask_all([f"question {n}" for n in range(8)], plain)
    assert [reply.text for reply in replies] == ["fine"] * 8
    assert len(server.bodies) == len(second.bodies) == 4


def test_the_others_answer_for_a_server_that_fails(server, second, tmp_path):
    server.script = [fails(503)] * 100
    client = both(server, second, tmp_path)
    replies = client.ask_all([f"question {n}" for n in range(6)], plain)
    assert [reply.text for reply in replies] == ["fine"] * 6
    assert (len(server.bodies), len(second.bodies)) == (1, 6)


def test_a_server_that_failed_is_asked_again_when_all_have_or_time_has_passed(server, second, tmp_path):
    server.script, second.script = [fails(503)], [fails(503), fails(503)]
    client = both(server, second, tmp_path)
    assert answer_of(client).text == "fine"
    now = 0.0
    servers = Servers(("a", "b"), clock=lambda: now)
    with pytest.raises(Transient), servers.lend() as url:
        raise Transient(url)
    assert url == "a"
    now = AVOID_SECONDS / 2
    with servers.lend() as url:
        assert url == "b" and servers.any_left()
    now = AVOID_SECONDS
    with servers.lend() as tried, servers.lend() as other:  # one request alone tries it again
        assert (tried, other) == ("a", "b")


def test_a_server_that_answers_rubbish_is_left_to_itself(server, second, tmp_path):
    server.script = [sends(200, "rubbish")]
    client = both(server, second, tmp_path)
    replies = client.ask_all([f"question {n}" for n in range(4)], plain)
    assert [type(reply) for reply in replies] == [BadAnswer, Reply, Reply, Reply]
    assert (len(server.bodies), len(second.bodies)) == (1, 3)


def test_a_request_does_not_wait_while_another_server_is_left(server, second, tmp_path):
    server.script = [fails(503)]
    client = both(server, second, tmp_path, first_wait_seconds=60.0, timeout_seconds=5)
    assert answer_of(client).text == "fine"


def test_after_a_request_was_given_up_every_server_is_tried_once(server, second, tmp_path):
    client = both(server, second, tmp_path, retry_seconds=300.0)
    client._gave_up = time.monotonic()
    server.script = [fails(503)]
    assert answer_of(client).text == "fine"
    server.script, second.script = [fails(503)] * 9, [fails(503)] * 9
    client._gave_up = time.monotonic()
    asked = len(server.bodies) + len(second.bodies)
    assert type(answer_of(client, "once more")) is GaveUp
    assert len(server.bodies) + len(second.bodies) - asked <= 2


def test_an_impatient_check_waits_for_no_answer_either(server, tmp_path, monkeypatch):
    waited = []

    def post(*_: Any, timeout_seconds: float, **__: Any) -> bytes:
        waited.append(timeout_seconds)
        raise Transient("silent")

    monkeypatch.setattr("rlaudio.utils.endpoint.client.post", post)
    client = Client(Address.of(server.url, "m"), patient(tmp_path, timeout_seconds=120))
    with impatient(0.01), pytest.raises(GaveUp):
        client.ask_one(plain(), threading.Event())
    assert set(waited) == {0.01}


def test_answers_are_kept_when_a_server_joins(server, second, tmp_path):
    answer_of(Client(Address.of(server.url, "m"), patient(tmp_path)))
    answer_of(both(server, second, tmp_path))
    assert len(server.bodies) + len(second.bodies) == 1
    alone, joined = (EndpointModel(f"endpoint:{urls}#m") for urls in ("http://a", "http://a,http://b"))
    assert alone.digest == joined.digest
