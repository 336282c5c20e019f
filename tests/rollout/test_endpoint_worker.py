"""Models behind endpoints: what is sent, servers that misbehave, answers that are kept, what it costs."""

import base64
import io
import json
import socket
import subprocess
import sys
import threading
import time
from contextlib import closing
from functools import partial
from http.server import BaseHTTPRequestHandler
from typing import Any

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

from rlaudio.builder.answering import model_folders
from rlaudio.cli import main
from rlaudio.config.recipe import load_recipe
from rlaudio.contribution.labelling import label
from rlaudio.contribution.methods.vote import vote
from rlaudio.contribution.voters import Voter
from rlaudio.data.audiomcq import write_audiomcq
from rlaudio.evaluation.asking import EvaluationSettings, evaluate
from rlaudio.models.shared.model_paths import resolve_model_path
from rlaudio.prompts.builder import PromptBuilder
from rlaudio.rollout.endpoint_worker import EndpointFailed, EndpointModel, EndpointWorker
from rlaudio.rollout.transformers import Transformers
from rlaudio.rollout.vllm.server_process import SERVE, _environment, free_port
from rlaudio.scorers.robust import robust
from rlaudio.types import Clip, Question, greedy
from rlaudio.utils.endpoint import posting
from rlaudio.utils.endpoint.client import ask
from rlaudio.utils.endpoint.failures import (
    RequestRefused,
)
from tests.conftest import TINY, tone
from tests.endpoint_asking import prompt_of, worker_of
from tests.endpoint_server import fails, patient, says, sends, tells
from tests.settings import label_settings, sampling_params
from tests.word_family import questions_on_disk

pytestmark = pytest.mark.usefixtures("no_keys_and_no_cache_of_this_user")


def test_a_request_carries_the_system_text_the_clips_as_wav_and_then_the_question(server, tmp_path):
    samples = np.array([0, 1, -1, 20_000, 32_767, -32_768], dtype=np.float32) / 32_768
    clips = (Clip(samples, "a"), Clip(np.zeros(160, np.float32), "b"))
    [group] = worker_of(server, tmp_path).generate([prompt_of(server, "Who?", *clips)], greedy(7), (0,))
    [body] = server.bodies
    system, user = body.pop("messages")
    first, second, text = user["content"]
    assert body == {"model": "m", "max_tokens": 7, "temperature": 0.0}
    assert system == {"role": "system", "content": "Listen."}
    assert text == {"type": "text", "text": "Who?"}
    assert (first["type"], first["input_audio"]["format"]) == ("input_audio", "wav")
    heard, rate_hz = soundfile.read(io.BytesIO(base64.b64decode(first["input_audio"]["data"])), dtype="int16")
    assert (heard.tolist(), rate_hz) == ([0, 1, -1, 20_000, 32_767, -32_768], 16_000)
    assert len(base64.b64decode(second["input_audio"]["data"])) == 44 + 320
    assert server.headers[0]["path"] == "/v1/chat/completions"
    assert (group.completions[0].text, group.completions[0].stop_reason) == ("fine", "stop")


def test_samples_beyond_full_scale_are_clipped(server):
    prompt = prompt_of(server, "Who?", Clip(np.array([1.5, -1.5], np.float32), "loud"))
    assert prompt.present_features()["samples_0"].tolist() == [32_767, -32_768]


def test_samples_of_a_group_are_drawn_by_seeds_of_their_own(server, tmp_path):
    params = sampling_params(3, temperature=0.7, top_k=5, top_p=0.9)
    [group] = worker_of(server, tmp_path).generate([prompt_of(server)], params, (0, "train", 1))
    assert len(group.completions) == 3 and len({body["seed"] for body in server.bodies}) == 3
    assert {(b["temperature"], b["top_k"], b["top_p"]) for b in server.bodies} == {(0.7, 5, 0.9)}


def test_as_many_requests_as_allowed_are_under_way_at_a_time(server, tmp_path):
    together = threading.Barrier(4, timeout=120)

    def waits_for_the_others(handler: BaseHTTPRequestHandler) -> None:
        together.wait()
        says("fine")(handler)

    server.script = [waits_for_the_others] * 8
    prompts = [prompt_of(server, f"{n}?", id=f"q{n}") for n in range(8)]
    worker_of(server, tmp_path, concurrency=4).generate(prompts, greedy(5), (0,))
    assert (len(server.bodies), server.most_at_once) == (8, 4)


def test_answers_stay_with_their_questions_whichever_comes_first(server, tmp_path):
    server.text_for = lambda body: body["messages"][1]["content"][-1]["text"].upper()
    prompts = [prompt_of(server, f"is it {n}?", id=f"q{n}") for n in range(20)]
    groups = worker_of(server, tmp_path, concurrency=8).generate(prompts, greedy(5), (0,))
    assert [group.completions[0].text for group in groups] == [f"IS IT {n}?" for n in range(20)]


def test_an_answer_cut_by_the_token_limit_is_told(server, tmp_path):
    server.script = [says("It is a", "length")]
    [group] = worker_of(server, tmp_path).generate([prompt_of(server)], greedy(3), (0,))
    assert group.completions[0].stop_reason == "length"


def test_an_answer_is_asked_once_however_often_it_is_needed(server, tmp_path):
    prompts = [prompt_of(server, "Who?", tone(0.1, 1))]
    for _ in range(2):
        worker = worker_of(server, tmp_path)
        [group] = worker.generate(prompts, greedy(5), (0,))
        assert group.completions[0].text == "fine"
    assert len(server.bodies) == 1
    assert (worker.client.meter.costs.cached, worker.client.meter.costs.requests) == (1, 0)


def test_all_that_an_answer_depends_on_makes_a_request_another(server, tmp_path):
    sound, other = tone(0.1, 1), tone(0.1, 2)
    asked = [
        ("m", prompt_of(server, "Who?", sound), greedy(5)),
        ("m2", prompt_of(server, "Who?", sound), greedy(5)),
        ("m", prompt_of(server, "What?", sound), greedy(5)),
        ("m", prompt_of(server, "Who?", other), greedy(5)),
        ("m", prompt_of(server, "Who?"), greedy(5)),
        ("m", prompt_of(server, "Who?", sound), greedy(6)),
    ]
    for model, prompt, sampling in asked:
        worker_of(server, tmp_path, model).generate([prompt], sampling, (0,))
    assert len(server.bodies) == len(asked)


@pytest.mark.parametrize("content", [b"", b'{"key": "', b"[]", b'{"key": "x", "text": "wrong"}'])
def test_a_kept_answer_that_is_not_whole_is_counted_and_asked_again(server, tmp_path, caplog, content):
    worker_of(server, tmp_path).generate([prompt_of(server)], greedy(5), (0,))
    [kept] = (tmp_path / "answers").rglob("*.json")
    kept.write_bytes(content)
    worker = worker_of(server, tmp_path)
    worker.generate([prompt_of(server)], greedy(5), (0,))
    worker.close()
    assert len(server.bodies) == 2
    assert "1 kept answer in" in caplog.text and "not whole, and asked again" in caplog.text
    assert json.loads(kept.read_text())["text"] == "fine"


def test_a_failed_item_stops_with_its_name_and_the_same_request_asks_only_for_the_rest(server, tmp_path):
    prompts = [prompt_of(server, f"{n}?", id=f"q{n}") for n in range(4)]
    server.script = [says("one"), fails(400, "too loud"), says("three"), says("four")]
    with pytest.raises(EndpointFailed) as failed:
        worker_of(server, tmp_path).generate(prompts, greedy(5), (0,))
    text = str(failed.value)
    assert (
        "1 question of 4 got no answer:\n  question q1: RequestRefused: " in text and "400 too loud" in text
    )
    assert f"3 answers so far, kept in {tmp_path / 'answers'}; when the cause is mended" in text
    assert [item for item, _ in failed.value.failures] == ["q1"]
    groups = worker_of(server, tmp_path).generate(prompts, greedy(5), (0,))
    assert [g.completions[0].text for g in groups] == ["one", "fine", "three", "four"]
    assert len(server.bodies) == 5


def test_a_closed_worker_refuses(server, tmp_path):
    worker = worker_of(server, tmp_path)
    worker.close()
    with pytest.raises(RuntimeError, match="closed"):
        worker.generate([prompt_of(server)], greedy(5), (0,))


def test_weights_cannot_be_loaded(server, tmp_path):
    with pytest.raises(ValueError, match="cannot be trained"):
        worker_of(server, tmp_path).load_weights([], 1)


def test_a_judge_gets_a_reply_or_a_failure_for_every_conversation(server, tmp_path):
    server.script = [says("right"), fails(400, "no")]
    texts = ["Is a dog a dog?", "Is a cat a dog?"]
    conversations = [[{"role": "user", "content": text}] for text in texts]
    right, refused = ask(server.url, "judge", conversations, max_tokens=9, asking=patient(tmp_path))
    assert right.text == "right" and isinstance(refused, RequestRefused)
    assert [body["messages"][0]["content"] for body in server.bodies] == texts
    assert {body["max_tokens"] for body in server.bodies} == {9}


def hears_dogs(body: dict[str, Any]) -> str:
    """Knows the gold option of q0, q1, ... where it hears anything, and "a dog" in silence."""
    audio, text = body["messages"][1]["content"]
    silent = not any(base64.b64decode(audio["input_audio"]["data"])[44:])
    number = 0 if silent else int(text["text"].split("calls ")[1].split("?")[0])
    return ("a dog", "a cat", "a cow", "a bird")[number % 4]


def test_an_evaluation_asks_an_endpoint_with_every_control(server, tmp_path):
    server.text_for = hears_dogs
    model = EndpointModel(f"endpoint:{server.url}#m")
    settings = EvaluationSettings(
        controls=("audio", "silence"),
        scorers={"robust": robust},
        batch_questions=3,
        max_new_tokens=8,
        seed=0,
    )
    with closing(EndpointWorker(model, patient(tmp_path, concurrency=4))) as worker:
        result = evaluate(questions_on_disk(tmp_path, 8), PromptBuilder(model), worker, settings)
    assert (result.accuracy("audio"), result.accuracy("silence")) == (1.0, 0.25)


def test_an_endpoint_votes_and_a_second_labelling_asks_nothing(server, tmp_path):
    server.text_for = hears_dogs
    model = EndpointModel(f"endpoint:{server.url}#m")
    questions = questions_on_disk(tmp_path, 5)

    def labelled() -> list[str]:
        voter = Voter(PromptBuilder(model), lambda: EndpointWorker(model, patient(tmp_path)), model.digest)
        settings = label_settings(tmp_path, silence=0.1, batch_questions=2)
        labels = label(questions, {"m": voter}, settings, partial(vote, threshold=1))
        return [measured.label for measured in labels.contributions.values()]

    assert labelled() == labelled() == ["weak", "strong", "strong", "strong", "weak"]
    assert len(server.bodies) == 5


def test_the_command_line_evaluates_an_endpoint_and_resumes_after_a_failure(server, tmp_path):
    server.text_for = hears_dogs
    write_audiomcq(questions_on_disk(tmp_path, 6), tmp_path / "data.jsonl")
    command = ["evaluate", "--endpoint", server.url, "--model", "m", "--data", f"{tmp_path / 'data.jsonl'}"]
    command += ["--out", f"{tmp_path / 'out'}", "--price", "1,2", "--concurrency", "1"]
    server.script = [says("a dog"), fails(401)]
    failed = CliRunner().invoke(main, command)
    assert failed.exit_code == 1 and "question q1: NoAccess" in failed.output, failed.output
    assert "1 answer so far, kept in" in failed.output and "Traceback" not in failed.output
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 0, done.output
    tables = json.loads((tmp_path / "out" / "evaluation.json").read_text())["data"]["tables"]
    assert tables["all"]["all"]["scores"]["audio"]["accuracy"] == 1.0
    assert tables["all"]["all"]["scores"]["silence"]["accuracy"] == pytest.approx(2 / 6)
    assert len(server.bodies) == 2 + 17  # six questions, three controls, one answer kept


def test_the_command_line_labels_by_endpoints(server, tmp_path):
    server.text_for = hears_dogs
    write_audiomcq(questions_on_disk(tmp_path, 5), tmp_path / "data.jsonl")
    voters = ["--voter", f"endpoint:{server.url}#org/a", "--voter", f"endpoint:{server.url}/v1#b"]
    done = CliRunner().invoke(main, ["label", f"{tmp_path / 'data.jsonl'}", *voters, "--silence", "0.1"])
    assert done.exit_code == 0, done.output
    rows = [json.loads(line) for line in (tmp_path / "labels.jsonl").read_text().splitlines()]
    assert [row["contribution"] for row in rows] == ["weak", "strong", "strong", "strong", "weak"]
    assert set(rows[0]["votes"]) == {"a", "b"}
    assert {body["model"] for body in server.bodies} == {"org/a", "b"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--endpoint", "http://h"], "--endpoint URL and --model NAME go together"),
        (["--model", "m"], "--endpoint URL and --model NAME go together"),
        (["tiny/base", "--endpoint", "http://h", "--model", "m"], "name two models; leave one out"),
        ([], "name a RECIPE or a MODEL, or a server by --endpoint URL --model NAME"),
        (["tiny/base", "--price", "1"], "expected two prices such as 2.5,10"),
    ],
)
def test_wrong_usage_of_endpoints_is_told(arguments, said):
    done = CliRunner().invoke(main, ["evaluate", *arguments])
    assert done.exit_code == 2 and said in " ".join(done.output.split())


def test_a_recipe_names_endpoints_as_voters_and_they_are_no_folders(tmp_path):
    text = "extends: base/tiny\ncurriculum: sft_only\n"
    text += 'contribution: {voters: ["endpoint:http://h:8000#m.py", tiny/voter_a]}\n'
    (tmp_path / "r.yaml").write_text(text, encoding="utf-8")
    recipe = load_recipe(tmp_path / "r.yaml")
    assert recipe.contribution.voters == ["endpoint:http://h:8000#m.py", "tiny/voter_a"]
    assert "contribution.voters.0" not in model_folders(recipe)


@pytest.fixture
def vllm_url(needs_vllm):
    """`vllm serve` of the tiny model on a port of this machine."""
    port = free_port()
    flags = ["--model", resolve_model_path(TINY), "--served-model-name", "tiny", "--port", str(port)]
    flags += ["--host", "127.0.0.1", "--dtype", "float32", "--max-model-len", "2048", "--enforce-eager"]
    flags += ["--limit-mm-per-prompt", '{"audio": 1, "image": 0, "video": 0}']  # others take time to try
    process = subprocess.Popen(
        [sys.executable, "-m", SERVE, *flags],
        env=_environment(None) | {"VLLM_CPU_KVCACHE_SPACE": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_for(port, process)
        yield url
    finally:
        process.terminate()
        process.wait(60)


def _wait_for(port: int, process: subprocess.Popen) -> None:
    until = time.monotonic() + 900
    while time.monotonic() < until:
        assert process.poll() is None, "vLLM's server ended"
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.2)
    raise TimeoutError("vLLM's server did not begin to listen")


@pytest.mark.slow
def test_vllm_answers_over_its_endpoint_as_the_model_does_here(vllm_url, tmp_path, policy):
    questions = [
        Question.multiple_choice(
            f"q{n}", f"What number is said {n}?", ("one", "two"), "one", tone(0.5 + n, n)
        )
        for n in range(4)
    ]
    model = EndpointModel(f"endpoint:{vllm_url}#tiny")
    with closing(EndpointWorker(model, patient(tmp_path, concurrency=4, timeout_seconds=100))) as worker:
        there = worker.generate([PromptBuilder(model).prompt(q) for q in questions], greedy(16), (0,))
    prompts = [PromptBuilder(policy).prompt(q) for q in questions]
    here = Transformers(policy).generate(prompts, greedy(16), (0,))
    assert [g.completions[0].text for g in there] == [g.completions[0].text for g in here]
    assert worker.client.meter.costs.prompt_tokens == sum(len(prompt.token_ids) for prompt in prompts)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("Mon, 01 Jan 2024 00:00:00 GMT", 0.0),
        ("Mon, 01 Jan 2024 00:00:00 +99999999999999999", None),
        ("Mon, 01 Jan 20240000000000000000 00:00:00 GMT", None),
        ("soon", None),
        ("", None),
    ],
)
def test_a_server_says_when_to_ask_again_in_seconds_or_as_a_date_or_not_at_all(header, seconds):
    assert posting._wait_seconds(header) == seconds


ASKED = Question.multiple_choice("q0", "Who?", ("a dog", "a cat"), "a dog", style="letters")


def test_the_likeliest_first_tokens_are_asked_for_and_kept(server, tmp_path):
    server.script = [tells(("A", -0.1), (" B", -2.5))]
    model = EndpointModel(f"endpoint:{server.url}#m")
    prompt = PromptBuilder(model).prompt(ASKED, "no_audio")
    for _ in range(2):  # the second time from what was kept
        with closing(EndpointWorker(model, patient(tmp_path))) as worker:
            assert worker.first_tokens([prompt]) == [(("A", -0.1), (" B", -2.5))]
    (body,) = server.bodies
    assert (body["max_tokens"], body["logprobs"], body["top_logprobs"]) == (1, True, 20)


@pytest.mark.parametrize("told", [None, {"content": []}, {"content": [{"top_logprobs": "A"}]}, []])
def test_a_server_that_tells_no_log_probs_is_an_error_that_says_what_to_do(server, tmp_path, told):
    choice = {"message": {"content": "A"}, "finish_reason": "length", "logprobs": told}
    server.script = [sends(200, json.dumps({"choices": [choice]}))]
    model = EndpointModel(f"endpoint:{server.url}#m")
    prompt = PromptBuilder(model).prompt(ASKED, "no_audio")
    with (
        closing(EndpointWorker(model, patient(tmp_path))) as worker,
        pytest.raises(ValueError, match=r"tells no log-probs .* with contribution.use=vote"),
    ):
        worker.first_tokens([prompt])
