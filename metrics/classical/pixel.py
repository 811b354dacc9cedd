"""The two metrics of pixels: their exact radius is known, so tests compare proofs and attacks with it."""

import torch

from perceptbench.core.card import About
from perceptbench.core.tensors import Embeddings, Images, PerImage
from perceptbench.metrics.base import LipschitzMetric, metric
from perceptbench.metrics.spaces.decibels import Decibels, decibels
from perceptbench.metrics.spaces.euclidean import Euclid
from perceptbench.metrics.spaces.space import Space


@metric("l2", source="Euclidean distance", about=About(year=0))
class PixelL2(LipschitzMetric):
    """Euclidean distance over all pixels and channels; its exact radius has a closed form."""

    space: Space = Euclid()

    def embed(self, x: Images) -> Embeddings:
        return x.flatten(1)

    def compare(self, a: Embeddings, b: Embeddings) -> PerImage:
        return torch.linalg.vector_norm(a - b, dim=1)

    def points(self, a: Embeddings) -> Embeddings:
        return a

    def double(self) -> "PixelL2":
        return self


@metric(
    "psnr",
    source="Peak signal-to-noise ratio, ITU-T J.247",
    about=About(year=2008, original="similarity", nights=(57.1, "LipSim, table 4")),
)
class PSNR(PixelL2):
    """Minus the peak signal-to-noise ratio in dB (peak 1), so that smaller is more alike.

    It orders images as `l2` does, and has the same exact radius. Equal images give -200 dB, the
    floor of the mean squared error being 1e-20: no two different 8-bit images come near it.
    """

    space: Space = Decibels()

    def compare(self, a: Embeddings, b: Embeddings) -> PerImage:
        return decibels(a, b)
