"""Why a request got no answer. A failure is a value of its own and never an empty answer."""

from __future__ import annotations

from typing import ClassVar


class RequestFailed(Exception):
    """One request got no answer that can be used."""

    ends_all: ClassVar[bool] = False  # whether other requests would fare no better


class RequestRefused(RequestFailed):
    """The server does not answer this request, and would not if it were repeated: 400, 413, a filter."""


class BadAnswer(RequestFailed):
    """The server answered with something else than a chat completion."""


class NoAccess(RequestFailed):
    """The server answers no such request: 401, 403, 404, a redirection, a certificate that is not valid."""

    ends_all = True


class GaveUp(RequestFailed):
    """The server was busy, broken or not there for as long as requests are repeated."""

    ends_all = True


class NotAsked(RequestFailed):
    """The request was not made, or not repeated, because another one failed in a way that ends all."""


class Transient(Exception):
    """A try failed that may be repeated; `wait_seconds` is what the server asks to wait, if it says so."""

    def __init__(self, message: str, wait_seconds: float | None = None):
        super().__init__(message)
        self.wait_seconds = wait_seconds
