"""The two metrics of pixels: their exact radius is known, so they are also the oracles of the tests."""

import math
from dataclasses import replace

import torch

from perceptbench.core.card import About
from perceptbench.core.tensors import Embeddings, Images, PerImage
from perceptbench.metrics.base import LipschitzMetric, metric
from perceptbench.metrics.spaces.space import Answer, Euclid, Space

_FLOOR = 1e-20


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

    bounds = (-200.0, math.inf)

    def compare(self, a: Embeddings, b: Embeddings) -> PerImage:
        return 10 * (a - b).square().mean(1).clamp_min(_FLOOR).log10()

    def interval(self, a: Embeddings, b: Embeddings, eps: float) -> tuple[PerImage, PerImage]:
        low, high = super().interval(a, b, eps)
        root = a.shape[1] ** 0.5
        low, high = ((d / root).square().clamp_min(_FLOOR).log10() * 10 for d in (low, high))
        return low, high

    def decision_radius(self, a: Embeddings, b: Embeddings, tau: PerImage) -> PerImage:
        return super().decision_radius(a, b, a.shape[1] ** 0.5 * 10 ** (tau / 20))

    def separate_radius(self, answer: Answer, eps_near: PerImage, eps_far: PerImage, exact: bool = True) -> PerImage:
        return super().separate_radius(_in_l2(answer, eps_near), eps_near, eps_far, exact)

    def shared_radius(self, answer: Answer, exact: bool = True) -> PerImage:
        return super().shared_radius(_in_l2(answer, torch.zeros_like(answer.slack)), exact)


def _in_l2(answer: Answer, eps_near: PerImage) -> Answer:
    """The same answer with its slack of decibels as one of l2 distances, rounded up.

    d1 / d0 > 10^(slack / 20) wherever d1 - d0 > (10^(slack / 20) - 1) d0. The radius is at most (d0 + d1) / 2,
    so nothing that is proved brings d0 above 2 d0 + d1 + eps_near. Below the floor nothing is told apart.
    """
    d0, d1 = ((answer.reference - y).norm(dim=1) for y in (answer.near, answer.far))
    ratio = torch.expm1(answer.slack * (math.log(10) / 20))
    floor = (_FLOOR * answer.reference.shape[1]) ** 0.5 * (answer.slack > 0)
    return replace(answer, slack=ratio * (2 * d0 + d1 + eps_near) + floor)
