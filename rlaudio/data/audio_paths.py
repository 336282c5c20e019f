"""Audio paths of a data file, kept below the folder that they are relative to."""

from __future__ import annotations

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

    def path(self, stated: str) -> Path:
        """The path of an audio file. Raises OutsideRootError if it leaves it, ValueError if it is none."""
        path = self.folder / stated
        if self._outside:
            return path
        try:
            real = _resolved(path)
        except (OSError, ValueError, RuntimeError) as error:  # a NUL in it, links in a circle
            raise ValueError(f"a path, not: {error}") from error
        if not any(real.is_relative_to(folder) for folder in self._allowed):
            raise OutsideRootError(
                f"a file below {self.folder}, and it leads to {real}; "
                + ("set audio_root to a folder above all files, or " if Path(stated).is_absolute() else "")
                + "set outside_root to true if you trust this data"
            )
        return path if ".." not in path.parts else self._without_dots(path, real)

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
