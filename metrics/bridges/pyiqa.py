"""`pyiqa:NAME`: a full-reference metric of IQA-PyTorch (Chen & Mo, github.com/chaofengc/IQA-PyTorch)."""

import importlib
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from perceptbench.core.errors import UserError
from perceptbench.core.noise import forked_rng
from perceptbench.core.tensors import Images, PerImage
from perceptbench.metrics.base import Metric, metric

_PROBE = 224
_WEIGHTS_ONLY = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"


@metric("pyiqa", source="github.com/chaofengc/IQA-PyTorch", licence="PolyForm-Noncommercial-1.0.0", needs=("pyiqa",))
class PyIQA(Metric):
    """A score of pyiqa as a distance: itself where lower is better, else its negative.

    The first image is its target, the second its reference. Its weights are found and fetched by pyiqa itself,
    from its own sources; they are loaded without running code.

    Raises UserError for a name it does not have, a metric without a reference, one that is not differentiable
    in both images, and one that gives no number an image.
    """

    symmetric = False

    def __init__(self, name: str) -> None:
        """Args:
        name: as pyiqa writes it: `ahiq`.
        """
        self.inner = _made(name)
        self.sign = 1 if self.inner.lower_better else -1
        self._probe(name)

    def __call__(self, x: Images, y: Images) -> PerImage:
        return self.sign * self.inner(x, y).reshape(len(x)).to(x.dtype)  # type: ignore[no-any-return]

    def to(self, device: str) -> "PyIQA":
        self.inner.to(device)
        return self

    def weights(self) -> Iterable[Tensor]:
        return self.inner.state_dict().values()

    def _probe(self, name: str) -> None:
        """Try it on two pairs of noise, so that what cannot be attacked is refused at once."""
        draw = torch.Generator().manual_seed(0)
        x, y = (torch.rand(2, 3, _PROBE, _PROBE, generator=draw).requires_grad_() for _ in range(2))
        try:
            with torch.enable_grad():
                scores = self.inner(x, y)
                gradients = torch.autograd.grad(scores.sum(), (x, y), allow_unused=True)
        except Exception as error:  # whatever its code may raise
            raise UserError(f"pyiqa's {name} is not differentiable, or fails: {error}") from error
        if scores.numel() != 2:
            raise UserError(f"expected one number an image of pyiqa's {name}, got {tuple(scores.shape)} for two")
        if any(gradient is None or not gradient.isfinite().all() for gradient in gradients):
            raise UserError(f"pyiqa's {name} has no gradient in both images, so it cannot be attacked")


def _made(name: str) -> Any:
    with forked_rng(0), _without_unpickling():
        package = importlib.import_module("pyiqa")
        if name not in (known := package.list_models(metric_mode="FR")):
            raise UserError(f"expected a full-reference metric of pyiqa, got {name!r}; it has: {', '.join(known)}")
        try:
            made = package.create_metric(name, as_loss=True, loss_reduction="none", device="cpu")
        except Exception as error:  # no network, weights that do not load
            raise UserError(f"pyiqa cannot make {name!r}: {type(error).__name__}: {error}") from error
    return made.eval().requires_grad_(False)


@contextmanager
def _without_unpickling() -> Iterator[None]:
    """pyiqa asks torch to unpickle anything; this variable overrules that."""
    before = os.environ.get(_WEIGHTS_ONLY)
    os.environ[_WEIGHTS_ONLY] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_WEIGHTS_ONLY]
        else:
            os.environ[_WEIGHTS_ONLY] = before
