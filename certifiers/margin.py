"""The exact radius of the metric's own embedding (docs/certificates.md, section 2)."""

from dataclasses import dataclass

from certifiers.base import Embedded, certifier
from core.tensors import PerImage
from metrics.base import LipschitzMetric
from metrics.geometry import signed_radius


@certifier("margin", source="LipSim (arXiv:2310.18274) made exact: docs/certificates.md, section 2")
@dataclass(frozen=True)
class Margin:
    """Distance of the embedding from the plane where the answer flips, over the Lipschitz constant.

    For the cosine of the raw embedding it is <g, w> / (L |w|): dividing g by its norm does not
    change the side of the plane, so no assumption on |g| is needed, and no larger radius follows
    from the same facts.
    """

    def sound(self, metric: LipschitzMetric) -> bool:
        return True

    def __call__(self, embedded: Embedded) -> PerImage:
        metric = embedded.metric
        plane = metric.boundary(embedded.left, embedded.right)
        signed = embedded.sign * signed_radius(embedded.reference, *plane, metric.lipschitz)
        return signed.clamp_min(0)
