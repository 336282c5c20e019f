"""A minimal client of JSON over HTTP, for a server of the same run."""

from __future__ import annotations

import http.client
import json
import socket
import urllib.error
import urllib.request
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import wait
from typing import Any

SECONDS = 60.0  # in which small requests must be answered


class NoAnswer(ConnectionError):
    """No answer, or the answer that the server failed: a retry may help."""


class Refused(ValueError):
    """The server refused the request: a retry does not help."""


class Service:
    """A server at one address."""

    def __init__(self, url: str):
        self.url = url.rstrip("/")
        self._waiting = _opener(_WaitingHandler(self._healthy))

    def get(self, path: str) -> dict[str, Any]:
        """The JSON at this path. Raises NoAnswer, Refused."""
        return _parsed(self._send(path, None, SECONDS))

    def post(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """The answer to a body that the server processes at once. Raises NoAnswer, Refused."""
        return _parsed(self._send(path, json.dumps(body or {}).encode(), SECONDS))

    def post_long(self, path: str, body: dict[str, Any], patience: float) -> Any:
        """The answer to a body that the server may work on for any time. Raises NoAnswer, Refused.

        After every `patience` seconds it must answer `/health` within `patience` seconds. Over https it is
        not asked, and the wait has no limit.
        """
        seconds = None if self.url.startswith("https:") else patience
        return _parsed(self._send(path, json.dumps(body).encode(), seconds, self._waiting))

    def text(self, path: str) -> str:
        """The text at this path."""
        return self._send(path, None, SECONDS).decode()

    def answers(self, path: str, seconds: float = 5.0) -> bool:
        """Whether a request to this path succeeds."""
        try:
            self._send(path, None, seconds)
        except (NoAnswer, Refused):
            return False
        return True

    def _healthy(self, seconds: float) -> bool:
        return self.answers("health", seconds)

    def _send(
        self,
        path: str,
        body: bytes | None,
        seconds: float | None,
        opener: urllib.request.OpenerDirector | None = None,
    ) -> bytes:
        request = urllib.request.Request(
            f"{self.url}/{path}", data=body, headers={"Content-Type": "application/json"}
        )
        try:
            with (opener or _AT_ONCE).open(request, timeout=seconds) as answer:
                content: bytes = answer.read()
                return content
        except urllib.error.HTTPError as error:
            said = f"{self.url}/{path}: {error.code} {_reason(error)}"
            raise (NoAnswer if error.code >= 500 else Refused)(said) from error
        except (OSError, EOFError, http.client.HTTPException) as error:  # refused, timed out, cut off
            raise NoAnswer(f"{self.url}/{path}: {getattr(error, 'reason', error)}") from error


class _WaitingHandler(urllib.request.HTTPHandler):
    """Opens connections that wait for an answer as long as the server is healthy."""

    def __init__(self, healthy: Callable[[float], bool]):
        super().__init__()
        self._healthy = healthy

    def http_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        connection: Any = partial(_WaitingConnection, healthy=self._healthy)
        return self.do_open(connection, request)


class _WaitingConnection(http.client.HTTPConnection):
    """Its timeout is the time after which the server is asked whether it is healthy."""

    def __init__(self, host: str, *, healthy: Callable[[float], bool], timeout: float):
        super().__init__(host, timeout=timeout)
        self._healthy, self._seconds = healthy, timeout

    def connect(self) -> None:
        super().connect()
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)  # routers forget idle connections

    def getresponse(self) -> http.client.HTTPResponse:
        while not wait([self.sock], self._seconds):
            if not self._healthy(self._seconds):
                raise TimeoutError(f"silent for {self._seconds:g} s, and not healthy")
        return super().getresponse()


def _opener(*handlers: urllib.request.BaseHandler) -> urllib.request.OpenerDirector:
    return urllib.request.build_opener(urllib.request.ProxyHandler({}), *handlers)  # no proxy within a run


_AT_ONCE = _opener()


def _parsed(content: bytes) -> Any:
    return json.loads(content) if content else None


def _reason(error: urllib.error.HTTPError) -> str:
    """The server's error message."""
    text = error.read().decode(errors="replace")
    try:
        return str(json.loads(text)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return text or str(error.reason)
