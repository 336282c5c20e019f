"""What all tools have in common: whatever they import of rlaudio is there, also inside of their functions."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted(
    path
    for path in (ROOT / "tools").rglob("*")
    if path.suffix == ".py" or (path.is_file() and not path.suffix and b"python" in path.read_bytes()[:40])
)


def imports(text):
    """Module and name of every `from rlaudio... import name`."""
    nodes = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom) and node.module]
    ours = [node for node in nodes if node.module.startswith("rlaudio.")]
    return [(node.module, alias.name) for node in ours for alias in node.names]


def has(module, name):
    """Whether a module of this tree binds the name at its top, or is a package with a module of that name."""
    path = ROOT.joinpath(*module.split("."))
    if (path / f"{name}.py").is_file() or (path / name).is_dir():
        return True
    file = path.with_suffix(".py") if path.with_suffix(".py").is_file() else path / "__init__.py"
    for node in ast.parse(file.read_text(encoding="utf-8")).body if file.is_file() else ():
        bound = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        bound |= {n.asname or n.name for n in ast.walk(node) if isinstance(n, ast.alias)}
        if name in bound or name == getattr(node, "name", None):
            return True
    return False


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_tool_imports_only_what_rlaudio_has(script):
    wanted = imports(script.read_text(encoding="utf-8"))
    assert [f"{module}.{name}" for module, name in wanted if not has(module, name)] == []
