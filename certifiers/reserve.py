"""What is held back from a proof because the metric answers in float32 and the proof is about float64.

The step from this error to a radius is a theorem; the error itself is an estimate (docs/certificates.md, section 2).
"""

import torch

from perceptbench.core.tensors import PerImage

_SAFETY = 8
_FLOOR = 32 * torch.finfo(torch.float32).eps


def reserve(answered: PerImage, exact: PerImage, reach: PerImage | None = None) -> PerImage:
    """By how much a distance (n,) near the clean images may be off in float32.

    Eight times what it is off at the clean images, and 32 units in the last place of the distance.

    Args:
        answered: the distances that the metric gives.
        exact: those of its network in float64.
        reach: distances (n,) that the images may come to, such as a threshold, where these are larger.
    """
    largest = exact.abs() if reach is None else torch.maximum(exact.abs(), reach.abs())
    return _SAFETY * (answered - exact).abs() + _FLOOR * largest


def taken_off(ideal: PerImage, claimed: PerImage) -> PerImage:
    """What the reserve costs: the radius without it less the claimed one, 0 where the former is infinite."""
    return torch.where(ideal.isfinite(), (ideal - claimed).clamp_min(0), 0.0)
