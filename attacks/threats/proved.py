"""Between a certified radius in l2 and the size of a set, also of one whose l2 bound depends on the image.

The answer to an image stands while no change moves the image by its radius r in l2 or more. So it stands for every
change within eps where the bound of the set at eps is below r. The largest such eps is the radius in the size of the
set.
"""

import torch

from perceptbench.attacks.threats.base import ThreatSet
from perceptbench.core.errors import UserError
from perceptbench.core.tensors import Images, PerImage

_FIRST, _DOUBLINGS = 2.0**-12, 23
_HALVINGS = 16


@torch.no_grad()
def radius_in_set(threat: ThreatSet, x: Images, radius: PerImage) -> PerImage:
    """The largest size (n,), in float64, at which the l2 bound of the set stays below each radius; 0 where none does.

    It is searched upwards from 2^-12 by doubling, then by bisection, and what is returned was tried. A radius that no
    size up to 2^10 reaches gives 2^10.

    Args:
        radius: (n,), in pixel l2.

    Raises UserError where the set gives no bounds (n,) of numbers.
    """
    radius = radius.double()
    low, high = torch.zeros_like(radius), torch.full_like(radius, _FIRST)
    growing = radius > 0
    for _ in range(_DOUBLINGS):
        rows = growing.nonzero().flatten()
        if not len(rows):
            break
        below = _bound(threat, x[rows], high[rows]) < radius[rows]
        low[rows] = torch.where(below, high[rows], low[rows])
        high[rows] = torch.where(below, 2 * high[rows], high[rows])
        growing[rows] = below
    rows = (low > 0).logical_and(~growing).nonzero().flatten()
    for _ in range(_HALVINGS if len(rows) else 0):
        middle = (low[rows] + high[rows]) / 2
        below = _bound(threat, x[rows], middle) < radius[rows]
        low[rows] = torch.where(below, middle, low[rows])
        high[rows] = torch.where(below, high[rows], middle)
    return low


def l2_of(threat: ThreatSet, x: Images, eps: float) -> PerImage:
    """A bound (n,), in float64, of the l2 norm of every change of each image within eps.

    Raises UserError for a set that no certificate covers.
    """
    budgets = torch.full_like(x[:, 0, 0, 0], eps, dtype=torch.float64)
    if threat.proof is None:
        return _bound(threat, x, budgets)
    return budgets * (x[0].numel() ** 0.5 if threat.proof == "linf" else 1.0)


def size_of(threat: ThreatSet, x: Images, radius: PerImage) -> PerImage:
    """The size (n,), in float64, within which no change of an image reaches its radius in l2.

    Raises UserError for a set that no certificate covers.
    """
    if threat.proof is None:
        return radius_in_set(threat, x, radius)
    return radius.double() / (x[0].numel() ** 0.5 if threat.proof == "linf" else 1.0)


def _bound(threat: ThreatSet, x: Images, eps: PerImage) -> PerImage:
    found = threat.l2_bound(x, eps)
    if found.shape != eps.shape or not bool((found >= 0).all()):
        raise UserError(f"{type(threat).__name__}.l2_bound: expected {tuple(eps.shape)} numbers of at least 0; mend it")
    return found.double()
