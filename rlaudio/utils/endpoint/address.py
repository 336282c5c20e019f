"""Where a model behind an endpoint is, as recipes and commands write it: `endpoint:URL#MODEL`."""

from __future__ import annotations

import os
from dataclasses import dataclass
from urllib.parse import urlsplit

PREFIX = "endpoint:"
KEY_VARIABLES = ("RLAUDIO_API_KEY", "OPENAI_API_KEY")  # the first that is set holds the server's key
_EXPECTED = "expected endpoint:URL#MODEL, such as endpoint:http://localhost:8000#Qwen/Qwen2.5-Omni-7B"


@dataclass(frozen=True)
class Address:
    """A model of a server."""

    url: str  # in front of /v1
    model: str  # as the server calls it

    @classmethod
    def of(cls, url: str, model: str) -> Address:
        """The model at a URL, with or without `/v1` at its end.

        Raises ValueError for no name, for what is no http address, and for one that holds a password or a
        query: addresses stand in messages and recipes, and keys must not.
        """
        plain = url.rstrip("/").removesuffix("/v1").rstrip("/")
        if not model or not model.isprintable():
            raise ValueError(f"the endpoint {_without_secrets(url)} has no model's name; {_EXPECTED}")
        if problem := _problem(plain):
            raise ValueError(
                f"the endpoint's address {_without_secrets(url)} {problem}; expected http://HOST:PORT or "
                f"https://HOST, and the server's key in the environment variable {KEY_VARIABLES[0]}"
            )
        return cls(plain, model)

    @classmethod
    def parse(cls, name: str) -> Address:
        """The model that `endpoint:URL#MODEL` names. Raises ValueError for any other text."""
        url, sign, model = name.removeprefix(PREFIX).partition("#")
        if not is_endpoint(name) or not sign:
            raise ValueError(f"found {_without_secrets(name)}; {_EXPECTED}")
        return cls.of(url, model)

    @property
    def name(self) -> str:
        """`endpoint:URL#MODEL`."""
        return f"{PREFIX}{self.url}#{self.model}"

    @property
    def completions(self) -> str:
        """The URL that requests go to."""
        return f"{self.url}/v1/chat/completions"


def is_endpoint(name: str) -> bool:
    """Whether a model's name is meant for a model behind an endpoint."""
    return name.startswith(PREFIX)


def key_from_environment() -> str | None:
    """The server's key, None where no variable holds one. Raises ValueError for what no header can hold."""
    for variable in KEY_VARIABLES:
        key = os.environ.get(variable, "").strip()
        if key and not (key.isascii() and key.isprintable()):  # http.client would show it in its error
            raise ValueError(f"{variable} holds signs that no key has; expected the server's key alone")
        if key:
            return key
    return None


def _problem(url: str) -> str:
    """What is wrong with an address; empty where nothing is."""
    if not (url.isascii() and url.isprintable()) or " " in url:
        return "holds a space or a sign that no address has"
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        return f"is none ({error})"
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return "is none"
    if parts.username or parts.password or parts.query or parts.fragment:
        return "holds more than a host, a port and a path"
    return ""


def _without_secrets(text: str) -> str:
    """The text as far as it can be shown: a password before @ and a query are left out."""
    head, sign, rest = text.partition("//")
    if "@" in rest:
        rest = f"...@{rest.rpartition('@')[2]}"
    return ascii(f"{head}{sign}{rest.partition('?')[0]}")
