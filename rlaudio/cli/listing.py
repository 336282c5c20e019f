"""The command `list`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import click

from rlaudio.config.shipped import KINDS, PACKAGE, available, shipped_comparisons, shipped_recipes


@click.command("list")
def list_shipped() -> None:
    """List what ships: recipes, comparisons, every kind of plug-in with its options, small checkpoints."""
    recipes = shipped_recipes()
    bases = {name: path for name, path in recipes.items() if name.startswith("base/")}
    whole = {name: path for name, path in recipes.items() if name not in bases}
    _list_files("recipes", whole)
    _list_files("\nbases, which recipes extend and complete", bases)
    _list_files("\ncomparisons", shipped_comparisons())
    for kind in KINDS:
        click.echo(f"\n{kind}")
        for name, signature in available(kind).items():
            click.echo(f"  {name:20} {signature.summary}")
            for option in signature.options:
                click.echo(f"    {option}")
    click.echo("\ncheckpoints")
    for name, megabytes in _tiny_checkpoints():
        click.echo(f"  {name:20} {megabytes:.1f} MB")


def _list_files(title: str, files: Mapping[str, Path]) -> None:
    click.echo(title)
    for name, path in files.items():
        click.echo(f"  {name:40} {_first_comment(path)}")


def _first_comment(path: Path) -> str:
    first = path.read_text(encoding="utf-8").partition("\n")[0]
    return first.removeprefix("#").strip() if first.startswith("#") else ""


def _tiny_checkpoints() -> Iterator[tuple[str, float]]:
    for config in sorted((PACKAGE / "models" / "tiny").glob("*/config.json")):
        size = sum(path.stat().st_size for path in config.parent.iterdir())
        yield f"tiny/{config.parent.name}", size / 1e6
