"""Commands about one run: `run`, `report`, `replay`, `export`."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, get_args

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
from rlaudio.cli.first_reads import load, load_pipeline, refuse_absent_models, say
from rlaudio.runs.parts import StopAfter
from rlaudio.runs.places import RECIPE, REPLAY, check_run, check_run_to_resume, check_step, is_evaluation
from rlaudio.utils import launcher
from rlaudio.utils.number_format import counted, percent, thousands

if TYPE_CHECKING:
    from rlaudio.config.recipe import Recipe


@command()
@recipe_argument("recipe")
@recipe_options
@click.option("--out", type=path_type(file_okay=False), help="Folder of the run.  [default: runs/NAME]")
@click.option("--resume", is_flag=True, help="Continue the run in that folder where it stopped.")
@click.option(
    "--until",
    type=click.Choice(get_args(StopAfter)),
    help="Stop after the labels, the evaluation of the base, or SFT; --resume continues from there.",
)
@changed_plugins_option
def run(
    recipe: str,
    overrides: Sequence[str],
    out: Path | None,
    resume: bool,
    until: StopAfter | None,
    changed_plugins: bool,
) -> None:
    """Run RECIPE from labels to report: a YAML file, or the name of one that ships.

    In several processes: torchrun --nproc_per_node 8 -m rlaudio run RECIPE, or
    deepspeed --num_gpus 8 --module rlaudio run RECIPE.
    """
    resolved = load(recipe, overrides)
    folder = out or Path("runs") / resolved.name
    say(f"{resolved.name} into {folder}: {', '.join(announced_phases(resolved))}", err=True)
    if launcher.size() == 1:  # of several processes the first would be seen by the others as it begins
        _check_folder(folder, resolved if resume else None)
    refuse_absent_models(resolved)
    pipeline = load_pipeline()
    from rlaudio.rollout.canary import CanaryError
    from rlaudio.rollout.worker import EngineDied
    from rlaudio.runs.resuming import accept_plugins
    from rlaudio.scoring import RewardError
    from rlaudio.training.loop import BrokenTraining, StopRequested
    from rlaudio.utils.processes import PeerFailed, leave, outlast_first

    again = partial(_again, folder, until)
    try:
        if changed_plugins and resume and launcher.rank() == 0:
            accept_plugins(folder)
        written = pipeline.run(resolved, folder, resume=resume, until=until)
        for line in accuracies(folder):
            say(line, err=True)
        say(written)
        leave()
    except StopRequested as stop:
        say(f"{stop}, all of it saved; {again()}", err=True)
        outlast_first()
        raise Exit(INTERRUPTED) from stop
    except KeyboardInterrupt:
        say(f"interrupted; {again()}", err=True)
        raise Exit(INTERRUPTED) from None
    except (EngineDied, CanaryError) as stop:
        raise type(stop)(f"{stop}; fix the cause and {again()}") from stop
    except (BrokenTraining, PeerFailed, RewardError) as error:
        if launcher.rank():
            outlast_first()
            raise Exit(1) from error
        if isinstance(error, RewardError):
            raise type(error)(f"{error}; then {again('--changed-plugins')}") from error
        raise


def _again(folder: Path, until: StopAfter | None, *more: str) -> str:
    """The command that goes on with the run in a folder, with `more` words where something is computed."""
    from rlaudio.runs.occupancy import gives_way

    nothing = gives_way(folder)
    words = ["rlaudio", "run", f"{folder / RECIPE}", "--out", f"{folder}"]
    words += [] if nothing else ["--resume", *more]
    words += ["--until", until] if until else []
    by = f" (by the launcher, in {launcher.size()} processes)" if launcher.size() > 1 else ""
    what = "start again, since nothing is computed yet, with" if nothing else "continue with"
    return f"{what}: {shlex.join(words)}{by}"


def accuracies(folder: Path) -> Iterator[str]:
    """What was right with the clip before, between and after training, a line for each held-out set."""
    from rlaudio.runs.run import open_run

    summary = open_run(folder, leave_out_damage=True).summary or {}
    for name, of in summary.get("held_out", {}).items():
        if known := [f"{when} {percent(share)}" for when, share in of.items() if share is not None]:
            yield f"{name}, per cent right with the clip: {', '.join(known)}"


@command()
@click.argument("step", type=path_type(exists=True, file_okay=False), metavar=f"RUN/{REPLAY}/STEP")
@recipe_options
def replay(step: Path, overrides: Sequence[str]) -> None:
    """Repeat a step that stopped a run with NaN or infinity: which values are wrong, and where from.

    Overrides repeat it under another recipe; advantages are those of the run. Exit status 1 if it is still
    broken.
    """
    check_step(step)
    recipe = load((step / RECIPE).resolve(), overrides)
    dump, places = load_pipeline().replay_step(step, recipe)
    click.echo(f"it stopped at {dump.error}")
    for quantity, entries in places.items():
        click.echo(f"{quantity}: not finite in {counted(len(entries), 'place')}")
        for entry in entries[:12]:
            click.echo(f"  {entry}")
        if len(entries) > 12:
            click.echo(f"  and {len(entries) - 12} more")
    if places:
        raise Exit(1)
    click.echo("now every number is finite")


@command()
@click.argument("run", metavar="RUN|EVALUATION", type=path_type(exists=True, file_okay=False))
def report(run: Path) -> None:
    """Write report.html of the finished or unfinished RUN folder, or of an evaluation's (--out)."""
    if is_evaluation(run):
        from rlaudio.report.evaluation_page import write_evaluation_page

        click.echo(write_evaluation_page(run))
        return
    check_run(run)
    from rlaudio.report.page import write_report

    click.echo(write_report(run))


@command()
@click.argument("run", type=path_type(exists=True, file_okay=False))
@click.option("--out", type=path_type(file_okay=False), help="A new folder.  [default: RUN/export]")
def export(run: Path, out: Path | None) -> None:
    """Write the trained model of RUN as a Hugging Face folder with a card: results, data, recipe.

    Adapters are merged; transformers and vLLM open it without rlaudio.
    """
    check_run(run)
    from rlaudio.runs.exporting import export_run

    folder = out or run / "export"
    for file in export_run(run, folder):
        click.echo(f"{file}  {thousands(math.ceil(file.stat().st_size / 1e3))} kB")


def _check_folder(folder: Path, resumed: Recipe | None) -> None:
    """Refuse a folder that no run can begin in, or go on in with that recipe, as the run would."""
    if resumed:
        check_run_to_resume(folder)
        from rlaudio.config.resumed_recipe import refuse_other_recipe

        refuse_other_recipe(resumed, folder)
        return
    from rlaudio.runs.occupancy import check_place

    check_place(folder)


def announced_phases(recipe: Recipe) -> Iterator[str]:
    """What a run of the recipe does, in its order, as text."""
    if recipe.pretrain:
        yield f"build a base and {counted(recipe.pretrain.voters, 'voter')}"
    elif recipe.contribution.voters:
        yield f"labels by {counted(len(recipe.contribution.voters), 'voter')}"
    evaluated = ", ".join(recipe.data.evaluate)
    if evaluated:
        yield f"evaluation on {evaluated}"
    yield f"training by {Path(recipe.curriculum.use).stem} and {Path(recipe.algorithm.use).stem}"
    if evaluated:
        yield "evaluation again"
    yield "report"
