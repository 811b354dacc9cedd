"""Theorem 1 of the LipSim paper, as published."""

from dataclasses import dataclass

from certifiers.base import Embedded, certifier, cosine_only
from core.tensors import PerImage
from metrics.base import LipschitzMetric


@certifier("paper", source="arXiv:2310.18274, theorem 1")
@dataclass(frozen=True)
class Paper:
    """Cosine margin over the distance of the normalised anchors.

    Assumes that the *normalised* embedding is 1-Lipschitz. Dividing by |g| breaks that wherever
    |g| < 1, so for a raw embedding the radius is not sound, and is marked so.
    """

    def sound(self, metric: LipschitzMetric) -> bool:
        return cosine_only(metric, "paper").normalised_is_lipschitz

    def __call__(self, embedded: Embedded) -> PerImage:
        metric = cosine_only(embedded.metric, "paper")
        signed = metric.paper_margin(embedded.reference, embedded.left, embedded.right)
        return (embedded.sign * signed).clamp_min(0)
