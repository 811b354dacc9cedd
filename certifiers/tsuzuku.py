"""Lipschitz-margin certificates (Tsuzuku et al., NeurIPS 2018, arXiv:1802.04034)."""

from dataclasses import dataclass

from certifiers.base import Embedded, certifier, cosine_only
from core.tensors import PerImage
from metrics.base import LipschitzMetric


@certifier("tsuzuku", source="arXiv:1802.04034")
@dataclass(frozen=True)
class Tsuzuku:
    """Half the cosine margin: the pair of distances is sqrt(2)-Lipschitz (certificates, section 2).

    Same assumption as the paper's radius, and never larger than it.
    """

    def sound(self, metric: LipschitzMetric) -> bool:
        return cosine_only(metric, "tsuzuku").normalised_is_lipschitz

    def __call__(self, embedded: Embedded) -> PerImage:
        metric = cosine_only(embedded.metric, "tsuzuku")
        to_left = metric.compare(embedded.reference, embedded.left)
        to_right = metric.compare(embedded.reference, embedded.right)
        margin = embedded.sign * (to_left - to_right) / (2 * metric.lipschitz)
        return margin.clamp_min(0)
