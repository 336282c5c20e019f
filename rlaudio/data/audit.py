"""Counts over the data before training, and the rows that cannot be used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from rlaudio.audio.length_policy import MAX_SECONDS, TOO_LONG, TooLong
from rlaudio.audio.reading import SAMPLE_RATE_HZ, open_clip
from rlaudio.data.audio_root import check_audio_root
from rlaudio.data.bad_rows import BadRow, examples, listing_bad_rows, other_format
from rlaudio.data.counts import ALL, Counts, Durations, count
from rlaudio.data.index import MISSING, UNUSABLE, Measured, measure
from rlaudio.data.odd_questions import MEANINGS, oddities
from rlaudio.data.question_rules import QuestionRules, repeated_ids
from rlaudio.types import Clip, Dataset, Question
from rlaudio.utils.number_format import counted, thousands
from rlaudio.utils.stored_keys import as_stored

_SHOWN, _SHOWN_OF_EACH = 5, 1  # odd clips or questions of a kind: of the only set, of each of several
_ABOUT_CLIPS = "docs/data.md (What is told of clips) says what is heard"


@dataclass(frozen=True)
class Audit:
    """Counts over a set of questions, and its bad rows."""

    counts: tuple[Counts, ...]  # of all questions, then of every group
    clips: int  # whether they can be read or not
    longer_than_limit: int  # clips that the length policy cuts (or refuses)
    bad_rows: tuple[BadRow, ...]
    odd_clips: Mapping[str, Sequence[str]] = field(default_factory=dict)  # what is odd -> usable clips
    odd_questions: Mapping[str, Sequence[str]] = field(default_factory=dict)  # what is odd -> ids
    heard: bool = True  # the audio was looked at

    @property
    def question_count(self) -> int:
        """How many questions can be used."""
        return self.counts[0].question_count

    @property
    def durations(self) -> Durations:
        """Lengths of the readable clips, each clip once."""
        return self.counts[0].durations

    @property
    def seconds(self) -> float:
        """Length of all readable clips, each clip once."""
        return self.durations.total

    @property
    def by_group(self) -> Mapping[str, Mapping[str, int]]:
        """How many questions there are, by grouping (category, source, ...) and name."""
        groups: dict[str, dict[str, int]] = {}
        for counts in self.counts[1:]:
            groups.setdefault(counts.grouping, {})[counts.name] = counts.question_count
        return groups

    @property
    def by_contribution(self) -> Mapping[str, int]:
        """How many questions are weak, strong and unlabelled."""
        return self.counts[0].contribution

    @property
    def gold_positions(self) -> tuple[int, ...]:
        """How often the gold answer is option 1, 2, ..."""
        return self.counts[0].gold_positions

    @property
    def usable(self) -> bool:
        """Whether every row can be used."""
        return not self.bad_rows

    @property
    def rows(self) -> int:
        """How many rows there are, with those of files that gave no question."""
        return self.question_count + self.unread

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
        by_kind = ", ".join(f"{thousands(count)} x {kind}" for kind, count in kinds.most_common())
        number = counted(len(self.bad_rows), "problem")
        other = other_format(self.bad_rows, any_good=bool(self.question_count))
        return (
            f"{number} in {thousands(self.left_out)} of {counted(self.rows, 'question')} ({by_kind}){other}"
        )

    def lines(self) -> list[str]:
        """The counts as a few lines of text."""
        if not self.question_count:
            return ["no questions"]
        gold = [f"{place}:{thousands(count)}" for place, count in enumerate(self.gold_positions, start=1)]
        clips, longer = counted(self.clips, "clip"), self.longer_than_limit
        cut = f" ({thousands(longer)} longer than the limit)" if longer else ""
        return [
            f"{counted(self.question_count, 'question')} over {clips}{cut}, {self._audio()}",
            *filter(None, ["; ".join(_shares(name, counts) for name, counts in self.by_group.items())]),
            f"{_shares('audio contribution', self.by_contribution)}; "
            f"position of the gold answer: {' '.join(gold) or 'none is known'}",
        ]

    def as_json(self) -> dict[str, Any]:
        """The audit as plain values, for a file of JSON."""
        return {
            "usable": self.usable,
            "rows": self.rows,
            "clips": self.clips,
            "audio_looked_at": self.heard,
            "longer_than_limit": self.longer_than_limit,
            "counts": [as_stored(counts) for counts in self.counts],
            "problems": dict(Counter(row.kind for row in self.bad_rows).most_common()),
            "bad_rows": [asdict(row) for row in self.bad_rows],
            "odd_clips": {what: list(names) for what, names in self.odd_clips.items()},
            "odd_questions": {what: list(ids) for what, ids in self.odd_questions.items()},
        }

    def _audio(self) -> str:
        if not self.heard:
            return "audio not looked at"
        lengths = self.durations
        each = f" ({lengths.shortest:.1f} to {lengths.longest:.1f} s, median {lengths.median:.1f} s)"
        return f"{lengths.hours:.2f} h of audio{each if lengths.clips else ''}"


def odd_lines(audits: Mapping[str, Audit]) -> list[str]:
    """What is odd about what can be used, by set: a line for each kind, with its meaning and a few names."""
    shown = _SHOWN if len(audits) == 1 else _SHOWN_OF_EACH
    lines = []
    for unit, kinds in (("question", "odd_questions"), ("clip", "odd_clips")):
        odd = {name: getattr(audit, kinds) for name, audit in audits.items()}
        for what in dict.fromkeys(what for of in odd.values() for what in of):
            there = [_some(name, of[what], unit, shown) for name, of in odd.items() if what in of]
            lines.append(f"{what}: {', '.join(there)}; {MEANINGS.get(what, _ABOUT_CLIPS)}")
    return lines


def load_audited(load: Callable[[], Sequence[Question]], **rules: Any) -> tuple[Dataset, Audit]:
    """What a data set gives, and its audit by `rules`, the keywords of `audit`.

    The audit has the rows that could not be read as well, so that one look shows all that is wrong. Raises
    what `check_audio_root` raises.
    """
    with listing_bad_rows() as unread:
        questions = Dataset.of(load())
    if rules.get("audio", True):
        check_audio_root(questions)
    result = audit(questions, **rules)
    return questions, replace(result, bad_rows=(*unread, *result.bad_rows))


def audit(
    questions: Sequence[Question],
    *,
    max_seconds: float = MAX_SECONDS,
    too_long: TooLong = TOO_LONG,
    min_seconds: float = 0.0,
    audio: bool = True,
    decode: bool = False,
    for_training: bool | None = True,
    special_tokens: Collection[str] = (),
) -> Audit:
    """Count a set of questions and find the rows that cannot be used.

    Of the audio only headers are read, each clip once and those of many clips once for all time
    (`rlaudio.data.index`); without `audio` nothing of it; `decode` decodes up to `max_seconds` of each, which
    also finds damaged data, NaN, silence and channels that cancel each other out. A clip above `max_seconds`
    is a bad row where `too_long` is "refuse", one below `min_seconds` always. `for_training` and
    `special_tokens` are those of `QuestionRules`; None: for training unless the questions are a benchmark's.
    """
    if for_training is None:
        for_training = Dataset.of(questions).benchmark is None
    limits = _Limits(min_seconds, max_seconds, too_long)
    unique = _clips(questions)
    clips = _inspect(unique, limits, decode) if audio else {}
    bad_rows = _bad_rows(questions, QuestionRules(for_training, special_tokens), clips)
    seconds = {clip: inspected.seconds for clip, inspected in clips.items() if inspected.problem is None}
    return Audit(
        counts=tuple(count(questions, Dataset.of(questions).contributions, seconds)),
        clips=len(unique),
        longer_than_limit=sum(length > max_seconds for length in seconds.values()),
        bad_rows=tuple(bad_rows),
        odd_clips=_odd_clips(clips),
        odd_questions=_odd_questions(questions),
        heard=audio,
    )


def _some(name: str, odd: Sequence[str], unit: str, shown: int) -> str:
    """How many of a set are odd, and the first of them."""
    named = ", ".join([*odd[:shown], *["..."] * (len(odd) > shown)])
    return f"{counted(len(odd), unit)}{f' of {name}' if name else ''} ({named})"


def _shares(name: str, counts: Mapping[str, int]) -> str:
    return f"{name}: " + ", ".join(f"{key} {thousands(count)}" for key, count in counts.items())


def problems_by_group(
    questions: Sequence[Question], bad_rows: Collection[BadRow]
) -> Mapping[tuple[str, str], int]:
    """How many questions of each group, by grouping and name, have a problem; of `ALL` with rows not read."""
    numbers = Counter({ALL: len({row.place for row in bad_rows if row.index is None})})
    for index in {row.index for row in bad_rows if row.index is not None}:
        numbers.update([ALL, *questions[index].groups.items()])
    return numbers


def _bad_rows(
    questions: Sequence[Question], rules: QuestionRules, clips: Mapping[Path | Clip, _Inspected]
) -> list[BadRow]:
    unusable = {clip: inspected.problem for clip, inspected in clips.items() if inspected.problem}
    repeated = repeated_ids(questions)
    bad_rows = []
    for index, question in enumerate(questions):
        problems = rules.problems(question)
        if index in repeated:
            problems = [repeated[index], *problems]
        if unusable:
            problems = [*problems, *(unusable[clip] for clip in question.clips if clip in unusable)]
        bad_rows += [BadRow(*problem, question.place, question.id, index) for problem in problems]
    return bad_rows


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


def _inspect(clips: Iterable[Path | Clip], limits: _Limits, decode: bool) -> dict[Path | Clip, _Inspected]:
    measured = measure(clips, decode=limits.max_seconds if decode else None)
    return {clip: _inspected(clip, known, limits, decode) for clip, known in measured.items()}


def _inspected(clip: Path | Clip, measured: Measured, limits: _Limits, decode: bool) -> _Inspected:
    if measured.problem:
        return _Inspected(0.0, measured.problem)
    heard, notes = min(measured.seconds, limits.max_seconds), measured.notes
    decoded = measured.up_to(limits.max_seconds) if decode else None
    if decoded:
        heard, notes = decoded.seconds, decoded.notes
    is_short = heard < 2 * limits.min_seconds  # resampling may round it to either side of the limit
    try:
        if is_short or (measured.seconds > limits.max_seconds and limits.too_long == "refuse"):
            heard = open_clip(clip, max_seconds=limits.max_seconds, too_long=limits.too_long).seconds
        if round(heard * SAMPLE_RATE_HZ) < round(limits.min_seconds * SAMPLE_RATE_HZ):
            raise ValueError(
                f"{_name(clip)}: lasts {1000 * heard:.4g} ms; expected {1000 * limits.min_seconds:.4g} ms or "
                "more, the least that the model takes; remove the row"
            )
    except FileNotFoundError as error:
        return _Inspected(0.0, (MISSING, str(error)))
    except ValueError as error:
        return _Inspected(0.0, (UNUSABLE, str(error)))
    return _Inspected(measured.seconds, notes=notes)


def _odd_questions(questions: Iterable[Question]) -> dict[str, list[str]]:
    odd: dict[str, list[str]] = {}
    for question in questions:
        for what in oddities(question):
            odd.setdefault(what, []).append(question.id)
    return odd


def _odd_clips(clips: Mapping[Path | Clip, _Inspected]) -> dict[str, list[str]]:
    odd: dict[str, list[str]] = {}
    for clip, inspected in clips.items():
        for note in inspected.notes:
            odd.setdefault(note, []).append(_name(clip))
    return odd


def _name(clip: Path | Clip) -> str:
    return f"samples {clip.digest}" if isinstance(clip, Clip) else str(clip)


def _clips(questions: Sequence[Question]) -> list[Path | Clip]:
    return list(dict.fromkeys(clip for question in questions for clip in question.clips))
