"""What the spaces share: the cosine distance, angles, and how far a plane is. Pure functions of embeddings (n, d).

Formulas and their proofs: docs/certificates.md. g is L-Lipschitz, u = g / |g|.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from perceptbench.core.tensors import Embeddings, PerImage


def lift(g: Embeddings) -> Tensor:
    """(g, 1) of shape (n, d + 1): the last coordinate no attacker can move, so |(g, 1)| >= 1."""
    return torch.cat([g, torch.ones_like(g[:, :1])], dim=1)


def cosine_distance(a: Embeddings, b: Embeddings) -> PerImage:
    """1 - <u(a), u(b)>, computed as |u(a) - u(b)|^2 / 2: exact zero for equal inputs.

    The subtraction comes first, so that near images keep their digits in float32.
    """
    return (F.normalize(a, dim=1) - F.normalize(b, dim=1)).square().sum(1) / 2


def signed_radius(g: Embeddings, normal: Embeddings, offset: PerImage, lipschitz: float) -> PerImage:
    """Distance of g from the plane over L, positive on the side of `right` (case A).

    Zero where the anchors coincide, since there are no sides then. Infinite where the normal is
    zero and the offset is not: then every embedding is on one side.
    """
    length = normal.norm(dim=1)
    signed = ((g * normal).sum(1) - offset) / (length * lipschitz)
    return torch.where(length > 0, signed, torch.where(offset == 0, 0.0, -offset.sign() * torch.inf))


def angle(a: Embeddings, b: Embeddings) -> PerImage:
    """The angle between two vectors, accurate near 0 and pi (Kahan's formula)."""
    u, v = F.normalize(a, dim=1), F.normalize(b, dim=1)
    return 2 * torch.atan2((u - v).norm(dim=1), (u + v).norm(dim=1))


def angle_at(distance: Tensor) -> Tensor:
    """The angle at which 1 - cos is `distance`; 0 below 0, pi above 2."""
    return 2 * (distance / 2).clamp(0, 1).sqrt().asin()


def distance_at(turned: Tensor) -> Tensor:
    """1 - cos of an angle, accurate near 0."""
    return 2 * (turned / 2).sin().square()
