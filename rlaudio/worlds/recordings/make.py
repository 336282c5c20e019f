"""Writes questions about a folder of labelled recordings: real speech for small experiments.

Recordings are split first, by speaker and by take, and composed into clips only within their split: a
recording in `test.jsonl` or `new_speakers.jsonl` is in no training clip.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from rlaudio.audio.reading import SAMPLE_RATE_HZ, read_clip
from rlaudio.audio.writing import write_wav
from rlaudio.data.audiomcq import write_audiomcq
from rlaudio.types import Question
from rlaudio.utils.number_format import counted, thousands
from rlaudio.utils.progress import progress
from rlaudio.worlds.recordings.folder import SPLITS, find_recordings, split_recordings, without_copies
from rlaudio.worlds.recordings.questions import (
    CATEGORIES,
    KINDS,
    NUMBER_KINDS,
    Draft,
    Giveaway,
    Pool,
    Recording,
    Rng,
    number_of,
)
from rlaudio.worlds.recordings.transcripts import (
    clue_examples,
    composition,
    facts,
    question_example,
    transcript,
)

_GAP_SECONDS = (0.1, 0.3)  # between the recordings of a composed clip


@dataclass(frozen=True)
class WrittenQuestions:
    """Folder and counts of what `make_questions` wrote."""

    folder: Path
    words: tuple[str, ...]
    held_out_speakers: tuple[str, ...]
    recordings: Mapping[str, int]  # by split
    kinds: Mapping[str, Mapping[str, int]]  # by split: how many questions of each kind
    pretrain: Mapping[str, int]  # how many examples of each kind

    @property
    def question_counts(self) -> dict[str, int]:
        """How many there are of each split."""
        return {split: sum(kinds.values()) for split, kinds in self.kinds.items()}

    def lines(self) -> list[str]:
        """What was made, and what was asked for and could not be, as text."""
        made = [
            f"{self.folder / split}.jsonl: {counted(self.question_counts[split], 'question')} "
            f"({_listed(kinds)}) on {counted(self.recordings[split], 'recording')}"
            for split, kinds in self.kinds.items()
        ]
        none = [
            f"{split}: no questions; the pattern has no {{speaker}}, or no speaker is held out"
            for split in SPLITS
            if split not in self.kinds
        ]
        examples = f"{counted(sum(self.pretrain.values()), 'example')} ({_listed(self.pretrain)})"
        return [*made, *none, f"{self.folder / 'pretrain.jsonl'}: {examples}"]


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What `make_questions` is to write: questions of each split, clips of examples, and of what kind."""

    seed: int = 0
    train: int = 4000
    test: int = 800
    new_speakers: int = 800
    pretrain: int = 4000  # composed clips, from training recordings only; each of those is also a clip alone
    test_share: float = 0.1  # of the recordings
    held_out_speakers: int = 1
    text_share: float = 0.5  # of the questions: can be answered without the audio, and are marked so
    kinds: Sequence[str] = ()  # none: identify, order and count, and for numbers sum and compare


def make_questions(
    clips_folder: Path, labels_pattern: str, out_folder: Path, wanted: Wanted = Wanted()
) -> WrittenQuestions:
    """Write `train.jsonl`, `test.jsonl`, `new_speakers.jsonl` and `pretrain.jsonl` with their clips.

    `labels_pattern` says how files are named below the folder: `{label}_{speaker}_{take}.wav`; only
    `{label}` is needed, and without `{speaker}` there are no new speakers. Labels that are numbers are
    written in words.

    The result is the same for the same folder and seed. Raises FileNotFoundError and FileExistsError,
    ValueError for a pattern that matches no file, and for too few words, takes or speakers.
    """
    out_folder = Path(out_folder)
    if out_folder.exists() and any(out_folder.iterdir()):
        raise FileExistsError(f"{out_folder}: exists and is not empty; name a new folder or remove this one")
    recordings = without_copies(find_recordings(Path(clips_folder), labels_pattern))
    rng = np.random.default_rng(wanted.seed)
    splits, held_out = split_recordings(
        recordings, rng, test_share=wanted.test_share, held_out_speakers=wanted.held_out_speakers
    )
    words = tuple(sorted({recording.word for recording in recordings}))
    kinds = tuple(wanted.kinds) or _kinds_for(words)
    _check_kinds(kinds, words)

    unfinished = out_folder.with_name(out_folder.name + ".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    made = WrittenQuestions(
        folder=out_folder,
        words=words,
        held_out_speakers=held_out,
        recordings={split: len(splits[split]) for split in SPLITS},
        kinds=_write_questions(splits, kinds, wanted, unfinished, rng),
        pretrain=_write_examples(splits["train"], kinds, wanted.pretrain, unfinished, rng),
    )
    _write_about(made, splits, labels_pattern, wanted.seed, unfinished / "about.json")
    if out_folder.exists():
        out_folder.rmdir()
    unfinished.replace(out_folder)
    return made


def _listed(kinds: Mapping[str, int]) -> str:
    return ", ".join(f"{kind} {thousands(count)}" for kind, count in kinds.items())


def _write_questions(
    splits: Mapping[str, Sequence[Recording]], kinds: Sequence[str], wanted: Wanted, folder: Path, rng: Rng
) -> dict[str, dict[str, int]]:
    """Write the questions of every split that has recordings; how many of each kind there are."""
    by_kind = {}
    for split, amount in zip(SPLITS, (wanted.train, wanted.test, wanted.new_speakers), strict=True):
        if splits[split]:
            writer = _ClipWriter(folder, split, rng)
            asked = _questions(_pool(splits[split]), kinds, amount, wanted.text_share, writer, rng)
            questions = list(progress(asked, amount, f"questions of {split}", "question"))
            write_audiomcq(questions, folder / f"{split}.jsonl")
            asked_for = Counter(question.groups["source"] for question in questions)
            by_kind[split] = {kind: asked_for[_source(kind)] for kind in kinds if asked_for[_source(kind)]}
    return by_kind


def _write_examples(
    recordings: Sequence[Recording], kinds: Sequence[str], amount: int, folder: Path, rng: Rng
) -> dict[str, int]:
    """Write examples to pretrain on; how many of each kind there are."""
    writer = _ClipWriter(folder, "pretrain", rng)
    taught = _examples(_pool(recordings), recordings, kinds, amount, writer, rng)
    rows = list(progress(taught, None, "examples", "example"))
    _write_rows(rows, folder / "pretrain.jsonl")
    return dict(Counter(row["kind"] for row in rows))


def _kinds_for(words: Sequence[str]) -> tuple[str, ...]:
    are_numbers = all(number_of(word) is not None for word in words)
    return tuple(kind for kind in KINDS if are_numbers or kind not in NUMBER_KINDS)


def _check_kinds(kinds: Sequence[str], words: Sequence[str]) -> None:
    if len(words) < 2:
        raise ValueError(f"the recordings have one label, {words[0]!r}; expected at least two to choose from")
    unknown = [kind for kind in kinds if kind not in KINDS]
    if unknown:
        raise ValueError(f"unknown kinds {unknown}; expected some of {', '.join(KINDS)}")
    impossible = [kind for kind in kinds if kind not in _kinds_for(words)]
    if impossible:
        strange = next(word for word in words if number_of(word) is None)
        raise ValueError(f"kinds {impossible} need labels that are numbers; found {strange!r}")


def _pool(recordings: Iterable[Recording]) -> Pool:
    by_word: dict[str, list[Recording]] = defaultdict(list)
    for recording in recordings:
        by_word[recording.word].append(recording)
    return Pool(dict(sorted(by_word.items())))


@dataclass
class _ClipWriter:
    """Composes the clips of one split into 16 kHz wav files; the same recordings make one file."""

    folder: Path
    split: str
    rng: Rng
    written: dict[tuple[Path, ...], Path] = field(default_factory=dict)

    def write(self, spoken: Sequence[Recording]) -> Path:
        key = tuple(recording.path for recording in spoken)
        if key not in self.written:
            path = self.folder / "clips" / self.split / f"{len(self.written):05d}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_wav(path, self._compose(spoken))
            self.written[key] = path
        return self.written[key]

    def _compose(self, spoken: Sequence[Recording]) -> np.ndarray:
        parts: list[np.ndarray] = []
        for recording in spoken:
            gap = self.rng.uniform(*_GAP_SECONDS) if parts else 0.0
            parts += [np.zeros(round(gap * SAMPLE_RATE_HZ), dtype=np.float32), _samples(recording.path)]
        return np.concatenate(parts)


@lru_cache(maxsize=4096)
def _samples(path: Path) -> np.ndarray:
    return read_clip(path, too_long="refuse").samples


def _questions(
    pool: Pool, kinds: Sequence[str], amount: int, text_share: float, writer: _ClipWriter, rng: Rng
) -> Iterator[Question]:
    """Questions of all kinds, audio-only and text-answerable, shuffled; gold positions rotate within each."""
    mechanisms: tuple[Giveaway, ...] = ("knowledge", "logic")
    turns: dict[tuple[str, bool], int] = defaultdict(int)
    offsets: dict[tuple[str, bool], int] = {}
    made = []
    for number in range(amount):
        kind, round_of_kinds = kinds[number % len(kinds)], number // len(kinds)
        twins_before, twins_now = int(round_of_kinds * text_share), int((round_of_kinds + 1) * text_share)
        is_twin = twins_now > twins_before
        draft = KINDS[kind](rng, pool, mechanisms[twins_before % 2] if is_twin else None)
        stratum = (kind, is_twin)
        position = turns[stratum] + offsets.setdefault(stratum, int(rng.integers(12)))
        turns[stratum] += 1
        made.append((kind, draft, position))
    for number, index in enumerate(rng.permutation(len(made))):
        kind, draft, position = made[index]
        yield _question(f"{writer.split}-{number:05d}", kind, draft, position, writer, rng)


def _question(
    identity: str, kind: str, draft: Draft, position: int, writer: _ClipWriter, rng: Rng
) -> Question:
    choices = [str(other) for other in rng.permutation(draft.others)]
    choices.insert(position % (len(choices) + 1), draft.answer)
    speakers = sorted({recording.speaker for recording in draft.spoken} - {""})
    groups = {"category": CATEGORIES[kind], "source": _source(kind)}
    return Question.multiple_choice(
        identity,
        draft.question,
        choices,
        draft.answer,
        writer.write(draft.spoken),
        groups=groups | ({"mechanism": draft.mechanism} if draft.mechanism else {}),
        text_answerable=draft.mechanism is not None,
        extra={
            "recordings": [recording.path.name for recording in draft.spoken],
            **({"speakers": speakers} if speakers else {}),
        },
    )


def _source(kind: str) -> str:
    """What a question of this kind names as its source."""
    return f"recordings_{kind}"


def _examples(
    pool: Pool,
    recordings: Sequence[Recording],
    kinds: Sequence[str],
    amount: int,
    writer: _ClipWriter,
    rng: Rng,
) -> Iterator[dict[str, Any]]:
    """Every recording transcribed, `amount` composed clips (half with a question), facts and clues."""
    for recording in recordings:
        yield {"audio_path": writer.write([recording]), **transcript(rng, [recording])}
    for number in range(amount):
        if number % 2:
            draft = KINDS[kinds[number // 2 % len(kinds)]](rng, pool, None)
            path = writer.write(draft.spoken)
            yield {"audio_path": path, **transcript(rng, draft.spoken)}
            yield {"audio_path": path, **question_example(draft, rng)}
        else:
            spoken = composition(rng, pool)
            yield {"audio_path": writer.write(spoken), **transcript(rng, spoken)}
    yield from facts(pool.words)
    yield from clue_examples(rng, pool, kinds, amount // 2)


def _write_rows(rows: Iterable[Mapping[str, Any]], path: Path) -> None:
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            audio = row["audio_path"]
            relative = None if audio is None else audio.relative_to(path.parent).as_posix()
            file.write(json.dumps({**row, "audio_path": relative}, ensure_ascii=False) + "\n")


def _write_about(
    made: WrittenQuestions, splits: Mapping[str, Sequence[Recording]], pattern: str, seed: int, path: Path
) -> None:
    about = {
        "labels_pattern": pattern,
        "seed": seed,
        "words": made.words,
        "held_out_speakers": made.held_out_speakers,
        "recordings": {split: sorted(r.path.name for r in members) for split, members in splits.items()},
        "questions": made.question_counts,
        "pretrain": sum(made.pretrain.values()),
    }
    path.write_text(json.dumps(about, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
