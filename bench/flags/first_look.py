"""A first look at a metric from outside this project: one call, before anything is planned with it."""

import torch

from perceptbench.core.errors import NoGradientError, UserError
from perceptbench.core.others import contained
from perceptbench.metrics.base import Metric

SIDE = 224


def gives_gradient(metric: Metric, device: str) -> bool:
    """Whether the metric has a gradient: it says so, and its distances carry one.

    Raises UserError where it fails, where it changes the images that it is given, and where its distances would make
    every result meaningless: of another shape, or not finite.
    """
    draw = torch.Generator().manual_seed(0)
    x, y = (torch.rand(2, 3, SIDE, SIDE, generator=draw).to(device) for _ in range(2))
    kept = x.clone(), y.clone()
    x.requires_grad_(metric.differentiable)
    try:
        with contained("the metric failed on random images"), torch.set_grad_enabled(metric.differentiable):
            distance = metric.prepare(y).distances(x)[0]
    except NoGradientError:
        return False
    if not (torch.equal(x.detach(), kept[0]) and torch.equal(y, kept[1])):
        raise UserError("the metric changes the images that it is given; clone them first")
    if distance.shape != (2,):
        raise UserError(f"a metric gives distances (n,), here (2,), got {tuple(distance.shape)}; correct it first")
    if not bool(distance.isfinite().all()):
        raise UserError("the metric gave a distance that is not finite on random images in [0, 1]; correct it first")
    return metric.differentiable and distance.requires_grad
