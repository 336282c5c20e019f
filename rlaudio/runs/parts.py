"""The parts that a run can be taken through without finishing it; it is resumed later."""

from __future__ import annotations

from typing import Literal

StopAfter = Literal["labels", "base", "sft"]  # the labels, the evaluation of the base, all before RL
