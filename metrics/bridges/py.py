"""`py:FILE.py:CLASS`: a metric of your own, from a file outside this project.

The class needs no argument and one of two methods: `__call__(x, y)` giving distances (n,), or
`embed(x)` giving vectors (n, d), compared by cosine. Where it says nothing else it counts as `differentiable` and not
`stochastic`. Deriving from perceptbench.metrics.base is welcome, not
needed. The file runs with your rights: use it for code you trust, as with any Python import.
"""

import hashlib
import importlib.util
import inspect
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from perceptbench.core.errors import NoGradientError, UserError
from perceptbench.core.files import is_file
from perceptbench.core.others import contained
from perceptbench.core.printable import printable
from perceptbench.core.source_code import OF_FILE
from perceptbench.core.tensors import Embeddings, Images, PerImage
from perceptbench.metrics.asked import asked, checked
from perceptbench.metrics.base import EmbeddingMetric, Metric, metric
from perceptbench.metrics.held import modules_in, move, settled, tensors_in


class _Yours:
    """What both wrappers share: your object, its modules, and sentences for what goes wrong in it."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.modules = modules_in(inner)
        self.differentiable = bool(getattr(inner, "differentiable", True))
        self.stochastic = bool(getattr(inner, "stochastic", False))

    def code(self) -> tuple[object, ...]:
        return (self, self.inner)

    def weights(self) -> Iterable[Tensor]:
        return tensors_in(self.inner)

    def to(self, device: str) -> Any:
        move(self.inner, device)
        return self

    def call(self, function: Callable[..., Any], *images: Images, rank: int) -> Tensor:
        """What your code gives for these images. Raises UserError with its own words."""
        name = f"your metric {_name(self.inner)}"
        given: Tensor = checked(name, asked(name, function, *images), rank, *images)
        if torch.is_grad_enabled() and any(x.requires_grad for x in images) and not given.requires_grad:
            raise NoGradientError(f"{name} is not differentiable in an image that moves; attack it with l2-square")
        return given.to(images[0].dtype)


class CallableMetric(_Yours, Metric):
    """Wraps an object with `__call__(x, y)`; symmetric only if it says so (`symmetric = True`)."""

    def __init__(self, inner: Any) -> None:
        super().__init__(inner)
        self.symmetric = bool(getattr(inner, "symmetric", False))

    def __call__(self, x: Images, y: Images) -> PerImage:
        return self.call(self.inner, x, y, rank=1)


class EmbedMetric(_Yours, EmbeddingMetric):
    """Wraps an object with `embed(x)`."""

    def embed(self, x: Images) -> Embeddings:
        return self.call(self.inner.embed, x, rank=2)


@metric("py", source="your file")
def py(target: str) -> Metric:
    """A metric from a Python file: py:FILE.py:CLASS."""
    file, _, name = target.rpartition(":")
    path = Path(file)
    if not file or not name or not is_file(path):
        raise UserError(f"expected py:FILE.py:CLASS with an existing file, got 'py:{target}'")
    made = _load(path, name)
    settled(made)
    if isinstance(made, Metric):
        return made
    yours = wrapped(made)
    if yours is None:
        raise UserError(f"{path}: {name} has neither __call__(x, y) nor embed(x), so it is no metric")
    return yours


def wrapped(made: Any) -> EmbedMetric | CallableMetric | None:
    """A metric around an object with `embed(x)` or `__call__(x, y)`; None where it has neither. The object stays as
    it is: its modules are neither frozen nor put into another mode."""
    if hasattr(made, "embed"):
        return EmbedMetric(made)
    return CallableMetric(made) if callable(made) else None


def module_of_file(path: Path) -> str:
    """The name under which a file is imported: no other file has it, and what stands before `_of_file_` is its own."""
    place = hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:12]
    return f"{printable(path.stem)}{OF_FILE}{place}"


def _load(path: Path, name: str) -> Any:
    module_name = module_of_file(path)
    spec = importlib.util.spec_from_file_location(module_name, path)
    if spec is None or spec.loader is None:
        raise UserError(f"expected a Python file, got {path}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    with contained(f"{path} does not import", surely=True):
        spec.loader.exec_module(module)
    factory = getattr(module, name, None)
    if factory is None:
        classes = [key for key, value in vars(module).items() if inspect.isclass(value)]
        raise UserError(f"{path} has no {name!r}; it has: {', '.join(classes) or 'no classes'}")
    with contained(f"{path}: {name}() must work without arguments", surely=True):
        return factory()


def _name(inner: Any) -> str:
    """Of a class or a function."""
    return getattr(inner, "__name__", None) or type(inner).__name__
