"""Where a model behind an endpoint is, as recipes and commands write it: `endpoint:URL#MODEL`.

Several servers that hold the same model are `endpoint:URL,URL#MODEL`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from urllib.parse import urlsplit

PREFIX = "endpoint:"
KEY_VARIABLES = ("RLAUDIO_API_KEY", "OPENAI_API_KEY")  # the first that is set holds the server's key
_EXPECTED = "expected endpoint:URL#MODEL, such as endpoint:http://localhost:8000#Qwen/Qwen2.5-Omni-7B"


@dataclass(frozen=True)
class Address:
    """A model of a server, or of several equal ones."""

    urls: tuple[str, ...]  # in front of /v1, one for each server
    model: str  # as the servers call it

    @classmethod
    def of(cls, url: str, model: str) -> Address:
        """The model at a URL, with or without `/v1` at its end, or at several with commas between them.

        Raises ValueError for no name, for what is no http address, for one that stands twice, and for one
        that holds a password or a query: addresses stand in messages and recipes, and keys must not.
        """
        if not model or not model.isprintable():
            raise ValueError(f"the endpoint {_without_secrets(url)} has no model's name; {_EXPECTED}")
        urls = tuple(map(_plain, url.split(",")))
        if twice := [plain for plain in urls if urls.count(plain) > 1]:
            raise ValueError(
                f"the endpoint names {_without_secrets(twice[0])} {urls.count(twice[0])} times; "
                "expected every server once"
            )
        return cls(urls, model)

    @classmethod
    def parse(cls, name: str) -> Address:
        """The model that `endpoint:URL#MODEL` names. Raises ValueError for any other text."""
        url, sign, model = name.removeprefix(PREFIX).partition("#")
        if not is_endpoint(name) or not sign:
            raise ValueError(f"found {_without_secrets(name)}; {_EXPECTED}")
        return cls.of(url, model)

    @property
    def name(self) -> str:
        """`endpoint:URL#MODEL`, with all servers."""
        return f"{PREFIX}{','.join(self.urls)}#{self.model}"

    @property
    def first(self) -> str:
        """The first server's URL, which answers are kept under: more servers may join it."""
        return self.urls[0]


def completions_of(url: str) -> str:
    """The URL that a server's requests go to."""
    return f"{url}/v1/chat/completions"


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


def _plain(url: str) -> str:
    """A server's URL without `/v1`. Raises ValueError."""
    plain = url.strip().rstrip("/").removesuffix("/v1").rstrip("/")
    if problem := _problem(plain):
        raise ValueError(
            f"the endpoint's address {_without_secrets(url)} {problem}; expected http://HOST:PORT or "
            f"https://HOST, and the server's key in the environment variable {KEY_VARIABLES[0]}"
        )
    return plain


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
