"""What decides a number besides its arguments: weights, data and code, as SHA-256."""

import hashlib
import inspect
import sys
from pathlib import Path
from types import ModuleType

from metrics.base import Metric

OURS = ("core", "triplets", "metrics", "attacks", "certifiers")


def weights_sha256(metric: Metric) -> str:
    """Over the tensors a metric computes with: shapes, types and values."""
    digest = hashlib.sha256()
    for tensor in metric.weights():
        array = tensor.detach().cpu().contiguous()
        digest.update(f"{tuple(array.shape)} {array.dtype}".encode())
        digest.update(array.numpy().tobytes())
    return digest.hexdigest()


def code_sha256(*components: object) -> str:
    """Over the components' classes, the source of their modules, and that of every module of ours these use."""
    seen: dict[str, Path] = {}
    digest = hashlib.sha256()
    for component in components:
        digest.update(type(component).__qualname__.encode())
        for base in inspect.getmro(type(component)):
            _collect(sys.modules.get(base.__module__), seen, root=True)
    for name in sorted(seen):
        digest.update(name.encode() + b"\0" + seen[name].read_bytes())
    return digest.hexdigest()


def _collect(module: ModuleType | None, seen: dict[str, Path], *, root: bool = False) -> None:
    """Add a module and, through what its names refer to, the modules of ours behind it.

    A root may lie outside this project (`py:FILE.py:CLASS`); what it imports is followed as well.
    """
    name = getattr(module, "__name__", "")
    file = getattr(module, "__file__", None)
    mine = name.partition(".")[0] in OURS or (root and name.startswith("py_"))
    if module is None or not mine or name in seen or file is None:
        return
    seen[name] = Path(file)
    for value in list(vars(module).values()):
        used = value if isinstance(value, ModuleType) else sys.modules.get(getattr(value, "__module__", "") or "")
        _collect(used, seen)
