"""Kinds of questions by what answers them, and how many of each a split has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal

Kind = Literal["text_answerable", "misleading", "unanswerable", "audio_only"]
# How text reveals the answer (knowledge, logic), how it suggests another (prior, suggestion), how the form of
# the options does (length, position); absent: neither text nor clip has it. None: the clip alone does.
Mechanism = Literal["knowledge", "logic", "prior", "suggestion", "length", "position", "absent"]
KINDS: Mapping[Mechanism | None, Kind] = {
    "knowledge": "text_answerable",
    "logic": "text_answerable",
    "prior": "misleading",
    "suggestion": "misleading",
    "length": "misleading",
    "position": "misleading",
    "absent": "unanswerable",
    None: "audio_only",
}


@dataclass(frozen=True)
class KindShares:
    """Shares of a split, each from 0 to 1 and at most 1 together; the rest is audio-only.

    Raises ValueError for others.
    """

    text_answerable: float = 0.5
    misleading: float = 0.0
    unanswerable: float = 0.0

    def __post_init__(self) -> None:
        for name, share in asdict(self).items():
            if not 0.0 <= share <= 1.0:
                raise ValueError(f"{name}_share is {share}; expected 0 to 1")
        if sum(asdict(self).values()) > 1.0 + 1e-9:
            raise ValueError(
                f"the shares add up to {sum(asdict(self).values()):g}: {asdict(self)}; expected at most 1"
            )

    def kind(self, number: int) -> Kind:
        """The kind of a type's question of this number, from 0; counts are near exact at any.

        Within 1 of one kind beside audio-only, within 3 of several: each is rounded among what is left.
        """
        left = 1.0  # share of those that are of no kind so far
        kinds: tuple[Kind, ...] = ("text_answerable", "misleading", "unanswerable")
        for kind, share in zip(kinds, asdict(self).values(), strict=True):
            among = min(1.0, share / left) if left > 1e-9 else 0.0
            before, after = int(number * among + 1e-9), int((number + 1) * among + 1e-9)
            if after > before:
                return kind
            number -= before
            left -= share
        return "audio_only"
