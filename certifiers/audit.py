"""How fast an embedding moves: a lower bound of its Lipschitz constant, found by search.

No search exceeds a correct bound. Where the proof or its code is wrong, a search usually does, by a lot.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from perceptbench.core.errors import UserError
from perceptbench.core.noise import Noise
from perceptbench.core.tensors import Images, PerImage
from perceptbench.metrics.base import EmbeddingMetric, LipschitzMetric

_ROUNDING = 1e-9
_FIRST_DISTANCE = 1e-3
_TINY = 1e-30


@dataclass(frozen=True, slots=True)
class Audit:
    """What was found around each image of a batch, in pixel l2.

    `slope` is the fastest way out of the image itself that power iteration met, `ratio` the largest
    |g(a) - g(b)| / |a - b| over pairs of images, which starts from there; `norm` is |g|. `bound` is
    the proved constant, None for a metric without one.
    """

    slope: PerImage
    ratio: PerImage
    norm: PerImage
    bound: float | None

    @property
    def largest(self) -> float:
        """The largest ratio of all."""
        return float(torch.maximum(self.slope, self.ratio).max())

    @property
    def refuted(self) -> bool:
        """Whether a pair of images moves faster than was proved."""
        return self.bound is not None and self.largest > self.bound * (1 + _ROUNDING)


def audit(metric: EmbeddingMetric, x: Images, noise: Noise, steps: int = 30) -> Audit:
    """Search for the fastest direction and the fastest pair around each image.

    In float64 where the metric has such a form, so that rounding is not taken for speed.

    Args:
        x: images (n, 3, h, w) in [0, 1]; where the search begins.
        noise: one source an image, for the first direction.
        steps: of the power iteration, and as many of the ascent over pairs.

    Raises UserError for a metric whose embedding is not finite.
    """
    bound = metric.lipschitz if isinstance(metric, LipschitzMetric) else None
    if isinstance(metric, LipschitzMetric):
        metric, x = metric.double(), x.double()
    with torch.no_grad():
        norm = metric.embed(x).norm(dim=1)
    if not bool(norm.isfinite().all()):
        raise UserError(
            "the metric gave an embedding that is not finite on a clean image; correct it before it is audited"
        )
    slope, direction = _power(metric, x, _unit(noise.normal(x)), steps)
    return Audit(slope, _ascend(metric, x, direction, steps), norm, bound)


def _power(metric: EmbeddingMetric, x: Images, v: Images, steps: int) -> tuple[PerImage, Images]:
    """Power iteration on J^T J at x: the largest slope, and the last unit v.

    J v is a difference quotient over a short way. So every slope is that of a pair of images, and none is larger
    than the constant.
    """
    start = x.detach().requires_grad_()
    # As short as rounding allows.
    short = 1e-4 if x.dtype == torch.float64 else 1e-2
    at_x = metric.embed(start)
    slope = torch.zeros_like(x[:, 0, 0, 0])
    for _ in range(steps):
        with torch.no_grad():
            moved = (metric.embed(x + short * v) - at_x) / short
        slope = torch.maximum(slope, moved.norm(dim=1))
        v = _unit(torch.autograd.grad(at_x, start, moved, retain_graph=True)[0])
    return slope, v


def _ascend(metric: EmbeddingMetric, x: Images, direction: Images, steps: int) -> PerImage:
    """Gradient ascent of log |g(a) - g(b)| - log |a - b| over both images, kept inside [0, 1]."""
    pair = torch.stack((x, (x + _FIRST_DISTANCE * direction).clamp(0, 1)))
    best = torch.zeros_like(x[:, 0, 0, 0])
    step = _FIRST_DISTANCE
    for _ in range(steps):
        pair = pair.detach().requires_grad_()
        apart = (pair[0] - pair[1]).flatten(1).norm(dim=1)
        g = metric.embed(pair.flatten(0, 1)).unflatten(0, (2, len(x)))
        ratio = (g[0] - g[1]).norm(dim=1) / apart.clamp_min(_TINY)
        (gradient,) = torch.autograd.grad(ratio.clamp_min(_TINY).log().sum(), pair)
        best = torch.maximum(best, torch.where(apart > 0, ratio, 0.0).detach())
        uphill = _unit(gradient.flatten(0, 1)).unflatten(0, (2, len(x)))
        pair = (pair.detach() + step * uphill).clamp(0, 1)
        # Steps grow: pairs that are far apart show ratios that no local slope shows.
        step *= 1.2
    return best


def _unit(v: Tensor) -> Tensor:
    return v / v.flatten(1).norm(dim=1).clamp_min(_TINY)[:, None, None, None]
