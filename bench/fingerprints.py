"""SHA-256 of the code that decides a number, and versions of libraries. That of weights: metrics/identity.py."""

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
"""Modules that decide every number, for all components."""

LIBRARIES = ("torch", "timm", "numpy", "scipy", "pillow")
"""Packages whose version may change a number."""


def library_versions(*modules: str) -> str:
    """The versions of `LIBRARIES` and of the packages of some modules, for the identity of a run."""
    owners = packages_distributions()
    named = dict.fromkeys((*LIBRARIES, *(owners.get(module, [module])[0] for module in modules)))
    return " ".join(f"{name} {version(name)}" for name in named)


def code_sha256(*components: object) -> str:
    """SHA-256 over the classes of components and the source of their modules and of every module of ours they use."""
    seen: dict[str, Path] = {}
    digest = hashlib.sha256()
    for name in ALWAYS:
        _collect(importlib.import_module(name), seen, root=True)
    for component in components:
        digest.update(type(component).__qualname__.encode())
        for base in inspect.getmro(type(component)):
            # How a task's rows are made of its samples changes no sample.
            if not base.__module__.startswith("perceptbench.results."):
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
    """Add a module and the modules of ours in which the objects behind its names are defined.

    A root may be outside of this project (`py:FILE.py:CLASS`, a plug-in): then what it imports from its own folder is
    added too.
    """
    name = getattr(module, "__name__", "")
    file = getattr(module, "__file__", None)
    if module is None or file is None or name in seen:
        return
    path = Path(file)
    beside = beside or (path.parent if root and not name.startswith("perceptbench.") else None)
    if not (".".join(name.split(".")[:2]) in OURS or root or (beside and path.is_relative_to(beside))):
        return
    seen[name] = path
    for value in list(vars(module).values()):
        used = value if isinstance(value, ModuleType) else sys.modules.get(getattr(value, "__module__", "") or "")
        _collect(used, seen, beside=beside)
