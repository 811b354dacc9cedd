"""Euclidean distance of embeddings: its answer flips on the perpendicular bisector (docs/certificates.md)."""

import math

import torch
from torch import Tensor

from perceptbench.core.tensors import Embeddings, PerImage
from perceptbench.metrics.spaces import cones
from perceptbench.metrics.spaces.quadrics import clearance
from perceptbench.metrics.spaces.space import Answer, Space


class Euclid(Space):
    """Euclidean distance; every radius is exact but those of `exact=False`."""

    fixed: int | None = 0

    def boundary(self, left: Embeddings, right: Embeddings) -> tuple[Embeddings, PerImage]:
        """The perpendicular bisector: normal right - left, offset (|right|^2 - |left|^2) / 2."""
        normal = right - left
        return normal, (normal * (right + left)).sum(1) / 2

    def interval(self, a: Embeddings, b: Embeddings, eps: float) -> tuple[PerImage, PerImage]:
        distance = (a - b).norm(dim=1)
        return (distance - eps).clamp_min(0), distance + eps

    def decision_radius(self, a: Embeddings, b: Embeddings, tau: PerImage) -> PerImage:
        return ((a - b).norm(dim=1) - tau).abs()

    def joint_decision_radius(self, a: Embeddings, b: Embeddings, tau: PerImage) -> PerImage:
        """Each takes half of the gap: 2 (gap / 2)^2 is the least sum of two squares."""
        return Euclid.decision_radius(self, a, b, tau) / math.sqrt(2)

    def each_decision_radius(self, a: Embeddings, b: Embeddings, tau: PerImage) -> PerImage:
        return Euclid.decision_radius(self, a, b, tau) / 2

    def separate_radius(self, answer: Answer, eps_near: PerImage, eps_far: PerImage, exact: bool) -> PerImage:
        """Exact: to the hyperboloid. Simple: |d1 - d0| falls by at most 2 eps + eps0 + eps1."""
        lost = eps_near + eps_far + answer.slack
        if exact:
            return clearance(cones.hyperboloid(answer.reference, answer.near, answer.far, lost / 2))
        return ((_gap(answer) - lost) / 2).clamp_min(0)

    def shared_radius(self, answer: Answer, exact: bool) -> PerImage:
        """Simple: 2 e + e0 + e1 <= sqrt(6) |(e, e0, e1)| (Cauchy-Schwarz). Exact: `_to_the_tie`.

        A gap below `slack` can be closed at the cost of slack / sqrt(2), half by each anchor.
        """
        simple = ((_gap(answer) - answer.slack) / math.sqrt(6)).clamp_min(0)
        if not exact:
            return simple
        return torch.maximum(simple, _to_the_tie(answer) - answer.slack / math.sqrt(2))


def _gap(answer: Answer) -> PerImage:
    return (answer.reference - answer.far).norm(dim=1) - (answer.reference - answer.near).norm(dim=1)


def _to_the_tie(answer: Answer) -> PerImage:
    """Distance of (reference, near, far), as one vector, from |x - x1| = |x - x0|; negative on its far side.

    |x - x1|^2 - |x - x0|^2 is a quadratic form with the eigenvalues sqrt(3), -sqrt(3) and 0. With P and N
    the parts of the vector in the first two eigenspaces it is sqrt(3) (|P|^2 - |N|^2), and the
    nearest point with |P| = |N| is (|P| - |N|) / sqrt(2) away.
    """
    up, down = (math.sqrt(3) - 1) / 2, (math.sqrt(3) + 1) / 2
    # Both eigenvectors sum to 0: taken from the reference, large equal parts cannot cancel.
    near, far = answer.near - answer.reference, answer.far - answer.reference
    positive, negative = up * near - down * far, up * far - down * near
    return _length(positive) - _length(negative)


def _length(part: Tensor) -> PerImage:
    return part.norm(dim=1) / math.sqrt(6)
