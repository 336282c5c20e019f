"""Audio paths of a data file, kept below the folder that they are relative to."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

from rlaudio.utils.cache_root import cache_root


class OutsideRootError(ValueError):
    """A path leaves the audio root; the text says what is expected of it."""


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
        self._plain_folders: dict[str, bool] = {}  # folder as stated -> whether names in it need no look

    def path(self, stated: str) -> Path:
        """The path of an audio file. Raises OutsideRootError if it leaves it, ValueError if it is none."""
        if (plain := self._plain(stated)) is not None:
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

    def _plain(self, stated: str) -> Path | None:
        """The path of a file that is no link, in a folder that is allowed; None where it takes more to tell.

        Data has many files in few folders: of a file one question is asked of the disk.
        """
        folder, _, name = stated.rpartition("/")
        if name in ("", ".", "..") or "\0" in stated:
            return None
        is_plain = self._plain_folders.get(folder)
        if is_plain is None:
            is_plain = self._plain_folders[folder] = self._is_plain_folder(folder, stated)
        if not is_plain:
            return None
        path = os.path.join(self.folder, stated)  # noqa: PTH118 - a Path takes ten times as long
        return None if os.path.islink(path) else Path(path)  # noqa: PTH114

    def _is_plain_folder(self, folder: str, stated: str) -> bool:
        if self._outside or ".." in folder.split("/"):
            return False
        try:
            return self._allows((self.folder / stated).parent.resolve())
        except (OSError, ValueError, RuntimeError):
            return False

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
