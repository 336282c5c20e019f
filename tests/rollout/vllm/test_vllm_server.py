"""What only the worker on a vLLM server does: other people's servers, servers that die, lost answers."""

import copy
import json
import os
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from rlaudio.models.qwen2_5_omni import Qwen2_5Omni
from rlaudio.rollout.reopening_worker import ReopeningWorker
from rlaudio.rollout.vllm import vllm_server
from rlaudio.rollout.vllm.http import NoAnswer, Refused, Service
from rlaudio.rollout.vllm.server_client import ServerClient
from rlaudio.rollout.vllm.server_process import free_port
from rlaudio.rollout.vllm.setup import VERSION
from rlaudio.rollout.vllm.vllm import Vllm
from rlaudio.rollout.vllm.vllm_server import VllmServer
from rlaudio.rollout.vllm.weights import own_address
from rlaudio.rollout.worker import EngineDied
from rlaudio.types import greedy
from tests.conftest import TINY, make_prompt
from tests.rollout.conftest import KEY, WARM, nudge, prompts_of
from tests.rollout.test_worker import largest_gap, refuses_once_closed, tokens
from tests.rollout.two_processes import drawn_by_two


class Elsewhere:
    """A server that is not ours: what it says to each path, at once or after a while, and what was asked."""

    def __init__(self, **answers):
        self.answers, self.asked, self.keys, self.headers = answers, [], [], {}
        elsewhere = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                name = self.path.strip("/").replace("/", "_")
                elsewhere.asked.append(name)
                answer = elsewhere.answers.get(name, (404, {"error": {"message": "no such path"}}))
                elsewhere.keys.append(self.headers.get("Authorization"))
                code, body = answer() if callable(answer) else answer
                self.send_response(code)
                for header, value in elsewhere.headers.items():
                    self.send_header(header, value)
                self.end_headers()
                self.wfile.write(json.dumps(body).encode())

            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                self.do_GET()

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def elsewhere():
    server = Elsewhere(health=(200, {}), version=(200, {"version": VERSION}))
    yield server
    server.close()


# --- over HTTP -----------------------------------------------------------------------------------


def test_what_a_server_refuses_is_told_from_what_it_fails_at(elsewhere):
    elsewhere.answers["busy"] = (503, {"error": {"message": "later"}})
    service = Service(elsewhere.url)
    with pytest.raises(Refused, match="nowhere: 404 no such path"):
        service.get("nowhere")
    with pytest.raises(NoAnswer, match="busy: 503 later"):
        service.post("busy", {"a": 1})
    elsewhere.close()
    with pytest.raises(NoAnswer, match="refused"):
        service.get("version")


def test_a_key_goes_with_every_request_and_not_to_another_address(elsewhere):
    other = Elsewhere(there=(200, {}))
    elsewhere.answers |= {"moved": (302, {}), "closed": (401, {"error": {"message": "no"}})}
    elsewhere.headers = {"Location": f"{other.url}/there"}
    service = Service(elsewhere.url, key="s3cret")
    service.get("version")
    service.post("version")
    with pytest.raises(Refused, match="moved: 302"):
        service.get("moved")
    with pytest.raises(Refused, match=r"closed: 401 no; name .* in rollout\.api_key_variable") as refused:
        service.get("closed")
    assert "s3cret" not in str(refused.value)
    assert elsewhere.keys == ["Bearer s3cret"] * 4 and other.asked == []
    other.close()


def test_a_server_on_a_socket_is_asked_there(tmp_path):
    def answer(server):
        for _ in range(2):
            connection, _ = server.accept()
            connection.recv(65536)
            head = b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\nConnection: close\r\n\r\n"
            connection.sendall(head + b'{"a": true}')
            connection.close()

    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        server.listen()
        threading.Thread(target=answer, args=(server,), daemon=True).start()
        service = Service(f"unix:{tmp_path / 'socket'}")
        assert service.get("version") == service.post_long("generate", {}, patience=5.0) == {"a": True}
    with pytest.raises(NoAnswer, match="refused"):
        service.get("version")


# --- silence -------------------------------------------------------------------------------------


@pytest.fixture
def slow(elsewhere):
    """A server that works on every request until it has been asked whether it is healthy."""
    asked = threading.Event()

    def health():
        asked.set()
        return 200, {}

    def generate():
        assert asked.wait(60)
        asked.clear()
        return elsewhere.after_work.pop(0)

    elsewhere.answers |= {"health": health, "inference_v1_generate": generate}
    return elsewhere


def client(url, patience):
    """A client of the server at an address, which gives it up after `patience` seconds."""
    return ServerClient(Service(url), None, patience)


def test_a_request_takes_as_long_as_it_needs_while_the_server_is_healthy(slow):
    slow.after_work = [(200, {"choices": []})]
    assert Service(slow.url).post_long("inference/v1/generate", {}, patience=1.0) == {"choices": []}
    assert slow.asked.count("inference_v1_generate") == 1


def test_patience_begins_with_the_first_failure_and_not_with_the_request(slow):
    slow.after_work = [(503, {}), (200, {"choices": []})]
    assert client(slow.url, patience=1.0)._ask({}) == {"choices": []}
    assert slow.asked.count("inference_v1_generate") == 2


def test_a_server_that_works_on_a_request_and_is_not_healthy_has_died(slow):
    slow.answers["health"] = (503, {})
    with pytest.raises(EngineDied, match=r"no answer for 0\.2 s .*silent for 0\.2 s, and not healthy"):
        client(slow.url, patience=0.2)._ask({})


def test_a_server_that_says_nothing_at_all_has_died():
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,  # the kernel takes connections, and nobody reads
        pytest.raises(EngineDied, match=r"no answer for 0\.2 s"),
    ):
        client(f"http://127.0.0.1:{silent.getsockname()[1]}", patience=0.2)._ask({})


def test_an_answer_that_is_cut_off_is_no_answer():
    def cut(server):
        connection, _ = server.accept()
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
        connection.close()

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=cut, args=(server,), daemon=True).start()
        with pytest.raises(NoAnswer, match="IncompleteRead"):
            Service(f"http://127.0.0.1:{server.getsockname()[1]}").get("version")


def test_a_server_that_is_gone_when_weights_come_has_died(elsewhere):
    server = client(elsewhere.url, patience=1.0)
    sends_nothing: Any = SimpleNamespace(send=lambda service: None)
    elsewhere.close()
    with pytest.raises(EngineDied, match=r"reset_encoder_cache: .*refused"):
        server.load(sends_nothing, "run-1")
    with pytest.raises(EngineDied, match=r"metrics: .*refused"):
        server.count()


# --- other people's servers ----------------------------------------------------------------------


def test_an_address_where_nobody_answers_is_refused_after_a_while(needs_vllm, policy):
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with pytest.raises(
        ValueError, match=rf"no vLLM server answered at {url} within 0\.1 s; .*start it by: .* --port {port}"
    ):
        VllmServer(policy, urls=[url], start_seconds=0.1)


def test_another_version_of_vllm_is_refused(needs_vllm, policy, elsewhere):
    elsewhere.answers["version"] = (200, {"version": "0.33.0"})
    with pytest.raises(ValueError, match=r"is vLLM 0\.33\.0; expected 0\.32\.0"):
        VllmServer(policy, urls=[elsewhere.url])


def test_a_server_that_takes_no_weights_is_refused_with_the_command_that_starts_another(
    needs_vllm, policy, elsewhere
):
    with pytest.raises(
        ValueError,
        match=r"weight_info: 404 .*start it by: VLLM_SERVER_DEV_MODE=1 VLLM_NO_USAGE_STATS=1 python -m vllm",
    ):
        VllmServer(policy, urls=[elsewhere.url])


def test_a_server_with_less_room_than_the_recipe_asks_for_is_refused(needs_vllm, policy, elsewhere):
    elsewhere.answers["weight_info"] = (200, {"weight_version": "default"})
    elsewhere.answers["inference_v1_generate"] = (200, {})
    elsewhere.answers["v1_models"] = (200, {"data": [{"max_model_len": 100}]})
    with pytest.raises(ValueError, match=r"takes 100 tokens, and rollout\.max_model_len is 4096; lower it"):
        VllmServer(policy, urls=[elsewhere.url])


def test_a_server_of_another_model_is_refused_before_weights_break_it(
    needs_vllm, policy, elsewhere, tmp_path
):
    config = json.loads((Path(policy.path) / "config.json").read_text())
    config["thinker_config"]["text_config"]["num_hidden_layers"] = 99
    (tmp_path / "config.json").write_text(json.dumps(config))
    elsewhere.answers["weight_info"] = (200, {"weight_version": "default"})
    elsewhere.answers["inference_v1_generate"] = (200, {})
    elsewhere.answers["v1_models"] = (200, {"data": [{"max_model_len": 4096, "root": str(tmp_path)}]})
    with pytest.raises(ValueError, match=r"another model than .*: num_hidden_layers is 99 there and "):
        VllmServer(policy, urls=[elsewhere.url])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"urls": ["127.0.0.1:8000"]}, r"rollout\.urls names 127.* expected an address such as http://127"),
        (
            {"gpus": "6,7"},
            r"rollout\.gpus and rollout\.tensor_parallel are for GPUs; expected none",
        ),
        ({"tensor_parallel": 2}, r"are for GPUs; expected none with a model on a CPU"),
        (
            {"urls": ["http://me:pw@there:8000"]},
            r"rollout\.urls holds a password, .*rollout\.api_key_variable",
        ),
        ({"api_key_variable": "KEY"}, r"is for servers in rollout\.urls; one that the run starts needs"),
        (
            {"urls": ["http://there:8000"], "api_key_variable": "NO_SUCH_KEY"},
            r"expected the server's key in that environment variable, found nothing",
        ),
        ({"max_model_len": 0}, r"rollout\.max_model_len is 0; expected at least 1"),
        ({"kv_cache_gb": -1.0}, r"rollout\.kv_cache_gb is -1; expected more than 0"),
        ({"memory_share": 1.5}, r"rollout\.memory_share is 1\.5; expected more than 0 and at most 1"),
    ],
)
def test_options_that_mean_nothing_are_refused(policy, options, said):
    with pytest.raises(ValueError, match=said):
        VllmServer(policy, **options)


@pytest.mark.parametrize("worker", [Vllm, VllmServer])
def test_too_little_room_for_the_canary_is_refused_before_an_engine_opens(needs_vllm, policy, worker):
    with pytest.raises(
        ValueError, match=r"max_model_len is 20; expected at least \d{3}: the length of the prompts"
    ):
        worker(policy, max_model_len=20)


def test_options_that_exclude_each_other_are_refused(policy):
    with pytest.raises(ValueError, match=r"leave rollout\.gpus out"):
        VllmServer(policy, urls=["http://127.0.0.1:8000"], gpus="1")
    with pytest.raises(ValueError, match="'nccl', and the model is on a CPU; expected 'folder'"):
        VllmServer(policy, weights="nccl")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, r"training uses GPU 4, and a server there cannot take weights by NCCL; name others"),
        (
            {"gpus": "5,6", "tensor_parallel": 2},
            r"training uses GPU 5, and .* set rollout\.weights to 'folder'",
        ),
        (
            {"gpus": "6,7"},
            r"rollout\.gpus names 2, and rollout\.tensor_parallel is 1 of 1 server .*; expected 1",
        ),
    ],
)
def test_gpus_that_a_server_cannot_have_are_refused(policy, monkeypatch, options, said):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5,6,7")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    on_gpu = copy.copy(policy)
    on_gpu.device = torch.device("cuda")
    with pytest.raises(ValueError, match=said):
        VllmServer(on_gpu, **options)


def test_a_run_on_two_machines_must_name_a_server_that_both_see(needs_vllm, policy, monkeypatch):
    there = SimpleNamespace(gather=lambda name: [name, "another"])
    monkeypatch.setattr(vllm_server, "join", lambda: there)
    with pytest.raises(
        ValueError, match=r"on 2 machines, .* rollout\.urls; .*--host 0\.0\.0\.0 --port 8000$"
    ):
        VllmServer(policy)


def test_a_server_finds_this_machine_at_the_address_that_leads_to_it(elsewhere):
    assert own_address(elsewhere.url) == own_address("http://localhost") == "127.0.0.1"


@pytest.fixture
def taken(policy, vllm_server_worker):
    """A worker whose server a test gives to another one; afterwards it has it back."""
    yield vllm_server_worker
    vllm_server_worker._engine.label = ""  # as when it was opened
    vllm_server_worker.load_weights(policy.named_weights(), version=0)


@pytest.mark.slow
def test_a_server_that_does_not_start_says_why(needs_vllm, policy):
    with pytest.raises(ValueError, match=r"(?s)ended with 1; .*ValueError: Available memory .*lower rollout"):
        VllmServer(policy, kv_cache_gb=1e6)


# --- one server ----------------------------------------------------------------------------------


def test_another_run_that_sends_weights_to_the_same_server_is_noticed(policy, taken):
    mine, prompts = taken, prompts_of(policy)
    other = VllmServer(policy, urls=mine.urls)
    with pytest.raises(RuntimeError, match=r"expected \w+-0: something else than this run sends weights to"):
        mine.generate(prompts, WARM, KEY)
    assert len(other.generate(prompts, WARM, KEY)) == len(prompts)
    other.close()


def test_an_answer_that_is_lost_is_asked_for_again(policy, vllm_server_worker, monkeypatch):
    prompt = make_prompt(policy, 1)
    expected = tokens(vllm_server_worker.generate([prompt], WARM, KEY))
    service = vllm_server_worker._engine.live[0].service
    post, lost = service.post_long, []

    def losing(path, *arguments, **options):
        if len(lost) < 2:
            lost.append(path)
            raise NoAnswer("the line was cut")
        return post(path, *arguments, **options)

    monkeypatch.setattr(service, "post_long", losing)
    assert tokens(vllm_server_worker.generate([prompt], WARM, KEY)) == expected
    assert len(lost) == 2


def test_a_second_question_about_the_same_audio_reads_the_prefix_cache(policy, vllm_server_worker):
    first, second = (make_prompt(policy, 7, seconds=3.0, words=words) for words in (1, 9))
    vllm_server_worker.generate([first], greedy(2), KEY)
    asked, cached = vllm_server_worker.prompt_tokens
    vllm_server_worker.generate([second], greedy(2), KEY)
    asked_since, cached_since = vllm_server_worker.prompt_tokens
    assert asked_since - asked == len(second.token_ids)
    assert cached_since - cached >= 64  # of 75 tokens of audio and what stands before, in blocks of 32


def test_a_server_that_others_had_is_sent_the_parts_too_that_do_not_train(changeable, taken):
    taken.load_weights(nudge(changeable), version=1)  # its audio tower is another one now
    frozen = Qwen2_5Omni(path=TINY, device="cpu", freeze=("audio_tower", "projector"))
    worker = VllmServer(frozen, urls=taken.urls)
    assert largest_gap(frozen, worker.generate(prompts_of(frozen), WARM, KEY), WARM) < 1e-4
    worker.close()


def test_no_path_of_a_server_that_a_run_starts_is_open_to_another_user(needs_vllm, vllm_server_worker):
    path = Path(vllm_server_worker.urls[0].removeprefix("unix:"))
    assert path.is_socket() and path.parent.stat().st_mode & 0o777 == 0o700
    assert path.parent.stat().st_uid == os.geteuid()


@pytest.fixture(scope="module")
def mortal(needs_vllm, policy):
    """A worker whose server tests may kill: each of them leaves another one behind."""
    worker = ReopeningWorker(VllmServer, policy)
    yield worker
    worker.close()


def kill_server_of(worker):
    worker.worker._engine.live[0]._started._process.kill()


@pytest.mark.slow
def test_a_server_that_dies_is_started_again_with_the_weights_it_had(changeable, mortal):
    prompts, before = prompts_of(changeable), mortal.reopened
    mortal.load_weights(nudge(changeable), version=3)
    expected = tokens(mortal.generate(prompts, WARM, KEY))
    kill_server_of(mortal)
    groups = mortal.generate(prompts, WARM, KEY)
    assert tokens(groups) == expected and mortal.reopened == before + 1
    assert {c.weights_version for group in groups for c in group.completions} == {3}


@pytest.mark.slow
def test_a_server_that_dies_between_rollouts_is_started_again_by_the_next_update(changeable, mortal):
    prompts, before = prompts_of(changeable), mortal.reopened
    kill_server_of(mortal)
    mortal.load_weights(iter(nudge(changeable, seed=2)), version=4)
    groups = mortal.generate(prompts, WARM, KEY)
    assert mortal.reopened == before + 1 and largest_gap(changeable, groups, WARM) < 1e-4
    assert {c.weights_version for group in groups for c in group.completions} == {4}


@pytest.mark.slow
def test_a_closed_worker_has_ended_its_server_and_refuses(needs_vllm, policy, mortal):
    """The last of this file: what `mortal` is closes with it."""
    server = mortal.worker._engine.live[0]._started._process
    refuses_once_closed(mortal.worker, prompts_of(policy))
    assert server.poll() is not None


@pytest.mark.slow
def test_two_processes_that_share_a_server_draw_what_one_draws(changeable, taken, tmp_path):
    taken.load_weights(nudge(changeable), version=1)
    together = tokens(taken.generate(prompts_of(changeable), WARM, KEY))
    assert drawn_by_two(tmp_path, *taken.urls) == together
