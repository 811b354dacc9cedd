"""What decides a number besides its arguments and its weights (metrics/identity.py): data and code, as SHA-256."""

import hashlib
import importlib
import inspect
import sys
from importlib.metadata import packages_distributions, version
from pathlib import Path
from types import ModuleType

OURS = tuple(f"perceptbench.{name}" for name in ("core", "triplets", "metrics", "attacks", "certifiers", "tasks"))

ALWAYS = (
    "perceptbench.attacks.running.sweep",
    "perceptbench.attacks.objectives",
    "perceptbench.bench.evaluate",
    "perceptbench.certifiers.certify",
    "perceptbench.metrics.spaces.geometry",
    "perceptbench.triplets.images",
)
"""Modules that decide every number, whatever the components are."""

LIBRARIES = ("torch", "timm", "numpy", "scipy", "pillow")
"""Packages whose version can change a number."""


def library_versions(*modules: str) -> str:
    """Their versions, and those of the packages behind some modules, for the identity of a run."""
    owners = packages_distributions()
    named = dict.fromkeys((*LIBRARIES, *(owners.get(module, [module])[0] for module in modules)))
    return " ".join(f"{name} {version(name)}" for name in named)


def code_sha256(*components: object) -> str:
    """Over the components' classes, the source of their modules, and that of every module of ours these use."""
    seen: dict[str, Path] = {}
    digest = hashlib.sha256()
    for name in ALWAYS:
        _collect(importlib.import_module(name), seen, root=True)
    for component in components:
        digest.update(type(component).__qualname__.encode())
        for base in inspect.getmro(type(component)):
            _collect(sys.modules.get(base.__module__), seen, root=True)
    for name in sorted(seen):
        digest.update(name.encode() + b"\0" + seen[name].read_bytes())
    return digest.hexdigest()


def sources(module: ModuleType, beside: Path) -> list[Path]:
    """The file of a module, and those in the folder `beside` and of ours behind it, by the name of their module."""
    seen: dict[str, Path] = {}
    _collect(module, seen, root=True, beside=beside)
    return [seen[name] for name in sorted(seen)]


def _collect(
    module: ModuleType | None, seen: dict[str, Path], *, root: bool = False, beside: Path | None = None
) -> None:
    """Add a module and, through what its names refer to, the modules of ours behind it.

    A root may lie outside this project (`py:FILE.py:CLASS`); then what it imports from its own
    folder is followed as well.
    """
    name = getattr(module, "__name__", "")
    file = getattr(module, "__file__", None)
    if module is None or file is None or name in seen:
        return
    path = Path(file)
    beside = beside or (path.parent if root and name.startswith("py_") else None)
    if not (".".join(name.split(".")[:2]) in OURS or root or (beside and path.is_relative_to(beside))):
        return
    seen[name] = path
    for value in list(vars(module).values()):
        used = value if isinstance(value, ModuleType) else sys.modules.get(getattr(value, "__module__", "") or "")
        _collect(used, seen, beside=beside)
