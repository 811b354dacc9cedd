"""The code that can decide a number, as one hash: what a module says, and what every module it imports says.

Only files are read and nothing is run. A comment, a docstring and the layout of a line change nothing, since syntax
trees are hashed. The closure of a module holds

    modules of this project, of a plug-in and of a user's file, each by its syntax tree
    installed packages (torch, timm, ...), each by its version; not what they import in turn

Reading finished runs (`perceptbench.results`) and reports change no stored number, so they are left out.
"""

import ast
import hashlib
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.machinery import PathFinder
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path
from typing import Literal

LEFT_OUT = ("perceptbench.results.", "perceptbench.reports.")
"""What only reads stored numbers."""

NEUTRAL = frozenset({"filelock", "huggingface_hub", "jaxtyping", "rich", "typer"})
"""Packages that fetch, lock, annotate or print, and compute nothing."""

OF_FILE = "_of_file_"
"""In the name of a module that was imported from a user's file; a hash of its place follows, which decides nothing."""

_PLACES = sysconfig.get_paths()
_INSTALLED = tuple(Path(_PLACES[name]).resolve() for name in ("purelib", "platlib"))
_STANDARD = tuple(Path(_PLACES[name]).resolve() for name in ("stdlib", "platstdlib"))


@dataclass(frozen=True)
class Closure:
    """Everything that some modules import, directly or through others.

    Args:
        files: of each module outside installed packages, by its name.
        packages: installed packages by the name they are imported under.
    """

    files: dict[str, Path]
    packages: frozenset[str]

    @property
    def sha256(self) -> str:
        """Over syntax trees, with the names of modules, and over the versions of packages."""
        digest = hashlib.sha256(versions(self.packages).encode())
        for name, path in sorted(self.files.items()):
            digest.update(f"\n{name.partition(OF_FILE)[0]} {syntax_sha256(path)}".encode())
        return digest.hexdigest()


def closure(modules: Iterable[str]) -> Closure:
    """What some modules import, themselves included. A module that cannot be found is left out."""
    files: dict[str, Path] = {}
    packages: set[str] = set()
    # Most names are no modules but functions of one, and many files import the same: each is searched for once.
    seen: set[str] = set()
    elsewhere: set[str] = set()
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        top = name.partition(".")[0]
        if name in seen or top in elsewhere or f"{name}.".startswith(LEFT_OUT) or _is_inside_a_file(name, files):
            continue
        seen.add(name)
        path = module_file(name)
        if path is None:
            continue
        place = _place(path)
        if place == "standard" or (place == "installed" and _distribution(top)):
            packages |= {top} - NEUTRAL if place == "installed" else set()
            # A folder without __init__.py may have parts in several places; any other package has one.
            elsewhere |= {top} & {name}
            continue
        files[name] = path
        waiting += [parent for parent in _parents(name) if parent not in seen]
        if path.suffix == ".py":
            # The last is taken first: a module before the names that are imported from it.
            waiting += reversed(_imports(path, name))
    return Closure(files, frozenset(packages))


def code_sha256(*modules: str) -> str:
    """The hash of the closure of some modules."""
    return closure(modules).sha256


def is_installed(path: Path) -> bool:
    """Whether a file belongs to Python or to an installed package."""
    return _place(path.resolve()) != "own"


def versions(packages: Iterable[str]) -> str:
    """`name version` of installed packages, sorted, by the names they are imported under."""
    named = {_distribution(package) or package for package in packages}
    return " ".join(f"{name} {_version(name)}" for name in sorted(named))


def syntax_sha256(path: Path) -> str:
    """Of a Python file its syntax tree without docstrings; of any other file (an extension module) its bytes."""
    status = path.stat()
    return _syntax_sha256(path, status.st_mtime_ns, status.st_size)


@cache
def _syntax_sha256(path: Path, _time: int, _size: int) -> str:
    if path.suffix != ".py":
        return hashlib.sha256(path.read_bytes()).hexdigest()
    return hashlib.sha256("\0".join(_said(_tree(path))).encode(errors="surrogatepass")).hexdigest()


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_bytes(), filename=str(path))


def _said(node: ast.AST) -> Iterator[str]:
    """A syntax tree as words. Empty fields are left out, so that a newer Python with more fields says the same."""
    yield f"({type(node).__name__}"
    for name, value in ast.iter_fields(node):
        parts = value if isinstance(value, list) else [value]
        if name == "body" and isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            parts = parts[1:] if ast.get_docstring(node, clean=False) is not None else parts
        parts = [part for part in parts if not _is_note(part)]
        if any(part is not None for part in parts):
            yield name
        for part in parts:
            if isinstance(part, ast.AST):
                yield from _said(part)
            elif part is not None:
                yield f"{type(part).__name__} {part!r}"
    yield ")"


def _is_note(part: object) -> bool:
    """Whether it is a text that stands alone: the docstring of an attribute."""
    return isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant) and isinstance(part.value.value, str)


def _imports(path: Path, name: str) -> tuple[str, ...]:
    """Every module that a file may import, also inside functions; not what is only there for type checkers."""
    status = path.stat()
    found = _imports_of(path, name, status.st_mtime_ns, status.st_size)
    for one in found:
        _remember_place(one, path.parent)
    return found


@cache
def _imports_of(path: Path, name: str, _time: int, _size: int) -> tuple[str, ...]:
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    found: list[str] = []
    for node in _running(_tree(path)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, package)
            found += [base, *(f"{base}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Call) and (text := _imported_by_name(node)):
            found.append(text)
    return tuple(found)


def _running(node: ast.AST) -> Iterator[ast.AST]:
    """Every node that can run: without the branches `if TYPE_CHECKING`."""
    yield node
    if isinstance(node, ast.If) and _is_type_checking(node.test):
        children: Iterable[ast.AST] = node.orelse
    else:
        children = ast.iter_child_nodes(node)
    for child in children:
        yield from _running(child)


def _is_type_checking(test: ast.expr) -> bool:
    """Whether a condition is `TYPE_CHECKING` or `typing.TYPE_CHECKING`, and nothing else."""
    name = test.attr if isinstance(test, ast.Attribute) else test.id if isinstance(test, ast.Name) else ""
    return name == "TYPE_CHECKING"


def _absolute(node: ast.ImportFrom, package: str) -> str:
    if not node.level:
        return node.module or ""
    parts = package.split(".")
    parts = parts[: len(parts) - node.level + 1]
    return ".".join([*parts, *([node.module] if node.module else [])])


def _imported_by_name(call: ast.Call) -> str:
    """The module that `import_module("name")` and `__import__("name")` name."""
    called = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    first = call.args[0] if call.args else None
    named = called in ("import_module", "__import__") and isinstance(first, ast.Constant)
    return str(first.value) if named and isinstance(first, ast.Constant) else ""


def _is_inside_a_file(name: str, files: dict[str, Path]) -> bool:
    """Whether it names a function or class of a known module, which holds no modules."""
    holder = files.get(name.rpartition(".")[0])
    return holder is not None and holder.name != "__init__.py"


def _parents(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:i]) for i in range(1, len(parts))]


_BESIDE: dict[str, Path] = {}
"""The folder of the first file that imports a module which no search path may hold."""


def _remember_place(name: str, beside: Path) -> None:
    _BESIDE.setdefault(name.partition(".")[0], beside)


def module_file(name: str) -> Path | None:
    """The file of a module, imported or not; None where there is none. Nothing is imported to find it."""
    file = getattr(sys.modules.get(name), "__file__", None)
    if file is None and name in sys.modules:
        return None
    return _resolved(file) if file else _found(name)


@cache
def _resolved(file: str) -> Path:
    """Of a module that was imported: what its file was then is what runs."""
    return Path(file).resolve()


def _found(name: str) -> Path | None:
    parts = name.split(".")
    beside = _BESIDE.get(parts[0])
    places = [*sys.path, *([str(beside)] if beside else [])]
    spec = None
    for end in range(1, len(parts) + 1):
        try:
            spec = PathFinder.find_spec(".".join(parts[:end]), places)
        except (ImportError, ValueError, KeyError):
            # Of a folder without __init__.py that nobody imported yet, Python does not know the place.
            return None
        if spec is None:
            return None
        places = list(spec.submodule_search_locations or ())
    return Path(spec.origin).resolve() if spec and spec.origin and spec.has_location else None


@cache
def _place(path: Path) -> Literal["installed", "standard", "own"]:
    """Where a file lies. Packages may be installed inside the folder of the standard library."""
    if any(path.is_relative_to(place) for place in _INSTALLED):
        return "installed"
    return "standard" if any(path.is_relative_to(place) for place in _STANDARD) else "own"


@cache
def _owners() -> dict[str, list[str]]:
    return dict(packages_distributions())


def _distribution(top: str) -> str:
    """The installed package that an imported name belongs to; '' for a loose file."""
    return _owners().get(top, [""])[0]


@cache
def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "?"
