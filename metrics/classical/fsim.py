"""Feature similarity (Zhang, Zhang, Mou & Zhang, IEEE TIP 20(8), 2011), with colour: FSIMc.

Own: the gradients of piq 0.8.0 are not numbers wherever an image is flat, it computes the features of the
fixed image anew at every step, and it departs from the authors' program (FeatureSIM.m) in the colour matrix, in
products of opposite colours and in what a small response is divided by.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from perceptbench.core.card import About
from perceptbench.core.tensors import Images, PerImage
from perceptbench.metrics.base import metric
from perceptbench.metrics.classical.phase_congruency import phase_congruency
from perceptbench.metrics.features.feature_metric import FeatureMetric, Features

_TO_YIQ = ((0.299, 0.587, 0.114), (0.596, -0.274, -0.322), (0.211, -0.523, 0.312))
_SCHARR = ((3.0, 0.0, -3.0), (10.0, 0.0, -10.0), (3.0, 0.0, -3.0))
_T_PHASE, _T_GRADIENT, _T_COLOUR = 0.85, 160.0, 200.0
_LAMBDA = 0.03
_FLOOR = 1e-8


def yiq(x: Images) -> Tensor:
    """Luminance and two chrominances (n, 3, h, w), for a range of 255."""
    return torch.einsum("ck,nkhw->nchw", x.new_tensor(_TO_YIQ) * 255, x)


def shrink(x: Tensor) -> Tensor:
    """Means over F x F pixels, F = round(smaller side / 256), taken around every F-th pixel.

    Nothing happens below 384 pixels. Beyond the border are zeros, as in MATLAB's conv2.
    """
    factor = max(1, math.floor(min(x.shape[-2:]) / 256 + 0.5))
    if factor == 1:
        return x
    before = (factor - 1) // 2
    x = F.pad(x, (before, factor - 1 - before) * 2)
    return F.avg_pool2d(x, factor, stride=factor)


def gradient(grey: Tensor) -> Tensor:
    """Magnitude of the Scharr gradient of (n, h, w), zeros beyond the border."""
    kernel = grey.new_tensor(_SCHARR) / 16
    both = F.conv2d(grey[:, None], torch.stack([kernel, kernel.T])[:, None], padding=1)
    return torch.linalg.vector_norm(both, dim=1)


def similarity(a: Tensor, b: Tensor, constant: float) -> Tensor:
    """2 a b over a^2 + b^2, both with a constant added (eq. 4)."""
    return (2 * a * b + constant) / (a**2 + b**2 + constant)


def real_power(base: Tensor, exponent: float) -> Tensor:
    """Real part of base ** exponent, which of a negative base is |base| ** exponent cos(pi exponent)."""
    size = torch.where(base == 0, 1.0, base.abs()) ** exponent
    return torch.where(base == 0, 0.0, torch.where(base < 0, math.cos(math.pi * exponent) * size, size))


@metric(
    "fsim",
    source="IEEE TIP 20(8):2378-2386",
    about=About(year=2011, gmac=0.00135, original="similarity"),
)
class FSIM(FeatureMetric):
    """1 - FSIMc: phase congruency, gradients and colours; range [0, 1].

    From a smaller side of 384 pixels on, images are averaged down to about 256, as the authors do.
    """

    name = "fsim"
    smallest = 2

    def extract(self, x: Images) -> Features:
        y, i, q = shrink(yiq(x)).unbind(1)
        return phase_congruency(y), gradient(y), i, q

    def compare(self, a: Features, b: Features) -> PerImage:
        (phase_a, gradient_a, i_a, q_a), (phase_b, gradient_b, i_b, q_b) = a, b
        colour = similarity(i_a, i_b, _T_COLOUR) * similarity(q_a, q_b, _T_COLOUR)
        structure = similarity(phase_a, phase_b, _T_PHASE) * similarity(gradient_a, gradient_b, _T_GRADIENT)
        # Two flat images have no features to weigh by; the floor gives their pixels equal weights.
        weight = torch.maximum(phase_a, phase_b) + _FLOOR
        return 1 - (structure * real_power(colour, _LAMBDA) * weight).sum((1, 2)) / weight.sum((1, 2))
