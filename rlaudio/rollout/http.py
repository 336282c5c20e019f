"""JSON over HTTP, as little of it as a client of a server in the same run needs."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

SECONDS = 60.0  # in which small requests must be answered


class NoAnswer(ConnectionError):
    """Nothing came back, or that the server failed: asking again may help."""


class Refused(ValueError):
    """The server understood and does not do it: asking again does not help."""


class Service:
    """A server at one address."""

    def __init__(self, url: str):
        self.url = url.rstrip("/")

    def get(self, path: str) -> dict[str, Any]:
        """The JSON that stands there. Raises NoAnswer, Refused."""
        return _parsed(self._send(path, None, SECONDS))

    def post(self, path: str, body: dict[str, Any] | None = None, seconds: float | None = SECONDS) -> Any:
        """What the server says to a body within `seconds`, None for whenever. Raises NoAnswer, Refused."""
        return _parsed(self._send(path, json.dumps(body or {}).encode(), seconds))

    def text(self, path: str) -> str:
        """The text that stands there."""
        return self._send(path, None, SECONDS).decode()

    def answers(self, path: str) -> bool:
        """Whether there is anything good."""
        try:
            self._send(path, None, 5.0)
        except (NoAnswer, Refused):
            return False
        return True

    def _send(self, path: str, body: bytes | None, seconds: float | None) -> bytes:
        request = urllib.request.Request(
            f"{self.url}/{path}", data=body, headers={"Content-Type": "application/json"}
        )
        try:
            with _OPENER.open(request, timeout=seconds) as answer:
                content: bytes = answer.read()
                return content
        except urllib.error.HTTPError as error:
            said = f"{self.url}/{path}: {error.code} {_reason(error)}"
            raise (NoAnswer if error.code >= 500 else Refused)(said) from error
        except (OSError, EOFError) as error:  # refused, reset, timed out, cut off
            raise NoAnswer(f"{self.url}/{path}: {getattr(error, 'reason', error)}") from error


_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # servers of a run stand behind none


def _parsed(content: bytes) -> Any:
    return json.loads(content) if content else None


def _reason(error: urllib.error.HTTPError) -> str:
    """What the server says is wrong."""
    text = error.read().decode(errors="replace")
    try:
        return str(json.loads(text)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return text or str(error.reason)
