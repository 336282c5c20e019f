"""How long a clip may be and what happens to a longer one, where nobody says otherwise."""

from __future__ import annotations

from typing import Literal

TooLong = Literal["truncate", "refuse"]

MAX_SECONDS = 30.0  # as long as the paper's silence
TOO_LONG: TooLong = "truncate"
