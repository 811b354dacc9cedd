"""Goals whose nearest success is known by proof, so that an attack can be compared with the optimum.

Between two fixed images a distance of linear embeddings decides by a plane, whatever the distance makes of it. The
reference is put at one distance from that plane, in l2 or in l-infinity, so every image of a victim has the same
optimum. Under pixel l2 the image that moves in place of the reference has a ball to leave or to enter. No bound of the
pixels is near.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from perceptbench.attacks.base import Objective
from perceptbench.attacks.objectives import FlipFromTheSide, FlipPreference
from perceptbench.core.ref import Norm
from perceptbench.core.tensors import Embeddings, Images, PerImage
from perceptbench.metrics.base import EmbeddingMetric
from perceptbench.metrics.classical.pixel import PixelL2

_DIMENSIONS = 16
_CONDITION = 30.0
_L2, _LINF = (0.5, 0.2, 0.1, 0.5, 0.3), (0.02, 0.01, 0.005, 0.02, 0.015)
"""The optimum of each victim, in the order of `victims`."""


@dataclass(frozen=True)
class Victim:
    """Images whose nearest success is known.

    Args:
        name: for tables.
        about: what is known of it, in a phrase.
        objective: the goal, not reached by any of the images.
        x: the images (n, 3, side, side), in [0, 1].
        optimum: the size of the smallest change that reaches the goal, the same for all.
        ids: names of the images, which seed what attacks draw.
    """

    name: str
    about: str
    norm: Norm
    objective: Objective
    x: Images
    optimum: float
    ids: tuple[str, ...]


class LinearCosine(EmbeddingMetric):
    """Cosine distance of g(x) = A (x - 1/2); A (k, pixels) in float64."""

    def __init__(self, matrix: Tensor) -> None:
        self.matrix = matrix

    def embed(self, x: Images) -> Embeddings:
        return (x.flatten(1) - 0.5) @ self.matrix.T.to(x)


class FourthPower(PixelL2):
    """A millionth of the fourth power of pixel l2: another scale and another curvature, and the same answers."""

    def compare(self, a: Embeddings, b: Embeddings) -> PerImage:
        return 1e-6 * super().compare(a, b) ** 4


def victims(norm: Norm, n: int = 16, side: int = 16, seed: int = 0) -> Sequence[Victim]:
    """The victims of a norm, with n images each.

    Args:
        side: of the images, in pixels.
        seed: of all images.
    """
    draw = torch.Generator().manual_seed(seed)
    basis = torch.linalg.qr(torch.randn(3 * side * side, _DIMENSIONS, generator=draw, dtype=torch.float64)).Q.T
    stretch = torch.logspace(0, -torch.log10(torch.tensor(_CONDITION)).item(), _DIMENSIONS, dtype=torch.float64)
    sizes = _L2 if norm == "l2" else _LINF
    images = _Images(norm, n, side, draw)
    return (
        images.plane("pixel l2", "distance in pixels", PixelL2(), _bisector, sizes[0]),
        images.plane("cosine", "cosine, orthonormal embedding", LinearCosine(basis), _through_grey(basis), sizes[1]),
        images.plane(
            "tilted", f"cosine, embedding of condition {_CONDITION:g}", LinearCosine(stretch[:, None] * basis),
            _through_grey(stretch[:, None] * basis), sizes[2],
        ),
        images.plane("rescaled", "1e-6 times the fourth power of pixel l2", FourthPower(), _bisector, sizes[3]),
        images.ball("ball", "pixel l2, another image than the reference moves", sizes[4]),
    )  # fmt: skip


_Plane = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""From two fixed images (n, pixels) to the normal (n, pixels), towards the second one, and a point of the plane."""


def _bisector(left: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
    """Where both are equally far."""
    return right - left, (left + right) / 2


def _through_grey(matrix: Tensor) -> _Plane:
    """Where both have the same cosine: a plane through the image that the embedding maps to 0."""

    def plane(left: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
        one, other = (torch.nn.functional.normalize((x - 0.5) @ matrix.T, dim=1) for x in (left, right))
        return (other - one) @ matrix, torch.full_like(left, 0.5)

    return plane


@dataclass(frozen=True)
class _Images:
    """Draws images around grey and puts them at their distance."""

    norm: Norm
    n: int
    side: int
    draw: torch.Generator

    def plane(self, name: str, about: str, metric: EmbeddingMetric, plane: _Plane, size: float) -> Victim:
        """The reference is `size` away from the plane between two images, on the side of either in turn."""
        reference, left, right = (self._near_grey(width) for width in (0.1, 0.3, 0.3))
        left, right = left.float().double(), right.float().double()
        normal, point = plane(left, right)
        towards = 2.0 * (torch.arange(self.n) % 2).double() - 1
        length = normal.norm(dim=1)
        # The distance in l-infinity is over the sum of the magnitudes of the normal, the dual norm.
        dual = length if self.norm == "l2" else normal.abs().sum(1)
        wanted = towards * size * dual - ((reference - point) * normal).sum(1)
        reference = reference + (wanted / length**2)[:, None] * normal
        x, a, b = (self._shaped(one) for one in (reference, left, right))
        objective = FlipPreference.make(metric, a, b, (towards > 0).float())
        return self._victim(name, about, objective, x, size)

    def ball(self, name: str, about: str, size: float) -> Victim:
        """The image that moves has to get as far from the reference as another one is, or as near, in turn."""
        reference, moving = self._near_grey(0.1).float(), self._near_grey(0.3).float()
        leaves = (torch.arange(self.n) % 2).bool()
        apart = (moving.double() - reference.double()).abs()
        if self.norm == "l2":
            radius = apart.norm(dim=1) + torch.where(leaves, size, -size)
        else:
            changed = torch.where(leaves[:, None], apart + size, (apart - size).clamp_min(0))
            radius = changed.norm(dim=1)
        metric, fixed = PixelL2(), self._shaped(reference)
        sign = torch.where(leaves, 1.0, -1.0)
        objective = FlipFromTheSide(metric, fixed, metric.prepare(fixed), sign, radius.float())
        return self._victim(name, about, objective, self._shaped(moving), size)

    def _victim(self, name: str, about: str, objective: Objective, x: Images, size: float) -> Victim:
        return Victim(name, about, self.norm, objective, x, size, tuple(f"{name} {i}" for i in range(self.n)))

    def _near_grey(self, width: float) -> Tensor:
        """(n, pixels) uniform within `width` / 2 of 1/2, in float64."""
        uniform = torch.rand(self.n, 3 * self.side**2, generator=self.draw, dtype=torch.float64)
        return 0.5 + width * (uniform - 0.5)

    def _shaped(self, flat: Tensor) -> Images:
        return flat.view(self.n, 3, self.side, self.side).float()
