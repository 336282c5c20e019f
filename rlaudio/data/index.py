"""Lengths and digests of audio files, measured once and kept in a file beside them.

Checks of 150,000 clips need the length of each, and the search for leaks the decoded audio of many: an hour
of work that no process should repeat. What was measured is found again by path, size and time of change. The
file is only ever appended to, by one process at a time, and what is damaged in it is measured again.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import soundfile
import soxr

from rlaudio.audio.length_policy import MAX_SECONDS
from rlaudio.audio.reading import clip_header, open_clip
from rlaudio.types import Clip
from rlaudio.utils.bounded_reading import open_to_append, read_bytes
from rlaudio.utils.cache_root import cache_root
from rlaudio.utils.file_locks import try_lock
from rlaudio.utils.number_format import counted
from rlaudio.utils.progress import progress
from rlaudio.utils.threads import usable_cores

logger = logging.getLogger(__name__)

INDEX_FILE = ".rlaudio-clips.index"  # does not end in .jsonl, so no data set takes it for rows
MISSING, UNUSABLE = "missing audio", "unusable audio"  # kinds of bad rows
_WORTH = 20_000  # headers to read, some seconds, from which on worker processes and a file pay
_DECODED = 50  # headers that are read in the time that one clip is decoded
_BATCH = 512  # clips that are written at a time
_LARGEST = 4 * 2**30  # bytes of an index that is read
# Before every batch stands by what it was measured: other versions may give other samples.
_MEASURED_BY = {
    "rlaudio clips": 4,
    "libsndfile": soundfile.__libsndfile_version__,
    "soxr": soxr.__version__,
}


@dataclass(frozen=True)
class Decoded:
    """What the first seconds of a file are, decoded to mono at 16 kHz."""

    digest: str  # equal audio, equal digest
    seconds: float
    notes: tuple[str, ...]
    truncated: bool  # the file goes on


@dataclass(frozen=True)
class Measured:
    """What is known of a clip: its length, and what was decoded of it, by the most seconds that were."""

    seconds: float  # of the whole file; 0 where there is a problem
    notes: tuple[str, ...] = ()
    decoded: Mapping[float, Decoded] = field(default_factory=dict)
    problem: tuple[str, str] | None = None  # kind of a bad row, and reason
    status: tuple[int, int] | None = field(default=None, compare=False)  # of the file: size, time of change

    def up_to(self, seconds: float) -> Decoded | None:
        """What the first `seconds` decode to; None where that is not known."""
        for limit, decoded in self.decoded.items():
            if limit == seconds or (not decoded.truncated and decoded.seconds <= seconds):
                return decoded
        return None

    def digest(self, seconds: float) -> str:
        """The digest of the first `seconds`. Raises ValueError where they were not decoded."""
        decoded = self.up_to(seconds)
        if decoded is None:
            raise ValueError(f"the first {seconds:g} s of a clip were not decoded; measure it with decode")
        return decoded.digest

    def or_raise(self) -> Measured:
        """This, or as `read_clip` raises: FileNotFoundError for a missing file, ValueError for no audio."""
        if self.problem is None:
            return self
        kind, reason = self.problem
        raise (FileNotFoundError if kind == MISSING else ValueError)(reason)


def measure(clips: Iterable[Path | Clip], *, decode: float | None = None) -> dict[Path | Clip, Measured]:
    """What is known of every clip; what is not known yet is measured and kept.

    With `decode` the first so many seconds of each are decoded, else headers are read. Few clips are measured
    here and leave no file. A clip with a problem is measured anew each time.
    """
    unique = list(dict.fromkeys(clips))
    given = {clip: _of_samples(clip, decode or MAX_SECONDS) for clip in unique if isinstance(clip, Clip)}
    paths = [clip for clip in unique if not isinstance(clip, Clip)]
    if not paths or len(paths) * (_DECODED if decode else 1) < _WORTH:
        by_path = _measured_here(paths, {}, decode)
    else:
        by_path = _measured_with_index(paths, decode)
    return {clip: given[clip] if isinstance(clip, Clip) else by_path[clip] for clip in unique}


def index_file(paths: Iterable[Path]) -> Path:
    """The index of files: the nearest one above them all, or a new one in the folder that holds them all."""
    folders = {str(path).rpartition("/")[0] for path in paths}
    common = Path(os.path.commonpath([Path(folder).absolute() for folder in folders]))
    for folder in (common, *common.parents):
        if (folder / INDEX_FILE).is_file():
            return folder / INDEX_FILE
    return common / INDEX_FILE


# --- measuring -----------------------------------------------------------------------------------


def _measured_with_index(paths: list[Path], decode: float | None) -> dict[Path, Measured]:
    index = _Index(index_file(paths))
    known = index.known(paths)
    if not _unknown(paths, known, decode):
        return known
    with index.alone():
        known |= index.known(paths)  # another process may have measured meanwhile
        missing = _unknown(paths, known, decode)
        label = f"{'decoding' if decode else 'reading the headers of'} {counted(len(missing), 'clip')}, once"
        for batch in _batches(_measured_by_workers(missing, known, decode, label)):
            index.add(batch)
            known |= batch
    return known


def _unknown(paths: list[Path], known: Mapping[Path, Measured], decode: float | None) -> list[Path]:
    return [path for path in paths if path not in known or not _suffices(known[path], decode)]


def _suffices(measured: Measured, decode: float | None) -> bool:
    return measured.problem is not None or decode is None or measured.up_to(decode) is not None


def _measured_here(
    paths: list[Path], known: Mapping[Path, Measured], decode: float | None
) -> dict[Path, Measured]:
    work = partial(_measured, known=known, decode=decode)
    if decode is None:
        return dict(map(work, paths))
    alone = [path for path in paths if path.suffix.lower() == ".mp3"]  # see `decoder_output`
    together = [path for path in paths if path.suffix.lower() != ".mp3"]
    measured = dict(map(work, alone))
    with ThreadPoolExecutor(usable_cores()) as pool:  # decoding and resampling release the interpreter lock
        return measured | dict(pool.map(work, together))


def _measured_by_workers(
    paths: list[Path], known: Mapping[Path, Measured], decode: float | None, label: str
) -> Iterator[tuple[Path, Measured]]:
    if len(paths) * (_DECODED if decode else 1) < _WORTH:
        yield from _measured_here(paths, known, decode).items()
        return
    context = multiprocessing.get_context("spawn")  # threads of torch may run here
    with ProcessPoolExecutor(usable_cores(), mp_context=context) as pool:
        tasks = pool.map(
            partial(_measured_anew, decode=decode),
            paths,
            [known.get(path) for path in paths],
            chunksize=max(1, min(64, len(paths) // 64)),
        )
        yield from progress(tasks, len(paths), label, "clip")


def _measured(path: Path, known: Mapping[Path, Measured], decode: float | None) -> tuple[Path, Measured]:
    return _measured_anew(path, known.get(path), decode=decode)


def _measured_anew(path: Path, before: Measured | None, *, decode: float | None) -> tuple[Path, Measured]:
    """A file's header, and what it decodes to, beside what was decoded of it before."""
    status = _status(path)  # before it is read: what comes later is another file
    try:
        header = clip_header(path)
        done = dict(before.decoded) if before else {}
        if decode is not None:
            clip = open_clip(path, max_seconds=decode)
            done[decode] = Decoded(clip.digest, clip.seconds, clip.notes, clip.truncated)
    except FileNotFoundError as error:
        return path, Measured(0.0, problem=(MISSING, str(error)))
    except ValueError as error:
        return path, Measured(0.0, problem=(UNUSABLE, str(error)))
    return path, Measured(header.seconds, header.notes, done, status=status)


def _of_samples(clip: Clip, limit: float) -> Measured:
    heard = open_clip(clip, max_seconds=limit)
    decoded = Decoded(heard.digest, heard.seconds, heard.notes, heard.truncated)
    return Measured(clip.seconds, clip.notes, {limit: decoded})


def _batches(measured: Iterable[tuple[Path, Measured]]) -> Iterator[dict[Path, Measured]]:
    items = iter(measured)
    while batch := dict(islice(items, _BATCH)):
        yield batch


# --- the file ------------------------------------------------------------------------------------


class _Index:
    """An index file, or the one in rlaudio's cache that stands for it where it cannot be written."""

    def __init__(self, file: Path) -> None:
        self._folder = file.parent
        name = hashlib.blake2b(str(self._folder).encode(errors="surrogateescape"), digest_size=12).hexdigest()
        self._files = (file, cache_root() / "clips" / f"{name}.index")

    def known(self, paths: Iterable[Path]) -> dict[Path, Measured]:
        """What is kept of files that have not changed since."""
        kept: dict[str, dict[str, Any]] = {}
        for file in self._files:
            kept |= _entries(file)
        by_path = {}
        for path in paths if kept else ():
            entry = kept.get(self._key(path))
            if entry and entry["status"] == _status(path):
                by_path[path] = _from_entry(entry)
        return {path: measured for path, measured in by_path.items() if measured}

    def add(self, batch: Mapping[Path, Measured]) -> None:
        """Keep what was measured; what has a problem is not kept."""
        entries = [
            _entry(self._key(path), measured)
            for path, measured in batch.items()
            if measured.problem is None and measured.status
        ]
        lines = [json.dumps(line) for line in (_MEASURED_BY, *entries)]
        content = ("\n" + "\n".join(lines) + "\n").encode()  # the first ends a line that was cut off
        self._on_first_writable(lambda descriptor: _write(descriptor, content))

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Within, no other process measures for this index: it waits and finds what this one has measured."""
        locked: list[int] = []
        self._on_first_writable(lambda descriptor: locked.append(os.dup(descriptor)))
        try:
            for descriptor in locked:
                _lock(descriptor, self._folder)
            yield
        finally:
            for descriptor in locked:
                os.close(descriptor)

    def _key(self, path: Path) -> str:
        return str(path if path.is_absolute() else path.absolute()).removeprefix(f"{self._folder}/")

    def _on_first_writable(self, act: Callable[[int], object]) -> None:
        """Do something with the first of the files that can be written; nothing where none can."""
        for file in self._files:
            try:
                if file is self._files[-1]:
                    file.parent.mkdir(parents=True, exist_ok=True)
                descriptor = open_to_append(file)
                try:
                    act(descriptor)
                    return
                finally:
                    os.close(descriptor)
            except (OSError, ValueError) as error:
                logger.debug("%s: not written (%s)", file, error)
        logger.warning(
            "%s: what is measured of its clips is kept nowhere; no place is writable", self._folder
        )


def _write(descriptor: int, content: bytes) -> None:
    while content:
        content = content[os.write(descriptor, content) :]


def _lock(descriptor: int, folder: Path) -> None:
    if not try_lock(descriptor):  # without locks the work may be done twice, and nothing breaks
        logger.info("%s: waiting for another process, which measures its clips", folder)
        fcntl.flock(descriptor, fcntl.LOCK_EX)


def _entries(file: Path) -> dict[str, dict[str, Any]]:
    """The lines of an index by path, of those that were measured as it is done here; later ones win."""
    try:
        content = read_bytes(file, _LARGEST)
    except (OSError, ValueError):  # there is none, or it cannot be read
        return {}
    entries, current = {}, False
    for line in content.split(b"\n"):
        try:
            entry = json.loads(line) if line else None
        except ValueError:  # cut off or damaged
            continue
        if isinstance(entry, dict) and "rlaudio clips" in entry:
            current = entry == _MEASURED_BY
        elif current and isinstance(entry, dict) and isinstance(entry.get("path"), str):
            entries[entry["path"]] = {**entry, "status": tuple(entry.get("status") or ())}
    return entries


def _status(path: Path) -> tuple[int, int] | None:
    """What tells a file from one that takes its place: its size and time of change."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return status.st_size, status.st_mtime_ns


def _entry(key: str, measured: Measured) -> dict[str, Any]:
    decoded = [
        [limit, done.digest, done.seconds, done.notes, done.truncated]
        for limit, done in measured.decoded.items()
    ]
    return {
        "path": key,
        "status": measured.status,
        "seconds": measured.seconds,
        "notes": measured.notes,
        "decoded": decoded,
    }


def _from_entry(entry: Mapping[str, Any]) -> Measured | None:
    """What an entry says; None where it says something else than was written."""
    try:
        decoded = {
            float(limit): Decoded(str(digest), float(seconds), tuple(map(str, notes)), bool(truncated))
            for limit, digest, seconds, notes, truncated in entry["decoded"]
        }
        notes = tuple(map(str, entry["notes"]))
        return Measured(float(entry["seconds"]), notes, decoded, status=entry["status"])
    except (KeyError, TypeError, ValueError):
        return None
