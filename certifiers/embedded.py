"""Certifiers that prove a radius from embeddings alone, and what float32 costs them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from perceptbench.certifiers.base import Proof
from perceptbench.certifiers.reserve import reserve, taken_off
from perceptbench.core.errors import UserError
from perceptbench.core.noise import Noise
from perceptbench.core.tensors import Embeddings, PerImage
from perceptbench.core.threat import Threat
from perceptbench.metrics.base import CosineLipschitzMetric, LipschitzMetric, Metric
from perceptbench.metrics.seen import Seen
from perceptbench.metrics.spaces.space import Answer

NOT_SOUND = "not sound: the method assumes a Lipschitz g / |g|, and this embedding is not lifted"
PROOF = "proof: no smaller change flips the answer"


@dataclass(frozen=True, slots=True)
class Embedded:
    """A batch of triplets through the metric's embedding; `near` is the image people preferred."""

    metric: LipschitzMetric
    reference: Embeddings
    near: Embeddings
    far: Embeddings
    right_is_near: Tensor

    @classmethod
    def of(cls, metric: LipschitzMetric, embedded: Callable[[str], Embeddings], label: PerImage) -> "Embedded":
        """The embeddings that `seen.embedded` or `seen.embedded_exact` gives; `label` is 1 where right is preferred."""
        left, right, reference = (embedded(name) for name in ("left", "right", "reference"))
        right_is_near = label > 0.5
        swap = right_is_near[:, None]
        return cls(metric, reference, torch.where(swap, right, left), torch.where(swap, left, right), right_is_near)

    def distances(self) -> tuple[PerImage, PerImage]:
        """To the preferred image and to the other one, in the precision of the embeddings."""
        return self.metric.compare(self.reference, self.near), self.metric.compare(self.reference, self.far)

    def answer(self, slack: PerImage) -> Answer:
        """The answers of people, to be defended with a margin."""
        return Answer(self.reference, self.near, self.far, slack)


def lipschitz_only(metric: Metric, name: str) -> LipschitzMetric:
    """The metric itself, if it has a Lipschitz constant. Raises UserError otherwise."""
    if not isinstance(metric, LipschitzMetric):
        raise UserError(
            f"the certifier {name!r} wants an embedding with a known Lipschitz constant, which {type(metric).__name__} "
            "has not; use --certifier smoothing, or --metric lipsim, l2 or psnr"
        )
    return metric


def cosine_only(metric: Metric, name: str) -> CosineLipschitzMetric:
    """The metric itself, if it compares Lipschitz embeddings by cosine. Raises UserError otherwise."""
    made = lipschitz_only(metric, name)
    if not isinstance(made, CosineLipschitzMetric):
        raise UserError(f"the certifier {name!r} is about cosine distances; use --certifier margin for this metric")
    return made


def reference_only(threat: Threat, name: str) -> None:
    """Raises UserError for a threat that moves more than the reference."""
    if threat.move != "reference":
        raise UserError(
            f"the certifier {name!r} knows of a moving reference only, got --move {threat.move}; use --certifier margin"
        )


class EmbeddingCertifier:
    """Subclasses give the radius for a margin that must be left over; this finds that margin."""

    confidence: ClassVar[float] = 1.0

    def admit(self, threat: Threat) -> None:
        """Every threat, unless a subclass says otherwise."""

    def radius(self, embedded: Embedded, threat: Threat, slack: PerImage) -> PerImage:
        """How far images may move, in pixel l2, with a margin of distances above `slack` (n,) left everywhere.

        0 where nothing is proved: a wrong answer, a tie, equal anchors.
        """
        raise NotImplementedError

    def prove(self, seen: Seen, label: PerImage, threat: Threat, noise: Noise | None) -> Proof:
        """The radius of the network in float64, less what float32 may get wrong.

        What answers is float32. Its margin is off by the reserve e of both distances (reserve.py).
        So the radius asked for is the one inside which the exact margin stays above e, whoever moves
        (docs/certificates.md, section 2). `error` is what that costs.
        """
        metric = lipschitz_only(seen.metric, type(self).__name__.lower())
        exact = Embedded.of(metric.double(), seen.embedded_exact, label)
        claimed, error = self.claimed(exact, Embedded.of(metric, seen.embedded, label).distances(), threat)
        nobody = torch.zeros_like(claimed, dtype=torch.bool)
        return Proof(claimed, error, exact.reference.norm(dim=1), nobody)

    def claimed(
        self, exact: Embedded, answered: tuple[PerImage, PerImage], threat: Threat
    ) -> tuple[PerImage, PerImage]:
        """Radii (n,) that are safe to claim, and what the reserve took off each.

        Args:
            exact: in float64, by `metric.double()`.
            answered: the distances to the near and to the far image in the precision that answers.
        """
        near, far = exact.distances()
        off = reserve(answered[0], near) + reserve(answered[1], far)
        ideal = self.radius(exact, threat, torch.zeros_like(off))
        found = self.radius(exact, threat, off).clamp_min(0)
        found = torch.where(far - near > off, found, 0.0)
        return found, torch.where(far > near, taken_off(ideal, found), 0.0)
