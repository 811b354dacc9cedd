"""Phase congruency (Kovesi, Videre 1(3), 1999), with the settings of FSIM.

A point is a feature where the Fourier components are in phase. Images are filtered with log-Gabor
wavelets of four scales and four orientations; the congruency is the energy above the noise, over the sum of the
amplitudes. Grey levels are 0 to 255.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

SCALES, ORIENTATIONS = 4, 4
_SHORTEST, _BANDWIDTH = 6, 0.55
_SPREAD = math.pi / ORIENTATIONS / 1.2
_CUTOFF, _SHARPNESS = 0.45, 15
_EPSILON = 1e-4
# The noise is Rayleigh distributed: mean plus two standard deviations, in units of its parameter,
# and Kovesi's empirical factor for this measure.
_THRESHOLD = (math.sqrt(math.pi / 2) + 2 * math.sqrt(2 - math.pi / 2)) / 1.7


@dataclass(frozen=True, slots=True)
class Wavelets:
    """The wavelets of one image size, as real transfer functions.

    Args:
        filters: (orientations, scales, h, w), 0 at the zero frequency.
        noise: (orientations,) expected noise energy for a median amplitude of 1 at the finest scale.
    """

    filters: Tensor
    noise: Tensor


def _frequencies(size: int) -> Tensor:
    """Those of a transform of `size` points as Kovesi has them: an odd size reaches -1/2 and 1/2."""
    reach = size // 2
    last = reach if size % 2 else reach - 1
    steps = torch.arange(-reach, last + 1, dtype=torch.float64) / max(size - size % 2, 1)
    return torch.fft.ifftshift(steps)


@lru_cache(maxsize=8)
def _wavelets(height: int, width: int, dtype: torch.dtype, device: torch.device) -> Wavelets:
    y, x = torch.meshgrid(_frequencies(height), _frequencies(width), indexing="ij")
    radius, theta = torch.hypot(x, y), torch.atan2(-y, x)
    low_pass = 1 / (1 + (radius / _CUTOFF) ** (2 * _SHARPNESS))
    radius[0, 0] = 1.0
    radial = []
    for s in range(SCALES):
        gabor = torch.exp(-(torch.log(radius * _SHORTEST * 2**s) ** 2) / (2 * math.log(_BANDWIDTH) ** 2)) * low_pass
        gabor[0, 0] = 0.0
        radial.append(gabor)
    angular = []
    for o in range(ORIENTATIONS):
        away = theta - o * math.pi / ORIENTATIONS
        away = torch.atan2(torch.sin(away), torch.cos(away))
        angular.append(torch.exp(-(away**2) / (2 * _SPREAD**2)))
    filters = torch.stack(angular)[:, None] * torch.stack(radial)
    # E[|sum of responses|^2] of white noise, from its power at the finest scale: median of |response|^2 over
    # ln 2 and the filter's energy.
    together = torch.fft.ifft2(filters).real.sum(1).square().sum((1, 2)) * (height * width)
    noise = (together / (filters[:, 0].square().sum((1, 2)) * math.log(2))).sqrt()
    return Wavelets(filters.to(dtype=dtype, device=device), noise.to(dtype=dtype, device=device))


def _median(amplitude: Tensor) -> Tensor:
    """Root of the median of squares along the last axis, halfway between the middle two of an even number."""
    count = amplitude.shape[-1]
    middle = [amplitude.kthvalue(k, dim=-1).values for k in ((count + 1) // 2, count // 2 + 1)]
    return torch.linalg.vector_norm(torch.stack(middle), dim=0) / math.sqrt(2)


def phase_congruency(grey: Tensor) -> Tensor:
    """Of images (n, h, w) with grey levels from 0 to 255: (n, h, w), in [0, 1]; 0 where nothing varies.

    Gradients are finite everywhere: an amplitude of 0 has the subgradient 0.
    """
    wavelets = _wavelets(*grey.shape[-2:], grey.dtype, grey.device)
    # No filter passes the mean; without it, single precision loses less.
    spectrum = torch.fft.fft2(grey - grey.mean((1, 2), keepdim=True))
    # One orientation after the other: memory.
    energy, amplitudes = torch.zeros_like(grey), torch.zeros_like(grey)
    for filters, noise in zip(wavelets.filters, wavelets.noise, strict=True):
        responses = torch.fft.ifft2(spectrum[:, None] * filters)
        mean = responses.sum(1, keepdim=True)
        in_phase = responses * (mean / (mean.abs() + _EPSILON)).conj()
        amplitude = responses.abs()
        limit = _THRESHOLD * noise * _median(amplitude[:, 0].flatten(1))
        energy = energy + ((in_phase.real - in_phase.imag.abs()).sum(1) - limit[:, None, None]).clamp_min(0)
        amplitudes = amplitudes + amplitude.sum(1)
    # The authors' program divides 0 by 0 on a flat image.
    return energy / amplitudes.clamp_min(_EPSILON)
