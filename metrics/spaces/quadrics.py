"""How far a point may move before it leaves a cone or a hyperboloid: exact, by Lagrange duality.

The safe side is a convex set {(a / s) X^2 > b Z^2 + |Y|^2 + c, X > 0}. For every lam in [0, 1],

    q(lam) = min over z of |z - z0|^2 + lam * ((a / s) X^2 - b Z^2 - |Y|^2 - c)

is at most the squared distance from z0 to the complement, and the largest q equals it (S-lemma).
Hence a multiplier found by bisection can only give a radius that is too small, never too large.
`a` and `s` are kept apart so that s = 0, where the cone opens into the half space X > 0, needs no limit.
"""

from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

_HALVINGS = 44
_LAST = 1 - 2**-40


@dataclass(frozen=True, slots=True)
class Quadric:
    """A quadric and a point in its own axes; every entry broadcasts to one shape.

    a, s, b, c: of the safe side; 0 <= s, and 0 <= b <= 1.
    x, z, y2: the point, |Y|^2 for its remaining coordinates.
    hx, hz, hy, h2: a unit direction h in which the point cannot move, where there is one: its
        coordinates, <h_Y, Y> and |h_Y|^2.
    """

    a: Tensor
    s: Tensor
    b: Tensor
    c: Tensor
    x: Tensor
    z: Tensor
    y2: Tensor
    hx: Tensor
    hz: Tensor
    hy: Tensor
    h2: Tensor


@dataclass(frozen=True, slots=True)
class _Minimum:
    """Where q(lam) is attained: how much each axis shrinks or grows, and the pull that holds h fixed."""

    in_x: Tensor
    in_z: Tensor
    in_y: Tensor
    pull: Tensor
    value: Tensor


def _minimum(q: Quadric, lam: Tensor) -> _Minimum:
    """Solve (I + lam D) z = z0 - pull h; `value` is q(lam), written so that small ones keep their digits."""
    in_x, shrunk = q.s / (q.s + lam * q.a), lam * q.a / (q.s + lam * q.a)
    grown_z, grown_y = lam * q.b / (1 - lam * q.b), lam / (1 - lam)
    in_z, in_y = 1 + grown_z, 1 + grown_y
    curvature = q.hx.square() * in_x + q.hz.square() * in_z + q.h2 * in_y
    slope = q.hz * q.z * grown_z + q.hy * grown_y - q.hx * q.x * shrunk
    pull = torch.where(curvature > 0, slope / curvature, 0.0)
    free = shrunk * q.x.square() - grown_z * q.z.square() - grown_y * q.y2 - lam * q.c
    return _Minimum(in_x, in_z, in_y, pull, free + pull * slope)


def _inside(q: Quadric, lam: Tensor) -> Tensor:
    """Whether the minimiser is on the safe side: dq/dlam > 0, which holds up to the best lam."""
    at = _minimum(q, lam)
    # (a / s) X^2 with X = (x - pull hx) s / (s + lam a), written without dividing by s.
    along = q.a * at.in_x / (q.s + lam * q.a) * (q.x - at.pull * q.hx).square()
    across = q.y2 - 2 * at.pull * q.hy + at.pull.square() * q.h2
    return along > q.b * (at.in_z * (q.z - at.pull * q.hz)).square() + at.in_y.square() * across + q.c


def clearance(q: Quadric) -> Tensor:
    """Distance of the point from the complement of the safe side; 0 for a point that is not inside.

    Exact where at least one direction is left besides X, Z, Y and h, else a lower bound.
    """
    # By NumPy: torch's own function imports the tools of its compiler.
    shape = np.broadcast_shapes(*(tuple(getattr(q, f.name).shape) for f in fields(q)))
    low, high = q.x.new_zeros(shape), q.x.new_ones(shape)
    for _ in range(_HALVINGS):
        # Bisection of the square root: a small s needs small multipliers in fine steps.
        middle = (low + high) / 2
        inside = _inside(q, middle.square())
        low, high = torch.where(inside, middle, low), torch.where(inside, high, middle)
    best = _minimum(q, high.square().clamp_max(_LAST)).value
    safe = (q.x > 0) & (q.a > 0)
    return torch.where(safe, best.clamp_min(0).sqrt(), 0.0)
