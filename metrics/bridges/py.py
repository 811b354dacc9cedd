"""`py:FILE.py:NAME`: a metric of your own, from a file outside this project.

    class Mine:                                      py:mine.py:Mine  or  py:mine.py:Mine(ckpt='a.pt')
        def __init__(self, ckpt="b.pt"): ...
        def embed(self, x): ...                      vectors (n, d), compared by cosine; or
        def forward(self, x, y): ...                 distances (n,); `__call__` does as well
    def distance(x, y): ...                          py:mine.py:distance
    mine = Mine()                                    py:mine.py:mine

What stands in parentheses goes to the constructor. Where the object says nothing else it counts as `differentiable` and
not `stochastic`. Deriving from perceptbench.metrics.base is welcome, not needed. The file runs with your rights: use it
for code you trust, as with any Python import.
"""

import inspect
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from perceptbench.core.errors import NoGradientError, UserError
from perceptbench.core.files import is_file
from perceptbench.core.others import contained
from perceptbench.core.ref import Scalar
from perceptbench.core.tensors import Embeddings, Images, PerImage
from perceptbench.metrics.asked import asked, checked
from perceptbench.metrics.base import EmbeddingMetric, Metric, metric
from perceptbench.metrics.bridges.user_file import imported
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
    """Wraps an object with `__call__(x, y)` or `forward(x, y)`; symmetric only if it says so (`symmetric = True`)."""

    def __init__(self, inner: Any) -> None:
        super().__init__(inner)
        self.symmetric = bool(getattr(inner, "symmetric", False))

    def __call__(self, x: Images, y: Images) -> PerImage:
        return self.call(self.inner if callable(self.inner) else self.inner.forward, x, y, rank=1)


class EmbedMetric(_Yours, EmbeddingMetric):
    """Wraps an object with `embed(x)`."""

    def embed(self, x: Images) -> Embeddings:
        return self.call(self.inner.embed, x, rank=2)


@metric("py", source="your file")
def py(target: str, **arguments: Scalar) -> Metric:
    """A metric from a Python file: py:FILE.py:CLASS(KEY=VALUE)."""
    file, _, name = target.rpartition(":")
    path = Path(file)
    if not file or not name or not is_file(path):
        raise UserError(f"expected py:FILE.py:CLASS with an existing file, got 'py:{target}'")
    with imported(path) as module:
        made = _made(module, path, name, arguments)
    settled(made)
    if isinstance(made, Metric):
        return made
    yours = wrapped(made)
    if yours is None:
        raise UserError(f"{path}: {name} has no __call__(x, y), forward(x, y) or embed(x), so it is no metric")
    return yours


def wrapped(made: Any) -> EmbedMetric | CallableMetric | None:
    """A metric around an object with `embed(x)`, `__call__(x, y)` or `forward(x, y)`; None where it has none of them.
    The object stays as it is: its modules are neither frozen nor put into another mode."""
    if hasattr(made, "embed"):
        return EmbedMetric(made)
    return CallableMetric(made) if callable(made) or callable(getattr(made, "forward", None)) else None


def _made(module: Any, path: Path, name: str, arguments: Mapping[str, Scalar]) -> Any:
    """What the file has under a name: an object, a function of two tensors, or what a class or a function makes."""
    found = getattr(module, name, None)
    if found is None:
        named = [key for key, value in vars(module).items() if _is_of(value, module)]
        raise UserError(f"{path} has no {name!r}; it has: {', '.join(named) or 'no classes and no functions'}")
    if inspect.isfunction(found) and _compares(found, arguments):
        return partial(found, **arguments) if arguments else found
    if not inspect.isclass(found) and not inspect.isfunction(found):
        if arguments:
            raise UserError(f"{path}: {name} is an object and takes no arguments; leave {', '.join(arguments)} out")
        return found
    words = ", ".join(f"{key}={value!r}" for key, value in arguments.items())
    with contained(f"{path}: {name}({words}) cannot be made", surely=True):
        return found(**arguments)


def _is_of(value: Any, module: Any) -> bool:
    """Whether a file makes it, and did not import it."""
    return (inspect.isclass(value) or inspect.isfunction(value)) and value.__module__ == module.__name__


def _compares(function: Callable[..., Any], arguments: Mapping[str, Scalar]) -> bool:
    """Whether a function waits for two images, beside these arguments; one that waits for none makes a metric."""
    wanted = [
        one
        for one in inspect.signature(function).parameters.values()
        if one.default is one.empty and one.name not in arguments
        and one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)
    ]  # fmt: skip
    return len(wanted) == 2


def _name(inner: Any) -> str:
    """Of a class or a function."""
    inner = inner.func if isinstance(inner, partial) else inner
    return getattr(inner, "__name__", None) or type(inner).__name__
