"""What a plan assumes of data and machines."""

from __future__ import annotations

import math
from dataclasses import dataclass


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
        if self.devices < 1:
            raise ValueError(f"{self.devices} devices; expected at least one")
        if self.nodes < 1 or self.rollout_nodes < 0:
            raise ValueError(
                f"{self.nodes} nodes and {self.rollout_nodes} rollout nodes; expected at least 1 and 0"
            )
        if self.network is not None and not 0 < self.network < math.inf:
            raise ValueError(f"a network of {self.network:g} GB/s; expected more than 0 and finite")
        if not 0 < self.utilisation <= 1:
            raise ValueError(f"a utilisation of {self.utilisation:g}; expected more than 0 and at most 1")
        if self.seconds is not None and not 0.04 <= self.seconds <= 86_400:
            raise ValueError(
                f"clips of {self.seconds:g} s; expected at least 0.04 s, which is one audio token, and "
                "at most a day"
            )
        for name, value in (("completion", self.completion), ("text", self.text)):
            if value is not None and value < 1:
                raise ValueError(f"{name} of {value} tokens; expected at least 1")

    @property
    def all_devices(self) -> int:
        """Those that train, of all nodes."""
        return self.nodes * self.devices
