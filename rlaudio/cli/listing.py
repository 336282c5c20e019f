"""The command `list`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from rlaudio.cli.common_options import command
from rlaudio.cli.output import json_option, print_json
from rlaudio.config.shipped import (
    KINDS,
    PACKAGE,
    available,
    kinds_of,
    plugin_files,
    shipped_comparisons,
    shipped_recipes,
)
from rlaudio.config.signatures import Option, Signature, read_signature

_FILES = {
    "recipe": "recipes",
    "base": "bases, which recipes extend and complete",
    "comparison": "comparisons",
}
_CHECKPOINT = "checkpoint"
LISTED = (*_FILES, *KINDS, _CHECKPOINT)


class _Kind(click.Choice):
    """One of `LISTED`; what is none is told with the kind, or the list, that may be meant."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """As click does."""
        if value in LISTED:
            return value
        from rlaudio.utils.names import unknown

        hints = [f"; for the {kind} of that name: rlaudio list {kind} {value}" for kind in kinds_of(value)]
        self.fail(f"{unknown('kind', value, LISTED)}{''.join(hints)}", param, ctx)


@dataclass(frozen=True)
class Entry:
    """Something that ships, or a plug-in in a file of the user's."""

    kind: str
    name: str
    summary: str
    path: Path
    options: tuple[Option, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The entry as JSON; the type and the default of an option are as in its source text."""
        options = [{"name": o.name, "type": o.annotation, "default": o.default} for o in self.options]
        return {
            "kind": self.kind,
            "name": self.name,
            "summary": self.summary,
            "path": str(self.path),
            "options": options,
        }

    def lines(self, width: int = 20) -> Iterator[str]:
        """The entry in a list."""
        yield f"  {self.name:{width}} {self.summary}"
        for option in self.options:
            yield f"    {option}"


def _complete_names(context: click.Context, option: click.Parameter, begun: str) -> list[CompletionItem]:
    """Names of the kind that was typed."""
    entries = _entries(context.params.get("kind"))
    return [CompletionItem(entry.name) for entry in entries if entry.name.startswith(begun)]


@command("list")
@click.argument("kind", required=False, type=_Kind(LISTED), metavar="[KIND]")
@click.argument("name", required=False, shell_complete=_complete_names)
@json_option
def list_shipped(kind: str | None, name: str | None, as_json: bool) -> None:
    """List what ships: recipes, comparisons, every kind of plug-in with its options, small checkpoints.

    With KIND only those, such as algorithm; with NAME one of them and where its file lies. NAME may be a
    plug-in's file: ./mine.py.
    """
    entries = list(_entries(kind))
    if kind and name:
        entries = [_named(kind, name, entries)]
    if as_json:
        print_json([entry.to_dict() for entry in entries])
    elif name:
        for line in _details(entries[0]):
            click.echo(line)
    else:
        _print_lists(entries)


def _entries(kind: str | None) -> Iterator[Entry]:
    """All that ships, of one kind or of all."""
    recipes = shipped_recipes()
    bases = {name: path for name, path in recipes.items() if name.startswith("base/")}
    whole = {name: path for name, path in recipes.items() if name not in bases}
    files = {"recipe": whole, "base": bases, "comparison": shipped_comparisons()}
    for listed in LISTED if kind is None else (kind,):
        if listed in files:
            yield from (Entry(listed, name, _first_comment(p), p) for name, p in files[listed].items())
        elif listed == _CHECKPOINT:
            yield from _tiny_checkpoints()
        else:
            paths: Mapping[str, Path] = plugin_files(listed)
            yield from (_entry(listed, name, s, paths[name]) for name, s in available(listed).items())


def _entry(kind: str, name: str, signature: Signature, path: Path) -> Entry:
    return Entry(kind, name, signature.summary, path, signature.options)


def _named(kind: str, name: str, entries: list[Entry]) -> Entry:
    """The entry of this name, or that of a plug-in's file. Raises ValueError where there is none."""
    for entry in entries:
        if entry.name == name:
            return entry
    from rlaudio.config.finding import is_path, no_file
    from rlaudio.utils.names import unknown

    if kind not in KINDS or not is_path(name):
        raise ValueError(unknown(kind, name, [entry.name for entry in entries]))
    path = Path(name).resolve()
    if not path.is_file():
        raise FileNotFoundError(f"{kind} {name}: {no_file(path)}")
    signature = read_signature(path)
    if signature is None:
        raise ValueError(f"{path}: no function or class named like the file; expected {path.stem}")
    return _entry(kind, name, signature, path)


def _details(entry: Entry) -> Iterator[str]:
    yield f"{entry.kind} {entry.name}: {entry.summary}"
    yield str(entry.path)
    for option in entry.options:
        yield f"  {option}{'' if option.default is not None else '  (must be given)'}"


def _print_lists(entries: list[Entry]) -> None:
    for number, kind in enumerate(dict.fromkeys(entry.kind for entry in entries)):
        title = {**_FILES, _CHECKPOINT: "checkpoints"}.get(kind, kind)
        click.echo(f"\n{title}" if number else title)
        for entry in entries:
            if entry.kind == kind:
                click.echo("\n".join(entry.lines(40 if kind in _FILES else 20)))


def _first_comment(path: Path) -> str:
    first = path.read_text(encoding="utf-8").partition("\n")[0]
    return first.removeprefix("#").strip() if first.startswith("#") else ""


def _tiny_checkpoints() -> Iterator[Entry]:
    for config in sorted((PACKAGE / "models" / "tiny").glob("*/config.json")):
        size = sum(path.stat().st_size for path in config.parent.iterdir())
        yield Entry(_CHECKPOINT, f"tiny/{config.parent.name}", f"{size / 1e6:.1f} MB", config.parent)
