"""What a server answers, read from JSON that may be anything; and answers kept on disk, to be paid once."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic_core import from_json

from rlaudio.types import StopReason
from rlaudio.utils.bounded_reading import read_bytes
from rlaudio.utils.endpoint.failures import BadAnswer, RequestRefused
from rlaudio.utils.endpoint.posting import LARGEST_ANSWER
from rlaudio.utils.messages import shown

FirstTokens = Sequence[tuple[str, float]]  # text and log-prob of each


@dataclass(frozen=True)
class Reply:
    """One answer of a model behind an endpoint."""

    text: str
    stop_reason: StopReason = "stop"
    prompt_tokens: int | None = None  # None: the server did not say
    completion_tokens: int | None = None
    first_tokens: FirstTokens = ()  # the likeliest first tokens; none: not asked for, or not told


def read_reply(content: bytes) -> Reply:
    """The reply in a chat completion's JSON.

    Raises RequestRefused where a content filter withheld it, BadAnswer for anything else.
    """
    try:
        answer = from_json(content, allow_inf_nan=False)
    except ValueError as error:
        beginning = shown(content[:80].decode(errors="replace"))
        raise BadAnswer(f"expected a chat completion in JSON, found {beginning} ({error})") from error
    choice, usage = _at(answer, "choices", 0), _at(answer, "usage")
    text, reason = _at(choice, "message", "content"), _at(choice, "finish_reason")
    if reason == "content_filter":
        raise RequestRefused("the server's content filter withheld the answer")
    if not isinstance(text, str):
        raise BadAnswer(f"expected a text at choices[0].message.content, found {shown(answer)}")
    return Reply(
        text=text,
        stop_reason="length" if reason == "length" else "stop",
        prompt_tokens=_count(_at(usage, "prompt_tokens")),
        completion_tokens=_count(_at(usage, "completion_tokens")),
        first_tokens=_tokens(_at(choice, "logprobs", "content", 0, "top_logprobs")),
    )


class Answers:
    """Replies by key in a folder, a file each; several threads and commands may use one folder.

    A file that is not whole is as good as none, and counted in `damaged`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.damaged = 0
        self._lock = threading.Lock()

    def get(self, key: str) -> Reply | None:
        """The reply that was kept, if there is one."""
        path = self._path(key)
        try:
            entry = from_json(read_bytes(path, LARGEST_ANSWER, "a kept answer"))
            if entry["key"] != key or not isinstance(entry["text"], str):
                raise ValueError(f"{path}: not the answer that its name says")
            return Reply(
                text=entry["text"],
                stop_reason="length" if entry["stop_reason"] == "length" else "stop",
                prompt_tokens=_count(entry["prompt_tokens"]),
                completion_tokens=_count(entry["completion_tokens"]),
                first_tokens=tuple((token, logprob) for token, logprob in entry.get("first_tokens", ())),
            )
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError):
            with self._lock:
                self.damaged += 1
            return None

    def put(self, key: str, reply: Reply) -> None:
        """Keep a reply, whole or not at all."""
        path = self._path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        building = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}")
        building.write_text(json.dumps({"key": key, **asdict(reply)}), encoding="utf-8")
        building.replace(path)

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.json"


def _at(value: Any, *keys: str | int) -> Any:
    """The value at keys of JSON; None where there is none."""
    for key in keys:
        if isinstance(key, str):
            value = value.get(key) if isinstance(value, dict) else None
        else:
            value = value[key] if isinstance(value, list) and len(value) > key else None
    return value


def _tokens(told: Any) -> FirstTokens:
    """Tokens and log-probs as a server tells them; those that are none are left out."""
    listed = told if isinstance(told, list) else []
    pairs = [(_at(each, "token"), _at(each, "logprob")) for each in listed]
    return tuple(
        (token, float(logprob))
        for token, logprob in pairs
        if isinstance(token, str) and isinstance(logprob, int | float) and logprob <= 0.0
    )


def _count(value: Any) -> int | None:
    """A number of tokens as a server says it."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    return value if whole and 0 <= value < 2**53 else None
