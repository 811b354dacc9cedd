"""Inversion: an image that a metric can hardly tell from another, found from what the metric keeps of that one alone.

Of the image x only its representation enters: the embedding g(x), or the features of a feature metric. The search
lowers, by Adam (torch.optim) with a rate that falls to 0 along a cosine, from grey or from noise,

    fit(z, x) / fit(grey, x) + tv * TV(z)

where fit is |g(z) - g(x)|^2, or the distance itself between features, grey has the value 1/2 everywhere, and TV is the
mean absolute difference of neighbouring pixels: the only thing that is assumed of pictures (Mahendran and Vedaldi,
arXiv:1412.0035). After each step values are put back into [0, 1].

It is no `Attack`: there is no budget, nothing is judged, and x is never looked at again.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor
from torch.optim import Adam
from torch.optim.lr_scheduler import CosineAnnealingLR

from perceptbench.core.errors import UserError
from perceptbench.core.noise import Noise
from perceptbench.core.tensors import Images, PerImage
from perceptbench.metrics.base import EmbeddingMetric, Metric
from perceptbench.metrics.features.feature_metric import FeatureMetric

STARTS = ("grey", "noise")
GREY = 0.5

Fit: TypeAlias = Callable[[Images], PerImage]
"""How far each image is from what was kept; differentiable."""


@dataclass(frozen=True, slots=True)
class InverseSearch:
    """How an inversion is searched.

    Args:
        start: "grey", or "noise" (uniform, independent values).
        steps: of Adam.
        rate: the first step length, in values of a pixel.
        tv: weight of the total variation.
    """

    start: str = "grey"
    steps: int = 200
    rate: float = 0.05
    tv: float = 2.0


@dataclass(frozen=True, slots=True)
class Inverse:
    """What was found.

    Args:
        images: z (n, 3, h, w).
        residual: (n,), how far z still is from x, as a share of how far grey is: |g(z) - g(x)| / |g(grey) - g(x)|, or
            the same ratio of distances for a feature metric. 0 where nothing is left.
    """

    images: Images
    residual: PerImage


def require_inverse(metric: Metric, name: str) -> None:
    """Raises UserError where a metric keeps nothing of an image alone that a search could follow."""
    if not isinstance(metric, EmbeddingMetric | FeatureMetric):
        raise UserError(
            f"{name} keeps no embedding and no features of an image alone, so there is nothing to invert; "
            "give a metric that does, such as lipsim or lpips"
        )
    if not metric.differentiable:
        raise UserError(f"{name} has no gradient, which the search follows; give a metric that is differentiable")


def invert(metric: Metric, x: Images, search: InverseSearch, noise: Noise) -> Inverse:
    """Images that the metric can hardly tell from x; see the module.

    Args:
        metric: one that `require_inverse` lets pass.
        x: (n, 3, h, w) in [0, 1].
        noise: a generator an image, for the start "noise".

    Raises UserError where the distance of a found image is not finite.
    """
    fit = _fit(metric, x)
    grey = torch.full_like(x, GREY)
    with torch.no_grad():
        whole = fit(grey)
    # Where an image is grey to the metric, nothing has to be found, and the fit needs no scale.
    scale = torch.where(whole > 0, whole, torch.ones_like(whole))
    z = (noise.uniform(x) if search.start == "noise" else grey).clone().requires_grad_()
    adam = Adam([z], lr=search.rate)
    falling = CosineAnnealingLR(adam, search.steps)
    for _ in range(search.steps):
        adam.zero_grad()
        # A sum, so that no image moves another.
        (fit(z) / scale + search.tv * total_variation(z)).sum().backward()
        adam.step()
        falling.step()
        with torch.no_grad():
            z.clamp_(0, 1)
    found = z.detach()
    with torch.no_grad():
        left = fit(found) / scale
    if not left.isfinite().all():
        raise UserError("expected finite distances in the inversion, got others; see bench doctor")
    return Inverse(found, left.sqrt() if isinstance(metric, EmbeddingMetric) else left)


def total_variation(x: Images) -> PerImage:
    """The mean absolute difference of values side by side plus that of values above each other, (n,) in [0, 2]."""
    across, down = x.diff(dim=3).abs(), x.diff(dim=2).abs()
    return across.mean((1, 2, 3)) + down.mean((1, 2, 3))


def _fit(metric: Metric, x: Images) -> Fit:
    with torch.no_grad():
        kept = metric.represent(x)

    def squared(z: Images) -> PerImage:
        return (metric.represent(z) - kept).square().sum(1)

    def distance(z: Images) -> Tensor:
        return metric.compare(metric.represent(z), kept)

    return squared if isinstance(metric, EmbeddingMetric) else distance
