"""Commands that look at a recipe and train nothing: `show`, `check`, `explain`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from rlaudio.cli.common_options import command, decode_option, path_type, recipe_argument, recipe_options
from rlaudio.cli.first_reads import load, read, refuse_plugins, refuse_trust
from rlaudio.cli.output import json_option, print_json
from rlaudio.utils.library_output import quiet_transformers


@command()
@recipe_argument("recipe", required=False)
@recipe_options
@click.option("--fields", is_flag=True, help="List every key of a recipe: type, default, meaning.")
@json_option
def show(recipe: str | None, overrides: Sequence[str], fields: bool, as_json: bool) -> None:
    """Print RECIPE resolved: parents and overrides merged, defaults filled in, everything checked."""
    if fields:
        from rlaudio.config.schema import field_table

        rows = list(field_table())
        if as_json:
            print_json([dict(zip(("key", "type", "default", "meaning"), row, strict=True)) for row in rows])
            return
        for key, kind, default, meaning in rows:
            click.echo(f"{key:30} {meaning}  [{kind}{f' = {default}' if default else ''}]")
    elif recipe is None:
        raise click.UsageError("name a RECIPE, or ask for --fields")
    else:
        resolved = read(recipe, overrides)
        refuse_plugins("recipe", resolved.user_files())
        refuse_trust(resolved)
        if as_json:
            print_json(resolved.model_dump(mode="json"))
        else:
            click.echo(resolved.to_yaml(), nl=False)


@command()
@recipe_argument("recipe")
@recipe_options
@click.option("--out", type=path_type(file_okay=False), help="Folder of the run.  [default: runs/NAME]")
@click.option("--processes", type=click.IntRange(min=1), default=1, help="How many the run will have.")
@decode_option
@json_option
def check(
    recipe: str, overrides: Sequence[str], out: Path | None, processes: int, decode: bool, as_json: bool
) -> None:
    """Make the checks of a run of RECIPE, and list all that would stop it; nothing is trained or written."""
    resolved = load(recipe, overrides)
    quiet_transformers()
    from rlaudio.planning.check import check

    checked = check(resolved, out, decode=decode, processes=processes)
    notes = [f"note: {line}" for line in checked.notes]
    if as_json:
        checked.refuse()
        print_json({"recipe": resolved.name, "told": [*notes, *checked.looked_at]})
        return
    for part in filter(None, ([checked.verdict], notes, checked.looked_at)):
        click.echo("\n".join(part) + "\n")
    checked.refuse()


@command()
@recipe_argument("recipe")
@click.option("--hardware", default="h100", show_default=True, help="A device by name; cpu is measured.")
@click.option(
    *("--devices", "--gpus-per-node", "devices"),
    type=int,
    default=1,
    show_default=True,
    help="How many of each node, one process each.",
)
@click.option("--nodes", type=int, default=1, show_default=True, help="That train.")
@click.option("--rollout-nodes", type=int, default=0, show_default=True, help="More nodes, of vLLM servers.")
@click.option("--network", type=float, help="GB/s between nodes, each device.  [default: the device's]")
@click.option("--seconds", type=float, help="Mean length of a clip.  [default: audio.max_seconds]")
@click.option("--completion", type=int, help="Tokens of a completion.  [default: sampling.max_new_tokens]")
@click.option(
    "--text", type=int, help="Tokens of a prompt beside its audio.  [default: a typical question's]"
)
@click.option("--utilisation", type=float, default=0.4, show_default=True, help="Share of peak FLOPS.")
@json_option
@recipe_options
def explain(recipe: str, overrides: Sequence[str], hardware: str, as_json: bool, **assumed: Any) -> None:
    """Parameters, tokens, FLOPs, memory and time of RECIPE, before anything is loaded; no weights needed."""
    from rlaudio.planning.hardware import find_hardware

    resolved = load(recipe, overrides)
    dtype = str(resolved.model.options.get("dtype", "float32"))
    device = find_hardware(hardware, dtype, resolved.threads)
    quiet_transformers()
    from rlaudio.planning.plan import Assumptions, plan, savings
    from rlaudio.planning.tables import changes_table, lines
    from rlaudio.planning.tables import rows as plan_rows

    planned = plan(resolved, device, Assumptions(**assumed))
    if as_json:
        print_json(plan_rows(planned))
        return
    for line in lines(planned):
        click.echo(line)
    if not planned.fits:
        changes = savings(overrides, lambda given: read(recipe, given), planned)
        click.echo(f"\n{changes_table(changes)}")
