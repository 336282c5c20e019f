"""The records that travel through rlaudio, each step of a sample's way a new frozen one.

Shape letters: P prompt tokens, C completion tokens, S sampled ones among them, G completions of a group,
Q groups of a step, K tokens in the sampling support, T packed tokens, N target tokens.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, overload

import numpy as np

from rlaudio.utils.literals import Control as Control
from rlaudio.utils.literals import Style as Style

ContributionLabel = Literal["weak", "strong"]
StopReason = Literal["stop", "length"]


@dataclass(frozen=True, eq=False)
class Clip:
    """Decoded audio as every model here takes it: mono float32 at 16 kHz."""

    samples: np.ndarray  # [samples] float32
    digest: str  # hex of a hash over the decoded samples: equal audio, equal digest
    truncated: bool = False  # the length policy cut it
    sample_rate_hz: int = 16_000
    notes: tuple[str, ...] = ()  # what is odd about the file that it was read from

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return len(self.samples) / self.sample_rate_hz


@dataclass(frozen=True, slots=True)
class Choice:
    """A question's answer is one of several options; equal texts stay different options."""

    options: tuple[str, ...]
    gold: int | None  # position of the right option; None: not published, or `answer` is none of the options
    answer: str = ""  # the right answer as the data states it


@dataclass(frozen=True, slots=True)
class OpenText:
    """A question's answer is a text of its own; whoever scores it compares with this one."""

    answer: str = ""  # empty: not published


@dataclass(frozen=True, slots=True)
class Check:
    """A question's answer is right where it passes a named rule, such as an instruction about its form."""

    rule: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


Target = Choice | OpenText | Check


@dataclass(frozen=True, slots=True)
class Question:
    """A question about no clip, one or several, and what makes an answer right.

    `groups` says what the question belongs to, by name of the grouping (category, source, difficulty, ...):
    tables have a line for every group. How much the audio contributes is measured, not a part of the
    question: it is a `Contribution` with the question's id.
    """

    id: str
    question: str
    clips: tuple[Path | Clip, ...]  # audio files to open, or samples
    target: Target
    groups: Mapping[str, str] = field(default_factory=dict)
    text_answerable: bool | None = None  # whether the text gives the answer: known in generated worlds only
    cot: Mapping[str, str] = field(default_factory=dict)  # annotations: "structured", "simple", ...
    style: Style | None = None  # in which words its data set asks; None: it does not say
    extra: Mapping[str, Any] = field(default_factory=dict)  # fields of the file that rlaudio does not use
    place: str = field(default="", compare=False)  # file and line that it comes from, for messages

    def __hash__(self) -> int:  # mappings have none, and functions that cache ask for it
        return hash((self.id, self.question))

    @property
    def text_digest(self) -> str:
        """Digest over question, options and answer: all that a model in silence can go by."""
        text = json.dumps([self.question, self.choices, self.answer], ensure_ascii=True)
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()

    @classmethod
    def multiple_choice(
        cls,
        id: str,
        question: str,
        options: Sequence[str],
        answer: str,
        *clips: Path | Clip,
        **fields: Any,
    ) -> Question:
        """A question whose right option is the first one with the text `answer`, if there is one."""
        gold = options.index(answer) if answer in options else None
        return cls(id, question, tuple(clips), Choice(tuple(options), gold, answer), **fields)

    @property
    def choices(self) -> tuple[str, ...]:
        """The options; none where the target is not a choice."""
        return self.target.options if isinstance(self.target, Choice) else ()

    @property
    def answer(self) -> str:
        """The right answer's text; empty where it is not published or a rule decides."""
        return "" if isinstance(self.target, Check) else self.target.answer

    @property
    def is_published(self) -> bool:
        """Whether it is known what is right."""
        gold = self.target.gold if isinstance(self.target, Choice) else None
        return bool(self.answer) or gold is not None or isinstance(self.target, Check)

    @property
    def answer_index(self) -> int:
        """Position of the right option. Raises ValueError where there is none."""
        if not isinstance(self.target, Choice) or self.target.gold is None:
            raise ValueError(f"question {self.id}: no option is known to be right; expected one")
        return self.target.gold

    @property
    def clip_names(self) -> tuple[str, ...]:
        """What tells the question's clips from others: their paths, or digests of samples."""
        return tuple(clip.digest if isinstance(clip, Clip) else str(clip) for clip in self.clips)

    def rotated(self, shift: int) -> Question:
        """The question with its options moved `shift` places forward in a circle; the right one moves along.

        Raises ValueError where the target is not a choice.
        """
        if not isinstance(self.target, Choice):
            raise ValueError(f"question {self.id} has no options to reorder; expected a choice")
        options, gold = self.target.options, self.target.gold
        moved = None if gold is None else (gold - shift) % len(options)
        return replace(
            self, target=replace(self.target, options=options[shift:] + options[:shift], gold=moved)
        )


@dataclass(frozen=True, slots=True)
class Contribution:
    """How much the audio contributes to one question's answer, and how that was found out."""

    question_id: str
    label: ContributionLabel
    score: float | None = None  # 1 minus the share, or the probability, of right answers without the audio
    interval: tuple[float, float] | None = None  # 95 %, of the score
    method: str = "given"  # "given" by the data, "truth" of a generated world, or the rule of a vote
    votes: Mapping[str, Any] = field(default_factory=dict)  # what every voter answered
    gain: float | None = None  # p(gold | audio) - p(gold | silence), where it was measured
    gain_interval: tuple[float, float] | None = None  # 95 %, of the gain


Contributions = Mapping[str, Contribution]  # by question id; questions without one are unlabelled


@dataclass(frozen=True)
class Verdict:
    """What a scorer says of an answer: whether it is right, and which option was read in it."""

    right: bool
    read: int | None  # position of the option that the answer names
    status: str = (
        ""  # how it was read, such as "exact" or "letter"; "none" or "ambiguous" where no option was
    )
    reason: str = ""  # why no option was read, such as "no answer" or "unfinished"
    counted: bool = True  # False: an official rule leaves the answer out of its denominator
    score: float | None = None  # 0 to 1, of a rule that grades an answer instead of reading an option in it

    @property
    def points(self) -> float:
        """What the answer adds to its rule's score: the grade, or 1 where it is right."""
        return float(self.right) if self.score is None else self.score

    @property
    def unparsed(self) -> bool:
        """The answer is wrong because no option could be read in it."""
        return self.read is None and not self.right and self.score is None


Scorer = Callable[[Question, str], Verdict]  # of a question and the text of an answer


@dataclass(frozen=True)
class Benchmark:
    """What is published with a benchmark beside its questions: its version and its scoring rule."""

    name: str  # of the plug-in in rlaudio/data that reads it
    version: str  # as its authors call it; "unknown" where the files are of none that is known
    scorer: Scorer  # the official rule
    prediction_key: str  # under which the official script looks for an answer
    counts_missing: bool = False  # whether it calls a row without that key wrong; else it leaves the row out
    predictions: Literal["jsonl", "json", "csv"] = "jsonl"  # the kind of file in which it takes predictions


@dataclass(frozen=True, eq=False)
class Dataset(Sequence[Question]):
    """Questions in their order, and the audio contribution of those for which the data states it."""

    questions: tuple[Question, ...]
    contributions: Contributions = field(default_factory=dict)
    benchmark: Benchmark | None = None  # that these are the questions of

    def __len__(self) -> int:
        return len(self.questions)

    @overload
    def __getitem__(self, index: int) -> Question: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Question]: ...

    def __getitem__(self, index: int | slice) -> Question | Sequence[Question]:
        return self.questions[index]

    @classmethod
    def of(cls, questions: Sequence[Question]) -> Dataset:
        """A data set as it is, other questions without contribution."""
        return questions if isinstance(questions, Dataset) else cls(tuple(questions))


@dataclass(frozen=True)
class Datasets:
    """The questions of a run: those to train on, and held-out sets by name."""

    train: Dataset
    held_out: Mapping[str, Dataset]


@dataclass(frozen=True)
class HeardClip:
    """One clip of a prompt, without its audio."""

    digest: str
    truncated: bool = False  # the length policy cut it
    seconds: float | None = None  # as heard


class Absent(Enum):
    """Why a prompt's features are not here."""

    ELSEWHERE = "another process holds them"
    MADE_UP = "the prompt is made up, to try something on"
    STORED = "the prompt was read from a run folder, which keeps none"


Features = Mapping[str, np.ndarray]  # by the names of the family's processor, in the shapes that it yields


@dataclass(frozen=True, eq=False)
class Prompt:
    """A question as both engines consume it: token ids and audio features, made exactly once."""

    question: Question
    token_ids: np.ndarray  # [P] int64, audio placeholders expanded
    positions: np.ndarray  # [P] int64
    clips: tuple[HeardClip, ...] = ()  # in the order of their placeholders; none: text alone
    features: Features | Absent = field(default_factory=dict)  # empty where there is no clip

    def present_features(self) -> Features:
        """The features of the prompt's clips, to compute with.

        Raises ValueError where they are absent, or missing although the prompt has clips.
        """
        if isinstance(self.features, Absent):
            raise ValueError(
                f"question {self.question.id}: its audio features are needed and {self.features.value}; "
                "expected a prompt of this process"
            )
        if self.clips and not any(array.size for array in self.features.values()):
            raise ValueError(
                f"question {self.question.id}: its prompt has {len(self.clips)} clips and no features; the "
                "model would not hear them; make the prompt again with its family's encode_prompt"
            )
        return self.features

    @property
    def audio_digest(self) -> str:
        """What tells the prompt's audio from other audio; empty for text alone."""
        return "+".join(clip.digest for clip in self.clips)

    @property
    def truncated(self) -> bool:
        """Whether the length policy cut a clip."""
        return any(clip.truncated for clip in self.clips)


@dataclass(frozen=True, eq=False)
class Segment:
    """A stretch of a completion: sampled by the policy, or inserted by an environment."""

    token_ids: np.ndarray  # [C] int64
    logprobs: np.ndarray | None  # [C] float32, of the distribution sampled from; None: inserted
    text: str  # decoded, special tokens left out
    token_texts: tuple[str, ...]  # [C] the piece of text behind each token
    support: np.ndarray | None = None  # [C, K] int64 tokens that top-k/top-p left; -1 pads
    clips: tuple[Path | Clip, ...] = ()  # what an inserted segment lets the policy hear

    @property
    def sampled(self) -> bool:
        """Whether the policy wrote it, and may learn from it."""
        return self.logprobs is not None


@dataclass(frozen=True, eq=False)
class Completion:
    """What follows a prompt, segment by segment; an answer in a single turn is one sampled segment."""

    segments: tuple[Segment, ...]
    stop_reason: StopReason
    weights_version: int

    @classmethod
    def single_turn(
        cls,
        token_ids: np.ndarray,
        logprobs: np.ndarray,
        text: str,
        token_texts: tuple[str, ...],
        stop_reason: StopReason,
        weights_version: int,
        support: np.ndarray | None = None,
    ) -> Completion:
        """One sampled segment; the stop token belongs to it where it was sampled."""
        segment = Segment(token_ids, logprobs, text, token_texts, support)
        return cls((segment,), stop_reason, weights_version)

    @cached_property
    def token_ids(self) -> np.ndarray:
        """Tokens of all segments [C] int64."""
        return _joined([segment.token_ids for segment in self.segments])

    @cached_property
    def mask(self) -> np.ndarray:
        """Which tokens were sampled [C] bool; the others were inserted."""
        return _unchanging(_joined([np.full(len(s.token_ids), s.sampled) for s in self.segments]))

    @property
    def length(self) -> int:
        """How many tokens were sampled."""
        return sum(len(segment.token_ids) for segment in self.segments if segment.sampled)

    @cached_property
    def logprobs(self) -> np.ndarray:
        """Log-probs of the sampled tokens [S] float32, in their order."""
        given = [s.logprobs for s in self.segments if s.logprobs is not None]
        return _joined(given) if given else np.zeros(0, dtype=np.float32)

    @cached_property
    def support(self) -> np.ndarray | None:
        """Support of the sampled tokens [S, K] int64, -1 pads; None where all tokens could be drawn."""
        given = [s.support for s in self.segments if s.support is not None]
        width = max((array.shape[1] for array in given), default=0)
        padded = [np.pad(a, ((0, 0), (0, width - a.shape[1])), constant_values=-1) for a in given]
        return _unchanging(np.concatenate(padded)) if padded else None

    @property
    def text(self) -> str:
        """What the policy wrote; inserted text is left out."""
        return "".join(segment.text for segment in self.segments if segment.sampled)

    @property
    def token_texts(self) -> tuple[str, ...]:
        """The piece of text behind each sampled token [S]."""
        return tuple(piece for segment in self.segments if segment.sampled for piece in segment.token_texts)

    def count_tokens(self, spans: Sequence[tuple[int, int]]) -> int:
        """Tokens of the policy that lie in one of these stretches of the text, `(start, end)` in order."""
        if not spans:
            return 0
        lengths = np.array([len(piece) for piece in self.token_texts], dtype=np.int64)  # [S]
        ends = np.cumsum(lengths)
        starts, (opened, closed) = ends - lengths, np.array(spans).T
        first = np.searchsorted(closed, starts, side="right")  # span that ends behind the start
        inside = (first < len(spans)) & (opened[np.minimum(first, len(spans) - 1)] < ends)
        return int((inside & (lengths > 0)).sum())


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
class SamplingParams:
    """How completions are drawn."""

    group_size: int
    temperature: float  # 0: greedy
    top_k: int  # 0: no limit
    top_p: float
    max_new_tokens: int


def greedy(max_new_tokens: int) -> SamplingParams:
    """The sampling of evaluation and labelling: one completion, the most likely token each time."""
    return SamplingParams(group_size=1, temperature=0.0, top_k=0, top_p=1.0, max_new_tokens=max_new_tokens)


def _joined(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """The arrays one after the other; a single one, as most completions have, is not copied."""
    return arrays[0] if len(arrays) == 1 else _unchanging(np.concatenate(arrays))


def _unchanging(array: np.ndarray) -> np.ndarray:
    """The array, kept by a record that has computed it once for all who ask: they cannot write into it."""
    array.setflags(write=False)
    return array.view()  # which cannot be made writable again
