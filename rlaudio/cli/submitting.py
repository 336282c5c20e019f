"""The command `submit`."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from rlaudio.cli.common_options import command, path_type, recipe_options
from rlaudio.cli.first_reads import load


@command()
@click.argument("recipe")
@recipe_options
@click.option("--nodes", type=int, default=1, show_default=True, help="That train.")
@click.option("--gpus-per-node", type=int, default=8, show_default=True, help="0: one process, on CPUs.")
@click.option("--rollout-nodes", type=int, default=0, show_default=True, help="More nodes, of vLLM servers.")
@click.option("--seconds-to-save", type=int, default=600, show_default=True, help="Before the job's end.")
@click.option("--out", type=path_type(file_okay=False), help="Folder of the run, seen by all nodes.")
@click.option("--sbatch", "sbatch", multiple=True, metavar="OPTION", help="For sbatch: --time=24:00:00")
@click.option("--dry-run", is_flag=True, help="Print the job script, and submit nothing.")
def submit(
    recipe: str,
    overrides: Sequence[str],
    nodes: int,
    gpus_per_node: int,
    rollout_nodes: int,
    seconds_to_save: int,
    out: Path | None,
    sbatch: Sequence[str],
    dry_run: bool,
) -> None:
    """Write a Slurm script that runs RECIPE on several nodes, and submit it.

    torchrun starts the training processes, and the script vLLM servers on the rollout nodes; a job that is
    queued again resumes its run. Before its time is over the job saves the step that is then computed, and is
    queued again. The script is left beside the run's folder.
    """
    resolved = load(recipe, overrides)
    from rlaudio.planning.job_script import JobLayout, RunCommand, job_script

    layout = JobLayout(
        nodes=nodes,
        gpus_per_node=gpus_per_node,
        rollout_nodes=rollout_nodes,
        seconds_to_save=seconds_to_save,
    )
    folder = out or Path("runs") / resolved.name
    command = shlex.join(["rlaudio", *sys.argv[1:]])
    run = RunCommand(recipe=recipe, overrides=overrides, out=folder, asked_by=command)
    text = job_script(resolved, layout, run, sbatch)
    if dry_run:
        click.echo(text, nl=False)
        return
    script = folder.with_name(f"{folder.name}.sbatch")
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text(text, encoding="utf-8")
    try:
        done = subprocess.run(["sbatch", str(script)], capture_output=True, text=True)
    except FileNotFoundError as error:
        raise ValueError(f"sbatch is not here; submit where Slurm is: sbatch {script}") from error
    if done.returncode:
        raise ValueError(f"sbatch {script} ended with {done.returncode}: {done.stderr.strip()}")
    click.echo(f"{done.stdout.strip()} ({script})")
