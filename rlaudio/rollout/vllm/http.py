"""A minimal client of JSON over HTTP, for a server of the same run: on TCP, or on a socket in a folder."""

from __future__ import annotations

import http.client
import json
import socket
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from multiprocessing.connection import wait
from typing import Any

from rlaudio.utils.endpoint.posting import NoRedirection

SECONDS = 60.0  # in which small requests must be answered
KEY_ADVICE = "; name the environment variable that holds the server's key in rollout.api_key_variable"


class NoAnswer(ConnectionError):
    """No answer, or the answer that the server failed: a retry may help."""


class Refused(ValueError):
    """The server refused the request: a retry does not help."""


UNIX = "unix:"  # what the address of a socket in a folder begins with, before its path


class Service:
    """A server at one address: `http://host:port`, `https://...`, or `unix:/folder/socket`.

    `key` goes with every request, and nowhere else: redirections are not followed.
    """

    def __init__(self, url: str, key: str | None = None):
        self.url = url.rstrip("/")
        socket_path = self.url.removeprefix(UNIX) if self.url.startswith(UNIX) else None
        self._base = "http://localhost" if socket_path else self.url
        self._headers = {"Content-Type": "application/json"}
        if key is not None:
            self._headers["Authorization"] = f"Bearer {key}"
        self._at_once = _opener(_Handler(socket_path))
        self._waiting = _opener(_Handler(socket_path, self._healthy))

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
        request = urllib.request.Request(f"{self._base}/{path}", data=body, headers=self._headers)
        try:
            with (opener or self._at_once).open(request, timeout=seconds) as answer:
                content: bytes = answer.read()
                return content
        except urllib.error.HTTPError as error:
            said = (
                f"{self.url}/{path}: {error.code} {_reason(error)}{KEY_ADVICE if error.code == 401 else ''}"
            )
            raise (NoAnswer if error.code >= 500 else Refused)(said) from error
        except (OSError, EOFError, http.client.HTTPException) as error:  # refused, timed out, cut off
            raise NoAnswer(f"{self.url}/{path}: {getattr(error, 'reason', error)}") from error


class _Handler(urllib.request.HTTPHandler):
    """Opens connections; with `healthy` they wait for an answer as long as the server is healthy."""

    def __init__(self, socket_path: str | None, healthy: Callable[[float], bool] | None = None):
        super().__init__()
        self._socket_path, self._healthy = socket_path, healthy

    def http_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        connection: Any = partial(_Connection, socket_path=self._socket_path, healthy=self._healthy)
        return self.do_open(connection, request)


class _Connection(http.client.HTTPConnection):
    """With `healthy` its timeout is the time after which the server is asked whether it is healthy."""

    def __init__(
        self,
        host: str,
        *,
        socket_path: str | None,
        healthy: Callable[[float], bool] | None,
        timeout: float,
    ):
        super().__init__(host, timeout=timeout)
        self._socket_path, self._healthy, self._seconds = socket_path, healthy, timeout

    def connect(self) -> None:
        if self._socket_path is None:
            super().connect()
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)  # routers forget idle connections
            return
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self._seconds)
        self.sock.connect(self._socket_path)

    def send(self, data: Any) -> None:
        """Write a part of the request; a server may answer by its head alone and close before the body."""
        with suppress(BrokenPipeError):  # where there is no answer either, reading it fails
            super().send(data)

    def getresponse(self) -> http.client.HTTPResponse:
        while self._healthy and not wait([self.sock], self._seconds):
            if not self._healthy(self._seconds):
                raise TimeoutError(f"silent for {self._seconds:g} s, and not healthy")
        return super().getresponse()


def _opener(*handlers: urllib.request.BaseHandler) -> urllib.request.OpenerDirector:
    no_proxy = urllib.request.ProxyHandler({})  # within a run
    return urllib.request.build_opener(no_proxy, NoRedirection(), *handlers)


def _parsed(content: bytes) -> Any:
    return json.loads(content) if content else None


def _reason(error: urllib.error.HTTPError) -> str:
    """The server's error message."""
    text = error.read().decode(errors="replace")
    try:
        return str(json.loads(text)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return text or str(error.reason)
