"""What a metric is: a distance between images, smaller where they are more alike.

The seam is the *two-step form*. An attack moves one image while others stay fixed, so the fixed
ones are prepared once and every step only evaluates the moving one:

    anchors = metric.prepare(left, right)      # once
    d0, d1 = anchors.distances(x)              # at every step, differentiable in x

Three ways to be a metric, from least to most structure:
    Metric            gives d(x, y); anchors keep the fixed images.
    EmbeddingMetric   gives embed(x) and compare(a, b); anchors keep embeddings.
    LipschitzMetric   also knows the Lipschitz constant of `embed` and where its answer flips,
                      hence it can be certified.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from torch import Tensor

from perceptbench.core.errors import UserError
from perceptbench.core.registry import Registry
from perceptbench.core.tensors import Embeddings, Images, PerImage
from perceptbench.metrics.spaces import geometry
from perceptbench.metrics.spaces.angular import Angular, Raw, Sphere
from perceptbench.metrics.spaces.space import Answer, Space


@runtime_checkable
class Anchors(Protocol):
    """Images that stay fixed while another one moves."""

    def distances(self, x: Images) -> Tensor:
        """Distances (k, n) from x to each of the k fixed images of every sample."""
        ...

    def select(self, index: Tensor) -> "Anchors":
        """Those of some samples."""
        ...


class Metric:
    """A perceptual distance. Subclasses define `__call__`; the rest follows."""

    symmetric: bool = True

    smallest: int = 1
    """The least side of an image, in pixels, that it takes."""

    def __call__(self, x: Images, y: Images) -> PerImage:
        """Distances d(x_i, y_i), smaller where more alike; differentiable in both."""
        raise NotImplementedError

    def prepare(self, *fixed: Images) -> Anchors:
        """Do once what does not change while another image moves."""
        return ImageAnchors(self, fixed)

    def to(self, device: str) -> "Metric":
        """Move to a device. A metric without weights has nothing to move."""
        return self

    def weights(self) -> Iterable[Tensor]:
        """The tensors that decide its numbers: they enter the identity of a run."""
        return ()

    def code(self) -> tuple[object, ...]:
        """The objects whose source decides its numbers: it enters the identity of a run."""
        return (self,)

    def require_size(self, x: Images, name: str) -> None:
        """Raises UserError, naming the metric as users do, where images are smaller than it takes."""
        if min(x.shape[-2:]) < self.smallest:
            side, got = self.smallest, tuple(x.shape[-2:])
            raise UserError(f"{name} needs images of at least {side} x {side} pixels, got {got}")


@dataclass(frozen=True, slots=True)
class ImageAnchors:
    """Anchors of a metric that needs both images at once."""

    metric: Metric
    fixed: tuple[Images, ...]

    def distances(self, x: Images) -> Tensor:
        return torch.stack([self.metric(x, y) for y in self.fixed])

    def select(self, index: Tensor) -> "ImageAnchors":
        return ImageAnchors(self.metric, tuple(y[index] for y in self.fixed))


class EmbeddingMetric(Metric):
    """A distance between embeddings: cosine, unless `compare` says otherwise."""

    def embed(self, x: Images) -> Embeddings:
        """One vector an image."""
        raise NotImplementedError

    def compare(self, a: Embeddings, b: Embeddings) -> PerImage:
        """The distance between embeddings: 1 - cos (LipSim, eq. 1)."""
        return geometry.cosine_distance(a, b)

    def points(self, a: Embeddings) -> Embeddings:
        """Embeddings as points whose Euclidean distances order as this metric does: u = g / |g|."""
        return F.normalize(a, dim=1)

    def __call__(self, x: Images, y: Images) -> PerImage:
        return self.compare(self.embed(x), self.embed(y))

    def prepare(self, *fixed: Images) -> Anchors:
        with torch.no_grad():
            return EmbeddingAnchors(self, tuple(self.embed(y) for y in fixed))


@dataclass(frozen=True, slots=True)
class EmbeddingAnchors:
    """Anchors of a metric that compares embeddings: x is embedded once for all of them."""

    metric: EmbeddingMetric
    fixed: tuple[Embeddings, ...]

    def distances(self, x: Images) -> Tensor:
        moving = self.metric.embed(x)
        return torch.stack([self.metric.compare(moving, y) for y in self.fixed])

    def select(self, index: Tensor) -> "EmbeddingAnchors":
        return EmbeddingAnchors(self.metric, tuple(y[index] for y in self.fixed))


class LipschitzMetric(EmbeddingMetric):
    """A metric whose embedding has a proved Lipschitz constant: it can be certified.

    `lipschitz` is that of the whole map from pixel l2 to embedding l2, preprocessing included;
    `space` is where its embeddings live. Every radius is in pixel l2, and 0 for a wrong answer.
    """

    lipschitz: float = 1.0
    space: Space

    @property
    def bounds(self) -> tuple[float, float]:
        """Where its distances are: the lowest, and what they stay below or reach at most."""
        return self.space.bounds

    def boundary(self, left: Embeddings, right: Embeddings) -> tuple[Embeddings, PerImage]:
        """Normal and offset of the plane of embeddings equally far from both anchors.

        <g, normal> > offset where `right` is nearer.
        """
        return self.space.boundary(left, right)

    def interval(self, a: Embeddings, b: Embeddings, eps: float) -> tuple[PerImage, PerImage]:
        """Proved bounds of d(x + delta, y) for |delta| <= eps (certificates, section 3)."""
        return self.space.interval(a, b, eps * self.lipschitz)

    def decision_radius(self, a: Embeddings, b: Embeddings, tau: PerImage) -> PerImage:
        """How far the first image may move before `d <= tau` changes; infinite where it cannot."""
        return self.space.decision_radius(a, b, tau) / self.lipschitz

    def signed_radius(self, reference: Embeddings, left: Embeddings, right: Embeddings) -> PerImage:
        """How far the reference may move, positive where `right` is nearer (section 2)."""
        return self.space.signed_radius(reference, left, right) / self.lipschitz

    def separate_radius(self, answer: Answer, eps_near: PerImage, eps_far: PerImage, exact: bool = True) -> PerImage:
        """How far the reference may move while the anchors move within budgets of their own (section 4)."""
        budgets = eps_near * self.lipschitz, eps_far * self.lipschitz
        return self.space.separate_radius(answer, *budgets, exact) / self.lipschitz

    def shared_radius(self, answer: Answer, exact: bool = True) -> PerImage:
        """How far all three images may move, their changes taken together as one vector (section 4)."""
        return self.space.shared_radius(answer, exact) / self.lipschitz

    def double(self) -> "LipschitzMetric":
        """A copy that computes in float64: the measure of what float32 loses."""
        raise NotImplementedError


class CosineLipschitzMetric(LipschitzMetric):
    """Cosine distance of a Lipschitz embedding g that is *not* normalised inside.

    With `space = Lifted()`, `embed` gives (g, 1) (metrics/spaces/geometry.py, `lift`).
    """

    space: Angular = Raw()

    @property
    def normalised_is_lipschitz(self) -> bool:
        """Whether g / |g| is as Lipschitz as g, as the paper and Tsuzuku assume: not for a raw g."""
        return self.space.unit_is_lipschitz

    def paper_margin(self, reference: Embeddings, left: Embeddings, right: Embeddings) -> PerImage:
        """The radius of the paper's Theorem 1, signed: positive where `right` is nearer."""
        return geometry.cosine_paper_radius(reference, left, right) / self.lipschitz


class SphereLipschitzMetric(CosineLipschitzMetric):
    """Cosine distance of an embedding that is a unit vector, and `lipschitz` as such."""

    space: Angular = Sphere()


metric: Registry[Metric] = Registry("metric", "perceptbench.metrics")
