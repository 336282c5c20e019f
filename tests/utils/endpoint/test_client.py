"""What a server that fails is asked again, and the key."""

import logging
import threading
import time
from http.server import BaseHTTPRequestHandler

import pytest

from rlaudio.utils.endpoint import posting
from rlaudio.utils.endpoint.address import Address, key_from_environment
from rlaudio.utils.endpoint.client import Client
from rlaudio.utils.endpoint.failures import (
    BadAnswer,
    GaveUp,
    NoAccess,
    NotAsked,
    RequestRefused,
)
from tests.endpoint_asking import answer_of, plain
from tests.endpoint_server import Server, fails, hangs_up, patient, says, sends

pytestmark = pytest.mark.usefixtures("no_keys_and_no_cache_of_this_user")


@pytest.mark.parametrize(
    "failure",
    [
        fails(429),
        fails(429, Retry_After="0"),
        fails(429, Retry_After="Wed, 21 Oct 2015 07:28:00 GMT"),
        fails(429, Retry_After="soon"),
        *map(fails, (408, 425, 500, 502, 503, 504, 520, 524, 529)),
        sends(200, b'{"choices', Content_Length="1000"),
        sends(500, b"\xff<html>"),
        hangs_up,
    ],
)
def test_what_may_pass_is_tried_again(server, client, failure):
    server.script = [failure, failure]
    assert answer_of(client).text == "fine"
    assert (len(server.bodies), client.meter.costs.requests, client.meter.costs.retries) == (3, 3, 2)


def test_a_request_that_takes_too_long_is_tried_again(server, tmp_path):
    server.script = [lambda handler: time.sleep(0.5)]
    client = Client(Address.of(server.url, "m"), patient(tmp_path, timeout_seconds=0.1))
    assert (answer_of(client).text, client.meter.costs.retries) == ("fine", 1)


def test_an_answer_that_trickles_is_cut_off(server, tmp_path):
    def trickles(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        for _ in range(40):
            handler.wfile.write(b" ")
            time.sleep(0.02)

    server.script = [trickles]
    client = Client(Address.of(server.url, "m"), patient(tmp_path, timeout_seconds=0.2))
    assert (answer_of(client).text, client.meter.costs.retries) == ("fine", 1)


@pytest.mark.parametrize(
    ("status", "kind", "said"),
    [
        (400, RequestRefused, "400 no"),
        (413, RequestRefused, "413 no"),
        (401, NoAccess, "401 no; put the server's key into the environment variable RLAUDIO_API_KEY"),
        (403, NoAccess, "403 no"),
        (404, NoAccess, "404 no; expected an address in front of /v1, and a model that the server has"),
        (302, NoAccess, "302 no; redirections are not followed"),
    ],
)
def test_what_would_be_refused_again_is_asked_once(server, client, status, kind, said):
    server.script = [fails(status)]
    failure = answer_of(client)
    assert type(failure) is kind and said in str(failure)
    assert len(server.bodies) == 1


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>hello</html>",
        b"\xff\xfe",
        b"[" * 100_000,
        b"null",
        b"[]",
        b"{}",
        b'{"choices": []}',
        b'{"choices": {"0": 1}}',
        b'{"choices": [{"message": null}]}',
        b'{"choices": [{"message": {"content": null}}]}',
        b'{"choices": [{"message": {"content": ["a"]}}]}',
        b'{"choices": [{"message": {"content": "\\ud800"}}]}',
        b'{"error": {"message": "overloaded"}}',
    ],
)
def test_an_answer_that_is_none_is_a_failure_and_no_empty_text(server, client, content):
    server.script = [sends(200, content)]
    failure = answer_of(client)
    assert type(failure) is BadAnswer and "/v1/chat/completions: expected" in str(failure)
    assert len(str(failure)) < 1000 and len(server.bodies) == 1


def test_an_empty_text_that_the_model_wrote_is_an_answer(server, client):
    server.script = [says("")]
    assert answer_of(client).text == ""


def test_a_filtered_answer_is_a_failure(server, client):
    server.script = [says("", "content_filter")]
    assert type(answer_of(client)) is RequestRefused


def test_an_answer_larger_than_any_text_is_not_read_to_its_end(server, client, monkeypatch):
    monkeypatch.setattr(posting, "LARGEST_ANSWER", 100_000)
    server.script = [sends(200, b" " * 1_000_000)]
    assert "more than 100,000 bytes" in str(answer_of(client))


def test_a_usage_that_is_none_counts_as_unknown(server, client):
    server.script = [says("fine", prompt_tokens="many", completion_tokens=-3)]
    answer_of(client)
    assert (client.meter.costs.prompt_tokens, client.meter.costs.unknown) == (0, 1)


def test_a_server_that_is_busy_for_too_long_is_given_up(server, tmp_path):
    server.script = [fails(503, "later")] * 50
    client = Client(Address.of(server.url, "m"), patient(tmp_path, retry_seconds=0.5))
    failure = answer_of(client)
    assert type(failure) is GaveUp and "503 later; given up at try " in str(failure)
    assert 2 < len(server.bodies) < 13  # waits double: 1, 2, 4, ... ms


def test_a_server_that_asks_for_more_time_than_is_allowed_is_not_waited_for(server, client):
    server.script = [fails(429, "quota", Retry_After="86400")]
    failure = answer_of(client)
    assert type(failure) is GaveUp and "asks to wait 86400 s; given up at try 1, 0 s" in str(failure)


def test_the_first_retry_is_told_and_the_others_are_not(server, client, caplog):
    server.script = [fails(503, "later")] * 3
    answer_of(client)
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert warnings == [f"{server.url}/v1/chat/completions: 503 later; such requests are repeated for 300 s"]


def test_after_a_failure_that_all_would_meet_the_rest_is_not_asked(server, client):
    server.script = [says("fine"), fails(401)]
    replies = client.ask_all(["1", "2", "3", "4"], plain)
    assert [type(reply).__name__ for reply in replies] == ["Reply", "NoAccess", "NotAsked", "NotAsked"]
    assert len(server.bodies) == 2


def test_after_a_failure_of_one_request_the_others_are_asked(server, client):
    server.script = [fails(400), says(None)]
    replies = client.ask_all(["1", "2", "3"], plain)
    assert [type(reply).__name__ for reply in replies] == ["RequestRefused", "BadAnswer", "Reply"]


def test_a_request_that_waits_for_its_retry_ends_with_the_others(server, tmp_path):
    asked = threading.Event()

    def is_busy(handler: BaseHTTPRequestHandler) -> None:
        fails(503, Retry_After="200")(handler)
        asked.set()

    def refuses(handler: BaseHTTPRequestHandler) -> None:
        asked.wait(60)
        fails(401)(handler)

    server.script = [is_busy, refuses]
    client = Client(Address.of(server.url, "m"), patient(tmp_path, concurrency=2))
    began = time.monotonic()
    replies = client.ask_all(["1", "2"], plain)
    assert {type(reply) for reply in replies} == {NotAsked, NoAccess}
    assert time.monotonic() - began < 100


def test_the_key_goes_with_requests_and_into_no_message_and_no_file(server, tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("OPENAI_API_KEY", "other")
    monkeypatch.setenv("RLAUDIO_API_KEY", " s3cret\n")
    caplog.set_level(logging.DEBUG)
    server.script = [fails(503, "s3cret is busy"), says("fine"), fails(401, "the key s3cret is wrong")]
    client = Client(Address.of(server.url, "m"), patient(tmp_path))
    replies = client.ask_all(["1", "2"], plain)
    assert {headers["Authorization"] for headers in server.headers} == {"Bearer s3cret"}
    assert "the key (the key) is wrong" in str(replies[1])
    assert "s3cret" not in caplog.text and "s3cret" not in repr(replies)
    assert not [file for file in tmp_path.rglob("*") if file.is_file() and b"s3cret" in file.read_bytes()]


def test_the_key_follows_no_redirection(server, tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "s3cret")
    other = Server()
    server.script = [fails(307, Location=f"{other.url}/v1/chat/completions")]
    assert type(answer_of(Client(Address.of(server.url, "m"), patient(tmp_path)))) is NoAccess
    assert (len(server.bodies), other.bodies) == (1, [])
    other.close()


def test_without_a_key_no_header_claims_one(server, client):
    answer_of(client)
    assert "Authorization" not in server.headers[0]


def test_a_key_that_no_header_can_hold_is_refused_without_being_shown(monkeypatch):
    monkeypatch.setenv("RLAUDIO_API_KEY", "s3c\nret")
    with pytest.raises(ValueError, match="RLAUDIO_API_KEY holds signs that no key has") as refused:
        key_from_environment()
    assert "s3c" not in str(refused.value)
