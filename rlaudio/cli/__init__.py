"""The command line `rlaudio`, one file a group of commands."""

from rlaudio.cli.commands import main

__all__ = ["main"]
