"""What is observed and answered, as spaces of Gymnasium: texts of any characters, clips of any length."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces

_MOST_CHARACTERS = 100_000  # of a question, an option or an answer; a Text space must have a limit
_LARGEST_SAMPLE = 16.0  # a file may reach 10, and resampling passes that a little


class AnyText(spaces.Text):
    """Texts of any characters; samples are letters, digits and spaces."""

    def __init__(self, seed: int | None = None) -> None:
        letters = "abcdefghijklmnopqrstuvwxyz0123456789 "
        super().__init__(_MOST_CHARACTERS, min_length=0, charset=letters, seed=seed)

    def sample(self, mask: Any = None, probability: Any = None) -> str:
        """A short text."""
        if mask is not None or probability is not None:
            return super().sample(mask, probability)
        return super().sample((int(self.np_random.integers(40)), None))

    def contains(self, x: Any) -> bool:
        """Whether `x` is a text that is not too long."""
        return isinstance(x, str) and len(x) <= self.max_length

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AnyText)

    def __repr__(self) -> str:
        return "AnyText()"


class Answer(AnyText):
    """Texts, and completions as rollout workers sample them, whose tokens are those that were sampled."""

    def contains(self, x: Any) -> bool:
        """Whether `x` is such a text or completion."""
        from rlaudio.types import Completion

        return isinstance(x, Completion) or super().contains(x)

    def __repr__(self) -> str:
        return "Answer()"


class Waveform(spaces.Space[np.ndarray]):
    """Mono audio at 16 kHz, [samples] float32 of any length up to `most` samples."""

    def __init__(self, most: int, seed: int | None = None) -> None:
        self.most = most
        super().__init__(None, np.float32, seed)

    @property
    def is_np_flattenable(self) -> bool:
        """No: clips differ in length."""
        return False

    def sample(self, mask: Any = None, probability: Any = None) -> np.ndarray:
        """Up to 100 ms of noise."""
        length = int(self.np_random.integers(1, min(self.most, 1600) + 1))
        return self.np_random.uniform(-1.0, 1.0, length).astype(np.float32)

    def contains(self, x: Any) -> bool:
        """Whether `x` is such an array, of samples that an audio file may have."""
        if not isinstance(x, np.ndarray) or x.dtype != np.float32 or x.ndim != 1:
            return False
        return len(x) <= self.most and bool(np.abs(x).max(initial=0.0) <= _LARGEST_SAMPLE)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Waveform) and self.most == other.most

    def __repr__(self) -> str:
        return f"Waveform({self.most})"
