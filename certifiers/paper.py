"""Theorem 1 of the LipSim paper, as published."""

from dataclasses import dataclass

import torch

from perceptbench.certifiers.base import certifier
from perceptbench.certifiers.embedded import NOT_SOUND, PROOF, Embedded, EmbeddingCertifier, cosine_only, reference_only
from perceptbench.core.tensors import PerImage
from perceptbench.core.threat import Threat
from perceptbench.metrics.base import Metric
from perceptbench.metrics.spaces.cosine import cosine_paper_radius


@certifier("paper", source="arXiv:2310.18274, theorem 1")
@dataclass(frozen=True)
class Paper(EmbeddingCertifier):
    """Cosine margin over the distance of the normalised anchors.

    Assumes that the *normalised* embedding is 1-Lipschitz. Dividing by |g| breaks that wherever
    |g| < 1, so for a raw embedding the radius is not sound, and is marked so.
    """

    def sound(self, metric: Metric) -> bool:
        return cosine_only(metric, "paper").space.unit_is_lipschitz

    def admit(self, threat: Threat) -> None:
        reference_only(threat, "paper")

    def promise(self, metric: Metric) -> str:
        return PROOF if self.sound(metric) else NOT_SOUND

    def radius(self, embedded: Embedded, threat: Threat, slack: PerImage) -> PerImage:
        """The margin falls in proportion to the radius, so slack is worth slack * radius / margin."""
        metric = cosine_only(embedded.metric, "paper")
        full = cosine_paper_radius(embedded.reference, embedded.far, embedded.near).clamp_min(0) / metric.lipschitz
        near, far = embedded.distances()
        return torch.where(far > near, full * (1 - slack / (far - near).clamp_min(1e-300)), 0.0)
