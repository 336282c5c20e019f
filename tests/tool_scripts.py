"""Scripts of tools/ as modules, so that tests may call what is in them."""

import importlib.util
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

TOOLS = Path(__file__).parent.parent / "tools"


def load_tool(name: str) -> ModuleType:
    """tools/<name>, which has no suffix and so cannot be imported."""
    loader = SourceFileLoader(name, str(TOOLS / name))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(name, loader))
    sys.modules[name] = module  # dataclasses look their module up
    if str(TOOLS) not in sys.path:  # tools import each other
        sys.path.append(str(TOOLS))
    loader.exec_module(module)
    return module
