"""l2 and l-infinity over all pixels and channels of an image: size, steepest step, projection."""

import torch
from torch import Tensor

from core.noise import Noise
from core.spec import Norm
from core.tensors import Images, Mask, PerImage

_SHRINK = 1 - 1e-6


def per_image(values: PerImage | Mask) -> Tensor:
    """(n,) to (n, 1, 1, 1), to scale images."""
    return values[:, None, None, None]


def size(delta: Images, norm: Norm) -> PerImage:
    """The norm of each perturbation, in float64: what is measured is what is claimed."""
    flat = delta.double().flatten(1)
    return flat.norm(dim=1) if norm == "l2" else flat.abs().amax(dim=1)


def unit(delta: Images, norm: Norm) -> Images:
    """Scaled to norm 1; zero stays zero."""
    tiny = torch.finfo(torch.float32).tiny
    flat = delta.flatten(1)
    length = flat.norm(dim=1) if norm == "l2" else flat.abs().amax(dim=1)
    return delta / per_image(length.clamp_min(tiny))


def steepest(gradient: Images, norm: Norm) -> Images:
    """The step of norm 1 along which a linear function with this gradient grows most."""
    return unit(gradient, "l2") if norm == "l2" else gradient.sign()


def project(candidate: Images, x: Images, eps: float, norm: Norm) -> Images:
    """Into the ball of radius eps around x, then into [0, 1] (which only brings it nearer to x)."""
    delta = candidate - x
    if norm == "l2":
        length = delta.flatten(1).norm(dim=1)
        delta = delta * per_image((eps / length.clamp_min(1e-12)).clamp(max=1))
    else:
        delta = delta.clamp(-eps, eps)
    return (x + delta).clamp(0, 1)


def fit(candidate: Images, x: Images, eps: float, norm: Norm) -> Images:
    """Project, then shrink by parts in a million and a rounding error until the *measured* size is within eps."""
    candidate = project(candidate, x, eps, norm)
    for attempt in range(6):
        measured = size(candidate - x, norm)
        if bool((measured <= eps).all()):
            break
        # Rounding x + delta moves a pixel by up to 2^-25, which a relative shrink alone may never undo.
        target = max(eps * _SHRINK - 2.0**-24 * 4**attempt, 0.0)
        factor = torch.where(measured > eps, target / measured, 1.0).to(x)
        candidate = (x + (candidate - x) * per_image(factor)).clamp(0, 1)
    return candidate


def random_start(x: Images, eps: float, norm: Norm, noise: Noise) -> Images:
    """A point on the sphere of radius eps (l2: a uniform direction; linf: uniform, scaled up)."""
    draw = noise.normal(x) if norm == "l2" else 2 * noise.uniform(x) - 1
    return (x + eps * unit(draw, norm)).clamp(0, 1)
