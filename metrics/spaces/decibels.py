"""The space of PSNR: Euclidean distances of pixels on a scale of decibels."""

import math
from dataclasses import replace

import torch

from perceptbench.core.tensors import Embeddings, PerImage
from perceptbench.metrics.spaces.euclidean import Euclid
from perceptbench.metrics.spaces.space import Answer

_FLOOR = 1e-20
"""Of the mean squared error. No two different 8-bit images come near it."""


def decibels(a: Embeddings, b: Embeddings) -> PerImage:
    """Mean squared error of vectors (n, d) in dB of a peak of 1; -200 dB for equal ones."""
    return 10 * (a - b).square().mean(1).clamp_min(_FLOOR).log10()


class Decibels(Euclid):
    """The distance `decibels`. It orders as the Euclidean distance does, so planes and radii are those of Euclid.

    Only what is given in decibels is converted: thresholds, intervals and the slack of an answer.
    """

    bounds = (-200.0, math.inf)
    fixed = None

    def interval(self, a: Embeddings, b: Embeddings, eps: float) -> tuple[PerImage, PerImage]:
        low, high = super().interval(a, b, eps)
        root = a.shape[1] ** 0.5
        low, high = ((d / root).square().clamp_min(_FLOOR).log10() * 10 for d in (low, high))
        return low, high

    def decision_radius(self, a: Embeddings, b: Embeddings, tau: PerImage) -> PerImage:
        return super().decision_radius(a, b, _threshold_in_l2(a, tau))

    def joint_decision_radius(self, a: Embeddings, b: Embeddings, tau: PerImage) -> PerImage:
        return super().joint_decision_radius(a, b, _threshold_in_l2(a, tau))

    def each_decision_radius(self, a: Embeddings, b: Embeddings, tau: PerImage) -> PerImage:
        return super().each_decision_radius(a, b, _threshold_in_l2(a, tau))

    def separate_radius(self, answer: Answer, eps_near: PerImage, eps_far: PerImage, exact: bool) -> PerImage:
        return super().separate_radius(_in_l2(answer, eps_near), eps_near, eps_far, exact)

    def shared_radius(self, answer: Answer, exact: bool) -> PerImage:
        return super().shared_radius(_in_l2(answer, torch.zeros_like(answer.slack)), exact)


def _threshold_in_l2(a: Embeddings, tau: PerImage) -> PerImage:
    """The Euclidean distance at which vectors such as a are tau decibels apart."""
    return a.shape[1] ** 0.5 * 10 ** (tau / 20)


def _in_l2(answer: Answer, eps_near: PerImage) -> Answer:
    """The same answer with its slack of decibels as one of l2 distances, rounded up.

    d1 / d0 > 10^(slack / 20) wherever d1 - d0 > (10^(slack / 20) - 1) d0. The radius is at most (d0 + d1) / 2,
    so nothing that is proved brings d0 above 2 d0 + d1 + eps_near. Below the floor nothing is told apart.
    """
    d0, d1 = ((answer.reference - y).norm(dim=1) for y in (answer.near, answer.far))
    ratio = torch.expm1(answer.slack * (math.log(10) / 20))
    floor = (_FLOOR * answer.reference.shape[1]) ** 0.5 * (answer.slack > 0)
    return replace(answer, slack=ratio * (2 * d0 + d1 + eps_near) + floor)
