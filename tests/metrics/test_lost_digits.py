"""Distances of images that are nearly alike, in float32, beside the same in float64: no digits are lost on the way.

A difference of large numbers, E[x^2] - E[x]^2 or 1 - cos, has no digits left where images differ by one grey level.
"""

from collections.abc import Callable, Iterator

import piq
import pytest
import torch
from torch import Tensor

from perceptbench.metrics.classical.fsim import FSIM
from perceptbench.metrics.classical.ms_ssim import MSSSIM
from perceptbench.metrics.classical.pixel import PSNR, PixelL2
from perceptbench.metrics.classical.ssim import SSIM
from perceptbench.metrics.features.feature_metric import FeatureMetric
from perceptbench.metrics.spaces.geometry import cosine_distance

SIDE = 176
C1, C2 = 0.01**2, 0.03**2


def _flat(level: float) -> Tensor:
    return torch.full((1, 3, SIDE, SIDE), level / 255, dtype=torch.float64)


def _every_other() -> Tensor:
    row = torch.arange(SIDE)
    return ((row[:, None] + row) % 2).to(torch.float64).expand(1, 3, SIDE, SIDE)


def _left_half() -> Tensor:
    return (torch.arange(SIDE) < SIDE // 2).to(torch.float64).expand(1, 3, SIDE, SIDE)


def _nearly_alike() -> Iterator[tuple[Tensor, Tensor]]:
    """A pattern of one level on greys, one level of one colour, pages with ink, and steps of one level on them."""
    for channel in range(3):
        tint = torch.zeros(1, 3, 1, 1, dtype=torch.float64)
        tint[:, channel] = 1 / 255
        yield _flat(110), _flat(110) + tint
    for level in range(0, 255, 25):
        yield _flat(level), _flat(level) + _every_other() / 255
        yield _flat(level), _flat(level) + _left_half() / 255
    for paper, ink in ((255, 0), (254, 3), (0, 255), (250, 128)):
        page = (_left_half() * ink + (1 - _left_half()) * paper) / 255
        sign = 1 if paper < 255 else -1
        yield page, page + sign * (1 - _left_half()) * _every_other() / 255
        yield page, page + sign * (1 - _left_half()) / 255


@pytest.mark.parametrize("level", [*range(0, 255, 5), 254])
def test_neighbouring_greys_have_the_closed_form(level: int) -> None:
    x, y = _flat(level), _flat(level + 1)
    one, other = level / 255, (level + 1) / 255
    luminance = (one - other) ** 2 / (one**2 + other**2 + C1)
    assert SSIM()(x.float(), y.float()).item() == pytest.approx(luminance, rel=1e-4)
    assert MSSSIM()(x.float(), y.float()).item() == pytest.approx(1 - (1 - luminance) ** 0.1333, rel=1e-4)


def test_one_level_of_one_pixel_pattern_has_the_closed_form() -> None:
    """Both moments of a pattern of levels k and k + 1 are known up to the window's weights, here of even and odd."""
    x = _flat(110) + _every_other() / 255
    even = SSIM()(x.float(), _flat(110).float()).item()
    variance, mean = 0.25 / 255**2, (0.5 / 255) ** 2
    level, own = 110 / 255, 110.5 / 255
    assert even == pytest.approx(1 - (1 - mean / (level**2 + own**2 + C1)) * (1 - variance / (variance + C2)), rel=1e-3)


@pytest.mark.parametrize("metric", [SSIM(), MSSSIM(), FSIM()], ids=lambda metric: metric.name)
def test_images_nearly_alike_are_as_in_float64(metric: FeatureMetric) -> None:
    for x, y in _nearly_alike():
        x, y = x.float(), y.float()
        single, double = metric(x, y).item(), metric(x.double(), y.double()).item()
        assert single == pytest.approx(double, rel=1e-4)
        assert single >= 0


@pytest.mark.parametrize(
    ("metric", "theirs"), [(SSIM(), piq.ssim), (MSSSIM(), piq.multi_scale_ssim)], ids=["ssim", "ms-ssim"]
)
def test_float64_agrees_with_another_program(metric: FeatureMetric, theirs: Callable[..., Tensor]) -> None:
    options = {"downsample": False} if isinstance(metric, SSIM) else {}
    for x, y in _nearly_alike():
        x, y = x.float().double(), y.float().double()
        wanted = 1 - theirs(x, y, data_range=1.0, **options).item()
        assert metric(x, y).item() == pytest.approx(wanted, rel=1e-6, abs=1e-13)


@pytest.mark.parametrize("metric", [PixelL2(), PSNR()], ids=lambda metric: type(metric).__name__)
def test_distances_of_pixels_keep_their_digits(metric: PixelL2) -> None:
    for x, y in _nearly_alike():
        x, y = x.float(), y.float()
        assert metric(x, y).item() == pytest.approx(metric(x.double(), y.double()).item(), rel=5e-5)


@pytest.mark.parametrize("angle", [1e-1, 1e-2, 1e-3, 1e-4])
def test_the_cosine_distance_of_nearly_equal_vectors_keeps_its_digits(angle: float) -> None:
    a = torch.tensor([[3.0, 0.0]], dtype=torch.float64)
    b = torch.tensor([[angle, 0.0]], dtype=torch.float64)
    b = torch.stack([b[:, 0].cos(), b[:, 0].sin()], dim=1) * 0.2
    assert cosine_distance(a.float(), b.float()).item() == pytest.approx(
        2 * (torch.tensor(angle).double() / 2).sin().item() ** 2, rel=1e-3
    )
