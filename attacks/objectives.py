"""What an attacker may want, as losses: flip an answer, or move a distance or an embedding."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from perceptbench.attacks.base import Objective
from perceptbench.attacks.norms import power_of_two
from perceptbench.attacks.threats.stacked import unstack
from perceptbench.core.errors import UserError
from perceptbench.core.tensors import Embeddings, Images, Mask, PerImage
from perceptbench.metrics.base import Anchors, EmbeddingMetric, Metric


@dataclass(frozen=True)
class FlipPreference(Objective):
    """Make the metric prefer the other image of a triplet by moving the reference.

    The loss is d(x, preferred) - d(x, other). With two classes the cross-entropy is softplus of it, so signs,
    directions and step decisions are those of the cross-entropy, and this loss does not saturate (docs/protocol.md).
    A tie counts as success, since the metric then has no answer.

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


@dataclass(frozen=True)
class FlipFromTheSide(Objective):
    """The same by moving `left` or `right`: d(reference, x) against the distance of the image that stays fixed.

    Args:
        sign: +1 where the image that moves is the preferred one.
        other: distances of the reference to the image that stays fixed.
    """

    metric: Metric
    reference: Images
    anchors: Anchors
    sign: PerImage
    other: PerImage

    @classmethod
    @torch.no_grad()
    def make(cls, metric: Metric, reference: Images, stays: Images, sign: PerImage) -> "FlipFromTheSide":
        """For a batch of references and the images that stay fixed."""
        return cls(metric, reference, metric.prepare(reference), sign, metric(reference, stays))

    def loss(self, x: Images) -> PerImage:
        # Anchors give d(x, reference), which equals d(reference, x) only for a symmetric metric.
        distance = self.anchors.distances(x)[0] if self.metric.symmetric else self.metric(self.reference, x)
        return self.sign * (distance - self.other)

    def reached(self, loss: PerImage) -> Mask:
        return loss >= 0

    def select(self, index: Tensor) -> "FlipFromTheSide":
        return FlipFromTheSide(
            self.metric, self.reference[index], self.anchors.select(index), self.sign[index], self.other[index]
        )


@dataclass(frozen=True)
class FlipByAll(Objective):
    """The same by moving all three images, stacked as reference, left and right (attacks/threats/stacked.py)."""

    metric: Metric
    sign: PerImage

    def loss(self, x: Images) -> PerImage:
        reference, left, right = unstack(x)
        if isinstance(self.metric, EmbeddingMetric):
            g, g0, g1 = self.metric.embed(torch.cat((reference, left, right))).chunk(3)
            return self.sign * (self.metric.compare(g, g1) - self.metric.compare(g, g0))
        return self.sign * (self.metric(reference, right) - self.metric(reference, left))

    def reached(self, loss: PerImage) -> Mask:
        return loss >= 0

    def select(self, index: Tensor) -> "FlipByAll":
        return FlipByAll(self.metric, self.sign[index])


@dataclass(frozen=True)
class CrossThreshold(Objective):
    """Turn the decision `d <= tau` on a pair by moving its reference: evade a match (sign +1), or collide (-1).

    The loss is d - tau for evasion, reached above 0, and tau - d for collision, reached at 0: a distance of tau is a
    match, whoever that helps.

    Args:
        anchors: prepared from the images that stay.
        at_stake: (n,), pairs whose decision the attacker wants to turn; there is nothing to reach for the others.
    """

    anchors: Anchors
    tau: float
    sign: int
    at_stake: Mask

    def loss(self, x: Images) -> PerImage:
        return self.sign * (self.anchors.distances(x)[0] - self.tau)

    def reached(self, loss: PerImage) -> Mask:
        return crossed(loss, self.sign) | ~self.at_stake

    def select(self, index: Tensor) -> "CrossThreshold":
        return CrossThreshold(self.anchors.select(index), self.tau, self.sign, self.at_stake[index])


@dataclass(frozen=True)
class CrossByBoth(Objective):
    """The same by moving both images, stacked as reference and other (attacks/threats/stacked.py)."""

    metric: Metric
    tau: float
    sign: int
    at_stake: Mask

    def loss(self, x: Images) -> PerImage:
        reference, other = unstack(x, 2)
        if isinstance(self.metric, EmbeddingMetric):
            return self.sign * (
                self.metric.compare(*self.metric.embed(torch.cat((reference, other))).chunk(2)) - self.tau
            )
        return self.sign * (self.metric(reference, other) - self.tau)

    def reached(self, loss: PerImage) -> Mask:
        return crossed(loss, self.sign) | ~self.at_stake

    def select(self, index: Tensor) -> "CrossByBoth":
        return CrossByBoth(self.metric, self.tau, self.sign, self.at_stake[index])


def crossed(loss: PerImage, sign: int) -> Mask:
    """Which losses mean that the decision has turned: d > tau for evasion (+1), d <= tau for collision (-1)."""
    return loss > 0 if sign > 0 else loss >= 0


@dataclass(frozen=True)
class DistanceShift(Objective):
    """Push an image away from itself (sign +1), or pull it towards another one (-1), in the metric's distance.

    The goal is endless. `sign` is one for all images, or one each (n,).
    """

    anchors: Anchors
    sign: int | PerImage

    @property
    def endless(self) -> bool:
        return True

    def loss(self, x: Images) -> PerImage:
        return self.sign * self.anchors.distances(x)[0]

    def reached(self, loss: PerImage) -> Mask:
        return torch.zeros_like(loss, dtype=torch.bool)

    def select(self, index: Tensor) -> "DistanceShift":
        return DistanceShift(self.anchors.select(index), _signs(self.sign, index))


def _signs(sign: int | PerImage, index: Tensor) -> int | PerImage:
    return sign if isinstance(sign, int) else sign[index]


def with_embedding(metric: Metric) -> EmbeddingMetric:
    """The metric itself if it has an embedding. Raises UserError otherwise."""
    if not isinstance(metric, EmbeddingMetric):
        raise UserError(
            f"the mse attack moves embeddings, and {type(metric).__name__} compares images without one; "
            "use --goal push or pull with an attack such as l2-pgd"
        )
    return metric


@dataclass(frozen=True)
class EmbeddingShift(Objective):
    """Move the embedding of an image away from a target (sign +1) or towards it (-1): sign |g(x + delta) - target|^2.

    With the image's own embedding as target and sign +1 this is the paper's attack (LipSim, eq. 14). It is endless.

    Args:
        unit: what embeddings are multiplied by, since squares of very small values would be lost.
        sign: one for all images, or one each (n,).
    """

    metric: EmbeddingMetric
    target: Embeddings
    unit: PerImage
    sign: int | PerImage = 1

    @property
    def endless(self) -> bool:
        return True

    @classmethod
    @torch.no_grad()
    def make(cls, metric: Metric, x: Images, sign: int | PerImage = 1) -> "EmbeddingShift":
        """Away from these images, or towards them. Raises UserError for a metric that has no embedding."""
        target = with_embedding(metric).embed(x)
        return cls(with_embedding(metric), target, power_of_two(target), sign)

    def loss(self, x: Images) -> PerImage:
        return self.sign * ((self.metric.embed(x) - self.target) * self.unit[:, None]).square().sum(1)

    def reached(self, loss: PerImage) -> Mask:
        return torch.zeros_like(loss, dtype=torch.bool)

    def select(self, index: Tensor) -> "EmbeddingShift":
        return EmbeddingShift(self.metric, self.target[index], self.unit[index], _signs(self.sign, index))


@dataclass(frozen=True)
class OwnOutput(Objective):
    """Move away from the model's own answer at the clean image, regardless of what people preferred.

    The logits are z = (d1, d0), and y = (d1, d0) at the clean image. The loss is the cross-entropy
    -y . log softmax(z): y is used as if it were probabilities, although it need not add up to 1. As a function of the
    margin m = d1 - d0 its slope is (d0 + d1) sigmoid(m) - d1 with the clean d0, d1, which is zero at m = log(d1 / d0).
    So the attack moves towards the flip where the logarithmic mean of the two clean distances is below 1, and away
    from the flip where that mean is above 1.

    The goal is endless: the last image is the result.
    """

    anchors: Anchors
    own: Tensor

    @property
    def endless(self) -> bool:
        return True

    @classmethod
    @torch.no_grad()
    def make(cls, anchors: Anchors, x: Images) -> "OwnOutput":
        """The objective for these clean images (n, 3, h, w); anchors are prepared from (left, right)."""
        return cls(anchors, _logits(anchors, x))

    def loss(self, x: Images) -> PerImage:
        return cross_entropy(_logits(self.anchors, x), self.own, reduction="none")

    def reached(self, loss: PerImage) -> Mask:
        return torch.zeros_like(loss, dtype=torch.bool)

    def select(self, index: Tensor) -> "OwnOutput":
        return OwnOutput(self.anchors.select(index), self.own[index])


def _logits(anchors: Anchors, x: Images) -> Tensor:
    """(n, 2): the distance to the right image, then to the left one; the larger one wins."""
    d0, d1 = anchors.distances(x)
    return torch.stack((d1, d0), dim=1)
