"""What was read in a text: an option, or why there is none."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Status = Literal["exact", "normalised", "letter", "unique_contains", "ambiguous", "none"]


@dataclass(frozen=True)
class Parsed:
    """The option that a text names, and the layer that read it."""

    status: Status
    index: int | None = None  # position among the choices; None: unparsed
    reason: str = field(default="", compare=False)  # why it is unparsed; not compared

    @property
    def parsed(self) -> bool:
        """Whether an option was read."""
        return self.index is not None


NONE = Parsed("none", reason="no option")
NO_ANSWER = Parsed("none", reason="no answer")
UNFINISHED = Parsed("none", reason="unfinished")  # an answer or a thought that was left open
SEVERAL = Parsed("ambiguous", reason="several")
CONTRADICTION = Parsed("ambiguous", reason="contradiction")  # a letter and the text of another option
NEGATED = Parsed("ambiguous", reason="negated")
