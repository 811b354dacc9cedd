"""Losses on the *unnormalised* margin, which is the certified radius (certificates, section 2).

Notation: g are embeddings, u = g / |g|. A triplet (i, j, k) is answered `j` when
<g_i, u_j - u_k> > 0, and cannot be flipped by moving image i by less than

    r_ijk = <g_i, u_j - u_k> / |u_j - u_k|          (pixel l2, for a 1-Lipschitz g).
"""

import torch
import torch.nn.functional as F
from torch import Tensor

_TINY = 1e-8


def batch_radii(g: Tensor) -> Tensor:
    """r_ijk for every triplet within a batch of embeddings (n, d): shape (n, n, n)."""
    u = F.normalize(g, dim=1)
    projection = g @ u.T
    gap = (2 - 2 * u @ u.T).clamp_min(_TINY).sqrt()
    return (projection[:, :, None] - projection[:, None, :]) / gap


def triplet_radii(reference: Tensor, left: Tensor, right: Tensor) -> Tensor:
    """The signed radius of each triplet of embeddings (n, d): positive where `right` is nearer."""
    w = F.normalize(right, dim=1) - F.normalize(left, dim=1)
    return (reference * w).sum(1) / w.norm(dim=1).clamp_min(_TINY)


def hinge(radii: Tensor, target: float) -> Tensor:
    """max(0, 1 - r / target): zero once the radius is reached."""
    return F.relu(1 - radii / target)


def ordering_weight(teacher: Tensor) -> Tensor:
    """max(0, s_ij - s_ik) for similarities (n, n): (n, n, n), zero where an image meets itself."""
    weight = (teacher[:, :, None] - teacher[:, None, :]).clamp_min(0)
    other = 1 - torch.eye(len(teacher), device=teacher.device)
    return weight * other[:, :, None] * other[:, None, :]


def ordering_loss(g: Tensor, teacher: Tensor, target: float) -> Tensor:
    """Hinge over all triplets of a batch, ordered as the teacher orders them.

    Each triplet weighs as much as the teacher's two similarities differ, so near ties, where the
    teacher's order is mostly noise, hardly count.

    Args:
        g: student embeddings (n, d).
        teacher: the teacher's cosine similarities (n, n).
        target: the radius asked for, in pixel l2.
    """
    weight = ordering_weight(teacher)
    return (weight * hinge(batch_radii(g), target)).sum() / weight.sum().clamp_min(_TINY)
