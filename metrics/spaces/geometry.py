"""Distances, angles, boundaries and radii in embedding space: pure functions of embeddings (n, d).

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


def cosine_boundary(left: Embeddings, right: Embeddings) -> tuple[Embeddings, PerImage]:
    """Normal w = u(right) - u(left) and offset 0 of the plane where both cosines agree.

    An anchor at the origin has no direction and its distance is 1/2 to everything: there is no such
    plane, the normal is zero, and with it the radius.
    """
    normal = F.normalize(right, dim=1) - F.normalize(left, dim=1)
    directed = (left.norm(dim=1) > 0) & (right.norm(dim=1) > 0)
    normal = normal * directed[:, None]
    return normal, normal.new_zeros(len(normal))


def lifted_boundary(left: Embeddings, right: Embeddings) -> tuple[Embeddings, PerImage]:
    """The same plane for lifted embeddings (n, d + 1), whose last coordinate stays 1.

    That coordinate of w cannot be used by an attacker: it moves from the normal to the offset.
    """
    w, _ = cosine_boundary(left, right)
    return torch.cat([w[:, :-1], torch.zeros_like(w[:, :1])], dim=1), -w[:, -1]


def euclidean_boundary(left: Embeddings, right: Embeddings) -> tuple[Embeddings, PerImage]:
    """The perpendicular bisector: normal right - left, offset (|right|^2 - |left|^2) / 2."""
    normal = right - left
    return normal, (normal * (right + left)).sum(1) / 2


def signed_radius(g: Embeddings, normal: Embeddings, offset: PerImage, lipschitz: float) -> PerImage:
    """Distance of g from the plane over L, positive on the side of `right` (case A).

    Zero where the anchors coincide, since there are no sides then. Infinite where the normal is
    zero and the offset is not: then every embedding is on one side.
    """
    length = normal.norm(dim=1)
    signed = ((g * normal).sum(1) - offset) / (length * lipschitz)
    return torch.where(length > 0, signed, torch.where(offset == 0, 0.0, -offset.sign() * torch.inf))


def cosine_paper_radius(g: Embeddings, left: Embeddings, right: Embeddings) -> PerImage:
    """<u, w> / |w|: Theorem 1 of the paper, which divides the margin by |g|."""
    return signed_radius(F.normalize(g, dim=1), *cosine_boundary(left, right), 1.0)


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


def euclidean_interval(a: Embeddings, b: Embeddings, eps: float) -> tuple[Tensor, Tensor]:
    """Bounds of |g - b| over all g within eps of a."""
    distance = (a - b).norm(dim=1)
    return (distance - eps).clamp_min(0), distance + eps
