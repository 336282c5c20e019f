"""What asking an endpoint cost: requests, tokens, seconds, and money where prices are known."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace

from rlaudio.utils.endpoint.replies import Reply
from rlaudio.utils.number_format import NO_VALUE, duration
from rlaudio.utils.text_table import text_table

_MILLION = 1_000_000


@dataclass(frozen=True)
class Price:
    """Money for a million tokens, in any currency."""

    prompt: float
    completion: float

    def of(self, costs: Costs) -> float:
        """The money for these tokens."""
        return (costs.prompt_tokens * self.prompt + costs.completion_tokens * self.completion) / _MILLION


@dataclass(frozen=True)
class Costs:
    """What was asked so far; tokens are as the server says, kept answers cost none."""

    requests: int = 0  # retries included
    retries: int = 0
    answered: int = 0  # by the server
    cached: int = 0  # answers that were kept from before
    prompt_tokens: int = 0
    completion_tokens: int = 0
    unknown: int = 0  # answers without a usable `usage`
    seconds: float = 0.0

    def table(self, name: str, price: Price | None = None) -> str:
        """A line for the endpoint called `name`, under a header."""
        header = ["endpoint", "requests", "retries", "cached"]
        header += ["prompt tokens", "completion tokens", "time", "cost"]
        money = NO_VALUE if price is None else f"{price.of(self):.4f}"
        counts = (self.requests, self.retries, self.cached, self.prompt_tokens, self.completion_tokens)
        row = [name, *(f"{count:,}" for count in counts), duration(self.seconds), money]
        unsaid = f"\nThe server did not say the tokens of {self.unknown} answers." if self.unknown else ""
        return text_table(header, [row]) + unsaid


class Meter:
    """Counts costs from several threads."""

    def __init__(self) -> None:
        self.costs = Costs()
        self._lock = threading.Lock()

    def add(self, **counts: float) -> None:
        """Add to some of the fields of `Costs`."""
        with self._lock:
            sums = {name: getattr(self.costs, name) + count for name, count in counts.items()}
            self.costs = replace(self.costs, **sums)

    def add_reply(self, reply: Reply) -> None:
        """Add the tokens of an answer."""
        self.add(
            answered=1,
            prompt_tokens=reply.prompt_tokens or 0,
            completion_tokens=reply.completion_tokens or 0,
            unknown=reply.prompt_tokens is None or reply.completion_tokens is None,
        )
