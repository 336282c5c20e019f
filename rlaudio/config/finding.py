"""Where a plug-in or a model that a recipe names is: the file of a shipped name, or of a path."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

from rlaudio.config.shipped import available, places
from rlaudio.config.signatures import Option
from rlaudio.data.hub import is_hub_name
from rlaudio.utils.endpoint.address import Address, is_endpoint
from rlaudio.utils.messages import shown
from rlaudio.utils.names import MAX_BYTES, unknown

_FORMER = {  # what became of plug-ins that once were
    ("algorithm", "dr_grpo"): "is now {use: grpo, scale: none, aggregate: constant}",
}


class UnknownPlugIn(ValueError):
    """No plug-in has the name that stands under `use`."""


def find(kind: str, name: str, relative_to: Path | None = None) -> Path:
    """The file of a plug-in: a shipped one by name, a user's by a path relative to `relative_to`.

    Raises ValueError for a name that does not ship and FileNotFoundError for a file that is not there.
    """
    if is_path(name):
        path = absolute(name, relative_to or Path.cwd())
        if kind == "data" and path.is_dir():
            raise FileNotFoundError(
                f"data {name}: is a folder; expected a plug-in; a folder of data is the option path, as in "
                f"mmau: {{path: {name}}}"
            )
        if not path.is_file():
            raise FileNotFoundError(
                f"{kind} {name}: {no_file(path)}; a relative path is looked for beside the recipe that names "
                "it, one of -o in the working folder"
            )
        return path
    hint = ""
    is_name = name.isidentifier() and len(name.encode()) <= MAX_BYTES
    for folder, pattern in places(kind) if is_name else ():
        if (path := folder / pattern.format(name=name)).is_file():
            return path
    if is_name and ((relative_to or Path.cwd()) / f"{name}.py").is_file():
        hint = f"; for the file {name}.py write ./{name}.py"
    if (kind, name) in _FORMER:
        raise UnknownPlugIn(f"{kind} {name} {_FORMER[kind, name]}")
    raise UnknownPlugIn(f"{unknown(kind, name, available(kind))}{hint}")


def explicit(kind: str, spec: Any) -> Any:
    """What a text stands for where a plug-in is named: `{use: NAME}`, for judges and embedders more.

    `endpoint:URL#MODEL` is the judge behind that address, a path that is no Python file the embedder in the
    folder of a model. Raises ValueError for an address that is none.
    """
    if not isinstance(spec, str):
        return spec
    if kind == "judge" and is_endpoint(spec):
        address = Address.parse(spec)
        return {"use": "endpoint", "url": ",".join(address.urls), "model": address.model}
    if kind == "embedder" and is_path(spec) and not spec.endswith(".py"):
        return {"use": "sentence_model", "path": spec}
    return {"use": spec}


def is_path(name: str) -> bool:
    """Whether a name in a recipe is a user's file rather than something that ships."""
    return name.startswith(("./", "../", "/", "~")) or name.endswith((".py", ".yaml", ".yml"))


def absolute(path: str | Path, folder: Path) -> Path:
    """`path` without `~`, `.` and `..`, relative to `folder`. Raises ValueError for what is no path."""
    try:
        whole = (folder / Path(path).expanduser()).resolve()
        whole.exists()
    except PermissionError:
        return whole
    except (RuntimeError, OSError, ValueError) as error:  # ~nobody, a name too long, a circle of links, NUL
        # the text of an OSError holds the whole path
        why = str(error.strerror if isinstance(error, OSError) else error).rstrip(".")
        raise ValueError(f"no path {shown(str(path))}: {why}; correct the path") from error
    return whole


def no_file(path: Path, what: str = "file") -> str:
    """What to say of a path where a file is expected and none is."""
    if path.is_dir():
        return f"{path} is a folder; expected a file"
    return f"{path} is a pipe or device; expected a file" if path.exists() else f"no {what} {path}"


def absolute_option(kind: str, option: Option, value: Any, folder: Path) -> Any:
    """An option's value; if it is a path or names a model's folder, absolute, relative to `folder`."""
    if not isinstance(value, str | Path):
        return value
    if kind == "model" and option.name == "path":
        return absolute_model(str(value), folder)
    if kind == "data" and option.name == "path" and is_hub_name(str(value)):
        path = absolute(value, folder)
        return str(path) if path.exists() else str(value)  # else a name of the Hugging Face hub
    if option.type is Path or Path in get_args(option.type):
        return str(absolute(value, folder))
    return value


def absolute_model(name: str, folder: Path) -> str:
    """A model's folder made absolute; a name stays: of a shipped one (`tiny/base`), a hub or an endpoint."""
    if name.startswith("tiny/") or is_endpoint(name):
        return name
    path = absolute(name, folder)
    return str(path) if is_path(name) or path.exists() else name
