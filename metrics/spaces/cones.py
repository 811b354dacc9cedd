"""The safe cone when all three images move (docs/certificates.md, section 4), and its Euclidean counterpart.

Two anchors turn by at most alpha0 and alpha1, and 2 t = alpha0 + alpha1. The answer for a direction v stays
the same exactly where ang(v, u_far) - ang(v, u_near) > 2 t. That is the convex cone

    (sin^2 phi / sin^2 t - 1) X^2 > (1 - cos^2 phi / cos^2 t) Z^2 + |Y|^2,    X > 0,

X along u_near - u_far, Z along u_near + u_far, phi half the angle between them. For distances in
place of angles it is one side of a hyperboloid, with the anchors as its foci.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from perceptbench.core.tensors import Embeddings, PerImage
from perceptbench.metrics.spaces.geometry import angle
from perceptbench.metrics.spaces.quadrics import Quadric


def _column(values: Tensor) -> Tensor:
    return values[:, None]


def cone(g: Embeddings, near: Embeddings, far: Embeddings, t: Tensor, fixed: Embeddings | None = None) -> Quadric:
    """The safe cone of directions and the point g, for every half-angle t (n, m).

    `fixed`: unit vectors (n, d) along which g cannot move.
    """
    u_near, u_far = F.normalize(near, dim=1), F.normalize(far, dim=1)
    e_x, e_z = F.normalize(u_near - u_far, dim=1), F.normalize(u_near + u_far, dim=1)
    phi = _column(angle(near, far) / 2)
    # sin^2 phi - sin^2 t as a product: it keeps its digits where t is near phi.
    a = torch.where(t < phi, (phi - t).sin() * (phi + t).sin(), 0.0)
    h = torch.zeros_like(g) if fixed is None else fixed
    (x, z, across), (hx, hz, h_across) = (_along(v, e_x, e_z) for v in (g, h))
    return Quadric(
        a=a, s=t.sin().square(), b=a / t.cos().square().clamp_min(1e-300), c=torch.zeros_like(a),
        x=_column(x), z=_column(z), y2=_column(across.square().sum(1)),
        hx=_column(hx), hz=_column(hz), hy=_column((h_across * across).sum(1)), h2=_column(h_across.square().sum(1)),
    )  # fmt: skip


def _along(v: Embeddings, e_x: Embeddings, e_z: Embeddings) -> tuple[PerImage, PerImage, Embeddings]:
    x, z = (v * e_x).sum(1), (v * e_z).sum(1)
    return x, z, v - x[:, None] * e_x - z[:, None] * e_z


def hyperboloid(g: Embeddings, near: Embeddings, far: Embeddings, c: PerImage) -> Quadric:
    """The safe side {|z - far| - |z - near| > 2 c} and the point g; entries are (n,)."""
    e_x, half = F.normalize(near - far, dim=1), (near - far).norm(dim=1) / 2
    v = g - (near + far) / 2
    x, _, across = _along(v, e_x, torch.zeros_like(e_x))
    a = torch.where(c < half, (half - c) * (half + c), 0.0)
    zero = torch.zeros_like(a)
    return Quadric(
        a=a, s=c.square(), b=zero, c=a, x=x, z=zero, y2=across.square().sum(1),
        hx=zero, hz=zero, hy=zero, h2=zero,
    )  # fmt: skip


def anchor_turning_cost(near: PerImage, far: PerImage, t: Tensor) -> Tensor:
    """E(t): the joint l2 cost of turning two raw anchors of these norms by 2 t in all, for t (n, m).

    The least |g0|^2 sin^2 a0 + |g1|^2 sin^2 a1 with a0 + a1 = 2 t; from a quarter turn on, taking the
    shorter one to the origin is cheapest.
    """
    a, b = _column(near.square()), _column(far.square())
    product = 4 * a * b * (2 * t).sin().square()
    # (a + b - sqrt(a^2 + b^2 + 2 a b cos 4t)) / 2 without its cancellation.
    root = ((a + b).square() - product).clamp_min(0).sqrt()
    turned = product / (2 * (a + b + root)).clamp_min(1e-300)
    return torch.where(4 * t < torch.pi, turned, torch.minimum(a, b)).sqrt()
