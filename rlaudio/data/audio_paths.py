"""Audio paths of a data file, kept below the folder that they are relative to."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from rlaudio.utils.cache_root import cache_root


class OutsideRootError(ValueError):
    """A path leaves the audio root; the text says what is expected of it."""


class _Folder(NamedTuple):
    path: Path
    links: frozenset[str]  # names of symbolic links in it


class AudioRoot:
    """The folder that audio paths are relative to, and, with `outside`, the paths that leave it too.

    A path that leaves it by `..`, by being absolute or by a symbolic link is refused: data that somebody else
    wrote should not make a run read, play and report any file of this machine. Generated clips in rlaudio's
    own cache may be named from anywhere.
    """

    def __init__(self, folder: Path, *, outside: bool = False) -> None:
        self.folder = folder
        self._outside = outside
        self._real = folder.resolve()
        self._allowed = (self._real, cache_root().resolve())
        self._folders: dict[str, _Folder | None] = {}  # by folder as stated; None: it takes more to tell

    def path(self, stated: str) -> Path:
        """The path of an audio file. Raises OutsideRootError if it leaves it, ValueError if it is none."""
        if (plain := self.plain(stated)) is not None:
            return plain
        path = self.folder / stated
        if self._outside:
            return path
        try:
            real = _resolved(path)
        except (OSError, ValueError, RuntimeError) as error:  # a NUL in it, links in a circle
            raise ValueError(f"a path, not: {error}") from error
        if not self._allows(real):
            raise OutsideRootError(
                f"a file below {self.folder}, and it leads to {real}; "
                + ("set audio_root to a folder above all files, or " if Path(stated).is_absolute() else "")
                + "set outside_root to true if you trust this data"
            )
        return path if ".." not in path.parts else self._without_dots(path, real)

    def plain(self, stated: str) -> Path | None:
        """The path of a file that is no link, in a folder that is allowed; None where it takes more to tell.

        Data has many files in few folders: the disk is asked about each folder once, not about each file.
        """
        name = stated.rpartition("/")[2]
        if name in ("", ".", "..") or "\0" in stated:
            return None
        folder = stated[: -len(name)]  # with its slash: "/x.wav" is not in the folder of "x.wav"
        if folder not in self._folders:
            self._folders[folder] = self._folder_of(folder, stated)
        known = self._folders[folder]
        return None if known is None or name in known.links else known.path / name

    def _folder_of(self, folder: str, stated: str) -> _Folder | None:
        """The folder of a path; None where it is not plainly one that is allowed."""
        if self._outside or ".." in folder.split("/"):
            return None
        path = (self.folder / stated).parent
        try:
            real = path.resolve()
            if not self._allows(real):
                return None
            with os.scandir(real) as entries:
                return _Folder(path, frozenset(entry.name for entry in entries if entry.is_symlink()))
        except FileNotFoundError:
            return _Folder(path, frozenset())
        except (OSError, ValueError, RuntimeError):
            return None

    def _allows(self, real: Path) -> bool:
        return any(real.is_relative_to(folder) for folder in self._allowed)

    def _without_dots(self, path: Path, real: Path) -> Path:
        """One path for one file, however it is written."""
        return self.folder / real.relative_to(self._real) if real.is_relative_to(self._real) else path


def _resolved(path: Path) -> Path:
    """As `Path.resolve`, which asks the disk about every folder on the way; of files there are many more."""
    if path.name in ("", ".."):
        return path.resolve()
    beside = _resolved_folder(path.parent) / path.name
    return beside.resolve() if beside.is_symlink() else beside


@lru_cache(maxsize=65_536)
def _resolved_folder(folder: Path) -> Path:
    return folder.resolve()
