"""The two metrics of pixels: their exact radius is known, so they are also the oracles of the tests."""

import torch

from core.tensors import Embeddings, Images, PerImage
from metrics import geometry
from metrics.base import LipschitzMetric, metric

_FLOOR = 1e-20


@metric("l2", source="Euclidean distance")
class PixelL2(LipschitzMetric):
    """Euclidean distance over all pixels and channels; its exact radius has a closed form."""

    def embed(self, x: Images) -> Embeddings:
        return x.flatten(1)

    def compare(self, a: Embeddings, b: Embeddings) -> PerImage:
        return torch.linalg.vector_norm(a - b, dim=1)

    def boundary(self, left: Embeddings, right: Embeddings) -> tuple[Embeddings, PerImage]:
        return geometry.euclidean_boundary(left, right)

    def interval(self, a: Embeddings, b: Embeddings, eps: float) -> tuple[PerImage, PerImage]:
        return geometry.euclidean_interval(a, b, eps)

    def double(self) -> "PixelL2":
        return self


@metric("psnr", source="Peak signal-to-noise ratio, ITU-T J.247")
class PSNR(PixelL2):
    """Minus the peak signal-to-noise ratio in dB (peak 1), so that smaller is more alike.

    It orders images as `l2` does, and has the same exact radius. Equal images give -200 dB, the
    floor of the mean squared error being 1e-20: no two different 8-bit images come near it.
    """

    def compare(self, a: Embeddings, b: Embeddings) -> PerImage:
        return 10 * (a - b).square().mean(1).clamp_min(_FLOOR).log10()

    def interval(self, a: Embeddings, b: Embeddings, eps: float) -> tuple[PerImage, PerImage]:
        low, high = geometry.euclidean_interval(a, b, eps)
        root = a.shape[1] ** 0.5
        low, high = ((d / root).square().clamp_min(_FLOOR).log10() * 10 for d in (low, high))
        return low, high
