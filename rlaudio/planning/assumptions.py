"""What a plan assumes of data and machines."""

from __future__ import annotations

from dataclasses import dataclass

from rlaudio.utils.messages import shown

MOST_DEVICES, MOST_NODES = 1024, 100_000  # of a node, of a cluster; above, a number is mistyped
_MOST_TOKENS = 100_000_000  # of a prompt or completion
_MOST_NETWORK = 1_000_000  # GB a second


@dataclass(frozen=True, kw_only=True)
class Assumptions:
    """What a plan assumes; None: the default named beside it."""

    devices: int = 1  # of each node that trains
    nodes: int = 1
    rollout_nodes: int = 0  # more, of vLLM servers
    network: float | None = None  # GB a second between nodes, of each device; None: the device's
    seconds: float | None = None  # of a clip; None: audio.max_seconds
    completion: int | None = None  # tokens; None: sampling.max_new_tokens
    text: int | None = None  # tokens of a prompt beside its audio; None: those of a stand-in question
    utilisation: float = 0.4  # of the device's peak in matrix products

    def __post_init__(self) -> None:
        _check_count("devices", self.devices, 1, MOST_DEVICES)
        _check_count("nodes", self.nodes, 1, MOST_NODES)
        _check_count("rollout nodes", self.rollout_nodes, 0, MOST_NODES)
        if self.network is not None and not 0 < self.network <= _MOST_NETWORK:
            raise ValueError(
                f"a network of {self.network:g} GB/s; expected more than 0 and at most {_MOST_NETWORK:,}"
            )
        if not 0 < self.utilisation <= 1:
            raise ValueError(f"a utilisation of {self.utilisation:g}; expected more than 0 and at most 1")
        if self.seconds is not None and not 0.04 <= self.seconds <= 86_400:
            raise ValueError(
                f"clips of {self.seconds:g} s; expected at least 0.04 s, which is one audio token, and "
                "at most a day"
            )
        for name, value in (("completion", self.completion), ("text", self.text)):
            if value is not None:
                _check_count(f"tokens of {name}", value, 1, _MOST_TOKENS)

    @property
    def all_devices(self) -> int:
        """Those that train, of all nodes."""
        return self.nodes * self.devices


def _check_count(what: str, count: int, least: int, most: int) -> None:
    if not least <= count <= most:
        raise ValueError(f"{shown(count, 40)} {what}; expected {least} to {most:,}")
