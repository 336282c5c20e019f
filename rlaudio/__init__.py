"""rlaudio: post-training of large audio language models where listening matters.

The public names are those in `__all__`, and the records in `rlaudio.types`; others may change.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rlaudio.config.recipe import load_recipe
    from rlaudio.interface import evaluate, label, run, score
    from rlaudio.runs.run import open_run

__version__ = "0.1.0"
__all__ = ["evaluate", "label", "load_recipe", "open_run", "run", "score"]

_HOMES = {
    "evaluate": "rlaudio.interface",
    "label": "rlaudio.interface",
    "load_recipe": "rlaudio.config.recipe",
    "open_run": "rlaudio.runs.run",
    "run": "rlaudio.interface",
    "score": "rlaudio.interface",
}


def __getattr__(name: str) -> Any:
    """The public names, imported when they are first asked for: `import rlaudio` alone costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module 'rlaudio' has no attribute {name!r}; it offers {', '.join(__all__)}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]


if "gymnasium" in sys.modules:  # then its environment is known as rlaudio:rlaudio/AudioQuestion-v0, too
    import_module("rlaudio.env")
