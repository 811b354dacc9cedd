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
from perceptbench.metrics.classical.ssim import either
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


def dissimilarity(a: Tensor, b: Tensor, constant: float) -> Tensor:
    """1 - (2 a b + c) / (a^2 + b^2 + c) (eq. 4), written so that nothing cancels; in [0, 2]."""
    return (a - b).square() / (a.square() + b.square() + constant)


def one_less_power(part: Tensor, exponent: float) -> Tensor:
    """1 - the real part of (1 - part) ** exponent; of a negative base that is |base| ** exponent cos(pi exponent).

    Near 1 the base is taken by its logarithm, so that small parts keep their digits. Its gradient is 0 at a base of 0.
    """
    base = 1 - part
    near = torch.expm1(exponent * torch.log1p(-torch.where(base > 0, part, 0.0)))
    far = torch.where(base < 0, -base, 1.0) ** exponent * math.cos(math.pi * exponent)
    return torch.where(base > 0, -near, torch.where(base < 0, 1 - far, 1.0))


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
        # In float64 up to the gradients: those of two images are subtracted, and grey levels have seven digits only.
        y, i, q = shrink(yiq(x.double())).unbind(1)
        return phase_congruency(y.to(x.dtype)), gradient(y), i, q

    def compare(self, a: Features, b: Features) -> PerImage:
        (phase_a, gradient_a, i_a, q_a), (phase_b, gradient_b, i_b, q_b) = a, b
        slope = dissimilarity(gradient_a, gradient_b, _T_GRADIENT).to(phase_a.dtype)
        structure = either(dissimilarity(phase_a, phase_b, _T_PHASE), slope)
        colour = either(dissimilarity(i_a, i_b, _T_COLOUR), dissimilarity(q_a, q_b, _T_COLOUR)).to(phase_a.dtype)
        # Two flat images have no features to weigh by; the floor gives their pixels equal weights.
        weight = torch.maximum(phase_a, phase_b) + _FLOOR
        return (either(structure, one_less_power(colour, _LAMBDA)) * weight).sum((1, 2)) / weight.sum((1, 2))
