"""A user's file as a module, and the modules beside it.

`from helper import k` in a plug-in means helper.py in its folder, as in a script. The folder becomes a
package under a name made from its path, and the import, when the file is compiled, one of
`that package.helper`. So helpers of one name in two folders are two modules, and sys.path, where a `json.py`
beside a plug-in would hide Python's own from everybody, stays as it is. The standard library and installed
packages go before.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType

PREFIX = "rlaudio_plugins_"


def import_file(path: Path) -> ModuleType:
    """The module of a file. Raises whatever the file raises."""
    if _Finder not in sys.meta_path:
        sys.meta_path.insert(0, _Finder)
    name = f"{_package(path.parent)}.{path.stem.replace('.', '_')}"
    spec = importlib.util.spec_from_file_location(name, path, loader=_Loader(name, str(path)))
    assert spec is not None and spec.loader is not None, path
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def with_helpers(files: Iterable[Path]) -> list[Path]:
    """Plug-ins, and the files beside them that they import, directly or by each other: all that would run."""
    running = dict.fromkeys(files)
    todo = [(path, path.parent) for path in running]
    while todo:
        path, folder = todo.pop()
        for top in sorted(_imported_names(path)):
            if not _is_beside(top, folder):
                continue
            beside = [folder / f"{top}.py", *(folder / top).rglob("*.py")]
            new = [file for file in beside if file.is_file() and file not in running]
            running |= dict.fromkeys(sorted(new))
            todo += [(file, folder) for file in new]
    return list(running)


# --- helpers -------------------------------------------------------------------------------------


def _imported_names(path: Path) -> set[str]:
    """Outermost names of the modules that a file imports; none where it cannot be parsed."""
    try:
        nodes = [*ast.walk(ast.parse(path.read_bytes(), str(path)))]
    except (SyntaxError, ValueError, RecursionError, MemoryError, OSError):
        return set()  # whoever imports the file tells what is wrong with it
    modules = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    for node in nodes:
        if isinstance(node, ast.ImportFrom):
            modules += [node.module] if node.module else [alias.name for alias in node.names]
    return {name.partition(".")[0] for name in modules}


def _package(folder: Path) -> str:
    """Name of the package that is the folder."""
    name = PREFIX + hashlib.blake2b(str(folder).encode(), digest_size=4).hexdigest()
    if name not in sys.modules:
        spec = ModuleSpec(name, None, is_package=True)
        spec.submodule_search_locations = [str(folder)]
        sys.modules[name] = importlib.util.module_from_spec(spec)
    return name


class _Finder:
    """Finds the modules of the folders' packages, for `_Loader` to load."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: object = None) -> ModuleSpec | None:
        if not name.startswith(PREFIX):
            return None
        spec = PathFinder.find_spec(name, path)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _Loader(name, spec.loader.path)
        return spec


class _Loader(SourceFileLoader):
    """Loads a file with its imports of files beside the plug-in renamed; nothing compiled is kept."""

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        package = fullname.partition(".")[0]
        [folder] = sys.modules[package].__path__
        tree = _Renamed(package, Path(folder)).visit(ast.parse(self.get_data(path), path))
        return compile(tree, path, "exec", dont_inherit=True)


class _Renamed(ast.NodeTransformer):
    """Imports of modules beside the plug-in, as imports from the folder's package."""

    def __init__(self, package: str, folder: Path) -> None:
        self._package, self._folder = package, folder

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.ImportFrom:
        if node.level == 0 and node.module and _is_beside(node.module, self._folder):
            node.module = f"{self._package}.{node.module}"
        return node

    def visit_Import(self, node: ast.Import) -> list[ast.Import]:
        names = [name for alias in node.names for name in self._names(alias)]
        return [ast.copy_location(ast.Import([name]), node) for name in names]

    def _names(self, alias: ast.alias) -> Iterator[ast.alias]:
        if not _is_beside(alias.name, self._folder):
            yield alias
            return
        top = alias.name.partition(".")[0]
        yield ast.copy_location(ast.alias(f"{self._package}.{alias.name}", alias.asname or top), alias)
        if not alias.asname and top != alias.name:  # `import pkg.part` loads the part and binds pkg
            yield ast.copy_location(ast.alias(f"{self._package}.{top}", top), alias)


def _is_beside(name: str, folder: Path) -> bool:
    """Whether an absolute import of this name in a plug-in means a module in its folder."""
    top = name.partition(".")[0]
    if top in sys.stdlib_module_names or top == "rlaudio":
        return False
    return PathFinder.find_spec(top, [str(folder)]) is not None and not _is_installed(top, folder)


def _is_installed(top: str, folder: Path) -> bool:
    """Whether a package is found elsewhere than where the user keeps files of the day."""
    of_the_user = {Path(place).resolve() for place in ("", *_python_path())} | {folder}
    places = [place for place in sys.path if Path(place).resolve() not in of_the_user]
    others = [finder for finder in sys.meta_path if finder not in (PathFinder, _Finder)]
    return PathFinder.find_spec(top, places) is not None or any(
        finder.find_spec(top, None) is not None for finder in others if hasattr(finder, "find_spec")
    )


def _python_path() -> list[str]:
    return [place for place in os.environ.get("PYTHONPATH", "").split(os.pathsep) if place]
