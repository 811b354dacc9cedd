"""Radii that are safe to claim: computed in float64, less what float32 may get wrong."""

from dataclasses import dataclass

import torch
from torch import Tensor

from certifiers.base import Certifier, Embedded
from core.tensors import PerImage
from metrics.base import LipschitzMetric
from triplets.base import Triplets

_SAFETY = 8
_FLOOR = 32 * torch.finfo(torch.float32).eps


@dataclass(frozen=True, slots=True)
class Proof:
    """Claimed radii in pixel l2 (n,), the error already taken off them, and |g(reference)|."""

    radius: PerImage
    error: PerImage
    norm_ref: PerImage


def margins(embedded: Embedded) -> tuple[Tensor, Tensor]:
    """d(reference, left) and d(reference, right), in the precision of the embeddings."""
    metric = embedded.metric
    return (
        metric.compare(embedded.reference, embedded.left),
        metric.compare(embedded.reference, embedded.right),
    )


@torch.no_grad()
def certify(certifier: Certifier, metric: LipschitzMetric, batch: Triplets) -> Proof:
    """Certify a batch.

    The radius is that of the network in float64. What answers, however, is float32: its margin is
    off by e, measured per sample as eight times the difference at the clean images plus a floor of
    32 units in the last place of the distances. A margin of e is worth e * (radius / margin) of
    radius, and that is taken off (docs/certificates.md, section 2).
    """
    exact = Embedded.of(metric.double(), batch.mapped(torch.Tensor.double))
    claimed = certifier(exact)
    to_left, to_right = margins(exact)
    margin = exact.sign * (to_left - to_right)
    single_left, single_right = margins(Embedded.of(metric, batch))
    difference = (single_left.double() - to_left).abs() + (single_right.double() - to_right).abs()
    error = _SAFETY * difference + _FLOOR * (to_left.abs() + to_right.abs())
    worth = torch.where(margin > 0, claimed / margin.clamp_min(1e-300), 0.0)
    radius = torch.where(margin > 0, claimed - error * worth, 0.0).clamp_min(0)
    return Proof(radius, error * worth, exact.reference.norm(dim=1))
