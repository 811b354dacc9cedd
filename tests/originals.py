"""What tests against original programs share: real pairs, pretrained weights, gradients in float64."""

import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from perceptbench.core.noise import forked_rng
from perceptbench.core.ref import Ref
from perceptbench.core.tensors import Images, PerImage
from perceptbench.triplets.base import triplets

SHARED = Path(__file__).parents[1].parent / "shared" / "weights"


@cache
def _photos() -> tuple[Tensor, Tensor]:
    source = triplets.build(Ref("photos"))
    # Every 35th of 342: ten photographs, ten families of alterations.
    batch = source.batch(source.entries[::35])
    return batch.reference, batch.left


def photo_pairs(side: int = 224) -> tuple[Images, Images]:
    """Ten pairs of photographs and altered versions of them, their middle `side` pixels."""
    start = (224 - side) // 2
    x, y = (photos[..., start : start + side, start : start + side] for photos in _photos())
    return x.clone(), y.clone()


def find_shared_weights(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> bool:
    """Look for weights in $PERCEPTBENCH_WEIGHTS or beside this checkout, and fetch none; whether either is there."""
    monkeypatch.setenv("PERCEPTBENCH_OFFLINE", "1")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    if "PERCEPTBENCH_WEIGHTS" not in os.environ and SHARED.is_dir():
        monkeypatch.setenv("PERCEPTBENCH_WEIGHTS", str(SHARED))
    return "PERCEPTBENCH_WEIGHTS" in os.environ


def use_shared_weights(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As `find_shared_weights`, and skip the test where there are none."""
    if not find_shared_weights(monkeypatch, tmp_path):
        pytest.skip("no pretrained weights: set PERCEPTBENCH_WEIGHTS")


@contextmanager
def foreign(seed: int = 0) -> Iterator[None]:
    """For code that is not ours: its draws are seeded, its warnings are its own business."""
    with forked_rng(seed), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def random_trunk(name: str, seed: int = 0) -> nn.Sequential:
    """`features` of torchvision's classifier of this name, untrained."""
    from torchvision import models

    with foreign(seed):
        trunk: nn.Sequential = getattr(models, name)(weights=None).features
    return trunk.eval().requires_grad_(False)


def assert_gradient(distance: Callable[[Images], PerImage], x: Images, step: float = 1e-6, rtol: float = 1e-5) -> None:
    """The gradient along a random direction, in float64, is what central differences give."""
    assert x.dtype == torch.float64
    way = torch.randn(x.shape, dtype=x.dtype, generator=torch.Generator().manual_seed(11))
    moving = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(distance(moving).sum(), moving)
    with torch.no_grad():
        wanted = (distance(x + step * way) - distance(x - step * way)).sum() / (2 * step)
    assert abs(wanted) > 1e-6
    torch.testing.assert_close((gradient * way).sum(), wanted, rtol=rtol, atol=0)
