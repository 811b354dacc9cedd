"""What is asked of a triplet, and of all triplets of a batch.

Notation: g are embeddings, u = g / |g|. A triplet (i, j, k) is answered `j` when
<g_i, u_j - u_k> > 0, and cannot be flipped by moving image i by less than

    r_ijk = <g_i, u_j - u_k> / |u_j - u_k|          (pixel l2, for a 1-Lipschitz g)

the *unnormalised* margin, which is the certified radius (certificates, section 2). The paper's
margin is that of the cosine distances: d(i, k) - d(i, j) = <u_i, u_j - u_k>.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from perceptbench.training.lipsim.config import TripletLoss

_TINY = 1e-8


def batch_radii(g: Tensor) -> Tensor:
    """r_ijk for every triplet within a batch of embeddings (n, d): shape (n, n, n)."""
    projection, gap = _plane(g)
    return _differences(projection) / gap


def _plane(g: Tensor) -> tuple[Tensor, Tensor]:
    """<g_i, u_j> and |u_j - u_k|, each (n, n)."""
    u = F.normalize(g, dim=1)
    return g @ u.T, (2 - 2 * u @ u.T).clamp_min(_TINY).sqrt()


def radii_of(g: Tensor, triplets: Tensor) -> Tensor:
    """The radii (t,) of some triplets of embeddings (n, d): rows (t, 3) of the reference, the other, the nearer."""
    reference, other, nearer = triplets.T
    projection, gap = _plane(g)
    return (projection[reference, nearer] - projection[reference, other]) / gap[other, nearer]


def batch_margins(g: Tensor) -> Tensor:
    """d(i, k) - d(i, j) by cosine distance, for embeddings (n, d): shape (n, n, n), in [-2, 2]."""
    u = F.normalize(g, dim=1)
    return _differences(u @ u.T)


def _differences(similarity: Tensor) -> Tensor:
    return similarity[:, :, None] - similarity[:, None, :]


def triplet_radii(reference: Tensor, left: Tensor, right: Tensor) -> Tensor:
    """The signed radius of each triplet of embeddings (n, d): positive where `right` is nearer."""
    w = F.normalize(right, dim=1) - F.normalize(left, dim=1)
    return (reference * w).sum(1) / w.norm(dim=1).clamp_min(_TINY)


def triplet_margins(reference: Tensor, left: Tensor, right: Tensor) -> Tensor:
    """d(reference, left) - d(reference, right) by cosine distance, for embeddings (n, d)."""
    return F.cosine_similarity(reference, right) - F.cosine_similarity(reference, left)


def hinge(radii: Tensor, target: float) -> Tensor:
    """max(0, 1 - r / target): zero once the radius is reached."""
    return F.relu(1 - radii / target)


def cosine_hinge(margins: Tensor, target: float) -> Tensor:
    """max(0, target - y (d0 - d1)) of the signed margins y (d0 - d1): the loss of DreamSim and LipSim."""
    return F.relu(target - margins)


def hinge_kr(radii: Tensor, target: float, weight: float) -> Tensor:
    """-y f + weight max(0, target - y f), where y f are signed radii (Serrurier et al., arXiv:2006.06520).

    There f is one 1-Lipschitz function, and the mean of y f the Kantorovich-Rubinstein dual: the cost
    of moving one class onto the other. Here every triplet has its own f, the radius as a function of the
    reference, and y f stays as it is when left and right are swapped: no class is left to be moved. The
    first term is then the mean certified radius, wrong answers counted against it; it pulls without end,
    where the hinge stops. |y f| <= |g(reference)|, so it is bounded.
    """
    return weight * F.relu(target - radii) - radii


def penalty(asked: TripletLoss, signed: Tensor) -> Tensor:
    """Of radii or margins that are positive where the answer is right; same shape."""
    match asked.loss:
        case "cosine":
            return cosine_hinge(signed, asked.margin)
        case "hkr":
            return hinge_kr(signed, asked.radius, asked.hinge_weight)
        case _:
            return hinge(signed, asked.radius)


def loss_of_triplets(asked: TripletLoss, reference: Tensor, left: Tensor, right: Tensor, sign: Tensor) -> Tensor:
    """The mean over triplets of embeddings (n, d); sign (n,) is +1 where `right` is preferred, else -1."""
    score = triplet_margins if asked.loss == "cosine" else triplet_radii
    return penalty(asked, sign * score(reference, left, right)).mean()


def loss_of_batch(asked: TripletLoss, g: Tensor, teacher: Tensor) -> Tensor:
    """The mean over all triplets of a batch, ordered as the teacher orders them.

    Each triplet weighs as much as the teacher's two similarities differ, so near ties, where
    the teacher's order is mostly noise, hardly count; `focus` lets those of like images count for more.

    Args:
        g: student embeddings (n, d).
        teacher: the teacher's cosine similarities (n, n).
    """
    weight = ordering_weight(teacher)
    if asked.focus:
        weight = weight * torch.exp((teacher[:, :, None] + teacher[:, None, :] - 2) / asked.focus)
    score = batch_margins if asked.loss == "cosine" else batch_radii
    return (weight * penalty(asked, score(g))).sum() / weight.sum().clamp_min(_TINY)


def ordering_weight(teacher: Tensor) -> Tensor:
    """max(0, s_ij - s_ik) for similarities (n, n): (n, n, n), zero where an image meets itself."""
    weight = _differences(teacher).clamp_min(0)
    other = 1 - torch.eye(len(teacher), device=teacher.device)
    return weight * other[:, :, None] * other[:, None, :]
