"""Counts over the data before training, and the rows that cannot be used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rlaudio.audio.length_policy import MAX_SECONDS, TOO_LONG, TooLong
from rlaudio.audio.reading import SAMPLE_RATE_HZ, clip_header, open_clip
from rlaudio.data.audio_root import check_audio_root
from rlaudio.data.bad_rows import BadRow, examples, listing_bad_rows
from rlaudio.data.question_rules import QuestionRules
from rlaudio.types import Choice, Clip, Contributions, Dataset, Question
from rlaudio.utils.number_format import counted

_SHOWN = 5  # odd clips of a kind


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

    @property
    def rows(self) -> int:
        """How many rows there are, with those of files that gave no question."""
        return self.questions + self.unread

    @property
    def unread(self) -> int:
        """How many rows of the files gave no question."""
        return len({row.place for row in self.bad_rows if row.index is None})

    @property
    def left_out(self) -> int:
        """How many rows cannot be used; one may have several problems."""
        return len({row.index for row in self.bad_rows if row.index is not None}) + self.unread

    def without_bad_rows(self, questions: Sequence[Question]) -> Dataset:
        """Of the audited questions those that can be used."""
        bad = {row.index for row in self.bad_rows}
        usable = tuple(question for index, question in enumerate(questions) if index not in bad)
        return replace(Dataset.of(questions), questions=usable)

    def refusal(self, name: str, *, drop: bool = False) -> str | None:
        """Why the questions cannot be used: bad rows by kind, and a few; None where they can.

        With `drop` bad rows are refused only where no other row is left.
        """
        if self.usable or (drop and self.left_out < self.rows):
            return None
        todo = "fix or remove these rows, or leave them out with data.bad_rows=drop"
        if drop:
            todo = "none is left without these rows"
        return f"{name}: {self.problems()}; {todo}:{examples(self.bad_rows)}"

    def problems(self) -> str:
        """How many problems of each kind there are, and in how many of the rows, as text."""
        kinds = Counter(row.kind for row in self.bad_rows)
        by_kind = ", ".join(f"{count} x {kind}" for kind, count in kinds.most_common())
        number = counted(len(self.bad_rows), "problem")
        return f"{number} in {self.left_out} of {counted(self.rows, 'question')} ({by_kind})"

    def oddities(self) -> list[str]:
        """What is odd about clips that can be used: how many there are of each kind, and a few of them."""
        return [
            f"{what}: {counted(len(clips), 'clip')}, {', '.join(clips[:_SHOWN])}"
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
            *(f"bad row {row}" for row in self.bad_rows),
        ]


def load_audited(load: Callable[[], Sequence[Question]], **rules: Any) -> tuple[Dataset, Audit]:
    """What a data set gives, and its audit by `rules`, the keywords of `audit`.

    The audit has the rows that could not be read as well, so that one look shows all that is wrong. Raises
    what `check_audio_root` raises.
    """
    with listing_bad_rows() as unread:
        questions = Dataset.of(load())
    check_audio_root(questions)
    result = audit(questions, **rules)
    return questions, replace(result, bad_rows=(*unread, *result.bad_rows))


def audit(
    questions: Sequence[Question],
    *,
    max_seconds: float = MAX_SECONDS,
    too_long: TooLong = TOO_LONG,
    min_seconds: float = 0.0,
    decode: bool = False,
    for_training: bool = True,
    special_tokens: Collection[str] = (),
) -> Audit:
    """Count a set of questions and find the rows that cannot be used.

    Of the audio only headers are read, each clip once; `decode` decodes up to `max_seconds` of each, which
    also finds damaged data, NaN, silence and channels that cancel each other out. A clip above `max_seconds`
    is a bad row where `too_long` is "refuse", one below `min_seconds` always. `for_training` and
    `special_tokens` are those of `QuestionRules`.
    """
    contributions = Dataset.of(questions).contributions
    limits = _Limits(min_seconds, max_seconds, too_long)
    clips = {clip: _inspect(clip, limits, decode) for clip in _clips(questions)}
    rules = QuestionRules(for_training, special_tokens)
    repeated = _repeated_ids(questions)
    bad_rows = []
    for index, question in enumerate(questions):
        problems = [
            repeated.get(index),
            *rules.problems(question),
            *(clips[clip].problem for clip in question.clips),
        ]
        bad_rows += [BadRow(*problem, question.place, question.id, index) for problem in problems if problem]
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


def _repeated_ids(questions: Sequence[Question]) -> dict[int, tuple[str, str]]:
    """Kind and reason, by index, of every question whose id an earlier one has."""
    first_of_id: dict[str, int] = {}
    repeated = {}
    for index, question in enumerate(questions):
        first = first_of_id.setdefault(question.id, index)
        if first != index:
            there = questions[first].place
            both = f"{there} and {question.place}" if there else f"rows {first + 1} and {index + 1}"
            repeated[index] = ("duplicate id", f"this id stands at {both}; expected different ids")
    return repeated


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
