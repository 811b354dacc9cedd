"""Proofs for a pair of images: the interval of its distance, and the radius of a decision `d <= tau`.

seen = Seen(metric, {"upload": x, "original": y})
decision_proof(seen, "upload", "original", tau=0.1).radius    # docs/certificates.md, section 3
"""

import torch

from perceptbench.certifiers.base import Proof
from perceptbench.certifiers.embedded import lipschitz_only
from perceptbench.certifiers.reserve import reserve, taken_off
from perceptbench.core.tensors import PerImage
from perceptbench.metrics.seen import Seen


@torch.no_grad()
def interval_proof(seen: Seen, moving: str, fixed: str, eps: float) -> tuple[PerImage, PerImage]:
    """Bounds (n,) of the distance while one image of each pair moves by at most eps in pixel l2.

    The float32 reserve is added on both sides. Raises UserError for a metric without a Lipschitz constant.
    """
    metric = lipschitz_only(seen.metric, "margin")
    moved, other = seen.embedded_exact(moving), seen.embedded_exact(fixed)
    low, high = metric.space.interval(moved, other, eps * metric.lipschitz)
    return low - _reserve(seen, moving, fixed, low), high + _reserve(seen, moving, fixed, high)


@torch.no_grad()
def decision_proof(seen: Seen, moving: str, fixed: str, tau: float | PerImage) -> Proof:
    """How far, in pixel l2, the moving image of each pair may change with `d(moving, fixed) <= tau` as it is.

    The radius is 0 where the distance is nearer to tau than the float32 reserve, and ends where no two images in
    [0, 1] are further apart. `norm_ref` is that of the moving image.

    Args:
        seen: a batch of images; its metric must have a Lipschitz constant.
        moving: the name of the images that move.
        fixed: the name of the images that they are compared with.
        tau: the threshold, one for all or one a pair (n,).

    Raises UserError for a metric without a Lipschitz constant.
    """
    metric = lipschitz_only(seen.metric, "margin")
    moved, other = seen.embedded_exact(moving), seen.embedded_exact(fixed)
    exact = _exact(seen, moving, fixed)
    threshold = torch.as_tensor(tau, dtype=exact.dtype, device=exact.device).expand_as(exact)
    off = _reserve(seen, moving, fixed, threshold)
    # The distance may not even come as near to tau as float32 may be wrong.
    nearer = threshold + off.copysign(exact - threshold)
    ideal = metric.space.decision_radius(moved, other, threshold) / metric.lipschitz
    claimed = metric.space.decision_radius(moved, other, nearer) / metric.lipschitz
    claimed = torch.where((exact - threshold).abs() > off, claimed, 0.0)
    widest = seen.images[moving][0].numel() ** 0.5
    nobody = torch.zeros_like(claimed, dtype=torch.bool)
    return Proof(claimed.clamp(max=widest), taken_off(ideal, claimed), moved.norm(dim=1), nobody)


def _exact(seen: Seen, moving: str, fixed: str) -> PerImage:
    """The distance of the network in float64."""
    metric = lipschitz_only(seen.metric, "margin").double()
    return metric.compare(seen.embedded_exact(moving), seen.embedded_exact(fixed))


def _reserve(seen: Seen, moving: str, fixed: str, reach: PerImage) -> PerImage:
    """What float32 may get wrong on the way from the clean distance to another one."""
    return reserve(seen.distance(moving, fixed), _exact(seen, moving, fixed), reach)
