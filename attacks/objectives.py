"""The attacker's goals."""

from dataclasses import dataclass

import torch
from torch import Tensor

from attacks.base import Objective
from core.errors import UserError
from core.tensors import Embeddings, Images, Mask, PerImage
from metrics.base import Anchors, EmbeddingMetric, Metric


@dataclass(frozen=True)
class FlipPreference(Objective):
    """Make the metric prefer the other image of a triplet by moving the reference.

    The loss is minus the margin: d(x, preferred) - d(x, other). For two classes, cross-entropy is
    softplus of it, so signs, directions and step decisions are those of the cross-entropy, and the
    margin does not saturate (docs/protocol.md). A tie is a success: the answer is lost.

    Args:
        anchors: prepared from (left, right).
        sign: +1 where people preferred `right`, -1 where `left`.
    """

    anchors: Anchors
    sign: PerImage

    @classmethod
    def make(cls, metric: Metric, left: Images, right: Images, label: PerImage) -> "FlipPreference":
        """For a batch of triplets with label 1 where `right` is preferred."""
        return cls(metric.prepare(left, right), 2 * label - 1)

    def loss(self, x: Images) -> PerImage:
        d0, d1 = self.anchors.distances(x)
        return self.sign * (d1 - d0)

    def reached(self, loss: PerImage) -> Mask:
        return loss >= 0

    def select(self, index: Tensor) -> "FlipPreference":
        return FlipPreference(self.anchors.select(index), self.sign[index])


def with_embedding(metric: Metric) -> EmbeddingMetric:
    """The metric itself, if it embeds. Raises UserError otherwise."""
    if not isinstance(metric, EmbeddingMetric):
        raise UserError(
            f"the mse attack moves embeddings, and {type(metric).__name__} compares images without one; "
            "use an attack on the preference, such as l2-apgd-ce"
        )
    return metric


@dataclass(frozen=True)
class EmbeddingShift(Objective):
    """Move the embedding of an image as far as possible: |g(x + delta) - g(x)|^2 (LipSim, eq. 14).

    It has no end: more is always better.
    """

    metric: EmbeddingMetric
    clean: Embeddings

    @classmethod
    @torch.no_grad()
    def make(cls, metric: Metric, x: Images) -> "EmbeddingShift":
        """Around these images. Raises UserError for a metric that has no embedding."""
        return cls(with_embedding(metric), with_embedding(metric).embed(x))

    def loss(self, x: Images) -> PerImage:
        return (self.metric.embed(x) - self.clean).square().sum(1)

    def reached(self, loss: PerImage) -> Mask:
        return torch.zeros_like(loss, dtype=torch.bool)

    def select(self, index: Tensor) -> "EmbeddingShift":
        return EmbeddingShift(self.metric, self.clean[index])
