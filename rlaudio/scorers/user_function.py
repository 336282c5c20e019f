"""The one public function of a user's file, such as the embedder or the judge that a scorer is given."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from rlaudio.utils.messages import described


@functools.cache
def user_function(path: Path, what: str) -> Callable[..., Any]:
    """The public function that the file defines, imported once; `what` names it in messages.

    Raises FileNotFoundError for no file, ImportError for one that cannot be imported, ValueError where it
    defines no public function, or several.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{what} {path}: no such file; expected a .py file with one public function")
    digest = hashlib.blake2b(str(path.resolve()).encode(), digest_size=4).hexdigest()
    spec = importlib.util.spec_from_file_location(f"rlaudio_{what}_{digest}", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{what} {path}: Python cannot import it; expected a .py file")
    module = sys.modules[spec.name] = importlib.util.module_from_spec(
        spec
    )  # dataclasses look their module up
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[spec.name]
        raise ImportError(f"{what} {path}: {described(error)}; fix the file") from error
    public = {name: value for name, value in vars(module).items() if _is_public(name, value, module)}
    if len(public) != 1:
        names = ", ".join(public) or "none"
        raise ValueError(f"{what} {path}: public functions: {names}; expected one, name others with a '_'")
    [function] = public.values()
    return function


def _is_public(name: str, value: Any, module: ModuleType) -> bool:
    """Whether it is a function of this very module, be it wrapped as by functools.cache."""
    of_module = getattr(value, "__module__", None) == module.__name__
    return of_module and callable(value) and not isinstance(value, type) and not name.startswith("_")
