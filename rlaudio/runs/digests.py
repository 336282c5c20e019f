"""Digests of files: what a run reads from outside, and what it wrote and reads again.

A file's digest is over all of its bytes. Digests of parts (the first and last 64 KiB, say) would cost nearly
as much where it matters and miss an edit in between: clips are small, so opening and seeking takes most of
the time. A million clips of 10 s (320 GB) are read once, when a run begins: about 6 minutes from a disk that
gives 1 GB/s, 27 from one that gives 200 MB/s; a model of 15 GB takes 15 s. A resume reads only files whose
stamp (inode, size, times of the last change) is another: for a million clips so many calls of stat, seconds
on a local disk.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from rlaudio.runs import shapes
from rlaudio.runs.files import read_json, write_json
from rlaudio.runs.places import DIGESTS, METRICS

NO_STAMP = "0" * 12
_READERS = 8  # hashing releases the interpreter lock
_FRESH_NS = 2_000_000_000  # a file that changed so recently may change again within a tick of its clock


@dataclass(frozen=True)
class Known:
    """A file's digest, and the stamp that it had when it was read."""

    digest: str
    stamp: str


def file_digest(file: Path) -> str:
    """Hex digest over a file's whole content."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def file_stamp(file: Path) -> str:
    """What changes with any change of the file, except for one that is only seconds old: NO_STAMP."""
    about = file.stat()
    if time.time_ns() - max(about.st_mtime_ns, about.st_ctime_ns) < _FRESH_NS:
        return NO_STAMP
    facts = (about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns)
    return hashlib.blake2b(repr(facts).encode(), digest_size=len(NO_STAMP) // 2).hexdigest()


def short_digest(digest: str | None, absent: str = "not there") -> str:
    """The digest in a message, or `absent`."""
    return f"digest {digest[:12]}" if digest else absent


def digests_of(files: Iterable[Path], before: Mapping[Path, Known]) -> dict[Path, Known]:
    """Digest and stamp of each file; those with the stamp of `before` are not read again."""

    def know(file: Path) -> Known:
        stamp, known = file_stamp(file), before.get(file)
        if known and known.stamp == stamp != NO_STAMP:
            return known
        return Known(file_digest(file), stamp)

    unique = list(dict.fromkeys(files))
    with ThreadPoolExecutor(_READERS) as pool:
        return dict(zip(unique, pool.map(know, unique), strict=True))


def history_digest(run: Path) -> str | None:
    """Digest of what the run has logged so far, None where it is nothing."""
    return file_digest(run / METRICS) if (run / METRICS).exists() else None


# --- what a run wrote ----------------------------------------------------------------------------


def record(run: Path, *places: str, written_as: Path | None = None) -> None:
    """Keep the digests of the files in places (files or folders) of a run, which are what it wrote there.

    `written_as` is where the content of a single place lies until it is renamed into it.
    """
    digests = {name: digest for name, digest in _recorded(run).items() if not _within(name, places)}
    for place in places:
        digests |= {name: file_digest(file) for name, file in _files(written_as or run / place, place)}
    write_json(run / DIGESTS, dict(sorted(digests.items())))


def record_new(run: Path, *places: str) -> None:
    """Keep the digests of those files in places of a run that have none yet."""
    recorded = _recorded(run)
    files = (file for place in places for file in _files(run / place, place))
    new = {name: file_digest(path) for name, path in files if name not in recorded}
    if new:
        write_json(run / DIGESTS, dict(sorted((recorded | new).items())))


def forget(run: Path, *places: str) -> None:
    """Keep no digests of places that are about to be written again."""
    recorded = _recorded(run)
    left = {name: digest for name, digest in recorded.items() if not _within(name, places)}
    if left != recorded:
        write_json(run / DIGESTS, left)


def has_digest(run: Path, file: str) -> bool:
    """Whether the file was recorded, be it there or not."""
    return file in _recorded(run)


def is_recorded(run: Path, *places: str) -> bool:
    """Whether each place was recorded, and no file is missing from it."""
    names = [[name for name in _recorded(run) if _within(name, [place])] for place in places]
    return all(of_place and all((run / n).is_file() for n in of_place) for of_place in names)


def check_recorded(run: Path, *places: str) -> None:
    """Raise ValueError for a file, of these places or of all, that is not what the run wrote.

    A file that is gone is none of them: what it held is computed again.
    """
    if changed := changed_files(run, *places):
        raise ValueError(
            f"{run}: not what the run wrote: {', '.join(changed)}; the run or its page reads it again, so "
            "put it back as it was; tables, answers and models that are deleted whole are computed again"
        )


def changed_files(run: Path, *places: str, path_of: Callable[[str], Path] | None = None) -> list[str]:
    """The files, of these places or of all, that are there and not what the run wrote, with both digests.

    `path_of` gives the path of a file by its name in the run, or raises, where that is not to be trusted.
    """
    if path_of:
        path_of(DIGESTS)
    named = [(name, digest) for name, digest in _recorded(run).items() if not places or _within(name, places)]
    paths = [path_of(name) if path_of else run / name for name, _ in named]
    return [
        f"{name} ({short_digest(digest)} when it was written, {short_digest(now)} now)"
        for (name, digest), path in zip(named, paths, strict=True)
        if path.is_file() and (now := file_digest(path)) != digest
    ]


def _recorded(run: Path) -> dict[str, str]:
    return read_json(run / DIGESTS, shapes.DIGESTS) or {}


def _within(name: str, places: Iterable[str]) -> bool:
    return any(name == place or name.startswith(f"{place}/") for place in places)


def _files(path: Path, place: str) -> Iterable[tuple[str, Path]]:
    """The file at `path`, or all below it, each after its name in the run."""
    if path.is_file():
        yield place, path
    for file in sorted(path.rglob("*")) if path.is_dir() else ():
        if file.is_file():
            yield f"{place}/{file.relative_to(path).as_posix()}", file
