"""The options that say what audio paths are relative to, for all sets of a command or for one."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import click

from rlaudio.cli.common_options import gathered
from rlaudio.data.named_sets import Spec, name_and_path


@dataclass(frozen=True)
class AudioRoots:
    """What the command line says of audio paths."""

    roots: Sequence[str]  # FOLDER for all sets, or NAME=FOLDER for one
    outside_root: bool  # paths that leave their root are trusted

    def __bool__(self) -> bool:
        return bool(self.roots) or self.outside_root

    def laid_over(self, spec: Spec, name: str) -> dict[str, Any]:
        """A data set as a recipe would have it, with the root that names it, else the one that names none."""
        by_set = dict(self._by_set())
        given = {"audio_root": by_set.get(name, by_set.get(None)), "outside_root": self.outside_root}
        return {**spec, **{key: value for key, value in given.items() if value}}

    def refuse_others(self, names: Collection[str]) -> None:
        """Refuse roots without a folder, of sets that the command does not read, and two of one set."""
        by_set: dict[str | None, str] = {}
        for name, folder in self._by_set():
            if by_set.setdefault(name, folder) != folder:
                raise click.UsageError(
                    f"--audio-root {by_set[name]} and {folder} are of the same sets; leave one out"
                )
            text = folder if name is None else f"{name}={folder}"
            if not folder:
                raise click.UsageError(f"--audio-root {text!r}: expected a folder, or NAME=FOLDER")
            if name is not None and name not in names:
                raise click.UsageError(
                    f"--audio-root {text}: no such folder, and no set is called {name}; expected a folder, "
                    f"or NAME=FOLDER with NAME one of {', '.join(names)}"
                )

    def _by_set(self) -> Iterator[tuple[str | None, str]]:
        return map(name_and_path, self.roots)


audio_root_options = gathered(
    "audio_roots",
    AudioRoots,
    click.option(
        "--audio-root",
        "roots",
        multiple=True,
        metavar="[NAME=]FOLDER",
        help="What audio paths are relative to, of all sets or of one.  [default: the folder of the data]",
    ),
    click.option("--outside-root", is_flag=True, help="Trust paths that leave the audio root."),
)
