"""How tests ask an endpoint of this machine."""

from pathlib import Path
from typing import Any

from rlaudio.rollout.endpoint_worker import EndpointModel, EndpointWorker
from rlaudio.types import Clip, Prompt, Question
from rlaudio.utils.endpoint.client import Client, Request
from tests.endpoint_server import Server, patient


def plain(text: str = "Hello?") -> Request:
    return Request([{"role": "user", "content": text}], max_tokens=5)


def answer_of(client: Client, text: str = "Hello?") -> Any:
    [reply] = client.ask_all([text], plain)
    return reply


def prompt_of(
    server: Server, text: str = "Who calls?", *clips: Clip, id: str = "q0", model: str = "m"
) -> Prompt:
    question = Question.multiple_choice(id, text, ("a", "b"), "a")
    return EndpointModel(f"endpoint:{server.url}#{model}").encode_prompt(question, "Listen.", text, clips)


def worker_of(server: Server, folder: Path, model: str = "m", **changes: Any) -> EndpointWorker:
    return EndpointWorker(EndpointModel(f"endpoint:{server.url}#{model}"), patient(folder, **changes))
