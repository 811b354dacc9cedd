"""What a certifier answers: how far the reference may move, in pixel l2, before the answer can change."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from core.errors import UserError
from core.registry import Registry
from core.tensors import Embeddings, PerImage
from metrics.base import CosineLipschitzMetric, LipschitzMetric
from triplets.base import Triplets


@dataclass(frozen=True, slots=True)
class Embedded:
    """A batch of triplets through the metric's embedding."""

    metric: LipschitzMetric
    reference: Embeddings
    left: Embeddings
    right: Embeddings
    sign: PerImage
    """+1 where people preferred `right`, -1 where `left`."""

    @classmethod
    def of(cls, metric: LipschitzMetric, batch: Triplets) -> "Embedded":
        """Embed all three images of every triplet."""
        left, right, reference = (metric.embed(x) for x in (batch.left, batch.right, batch.reference))
        return cls(metric, reference, left, right, 2 * batch.label - 1)


def cosine_only(metric: LipschitzMetric, name: str) -> CosineLipschitzMetric:
    """The metric itself, if it compares by cosine. Raises UserError otherwise."""
    if not isinstance(metric, CosineLipschitzMetric):
        raise UserError(f"the certifier {name!r} is about cosine distances; use --certifier margin for this metric")
    return metric


@runtime_checkable
class Certifier(Protocol):
    """Proves a radius from embeddings alone. Fields of the dataclass are its arguments."""

    def sound(self, metric: LipschitzMetric) -> bool:
        """Whether the assumptions of the method hold for this metric.

        Where they do not, the radius is a number to compare with and no promise.
        """
        ...

    def __call__(self, embedded: Embedded) -> PerImage:
        """Radii in pixel l2 (n,), before the floating-point error is taken off.

        0 where nothing is proved: a wrong answer, a tie, equal anchors. Raises UserError for a
        metric of a geometry the method does not know.
        """
        ...


certifier: Registry[Certifier] = Registry("certifier", "certifiers")
