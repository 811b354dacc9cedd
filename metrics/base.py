"""What a metric is: a distance between images, smaller where they are more alike.

The seam is the *two-step form*. An attack moves one image while others stay fixed, so the fixed
ones are prepared once and every step only evaluates the moving one:

    anchors = metric.prepare(left, right)      # once
    d0, d1 = anchors.distances(x)              # at every step, differentiable in x

A metric is `compare(represent(x), represent(y))`. Three ways to be one, from least to most structure:
    Metric            gives d(x, y); it represents an image by the image itself.
    EmbeddingMetric   gives embed(x) and compare(a, b); it represents an image by one vector.
    LipschitzMetric   also knows the Lipschitz constant of `embed` and where its answer flips,
                      hence it can be certified.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, runtime_checkable

import torch
import torch.nn.functional as F
from torch import Tensor

from perceptbench.core.errors import UserError
from perceptbench.core.registry import Registry
from perceptbench.core.tensors import Embeddings, Images, PerImage
from perceptbench.metrics.asked import METRIC, watch
from perceptbench.metrics.held import move, tensors_in
from perceptbench.metrics.spaces import geometry
from perceptbench.metrics.spaces.cosine import Angular, Raw, Sphere
from perceptbench.metrics.spaces.space import Space

Representation: TypeAlias = Any
"""What a metric computes of an image alone: a tensor with one row an image, or a tuple of such tensors."""


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
    """Whether d(x, y) = d(y, x)."""

    differentiable: bool = True
    """Whether gradients with respect to both images exist; without them only query attacks apply."""

    stochastic: bool = False
    """Whether two calls with the same images may give different numbers. Draws made once, when the metric is
    built, do not count: then it is a function."""

    smallest: int = 1
    """The least side of an image, in pixels, that it takes."""

    def __init_subclass__(cls, **words: Any) -> None:
        """What somebody's class computes is watched, wherever it is asked."""
        super().__init_subclass__(**words)
        watch(cls, "metric", METRIC)

    def __call__(self, x: Images, y: Images) -> PerImage:
        """Distances d(x_i, y_i), smaller where more alike; differentiable in both."""
        raise NotImplementedError

    def represent(self, x: Images) -> Representation:
        """What can be computed of each image before it is known with what it is compared."""
        return x

    def compare(self, a: Representation, b: Representation) -> PerImage:
        """Distances (n,) between represented images."""
        return self(a, b)

    def anchors(self, *fixed: Representation) -> Anchors:
        """Represented images, to be compared with one that moves."""
        return RepresentedAnchors(self, fixed)

    def prepare(self, *fixed: Images) -> Anchors:
        """Do once what does not change while another image moves."""
        with torch.no_grad():
            return self.anchors(*(self.represent(y) for y in fixed))

    def to(self, device: str) -> "Metric":
        """Move to a device: every network and tensor that it holds."""
        move(self, device)
        return self

    def weights(self) -> Iterable[Tensor]:
        """The tensors that decide its numbers: they enter the identity of a run. Where it says nothing else, all that
        it holds."""
        return tensors_in(self)

    def code(self) -> tuple[object, ...]:
        """The objects whose source decides its numbers: it enters the identity of a run."""
        return (self,)

    def surrogate(self) -> "Metric | None":
        """A differentiable metric like this one, which has no gradient: attacks follow its gradient, and this metric
        judges what they find. None where there is no such stand-in."""
        return None

    def require_size(self, x: Images, name: str) -> None:
        """Raises UserError, naming the metric as users do, where images are smaller than it takes."""
        if min(x.shape[-2:]) < self.smallest:
            side, got = self.smallest, tuple(x.shape[-2:])
            raise UserError(f"{name} needs images of at least {side} x {side} pixels, got {got}")


@dataclass(frozen=True, slots=True)
class RepresentedAnchors:
    """Anchors of every metric that has no better ones: x is represented once for all of them."""

    metric: Metric
    fixed: tuple[Representation, ...]

    def distances(self, x: Images) -> Tensor:
        moving = self.metric.represent(x)
        return torch.stack([self.metric.compare(moving, y) for y in self.fixed])

    def select(self, index: Tensor) -> "RepresentedAnchors":
        return RepresentedAnchors(self.metric, tuple(_rows(y, index) for y in self.fixed))


def _rows(one: Representation, index: Tensor) -> Representation:
    return tuple(part[index] for part in one) if isinstance(one, tuple) else one[index]


class EmbeddingMetric(Metric):
    """A distance between embeddings: cosine, unless `compare` says otherwise."""

    def embed(self, x: Images) -> Embeddings:
        """One vector an image."""
        raise NotImplementedError

    def represent(self, x: Images) -> Embeddings:
        return self.embed(x)

    def compare(self, a: Embeddings, b: Embeddings) -> PerImage:
        """The distance between embeddings: 1 - cos (LipSim, eq. 1)."""
        return geometry.cosine_distance(a, b)

    def points(self, a: Embeddings) -> Embeddings:
        """Embeddings as points whose Euclidean distances order as this metric does: u = g / |g|."""
        return F.normalize(a, dim=1)

    def __call__(self, x: Images, y: Images) -> PerImage:
        return self.compare(self.embed(x), self.embed(y))


class LipschitzMetric(EmbeddingMetric):
    """A metric whose embedding has a proved Lipschitz constant: it can be certified.

    `lipschitz` is that of the whole map from pixel l2 to embedding l2, preprocessing included;
    `space` is where its embeddings live and knows what a ball of embeddings can change. A length in the space is
    at most `lipschitz` times the length in pixels: a radius of the space over `lipschitz` is one in pixel l2.
    """

    lipschitz: float = 1.0
    space: Space

    def double(self) -> "LipschitzMetric":
        """A copy that computes in float64: the measure of what float32 loses."""
        raise NotImplementedError


class CosineLipschitzMetric(LipschitzMetric):
    """Cosine distance of a Lipschitz embedding g that is *not* normalised inside.

    With `space = Lifted()`, `embed` gives (g, 1) (metrics/spaces/geometry.py, `lift`).
    """

    space: Angular = Raw()


class SphereLipschitzMetric(CosineLipschitzMetric):
    """Cosine distance of an embedding that is a unit vector, and `lipschitz` as such."""

    space: Angular = Sphere()


metric: Registry[Metric] = Registry("metric", "perceptbench.metrics", of=Metric, aliases=True)
