"""The command `compare`."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.exceptions import Exit

from rlaudio.cli.common_options import (
    changed_plugins_option,
    command,
    path_type,
    recipe_argument,
    recipe_options,
)
from rlaudio.cli.errors import INTERRUPTED
from rlaudio.cli.first_reads import announcement, load_pipeline, refuse_absent_models
from rlaudio.cli.output import json_option, print_json
from rlaudio.utils.number_format import counted

if TYPE_CHECKING:
    from rlaudio.compare.compare import ComparisonOutcome
    from rlaudio.config.recipe import Recipe


@command()
@recipe_argument("comparison")
@recipe_options
@click.option("--out", type=path_type(file_okay=False), help="Folder of all runs.  [default: runs/NAME]")
@click.option("--resume", is_flag=True, help="Continue the comparison in that folder where it stopped.")
@click.option(
    "--add-seeds",
    metavar="3,4",
    default="",
    help="Seeds beside the file's: those of a finished comparison are kept, and the new ones run.",
)
@click.option(
    "--devices",
    metavar="0,1",
    help="A run at a time on each, in processes of their own (CUDA_VISIBLE_DEVICES); 0,0: two on one. "
    "Without a GPU: numbers of cores.",
)
@changed_plugins_option
@json_option
def compare(
    comparison: str,
    overrides: Sequence[str],
    out: Path | None,
    resume: bool,
    add_seeds: str,
    devices: str | None,
    changed_plugins: bool,
    as_json: bool,
) -> None:
    """Run every arm of COMPARISON with every seed and write one page about them."""
    from rlaudio.compare.grid import read_comparison

    announce = announcement()

    def before_use(recipe: Recipe) -> None:
        announce(recipe)
        refuse_absent_models(recipe)

    resolved = read_comparison(comparison, overrides, before_use=before_use).with_seeds(_seeds(add_seeds))
    resume = resume or bool(add_seeds)
    folder = out or Path("runs") / resolved.name
    places = [device.strip() for device in devices.split(",")] if devices is not None else []
    if devices is not None:
        _check_devices(devices, places)
    pipeline = load_pipeline()
    from rlaudio.compare.compare import accept_changed_plugins, compare
    from rlaudio.compare.running import Interrupted

    try:
        if changed_plugins and resume:
            accept_changed_plugins(resolved, folder)
        done = compare(resolved, folder, pipeline.run, resume=resume, devices=places)
    except (Interrupted, KeyboardInterrupt) as stop:
        again = _again(comparison, overrides, folder, devices, add_seeds)
        click.echo(f"{stop or 'interrupted'}; what is done is kept; continue with: {again}", err=True)
        raise Exit(INTERRUPTED) from stop
    _tell(done, as_json)
    if done.results.failures:
        raise Exit(1)


def _check_devices(text: str, places: Sequence[str]) -> None:
    """Refuse devices that this machine does not have; which numbers exist is told where no GPU is hidden."""
    if not all(places):
        raise click.UsageError(f"--devices {text} names an empty device; expected numbers: 0,1")
    import torch

    gpus = torch.cuda.device_count()
    count, kind = (gpus, "GPU") if gpus else (os.cpu_count() or 1, "CPU core")
    for place in places:
        is_number = place.isascii() and place.isdecimal()
        if not is_number and place != "-1" and not (gpus and place.startswith(("GPU-", "MIG-"))):
            raise click.UsageError(f"--devices {text}: found {place!r}; expected numbers: 0,1")
        if is_number and int(place) >= count and not os.environ.get("CUDA_VISIBLE_DEVICES"):
            raise click.UsageError(
                f"--devices {text}: found {place}; this machine has {counted(count, kind)}, so expected "
                f"numbers below {count}; one may be named twice"
            )


def _again(
    comparison: str, overrides: Sequence[str], folder: Path, devices: str | None, add_seeds: str
) -> str:
    """The command that continues an interrupted comparison."""
    words = ["rlaudio", "compare", comparison, *(word for text in overrides for word in ("-o", text))]
    words += ["--out", str(folder), "--resume", *(["--devices", devices] if devices else [])]
    return shlex.join([*words, *(["--add-seeds", add_seeds] if add_seeds else [])])


def _tell(done: ComparisonOutcome, as_json: bool) -> None:
    from rlaudio.compare.table import markdown_table

    if as_json:
        print_json(done.results.to_dict() | {"page": done.page})
    else:
        click.echo(markdown_table(done.results))
        for warning in done.results.warnings:
            click.echo(warning)
        click.echo(done.page)
    for failure in done.results.failures:
        log = f" ({failure.log})" if failure.log else ""
        click.echo(f"{failure.place} failed: {failure.reason}{log}", err=True)


def _seeds(text: str) -> list[int]:
    """The numbers of `3,4`; none in an empty text."""
    words = [word.strip() for word in text.split(",")] if text else []
    for word in words:
        if not (word.isascii() and word.isdigit()):
            raise click.UsageError(
                f"--add-seeds {text}: found {word!r}; expected numbers from 0, such as 3,4"
            )
    return [int(word) for word in words]
