"""The Python file of a user, imported as Python runs a script: what lies beside it can be imported by name.

    with imported(Path("metrics/mine.py")) as module:       # `import helper`, `from .helper import K`, `import metrics`
        made = module.Mine()

A file in a package (a folder with `__init__.py`) is imported as a part of it. Two files that import different modules
of one name cannot be in one process: the second is refused, since Python would hand it the module of the first.
"""

import ast
import hashlib
import importlib
import importlib.util
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from perceptbench.core.errors import UserError
from perceptbench.core.others import contained
from perceptbench.core.printable import printable
from perceptbench.core.source_code import OF_FILE


@contextmanager
def imported(path: Path) -> Iterator[ModuleType]:
    """The module of a file; inside the block what lies beside it comes before all that is installed.

    Raises UserError for a file that does not import, and where a module of another place has the name of one that lies
    beside the file and that it imports.
    """
    package, places = _package(path), _places(path)
    _check_neighbours(path, places)
    before = list(sys.path)
    sys.path[:0] = places
    try:
        yield _module(path, package)
    finally:
        # What is imported later, inside a call, is still found; installed packages then come first.
        sys.path[:] = [*before, *(place for place in places if place not in before)]


def module_of_file(path: Path) -> str:
    """The name under which a file is imported: no other file has it, and what stands before `_of_file_` is its own."""
    place = hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:12]
    own = f"{printable(path.stem).replace('.', '_')}{OF_FILE}{place}"
    return ".".join([*_package(path), own])


def _module(path: Path, package: tuple[str, ...]) -> ModuleType:
    name = module_of_file(path)
    with contained(f"{path} does not import", surely=True):
        if package:
            importlib.import_module(".".join(package))
        spec = importlib.util.spec_from_file_location(name, path)
        if spec is None or spec.loader is None:
            raise UserError(f"expected a Python file, got {path}")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return module


def _package(path: Path) -> tuple[str, ...]:
    """The names of the packages that a file is in, outermost first."""
    folder, names = path.resolve().parent, list[str]()
    while (folder / "__init__.py").is_file() and folder.name.isidentifier():
        names.insert(0, folder.name)
        folder = folder.parent
    return tuple(names)


def _places(path: Path) -> list[str]:
    """Where modules are looked for first: beside the outermost package, beside the file, and in the folder that the
    command was given in, if the file lies in it."""
    folder = path.resolve().parent
    root = folder.parents[len(_package(path)) - 1] if _package(path) else folder
    here = [Path.cwd()] if folder.is_relative_to(Path.cwd()) else []
    return list(dict.fromkeys(map(str, (root, folder, *here))))


def _check_neighbours(path: Path, places: list[str]) -> None:
    for name, file in sorted(_neighbours(path.resolve(), places).items()):
        loaded = getattr(sys.modules.get(name), "__file__", None)
        if loaded is not None and Path(loaded).resolve() != file.resolve():
            raise UserError(
                f"{path} imports {name}, which lies beside it, and another {name} is loaded from {loaded}; rename "
                "yours, or give each metric a command of its own: runs of several commands stand in one report"
            )


def _neighbours(path: Path, places: list[str]) -> dict[str, Path]:
    """Modules that lie in these places and that a file imports, also through others of them, with their files."""
    found: dict[str, Path] = {}
    waiting = [path]
    while waiting:
        for name in _imported_names(waiting.pop()) - found.keys():
            beside = [Path(place, *form) for place in places for form in ((name, "__init__.py"), (f"{name}.py",))]
            if file := next((one for one in beside if one.is_file()), None):
                found[name] = file
                waiting.append(file)
    return found


def _imported_names(file: Path) -> set[str]:
    try:
        nodes = list(ast.walk(ast.parse(file.read_bytes())))
    except (OSError, SyntaxError, ValueError):
        return set()  # Python says what is wrong when it imports the file.
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom) and not node.level]
    return {name.partition(".")[0] for name in names} - {""}
