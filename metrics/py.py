"""`py:FILE.py:CLASS`: a metric of your own, from a file outside this project.

The class needs no argument and one of two methods: `__call__(x, y)` giving distances (n,), or
`embed(x)` giving vectors (n, d), compared by cosine. Deriving from metrics.base is welcome, not
needed. The file runs with your rights: use it for code you trust, as with any Python import.
"""

import hashlib
import importlib.util
import inspect
import sys
from pathlib import Path
from typing import Any

import torch

from core.errors import UserError
from core.tensors import Embeddings, Images, PerImage
from metrics.base import EmbeddingMetric, Metric, metric


class CallableMetric(Metric):
    """Wraps an object with `__call__(x, y)`."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def __call__(self, x: Images, y: Images) -> PerImage:
        return _per_image(self.inner(x, y), x)

    def code(self) -> tuple[object, ...]:
        return (self, self.inner)


class EmbedMetric(EmbeddingMetric):
    """Wraps an object with `embed(x)`."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def embed(self, x: Images) -> Embeddings:
        return self.inner.embed(x).to(x.dtype)

    def code(self) -> tuple[object, ...]:
        return (self, self.inner)


def _per_image(distances: Any, x: Images) -> PerImage:
    if not isinstance(distances, torch.Tensor) or distances.shape != (len(x),):
        got = tuple(distances.shape) if isinstance(distances, torch.Tensor) else type(distances).__name__
        raise UserError(f"a metric gives one distance an image: expected a tensor ({len(x)},), got {got}")
    return distances.to(x.dtype)


@metric("py", source="your file")
def py(target: str) -> Metric:
    """A metric from a Python file: py:FILE.py:CLASS."""
    file, _, name = target.rpartition(":")
    path = Path(file)
    if not file or not name or not path.is_file():
        raise UserError(f"expected py:FILE.py:CLASS with an existing file, got 'py:{target}'")
    made = _load(path, name)
    if isinstance(made, Metric):
        return made
    if hasattr(made, "embed"):
        return EmbedMetric(made)
    if callable(made):
        return CallableMetric(made)
    raise UserError(f"{path}: {name} has neither __call__(x, y) nor embed(x), so it is no metric")


def _load(path: Path, name: str) -> Any:
    module_name = "py_" + hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]
    spec = importlib.util.spec_from_file_location(module_name, path)
    if spec is None or spec.loader is None:
        raise UserError(f"expected a Python file, got {path}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise UserError(f"{path} does not import: {type(error).__name__}: {error}") from error
    factory = getattr(module, name, None)
    if factory is None:
        classes = [key for key, value in vars(module).items() if inspect.isclass(value)]
        raise UserError(f"{path} has no {name!r}; it has: {', '.join(classes) or 'no classes'}")
    try:
        return factory()
    except TypeError as error:
        raise UserError(f"{path}: {name}() must work without arguments ({error})") from error
