"""Words that recipes and records share; NumPy, which the records need, is not imported for them."""

from __future__ import annotations

from typing import Literal

Control = Literal[  # what a model hears instead of a question's own clip, see rlaudio.audio.controls
    "audio",
    "silence",
    "mismatch",
    "no_audio",
    "silence_30s",
    "noise",
    "shuffle",
    "reverse",
    "mismatch_same_type",
    "mismatch_other_type",
    "snr_20",
    "snr_10",
    "snr_0",
    "snr_minus_10",
]
Style = Literal["answer_only", "thinking", "letters"]  # how a prompt asks, see rlaudio.prompts.wording
