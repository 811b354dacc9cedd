"""Where embeddings live: how distances and answers can change within a ball of embeddings.

A metric has one space, and only the radii of that space may be claimed for it:
    Raw      cosine of g itself                   metrics/spaces/cosine.py
    Lifted   cosine of (g, 1)                     metrics/spaces/cosine.py
    Sphere   g is a unit vector already           metrics/spaces/cosine.py
    Euclid   Euclidean distance of g              metrics/spaces/euclidean.py
    Decibels the same on PSNR's scale             metrics/spaces/decibels.py
Lengths are those of embeddings; a metric divides by its Lipschitz constant. Angles, cones and proofs:
docs/certificates.md, sections 2 to 4.
"""

import math
from dataclasses import dataclass

from perceptbench.core.tensors import Embeddings, PerImage
from perceptbench.metrics.spaces import geometry


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer to defend: `near` is to stay nearer to the reference than `far`, by more than `slack`.

    `slack` (n,) is a margin of distances that the program may get wrong; 0 asks for the theorem alone.
    """

    reference: Embeddings
    near: Embeddings
    far: Embeddings
    slack: PerImage


class Space:
    """Radii for embeddings (n, d); each is 0 where there is no answer to defend."""

    bounds: tuple[float, float] = (0.0, math.inf)
    """Where its distances are."""
    fixed: int | None = None
    """Radii of one answer stay the same when its embeddings turn together in all coordinates but so many last ones.
    None where that is not so, as where the number of coordinates counts."""

    def boundary(self, left: Embeddings, right: Embeddings) -> tuple[Embeddings, PerImage]:
        """Normal and offset of the plane of equal distances; <g, normal> > offset where `right` is nearer."""
        raise NotImplementedError

    def interval(self, a: Embeddings, b: Embeddings, eps: float) -> tuple[PerImage, PerImage]:
        """Bounds of the distance between a moved by eps and b (case B)."""
        raise NotImplementedError

    def decision_radius(self, a: Embeddings, b: Embeddings, tau: PerImage) -> PerImage:
        """How far a may move before `distance(a, b) <= tau` changes (case B, inverted)."""
        raise NotImplementedError

    def joint_decision_radius(self, a: Embeddings, b: Embeddings, tau: PerImage) -> PerImage:
        """How far both may move, measured as one vector, before `distance(a, b) <= tau` changes."""
        raise NotImplementedError

    def each_decision_radius(self, a: Embeddings, b: Embeddings, tau: PerImage) -> PerImage:
        """How far each of both may move before `distance(a, b) <= tau` changes."""
        raise NotImplementedError

    def signed_radius(self, reference: Embeddings, left: Embeddings, right: Embeddings) -> PerImage:
        """How far the reference may move (case A), positive where `right` is nearer: to the plane."""
        return geometry.signed_radius(reference, *self.boundary(left, right), 1.0)

    def separate_radius(self, answer: Answer, eps_near: PerImage, eps_far: PerImage, exact: bool) -> PerImage:
        """How far the reference may move while the anchors move within budgets of their own (case C)."""
        raise NotImplementedError

    def shared_radius(self, answer: Answer, exact: bool) -> PerImage:
        """How far all three may move, measured as one vector (case C)."""
        raise NotImplementedError
