"""Counts over the data before training, and the rows that cannot be used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rlaudio.audio.length_policy import MAX_SECONDS, TOO_LONG, TooLong
from rlaudio.audio.reading import SAMPLE_RATE_HZ, clip_header, open_clip
from rlaudio.types import Choice, Clip, Contributions, Dataset, Question
from rlaudio.utils.number_format import counted

_EXAMPLES = 5


@dataclass(frozen=True)
class BadRow:
    """One question that cannot be used, and why."""

    index: int  # position among the audited questions
    id: str
    kind: str  # "answer not among the choices", "missing audio", ...
    reason: str


@dataclass(frozen=True)
class Audit:
    """Counts over a set of questions, and its bad rows."""

    questions: int
    clips: int
    seconds: float  # of readable audio, each clip once
    longer_than_limit: int  # clips that the length policy cuts (or refuses)
    by_group: Mapping[str, Mapping[str, int]]  # grouping (category, source, ...) -> name -> questions
    by_contribution: Mapping[str, int]  # weak, strong, unlabelled
    gold_positions: tuple[int, ...]  # how often the gold answer is option 1, 2, ...
    bad_rows: tuple[BadRow, ...]
    odd_clips: Mapping[str, Sequence[str]] = field(default_factory=dict)  # what is odd -> usable clips

    @property
    def usable(self) -> bool:
        return not self.bad_rows

    def without_bad_rows(self, questions: Sequence[Question]) -> Dataset:
        """Of the audited questions those that can be used."""
        bad = {row.index for row in self.bad_rows}
        usable = tuple(question for index, question in enumerate(questions) if index not in bad)
        return Dataset(usable, Dataset.of(questions).contributions)

    def raise_if_unusable(self, name: str = "data") -> None:
        """Raise ValueError with the number of bad rows of each kind and a few examples, if there are any."""
        if self.usable:
            return
        examples = "".join(f"\n  {row.id}: {row.reason}" for row in self.bad_rows[:_EXAMPLES])
        more = f"\n  and {len(self.bad_rows) - _EXAMPLES} more" if len(self.bad_rows) > _EXAMPLES else ""
        raise ValueError(f"{name}: {self.problems()}; fix or remove these rows:{examples}{more}")

    def problems(self) -> str:
        """How many bad rows of each kind there are, as text."""
        kinds = Counter(row.kind for row in self.bad_rows)
        by_kind = ", ".join(f"{count} x {kind}" for kind, count in kinds.most_common())
        number = counted(len(self.bad_rows), "problem")
        return f"{number} in {counted(self.questions, 'question')} ({by_kind})"

    def oddities(self) -> list[str]:
        """What is odd about clips that can be used: how many there are of each kind, and a few of them."""
        return [
            f"{what}: {counted(len(clips), 'clip')}, {', '.join(clips[:_EXAMPLES])}"
            for what, clips in self.odd_clips.items()
        ]

    def lines(self) -> list[str]:
        """The audit as a few lines of text."""
        gold = " ".join(f"{position}:{count}" for position, count in enumerate(self.gold_positions, start=1))
        return [
            f"{counted(self.questions, 'question')} over {counted(self.clips, 'clip')}, "
            f"{self.seconds / 3600:.2f} h of audio",
            f"longer than the limit: {counted(self.longer_than_limit, 'clip')}",
            *self.oddities(),
            *(
                f"{name}: " + ", ".join(f"{key} {count}" for key, count in counts.items())
                for name, counts in (
                    *self.by_group.items(),
                    ("audio contribution", self.by_contribution),
                )
            ),
            f"position of the gold answer: {gold}",
            *(f"bad row {row.id}: {row.reason}" for row in self.bad_rows),
        ]


def audit(
    questions: Sequence[Question],
    *,
    max_seconds: float = MAX_SECONDS,
    too_long: TooLong = TOO_LONG,
    min_seconds: float = 0.0,
    decode: bool = False,
) -> Audit:
    """Count a set of questions and find the rows that cannot be used.

    Of the audio only headers are read, each clip once; `decode` decodes up to `max_seconds` of each, which
    also finds damaged data, NaN, silence and channels that cancel each other out. A clip above `max_seconds`
    is a bad row where `too_long` is "refuse", one below `min_seconds` always.
    """
    contributions = Dataset.of(questions).contributions
    limits = _Limits(min_seconds, max_seconds, too_long)
    clips = {clip: _inspect(clip, limits, decode) for clip in _clips(questions)}
    first_of_id: dict[str, int] = {}
    bad_rows = []
    for index, question in enumerate(questions):
        first = first_of_id.setdefault(question.id, index)
        if first != index:
            reason = f"this id stands at rows {first + 1} and {index + 1}; expected different ids"
            bad_rows.append(BadRow(index, question.id, "duplicate id", reason))
        problems = [*_problems(question), *(clips[clip].problem for clip in question.clips)]
        bad_rows += [BadRow(index, question.id, *problem) for problem in problems if problem]
    return Audit(
        questions=len(questions),
        clips=len(clips),
        seconds=sum(clip.seconds for clip in clips.values()),
        longer_than_limit=sum(clip.seconds > max_seconds for clip in clips.values()),
        by_group=_by_group(questions),
        by_contribution=_counted(_label(question, contributions) for question in questions),
        gold_positions=_gold_positions(questions),
        bad_rows=tuple(bad_rows),
        odd_clips=_odd_clips(clips),
    )


@dataclass(frozen=True)
class _Limits:
    min_seconds: float
    max_seconds: float
    too_long: TooLong


@dataclass(frozen=True)
class _Inspected:
    seconds: float
    problem: tuple[str, str] | None = None  # kind, reason
    notes: tuple[str, ...] = ()


def _inspect(clip: Path | Clip, limits: _Limits, decode: bool) -> _Inspected:
    try:
        header = clip if isinstance(clip, Clip) else clip_header(clip)
        heard, notes = min(header.seconds, limits.max_seconds), header.notes
        is_short = heard < 2 * limits.min_seconds  # resampling may round it to either side of the limit
        if decode or is_short or (header.seconds > limits.max_seconds and limits.too_long == "refuse"):
            opened = open_clip(clip, max_seconds=limits.max_seconds, too_long=limits.too_long)
            heard, notes = opened.seconds, opened.notes
        if round(heard * SAMPLE_RATE_HZ) < round(limits.min_seconds * SAMPLE_RATE_HZ):
            raise ValueError(
                f"{_name(clip)}: lasts {1000 * heard:.0f} ms; expected {1000 * limits.min_seconds:.0f} ms or "
                "more, the least that the model takes; remove the row"
            )
    except FileNotFoundError as error:
        return _Inspected(0.0, ("missing audio", str(error)))
    except ValueError as error:
        return _Inspected(0.0, ("unusable audio", str(error)))
    return _Inspected(header.seconds, notes=notes)


def _odd_clips(clips: Mapping[Path | Clip, _Inspected]) -> dict[str, list[str]]:
    odd: dict[str, list[str]] = {}
    for clip, inspected in clips.items():
        for note in inspected.notes:
            odd.setdefault(note, []).append(_name(clip))
    return odd


def _name(clip: Path | Clip) -> str:
    return f"samples {clip.digest}" if isinstance(clip, Clip) else str(clip)


def _problems(question: Question) -> list[tuple[str, str]]:
    """Kind and reason of everything that is wrong with the text of a question."""
    problems = []
    if not question.question.strip():
        problems.append(("empty text", f"question {question.question!r}; expected a text"))
    if not isinstance(question.target, Choice):
        return problems
    choices = list(question.choices)
    if question.target.gold is None:
        reason = f"answer {question.answer!r} is none of {choices}; expected the text of a choice"
        problems.append(("answer not among the choices", reason))
    if len(choices) < 2:
        problems.append(("too few choices", f"the choices are {choices}; expected at least two"))
    # The reward ignores case, so choices that differ only in case are the same answer.
    counts = Counter(choice.strip().lower() for choice in choices)
    twice = [choice for choice, count in counts.items() if count > 1]
    if twice:
        problems.append(("duplicate choices", f"{twice[0]!r} stands more than once in {choices}"))
    if not all(counts):
        problems.append(("empty text", f"one of the choices {choices} is empty"))
    return problems


def _clips(questions: Sequence[Question]) -> list[Path | Clip]:
    return list(dict.fromkeys(clip for question in questions for clip in question.clips))


def _label(question: Question, contributions: Contributions) -> str:
    return contributions[question.id].label if question.id in contributions else "unlabelled"


def _by_group(questions: Sequence[Question]) -> dict[str, dict[str, int]]:
    groupings = dict.fromkeys(grouping for question in questions for grouping in question.groups)
    return {
        grouping: _counted(q.groups[grouping] for q in questions if grouping in q.groups)
        for grouping in groupings
    }


def _counted(values: Iterable[str]) -> dict[str, int]:
    return dict(Counter(values).most_common())


def _gold_positions(questions: Sequence[Question]) -> tuple[int, ...]:
    targets = [question.target for question in questions if isinstance(question.target, Choice)]
    positions = [target.gold for target in targets if target.gold is not None]
    return tuple(positions.count(position) for position in range(max(positions, default=-1) + 1))
