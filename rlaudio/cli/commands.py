"""The command line: `main` and what belongs to it.

Every command reads its arguments, calls one function of the library and prints. It checks what it was given,
and then imports the libraries that compute with it, which takes seconds. Above the commands is imported only
what their help and `list` need.
"""

from __future__ import annotations

import logging
import sys

import click

from rlaudio import __version__
from rlaudio.cli.comparing import compare
from rlaudio.cli.data import data
from rlaudio.cli.doctor import doctor
from rlaudio.cli.errors import Commands
from rlaudio.cli.evaluating import evaluate, label, score
from rlaudio.cli.listing import list_shipped
from rlaudio.cli.recipes import check, explain, show
from rlaudio.cli.reward import reward
from rlaudio.cli.run_commands import export, replay, report, run
from rlaudio.cli.submitting import submit
from rlaudio.utils import launcher
from rlaudio.utils.interrupts import refuse_ends
from rlaudio.utils.peak_memory import keep_freed_memory
from rlaudio.utils.threads import wait_asleep


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
@click.option("--debug", is_flag=True, help="Log more, and show the traceback of an error.")
@click.option("--local_rank", type=int, hidden=True, help="Added by deepspeed; LOCAL_RANK says the same.")
def main(debug: bool, local_rank: int | None) -> None:
    """Post-training of large audio language models where listening matters."""
    keep_freed_memory()
    wait_asleep()  # before torch is imported
    refuse_ends()
    logging.basicConfig(format="%(message)s", stream=sys.stderr, level=logging.WARNING)
    quiet = logging.ERROR if launcher.rank() else logging.INFO  # of several processes one logs
    logging.getLogger("rlaudio").setLevel(logging.DEBUG if debug else quiet)


for command in (
    *(run, compare, label, evaluate, score, data, reward),
    *(show, check, explain, submit, list_shipped, report, replay, export, doctor),
):
    main.add_command(command)
