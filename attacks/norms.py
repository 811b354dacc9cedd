"""l2 and l-infinity over all pixels and channels of an image: sizes, steepest steps, random starts."""

from collections.abc import Callable

import torch
from torch import Tensor

from perceptbench.core.noise import Noise
from perceptbench.core.ref import Norm
from perceptbench.core.tensors import Images, Mask, PerImage

_TINY = torch.finfo(torch.float32).tiny


def each(function: Callable[..., Tensor], *batches: Tensor) -> Tensor:
    """Apply a function that treats the rows of its batches independently; on a CPU row by row.

    One image fits into the cache of a CPU through all passes over it, and a batch does not.
    """
    if batches[0].device.type != "cpu":
        return function(*batches)
    out = torch.empty_like(batches[0])
    for row, *images in zip(out.split(1), *(b.split(1) for b in batches), strict=True):
        row.copy_(function(*images))
    return out


def per_image(values: PerImage | Mask) -> Tensor:
    """(n,) to (n, 1, 1, 1), to scale images."""
    return values[:, None, None, None]


def spread(values: PerImage | Mask, like: Tensor) -> Tensor:
    """(n,) to (n, 1, ..., 1) with as many dimensions as `like` (n, ...)."""
    return values.reshape(-1, *(1,) * (like.ndim - 1))


def change(candidate: Images, x: Images) -> Tensor:
    """candidate - x in float64: float32 would round the difference before it is measured."""
    return candidate.double() - x.double()


def size(delta: Tensor, norm: Norm) -> PerImage:
    """The norm (n,) of each perturbation in float64: this value is reported."""
    flat = delta.double().flatten(1)
    return flat.norm(dim=1) if norm == "l2" else flat.abs().amax(dim=1)


def length(delta: Tensor, norm: Norm) -> PerImage:
    """The same in the precision of the images: several times faster, for decisions inside an attack."""
    # One image at a time: on CPUs torch reduces long rows of a batch ten times slower.
    if norm == "linf":
        return torch.stack([torch.stack(torch.aminmax(image)).abs().max() for image in delta])
    return torch.stack([torch.linalg.vector_norm(image) for image in delta])


def dot(a: Images, b: Images) -> PerImage:
    """The inner product (n,) of each pair of images."""
    return torch.stack([torch.dot(p, q) for p, q in zip(a.flatten(1), b.flatten(1), strict=True)])


def unit(delta: Images, norm: Norm) -> Images:
    """Scaled to norm 1; zero stays zero."""
    return delta / per_image(length(delta, norm).clamp_min(_TINY))


def power_of_two(values: Tensor) -> PerImage:
    """The power of two (n,) that brings the largest magnitude of each row into [1/2, 1); 1 for a row of zeros.

    Multiplying by it rounds nothing. So what is computed of the product is the same in every unit of the values, where
    squares of very small or large values would be lost.
    """
    largest = length(values, "linf")
    safe = largest.clamp_min(_TINY)
    return torch.where(largest > 0, torch.frexp(safe).mantissa / safe, 1.0)


def climb(x: Tensor, gradient: Tensor, step: PerImage, norm: Norm) -> Tensor:
    """x after a step (n,) of this norm in the direction in which a linear function with this gradient grows most.

    A positive factor of the gradient changes nothing. Where the gradient is zero, neither does the step.
    """
    if norm == "l2":
        direction = gradient * spread(power_of_two(gradient), gradient)
        return torch.addcmul(x, direction, spread(per_length(step, direction), x))
    return torch.addcmul(x, gradient.sign(), spread(step, x))


def per_length(step: PerImage | float, direction: Tensor) -> PerImage:
    """The factor (n,) that gives each direction this l2 norm; 0 where the direction is zero."""
    reach = length(direction, "l2")
    return torch.where(reach > 0, step / reach.clamp_min(_TINY), 0.0)


def random_start(x: Images, eps: float, norm: Norm, noise: Noise) -> Images:
    """A point on the sphere of radius eps (l2: a uniform direction; linf: uniform, scaled up)."""
    draw = noise.normal(x) if norm == "l2" else 2 * noise.uniform(x) - 1
    return (x + eps * unit(draw, norm)).clamp(0, 1)
