"""Certified triplets that share one radius, so that a whole batch is attacked at one budget.

A radius falls continuously as the reference goes towards the image that it is less like, where the answer flips. So a
reference with exactly the wanted radius lies on the way, and halving finds it.
"""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from perceptbench.core.tensors import PerImage
from perceptbench.testing.samples import subset
from perceptbench.triplets.base import Triplets

_HALVINGS = 20
_LOOSE = 2e-3
"""A radius may exceed the common one by this share; others are left out."""

Radii = Callable[[Triplets], PerImage]


def at_one_radius(batch: Triplets, radii: Radii, share: float = 0.5) -> tuple[Triplets, float]:
    """Some of the triplets with their references moved, and the smallest of their radii.

    Args:
        batch: triplets with right answers.
        radii: certified radii (n,) of triplets, 0 where there is none.
        share: the common radius as a share of the median one; triplets with smaller radii are left out.
    """
    first = radii(batch)
    proved = first[first > 0]
    if len(proved) == 0:
        return subset(batch, torch.arange(0)), 0.0
    target = share * float(proved.median())
    kept = (first >= target).nonzero().flatten()
    batch = subset(batch, kept)
    far = torch.where((batch.label > 0.5)[:, None, None, None], batch.left, batch.right)
    low, high = torch.zeros(len(kept)), torch.ones(len(kept))
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        enough = radii(_towards(batch, far, middle)) >= target
        low, high = torch.where(enough, middle, low), torch.where(enough, high, middle)
    moved = _towards(batch, far, low)
    found = radii(moved)
    good = ((found >= target) & (found <= (1 + _LOOSE) * target)).nonzero().flatten()
    return subset(moved, good), float(found[good].min()) if len(good) else 0.0


def _towards(batch: Triplets, far: Tensor, by: Tensor) -> Triplets:
    return replace(batch, reference=torch.lerp(batch.reference, far, by[:, None, None, None]))
