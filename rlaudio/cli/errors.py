"""Errors of the user's become one message; any other exception is a bug and shows its traceback.

Below the traceback stand the user's plug-ins that ran in the process, which may have damaged it.
"""

from __future__ import annotations

import io
import os
import sys
import traceback
from contextlib import suppress
from typing import Any

import click
from click.exceptions import Exit

from rlaudio.cli.first_reads import say
from rlaudio.utils import launcher
from rlaudio.utils.messages import described, innermost, printable, shown
from rlaudio.utils.threads import tells_of_threads

USER_ERRORS = (ValueError, OSError, ImportError, FloatingPointError)  # any other exception is a bug


INTERRUPTED = 130  # the shell's exit status for Ctrl-C


class Commands(click.Group):
    """Commands whose errors about the user's input are one message; `--debug` shows the traceback."""

    def main(self, *arguments: Any, **options: Any) -> Any:
        """As click does; where the help cannot be printed, that is one message."""
        _open_standard_descriptors()
        _write_any_sign()
        try:
            return super().main(*arguments, **options)
        except OSError as error:
            if not (failure := _failure_of_output(error)):
                raise
            click.echo(f"Error: {failure}", err=True)
            sys.exit(1)

    def invoke(self, ctx: click.Context) -> Any:
        """As click does; errors of the user's become one message."""
        try:
            with tells_of_threads(lambda message: say(message, err=True)):
                return super().invoke(ctx)
        except KeyboardInterrupt as error:  # commands that have something to continue say so themselves
            say("interrupted", err=True)
            raise Exit(INTERRUPTED) from error
        except BaseException as error:
            if isinstance(error, BrokenPipeError) or _is_of_a_command(error):
                raise
            message = _failure_of_output(error) or _message(error)
            if isinstance(error, SystemExit) and ctx.params["debug"]:
                raise RuntimeError(message) from error  # shows the traceback
            if message is None and (plugins := _plugins_that_ran()):
                traceback.print_exception(error)
                raise click.ClickException(f"{described(error)}, at {innermost(error)}; {plugins}") from error
            if message is None or ctx.params["debug"]:
                raise
            where = f"process {launcher.rank()}: " if launcher.rank() else ""
            raise click.ClickException(f"{where}{printable(message)}{_about_names(message)}") from error


def _is_of_a_command(error: BaseException) -> bool:
    """Whether a command ends itself so, and no plug-in ends it by what click offers."""
    from rlaudio.config.importing import plugin_that_raised

    return isinstance(error, click.ClickException | Exit | click.Abort) and plugin_that_raised(error) is None


def _message(error: BaseException) -> str | None:
    """What to tell the user of an error in data, recipe or plug-ins; None of other ones, which are bugs."""
    from rlaudio.config.importing import plugin_that_raised

    plugin = plugin_that_raised(error)
    if isinstance(error, FileExistsError) and error.strerror:  # of a folder that was to be made
        return f"{error.filename}: {error.strerror.lower()}; expected a folder; name another, or move it away"
    if isinstance(error, FileNotFoundError) and _working_folder_is_gone():
        return "the working folder is gone; change to one that is there"
    if isinstance(error, UnicodeEncodeError) and not plugin:
        return f"{shown(error.object)}: {error}"
    if isinstance(error, USER_ERRORS):
        return f"{plugin}: {error}" if plugin and str(plugin.path) not in str(error) else str(error)
    if plugin:
        return f"{plugin} raised {described(error)}; fix the file, or see more with rlaudio --debug"
    if isinstance(error, MemoryError):
        return f"not enough memory, at {innermost(error)}; rlaudio explain says what a recipe needs"
    if isinstance(error, SystemExit):  # commands end by click's Exit
        return f"a library ended the command by SystemExit({error.code!r}), at {innermost(error)}"
    return None


def _open_standard_descriptors() -> None:
    """Lead those that are closed to nowhere: a file that takes such a number would get what is printed."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free


def _write_any_sign() -> None:
    """Have escapes written for what the encoding of a standard stream lacks, also by plug-ins that print."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")


def _about_names(message: str) -> str:
    """What to do where a message names a file and Python cannot: in no UTF-8, most names have no bytes."""
    encoding = sys.getfilesystemencoding()
    if message.isascii() or encoding == "utf-8":
        return ""
    return f"\nnames of files are read as {encoding} here, others are not found; set PYTHONUTF8=1"


def _failure_of_output(error: BaseException) -> str | None:
    """What hindered standard output from being written; None where something else failed."""
    frames = (frame for frame, _ in traceback.walk_tb(error.__traceback__))
    printing = [frame for frame in frames if frame.f_code is click.echo.__code__]
    if not isinstance(error, OSError) or not printing or printing[-1].f_locals.get("file") is sys.stderr:
        return None
    with suppress(OSError, ValueError):  # what is left of the output, which is written at the end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return f"standard output: {error.strerror}; what was printed is not all; make room, or print elsewhere"


def _plugins_that_ran() -> str:
    """Who else than rlaudio may be at fault where a library fails; empty where no code of the user's ran."""
    from rlaudio.config.importing import plugins_that_ran

    plugins = ", ".join(plugins_that_ran())
    return plugins and (
        f"the process has run {plugins}: where that replaces parts of a library, mend it; else this is a "
        "fault of rlaudio"
    )


def _working_folder_is_gone() -> bool:
    try:
        os.getcwd()  # noqa: PTH109  without an import
    except FileNotFoundError:
        return True
    return False
