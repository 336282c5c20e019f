"""rlaudio: post-training of large audio language models where listening matters."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rlaudio.config.recipe import load_recipe
    from rlaudio.pipeline import run
    from rlaudio.runs.run import open_run

__version__ = "0.1.0"
__all__ = ["load_recipe", "open_run", "run"]

_HOMES = {
    "load_recipe": "rlaudio.config.recipe",
    "open_run": "rlaudio.runs.run",
    "run": "rlaudio.pipeline",
}


def __getattr__(name: str) -> Any:
    """The public names, imported when they are first asked for: `import rlaudio` alone costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module 'rlaudio' has no attribute {name!r}; it offers {', '.join(__all__)}")
    return getattr(import_module(_HOMES[name]), name)


if "gymnasium" in sys.modules:  # then its environment is known as rlaudio:rlaudio/AudioQuestion-v0, too
    import_module("rlaudio.env")
