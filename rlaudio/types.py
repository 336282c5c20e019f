"""The records that travel through rlaudio, each step of a sample's way a new frozen one.

Shape letters: P prompt tokens, C completion tokens, G completions of a group, Q groups of a step,
K tokens in the sampling support, T packed tokens, N target tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

Contribution = Literal["weak", "strong"]
StopReason = Literal["stop", "length"]


@dataclass(frozen=True, eq=False)
class Clip:
    """Decoded audio as every model here takes it: mono float32 at 16 kHz."""

    samples: np.ndarray  # [samples] float32
    digest: str  # hex of a hash over the decoded samples: equal audio, equal digest
    truncated: bool = False  # the length policy cut it
    sample_rate_hz: int = 16_000

    @property
    def seconds(self) -> float:
        return len(self.samples) / self.sample_rate_hz


@dataclass(frozen=True)
class Question:
    """One multiple-choice question about one clip; the gold answer is an option's text."""

    id: str
    question: str
    choices: tuple[str, ...]
    answer: str
    audio_path: Path
    category: str = "unknown"  # AudioMCQ: sound, music, speech, temporal
    source: str = "unknown"  # the dataset the item was made from
    contribution: Contribution | None = None  # measured (or given) audio contribution
    contribution_score: float | None = None
    text_answerable: bool | None = None  # the truth, known in generated worlds only
    mechanism: str | None = None  # why text suffices: "knowledge" or "logic"
    cot: Mapping[str, str] = field(default_factory=dict)  # annotations: "structured", "simple", ...
    extra: Mapping[str, Any] = field(default_factory=dict)  # fields of the file that rlaudio does not use

    @property
    def answer_index(self) -> int:
        """Position of the gold answer among the choices."""
        return self.choices.index(self.answer)


@dataclass(frozen=True, eq=False)
class Prompt:
    """A question as both engines consume it: token ids and log-mel features, made exactly once."""

    question: Question
    token_ids: np.ndarray  # [P] int64, audio placeholders expanded
    features: np.ndarray  # [mels, frames] float32
    audio_digest: str  # digest of the clip behind the features
    positions: np.ndarray  # [P] int64
    truncated: bool = False  # the length policy cut the clip


@dataclass(frozen=True, eq=False)
class Completion:
    """What the policy answered, token by token, and under which distribution."""

    token_ids: np.ndarray  # [C] int64, the stop token included when it was sampled
    logprobs: np.ndarray  # [C] float32, under the distribution each token was sampled from
    text: str  # decoded, special tokens left out
    token_texts: tuple[str, ...]  # [C] the piece of text behind each token
    stop_reason: StopReason
    weights_version: int
    support: np.ndarray | None = None  # [C, K] int64 tokens that top-k/top-p left; -1 pads

    def count_tokens(self, start: int, end: int) -> int:
        """Tokens of the policy that lie in `text[start:end]`, by the end of their piece of text."""
        ends = np.cumsum([len(piece) for piece in self.token_texts])
        starts = ends - [len(piece) for piece in self.token_texts]
        return int(((ends > start) & (starts < end) & (ends > starts)).sum())


@dataclass(frozen=True, eq=False)
class Group:
    """One prompt and the G completions sampled for it."""

    prompt: Prompt
    completions: tuple[Completion, ...]


@dataclass(frozen=True)
class RewardFailure:
    """A reward that gave no value for one completion, and why."""

    reward: str
    question_id: str
    sample: int
    reason: str


@dataclass(frozen=True, eq=False)
class ScoredGroup:
    """A group with every reward's value for every completion; dropped completions are NaN in `total`."""

    group: Group
    rewards: Mapping[str, np.ndarray]  # name -> [G] float64, unweighted
    total: np.ndarray  # [G] float64, weighted sum
    failures: tuple[RewardFailure, ...] = ()
    weights: Mapping[str, float] = field(default_factory=dict)  # of each reward in that sum


@dataclass(frozen=True)
class Verdict:
    """What a scorer says of an answer: whether it is right, and which option was read in it."""

    right: bool
    read: int | None  # position of the option that the answer names
    status: str = (
        ""  # how it was read, such as "exact" or "letter"; "none" or "ambiguous" where no option was
    )
    reason: str = ""  # why no option was read, such as "no answer" or "unfinished"

    @property
    def unparsed(self) -> bool:
        """The answer is wrong because no option could be read in it."""
        return self.read is None and not self.right


Scorer = Callable[[Question, str], Verdict]  # of a question and the text of an answer


@dataclass(frozen=True)
class SamplingParams:
    """How completions are drawn. Temperature 0 means greedy."""

    group_size: int = 8
    temperature: float = 1.0
    top_k: int = 0  # 0: no limit
    top_p: float = 1.0
    max_new_tokens: int = 128


GREEDY_ANSWER_TOKENS = 64


def greedy(max_new_tokens: int = GREEDY_ANSWER_TOKENS) -> SamplingParams:
    """The sampling of evaluation and labelling: one completion, the most likely token each time."""
    return SamplingParams(group_size=1, temperature=0.0, max_new_tokens=max_new_tokens)
