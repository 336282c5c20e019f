"""One try of one request over HTTP. What the server says is read up to a limit and trusted in nothing."""

from __future__ import annotations

import http.client
import re
import socket
import ssl
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from pydantic_core import from_json

from rlaudio.utils.endpoint.address import KEY_VARIABLES
from rlaudio.utils.endpoint.failures import BadAnswer, NoAccess, RequestRefused, Transient
from rlaudio.utils.messages import printable, shortened

LARGEST_ANSWER = 8 * 2**20  # bytes
_LARGEST_REASON = 64 * 2**10  # bytes of an error's body
_MOST_SAID = 300  # characters of it in a message
_REPEATABLE = (408, 425, 429, 500, 502, 503, 504, *range(520, 525), 529)  # from 520 on: of gateways
_NO_ACCESS = (401, 403, 404)
_ADVICE = {
    401: f"; put the server's key into the environment variable {KEY_VARIABLES[0]}",
    403: f"; the key in {' or '.join(KEY_VARIABLES)} may not ask this model",
    404: "; expected an address in front of /v1, and a model that the server has",
}


def post(url: str, body: bytes, *, key: str | None, timeout_seconds: float) -> bytes:
    """The body of the answer to a JSON body.

    The key goes to this address alone: redirections are not followed. `timeout_seconds` hold for the
    connection, for the beginning of the answer and for all of its body, each.

    Raises Transient for what may be repeated, NoAccess, RequestRefused, and BadAnswer for more than
    `LARGEST_ANSWER`.
    """
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
    request = urllib.request.Request(url, data=body, headers=headers)
    try:
        with _OPENER.open(request, timeout=timeout_seconds) as answer:
            return _read(answer, url, timeout_seconds)
    except urllib.error.HTTPError as error:
        with error:
            raise _failure(error, url, key) from None  # the error holds the request, and that the key
    except (OSError, http.client.HTTPException) as error:  # refused, timed out, cut off
        reason = getattr(error, "reason", error)
        said = f"{url}: {printable(str(reason)) or type(reason).__name__}"
        if isinstance(reason, ssl.SSLCertVerificationError):
            raise NoAccess(said) from None
        if isinstance(reason, ConnectionRefusedError | socket.gaierror):
            said += "; is the server started, and is this its address?"
        raise Transient(said) from None


class NoRedirection(urllib.request.HTTPRedirectHandler):
    """Makes an error of a redirection, which would take the key to another address."""

    def redirect_request(self, *_: Any) -> None:
        """No other request: the redirection stays an error."""
        return None


_OPENER = urllib.request.build_opener(NoRedirection())


def _read(answer: http.client.HTTPResponse, url: str, timeout_seconds: float) -> bytes:
    deadline = time.monotonic() + timeout_seconds
    content = bytearray()
    while piece := answer.read1(2**16):
        content += piece
        if len(content) > LARGEST_ANSWER:
            raise BadAnswer(f"{url}: an answer of more than {LARGEST_ANSWER:,} bytes; expected a text")
        if time.monotonic() > deadline:
            raise TimeoutError(f"the answer was not complete after {timeout_seconds:g} s")
    if answer.length:  # `read1` does not say so itself
        raise http.client.IncompleteRead(bytes(content), answer.length)
    return bytes(content)


def _failure(error: urllib.error.HTTPError, url: str, key: str | None) -> Exception:
    """What an answer with an error's status means."""
    said = f"{url}: {error.code} {_reason(error, key)}{_ADVICE.get(error.code, '')}"
    if error.code in _REPEATABLE:
        return Transient(said, _wait_seconds(error.headers.get("Retry-After", "")))
    if error.code in range(300, 400):
        return NoAccess(f"{said}; redirections are not followed: name the address that answers")
    return (NoAccess if error.code in _NO_ACCESS else RequestRefused)(said)


def _reason(error: urllib.error.HTTPError, key: str | None) -> str:
    """The server's own words, without the key if it repeats that."""
    try:
        content = error.read(_LARGEST_REASON)
    except (OSError, http.client.HTTPException):
        content = b""
    try:
        said = str(from_json(content)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        said = content.decode(errors="replace").strip()
    said = said or str(error.reason)
    said = said.replace(key, "(the key)") if key else said
    return shortened(printable(said), _MOST_SAID)


def _wait_seconds(text: str) -> float | None:
    """Seconds of a Retry-After header, which may be a date; None where it is neither."""
    if re.fullmatch(r"\d{1,9}", text.strip()):
        return float(text)
    try:
        when = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    zoned = when if when.tzinfo else when.replace(tzinfo=UTC)
    return max(0.0, (zoned - datetime.now(UTC)).total_seconds())
