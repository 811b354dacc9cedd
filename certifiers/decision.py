"""Proofs for a pair of images: the interval of its distance, and the radius of a decision `d <= tau`.

seen = Seen(metric, {"upload": x, "original": y})
decision_proof(seen, "upload", "original", tau=0.1).radius    # docs/certificates.md, section 3
"""

from collections.abc import Callable
from dataclasses import replace

import torch

from perceptbench.certifiers.base import Certifier, DecisionCertifier, Proof
from perceptbench.certifiers.certify import check_proof, in_norm
from perceptbench.certifiers.embedded import lipschitz_only
from perceptbench.certifiers.reserve import reserve, taken_off
from perceptbench.core.errors import UserError
from perceptbench.core.tensors import Embeddings, Images, PerImage
from perceptbench.core.threat import Threat
from perceptbench.metrics.seen import Seen
from perceptbench.metrics.spaces.space import Space


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
def decision_proof(
    seen: Seen,
    moving: str,
    fixed: str,
    tau: float | PerImage,
    threat: Threat = Threat(),  # noqa: B008 - frozen
) -> Proof:
    """How far, in pixel l2, images of each pair may change with `d(moving, fixed) <= tau` as it is.

    The radius is 0 where the distance is nearer to tau than the float32 reserve, and ends where no two images in
    [0, 1] are further apart. `norm_ref` is that of the moving image.

    Args:
        seen: a batch of images; its metric must have a Lipschitz constant.
        moving: the name of the images that move.
        fixed: the name of the images that they are compared with.
        tau: the threshold, one for all or one a pair (n,).
        threat: with `move="all"` the other image moves too. In l2 the radius then bounds both changes as one vector,
            in l-infinity each of them.

    Raises UserError for a metric without a Lipschitz constant.
    """
    metric = lipschitz_only(seen.metric, "margin")
    moved, other = seen.embedded_exact(moving), seen.embedded_exact(fixed)
    exact = _exact(seen, moving, fixed)
    threshold = torch.as_tensor(tau, dtype=exact.dtype, device=exact.device).expand_as(exact)
    off = _reserve(seen, moving, fixed, threshold)
    # The distance may not even come as near to tau as float32 may be wrong.
    nearer = threshold + off.copysign(exact - threshold)
    radius = _radius(metric.space, threat)
    ideal = radius(moved, other, threshold) / metric.lipschitz
    claimed = radius(moved, other, nearer) / metric.lipschitz
    claimed = torch.where((exact - threshold).abs() > off, claimed, 0.0)
    nobody = torch.zeros_like(claimed, dtype=torch.bool)
    return Proof(
        claimed.clamp(max=widest(threat, seen.images[moving])), taken_off(ideal, claimed), moved.norm(dim=1), nobody
    )


def _radius(space: Space, threat: Threat) -> Callable[[Embeddings, Embeddings, PerImage], PerImage]:
    if threat.move != "all":
        return space.decision_radius
    return space.joint_decision_radius if threat.norm == "l2" else space.each_decision_radius


def widest(threat: Threat, x: Images) -> float:
    """The pixel l2 distance of a black image from a white one, or that of two pairs of them under one l2 budget."""
    together = 2 if threat.move == "all" and threat.norm == "l2" else 1
    return float((together * x[0].numel()) ** 0.5)


@torch.no_grad()
def certify_decision(certifier: Certifier, seen: Seen, tau: float | PerImage, threat: Threat) -> Proof:
    """Radii in the norm of the threat within which `d(reference, other) <= tau` keeps its truth.

    Args:
        certifier: one that has `prove_decision` (certifiers/base.py).
        seen: the images "reference" and "other".
        tau: the threshold, one for all or one a pair (n,).
        threat: who moves.

    Raises UserError for a certifier that proves nothing about pairs, and as the certifier does.
    """
    if not isinstance(certifier, DecisionCertifier):
        raise UserError(
            f"the certifier {type(certifier).__name__} proves nothing about a pair at a threshold; "
            "use --certifier margin, or --certifier none"
        )
    certifier.admit(threat)
    reference = seen.images["reference"]
    proof = certifier.prove_decision(seen, tau, threat)
    check_proof(proof, certifier, len(reference), "prove_decision")
    return in_norm(replace(proof, radius=proof.radius.clamp(max=widest(threat, reference))), threat.norm, reference)


def _exact(seen: Seen, moving: str, fixed: str) -> PerImage:
    """The distance of the network in float64."""
    metric = lipschitz_only(seen.metric, "margin").double()
    return metric.compare(seen.embedded_exact(moving), seen.embedded_exact(fixed))


def _reserve(seen: Seen, moving: str, fixed: str, reach: PerImage) -> PerImage:
    """What float32 may get wrong on the way from the clean distance to another one."""
    return reserve(seen.distance(moving, fixed), _exact(seen, moving, fixed), reach)
