"""Importing a user's plug-in: in time, errors told with their place, changes of the process put back."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from rlaudio.config.shipped import shipped_folder
from rlaudio.utils.messages import described, innermost, line_in
from rlaudio.utils.user_modules import import_file

logger = logging.getLogger(__name__)

_imported: dict[Path, str] = {}  # the kinds of the plug-ins that this process imported


def import_plugin(kind: str, path: Path, seconds: float | None) -> ModuleType:
    """The module of a plug-in of that kind. What the file changes of the process is put back.

    Raises ImportError that names file, line and error, whatever the file raises, be it SystemExit, and one
    that names the place where it was after so many `seconds`; None: no limit.
    """
    from rlaudio.utils.time_limit import in_time  # imports torch

    _imported[path] = kind
    call = _ImportCall(kind, path)
    try:
        module: ModuleType = in_time(call, seconds, _import_told, call)
    except TimeoutError as error:
        raise ImportError(str(error)) from error
    return module


@dataclass(frozen=True)
class PlugInLine:
    """A line of a plug-in's file."""

    kind: str
    path: Path
    line: int

    def __str__(self) -> str:
        return f"{self.kind} {self.path.stem} ({self.path}:{self.line})"


def plugin_that_raised(error: BaseException) -> PlugInLine | None:
    """Where an exception came out of a user's plug-in; None where it did not."""
    lines = ((kind, path, line_in(error, path)) for path, kind in _imported.items())
    return next((PlugInLine(kind, path, line) for kind, path, line in lines if line), None)


def plugins_that_ran() -> list[str]:
    """The user's plug-ins that this process imported, as messages name them."""
    shipped = shipped_folder("rewards")
    return [f"{kind} {path}" for path, kind in _imported.items() if not path.is_relative_to(shipped)]


# --- helpers -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _ImportCall:
    kind: str
    path: Path

    @property
    def file(self) -> str:
        return str(self.path)

    def __str__(self) -> str:
        return f"{self.kind} {self.path}: its import"


def _import_told(call: _ImportCall) -> ModuleType:
    from rlaudio.utils.process_state import kept_process_state  # imports torch

    kind, path = call.kind, call.path
    with kept_process_state() as state:
        try:
            return state.call(import_file, path)
        except BaseException as error:
            raise ImportError(f"{kind} {_what_failed(path, error)}") from error
        finally:
            for setting in state.restore():
                logger.warning(
                    "%s %s changed %s on import, which a run depends on; it is put back", kind, path, setting
                )


def _what_failed(path: Path, error: BaseException) -> str:
    """File and line of the plug-in, the error, and where else it came from."""
    line = line_in(error, path)
    here = f"{path}:{line}" if line else str(path)
    if isinstance(error, ModuleNotFoundError):
        beside = path.parent / f"{(error.name or '').partition('.')[0]}.py"
        return f"{here}: {error}; install the package to use this plug-in, or put {beside.name} beside it"
    there = f"{error.filename}:{error.lineno}" if isinstance(error, SyntaxError) else innermost(error)
    elsewhere = "" if there in ("", here) else f" ({there})"
    text = f"SyntaxError: {error.msg}" if isinstance(error, SyntaxError) else described(error)
    return f"{here}: {text}{elsewhere}; fix the file"
