"""How long a clip may be, what happens to a longer one, and how long silence is, by default."""

from __future__ import annotations

from typing import Literal

TooLong = Literal["truncate", "refuse"]

SILENCE_SECONDS = 30.0  # of the silence that the paper's voters hear, arXiv:2509.21060
MOST_SILENCE_SECONDS = 3600  # held in memory
MAX_SECONDS = 30.0  # as long as that silence
TOO_LONG: TooLong = "truncate"
