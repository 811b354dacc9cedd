"""Metrics whose geometry is known: the Lipschitz constant is attained, and the nearest flip has a closed form."""

import torch
from torch import Tensor

from perceptbench.metrics.base import CosineLipschitzMetric, SphereLipschitzMetric
from perceptbench.metrics.lipsim.lipsim import FrozenLipSim
from perceptbench.metrics.lipsim.network import freeze, untrained
from perceptbench.metrics.lipsim.shape import LipSimConfig
from perceptbench.metrics.spaces.cosine import Angular, Lifted
from perceptbench.metrics.spaces.geometry import lift
from perceptbench.testing.samples import generator
from perceptbench.triplets.base import Triplets


class ProjectionCosine(CosineLipschitzMetric):
    """Cosine after g(x) = scale * Q^T (x - 1/2) with orthonormal columns: L = scale, attained everywhere."""

    def __init__(self, pixels: int, k: int = 16, scale: float = 1.0, seed: int = 0) -> None:
        square = torch.randn(pixels, k, generator=generator(seed), dtype=torch.float64)
        self.basis = torch.linalg.qr(square).Q
        self.lipschitz = scale

    def embed(self, x: Tensor) -> Tensor:
        return self.lipschitz * (x.flatten(1) - 0.5) @ self.basis.to(x.dtype)

    def double(self) -> "ProjectionCosine":
        return self

    def exact(self, batch: Triplets) -> tuple[Tensor, Tensor]:
        """The exact l2 radius and the unit direction (n, 3, h, w) of the shortest flip, in float64.

        Independent of the project's geometry: the reference is taken to the plane of equal cosines.
        """
        r, a, b = ((x.double().flatten(1) - 0.5) @ self.basis for x in (batch.reference, batch.left, batch.right))
        w = b / b.norm(dim=1, keepdim=True) - a / a.norm(dim=1, keepdim=True)
        w = w / w.norm(dim=1, keepdim=True)
        along = (r * w).sum(1)
        direction = -along.sign()[:, None] * w @ self.basis.T
        return along.abs(), direction.view_as(batch.reference)


class LiftedProjection(ProjectionCosine):
    """The same, lifted: (g, 1)."""

    space: Angular = Lifted()

    def embed(self, x: Tensor) -> Tensor:
        return lift(super().embed(x))

    def exact(self, batch: Triplets) -> tuple[Tensor, Tensor]:
        """For L = 1: to the same plane, which the last coordinate cannot approach."""
        r, a, b = (lift((x.double().flatten(1) - 0.5) @ self.basis) for x in (batch.reference, batch.left, batch.right))
        w = b / b.norm(dim=1, keepdim=True) - a / a.norm(dim=1, keepdim=True)
        free = w[:, :-1]
        along = (r * w).sum(1) / free.norm(dim=1)
        direction = -along.sign()[:, None] * free / free.norm(dim=1, keepdim=True) @ self.basis.T
        return along.abs(), direction.view_as(batch.reference)


class Torus(SphereLipschitzMetric):
    """A unit vector by construction: cosines and sines of k projections, over sqrt(k).

    Every angle moves at speed sqrt(k) in an orthonormal direction, so L = 1.
    """

    def __init__(self, pixels: int, k: int = 4, seed: int = 0) -> None:
        square = torch.randn(pixels, k, generator=generator(seed), dtype=torch.float64)
        self.basis = torch.linalg.qr(square).Q

    def embed(self, x: Tensor) -> Tensor:
        k = self.basis.shape[1]
        phases = (x.flatten(1) - 0.5) @ self.basis.to(x.dtype) * k**0.5
        return torch.cat([phases.cos(), phases.sin()], dim=1) / k**0.5

    def double(self) -> "Torus":
        return self


def tiny_lipsim(seed: int = 0) -> FrozenLipSim:
    """An untrained LipSim for 32 x 32 images with biases, so that nothing is zero by accident."""
    config = LipSimConfig(size=32, stem=4, depths=(1, 1), inners=(8, 8), linears=1, linear_inner=8)
    net = untrained(config, seed)
    draw = generator(seed)
    with torch.no_grad():
        for p in net.parameters():
            p.add_(0.1 * torch.randn(p.shape, generator=draw))
    return FrozenLipSim(freeze(net), config.size)
