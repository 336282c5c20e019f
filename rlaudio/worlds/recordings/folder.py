"""A folder of labelled recordings: its files, their words, and the split of each."""

from __future__ import annotations

import logging
import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from rlaudio.data.loading import is_hidden
from rlaudio.data.splits import clip_digests
from rlaudio.utils.number_format import counted, thousands
from rlaudio.worlds.recordings.questions import Recording, Rng, number_of, number_word

logger = logging.getLogger(__name__)

PATTERN = "{label}_{speaker}_{take}.wav"  # of the names of files, where none is given
SPLITS = ("train", "test", "new_speakers")


def find_recordings(folder: Path, pattern: str) -> list[Recording]:
    """The files below `folder` whose names match `pattern`, in the order of their names."""
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: no such folder; expected recordings named like {pattern}")
    expression = _expression(pattern)
    everything = sorted(file for file in folder.rglob(f"*{Path(pattern).suffix}") if file.is_file())
    files = [file for file in everything if not is_hidden(file.relative_to(folder))]
    if len(files) < len(everything):
        logger.warning("%s: %s left out", folder, counted(len(everything) - len(files), "hidden file"))
    recordings = []
    for file in files:
        match = expression.fullmatch(file.relative_to(folder).as_posix())
        if match:
            named = match.groupdict()
            recordings.append(Recording(file, _word(named["label"]), named.get("speaker", "")))
    if not recordings:
        example = files[0].relative_to(folder).as_posix() if files else f"no {Path(pattern).suffix} file"
        raise ValueError(
            f"{folder}: no file is named like {pattern} (there is: {example}); change the pattern"
        )
    if len(recordings) < len(files):
        others = thousands(len(files) - len(recordings))
        logger.warning("%s: %s files are not named like %s", folder, others, pattern)
    return recordings


def without_copies(recordings: Sequence[Recording]) -> list[Recording]:
    """One recording of each audio: a copy under another name could otherwise be in train and in test."""
    digests = clip_digests(recording.path for recording in recordings)
    first: dict[str, Recording] = {}
    for recording in recordings:
        original = first.setdefault(digests[recording.path], recording)
        if original is not recording:
            logger.warning("%s: the same audio as %s; left out", recording.path, original.path)
    return list(first.values())


def split_recordings(
    recordings: Sequence[Recording], rng: Rng, *, test_share: float, held_out_speakers: int
) -> tuple[dict[str, list[Recording]], tuple[str, ...]]:
    """Recordings by split, and the speakers of `new_speakers`.

    All recordings of a held-out speaker go to `new_speakers`; of every word of every other speaker a
    `test_share`, at least one where there are two or more, goes to `test`.
    """
    speakers = sorted({recording.speaker for recording in recordings} - {""})
    if speakers and not 0 <= held_out_speakers < len(speakers):
        raise ValueError(
            f"held_out_speakers is {held_out_speakers}, the recordings have {len(speakers)} speakers "
            f"({', '.join(speakers[:8])}); expected at least one speaker to be left for training"
        )
    held_out = tuple(sorted(str(name) for name in rng.permutation(speakers)[:held_out_speakers]))
    splits: dict[str, list[Recording]] = {split: [] for split in SPLITS}
    takes: dict[tuple[str, str], list[Recording]] = defaultdict(list)
    for recording in recordings:
        if recording.speaker in held_out:
            splits["new_speakers"].append(recording)
        else:
            takes[recording.word, recording.speaker].append(recording)
    for same in takes.values():
        shuffled = [same[index] for index in rng.permutation(len(same))]
        tested = max(1, round(test_share * len(same))) if len(same) > 1 else 0
        splits["test"] += shuffled[:tested]
        splits["train"] += shuffled[tested:]
    for split, members in splits.items():
        missing = {recording.word for recording in recordings} - {recording.word for recording in members}
        if missing and (members or split != "new_speakers"):
            raise ValueError(
                f"the split {split} has no recording of {', '.join(sorted(missing)[:8])}; expected every "
                "word in every split; add takes, hold out fewer speakers or remove these words"
            )
    return splits, held_out


def _expression(pattern: str) -> re.Pattern[str]:
    names = re.findall(r"\{(\w+)\}", pattern)
    if "label" not in names or len(names) != len(set(names)):
        raise ValueError(
            f"labels pattern {pattern!r} names {names}; expected {{label}} once, and if the files have them "
            f"{{speaker}} and {{take}}: {PATTERN}"
        )
    parts = re.split(r"\{(\w+)\}", pattern)
    return re.compile(
        "".join(f"(?P<{part}>[^/]+?)" if number % 2 else re.escape(part) for number, part in enumerate(parts))
    )


def _word(label: str) -> str:
    value = number_of(label)
    return label.replace("_", " ") if value is None else number_word(value)
