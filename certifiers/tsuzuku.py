"""Lipschitz-margin certificates (Tsuzuku et al., NeurIPS 2018, arXiv:1802.04034)."""

from dataclasses import dataclass

from perceptbench.certifiers.base import certifier
from perceptbench.certifiers.embedded import NOT_SOUND, PROOF, Embedded, EmbeddingCertifier, cosine_only, reference_only
from perceptbench.core.tensors import PerImage
from perceptbench.core.threat import Threat
from perceptbench.metrics.base import Metric


@certifier("tsuzuku", source="arXiv:1802.04034")
@dataclass(frozen=True)
class Tsuzuku(EmbeddingCertifier):
    """Half the cosine margin: the pair of distances is sqrt(2)-Lipschitz (certificates, section 2).

    Same assumption as the paper's radius, and never larger than it.
    """

    def sound(self, metric: Metric) -> bool:
        return cosine_only(metric, "tsuzuku").space.unit_is_lipschitz

    def admit(self, threat: Threat) -> None:
        reference_only(threat, "tsuzuku")

    def promise(self, metric: Metric) -> str:
        return PROOF if self.sound(metric) else NOT_SOUND

    def radius(self, embedded: Embedded, threat: Threat, slack: PerImage) -> PerImage:
        metric = cosine_only(embedded.metric, "tsuzuku")
        near, far = embedded.distances()
        return ((far - near - slack) / (2 * metric.lipschitz)).clamp_min(0)
