"""MS-SSIM and FSIM against other programs and against the authors' formulas, written out in float64."""

import math

import numpy as np
import pytest
import torch
from originals import assert_gradient, foreign, photo_pairs

from perceptbench.core.errors import UserError
from perceptbench.metrics.classical.fsim import FSIM, gradient, one_less_power, shrink, yiq
from perceptbench.metrics.classical.ms_ssim import EXPONENTS, MSSSIM, halve
from perceptbench.metrics.classical.phase_congruency import phase_congruency
from perceptbench.testing.samples import random_images

Array = np.ndarray


@pytest.mark.parametrize("package", ["pytorch_msssim", "piq"])
def test_ms_ssim_equals_other_programs(package: str) -> None:
    """pytorch_msssim 1.0.0 and piq 0.8.0; at even sizes all definitions coincide."""
    theirs = pytest.importorskip(package)
    x, y = (z[::3] for z in photo_pairs())
    with foreign(), torch.no_grad():
        if package == "piq":
            wanted = theirs.multi_scale_ssim(x.double(), y.double(), data_range=1.0, reduction="none")
        else:
            wanted = theirs.ms_ssim(x.double(), y.double(), data_range=1.0, size_average=False)
    # The window of pytorch_msssim is in single precision whatever the images are.
    torch.testing.assert_close(MSSSIM()(x, y).double(), 1 - wanted, rtol=1e-5 if package == "piq" else 2e-5, atol=0)
    if package == "piq":
        torch.testing.assert_close(MSSSIM()(x.double(), y.double()), 1 - wanted, rtol=1e-7, atol=0)


def _msssim(x: Array, y: Array) -> float:
    """Of planes (h, w): scales by imfilter(ones(2)/4, 'symmetric') and every second pixel, as in msssim.m."""
    offsets = np.arange(11) - 5
    window = np.exp(-(offsets[:, None] ** 2 + offsets**2) / (2 * 1.5**2))
    window /= window.sum()

    def blur(z: Array) -> Array:
        return (np.lib.stride_tricks.sliding_window_view(z, (11, 11)) * window).sum((2, 3))

    value = 1.0
    for k, exponent in enumerate(EXPONENTS):
        mx, my = blur(x), blur(y)
        structure = (2 * (blur(x * y) - mx * my) + 0.03**2) / (blur(x * x) - mx**2 + blur(y * y) - my**2 + 0.03**2)
        luminance = (2 * mx * my + 0.01**2) / (mx**2 + my**2 + 0.01**2)
        value *= (structure * luminance if k == 4 else structure).mean() ** exponent
        x, y = (np.pad(z, ((0, 1), (0, 1)), mode="symmetric") for z in (x, y))
        x, y = ((z[:-1, :-1] + z[1:, :-1] + z[:-1, 1:] + z[1:, 1:])[::2, ::2] / 4 for z in (x, y))
    return value


def test_ms_ssim_equals_the_authors_formula_at_odd_sizes() -> None:
    x, y = photo_pairs()
    x, y = x[:2, :, :163, :189], y[:2, :, :163, :189]
    wanted = [np.mean([_msssim(*planes) for planes in zip(*pair, strict=True)]) for pair in _pairs(x, y)]
    assert (1 - MSSSIM()(x, y)).tolist() == pytest.approx(wanted, abs=1e-5)


def _pairs(x: torch.Tensor, y: torch.Tensor) -> list[tuple[Array, Array]]:
    return list(zip(x.double().numpy(), y.double().numpy(), strict=True))


def test_halving_repeats_a_last_odd_row() -> None:
    x = torch.arange(6.0).view(1, 1, 3, 2)
    assert halve(x).flatten().tolist() == [1.5, 4.5]


@pytest.mark.parametrize("metric", [MSSSIM(), FSIM()])
def test_ranges_and_gradients_at_the_edges(metric: MSSSIM | FSIM) -> None:
    """Equal, black, flat and opposite images; the gradient of FSIM in piq 0.8.0 is not a number at flat ones."""
    x = random_images(1, 161, seed=1)
    black, grey, white = torch.zeros_like(x), torch.full_like(x, 0.4), torch.ones_like(x)
    for a, b in ((x, x), (black, black), (black, white), (grey, x), (x, black), (x, 1 - x), (grey, grey)):
        moving, other = a.clone().requires_grad_(), b.clone().requires_grad_()
        distance = metric(moving, other)
        assert -1e-6 <= distance.item() <= 1
        if a is b:
            assert distance.item() == pytest.approx(0, abs=1e-6)
        for gradient_ in torch.autograd.grad(distance.sum(), (moving, other)):
            assert gradient_.isfinite().all()
    # FSIM sees little of a constant, and takes a negative for much the same features.
    assert metric(black, white).item() > 0.01
    assert metric(x, 1 - x).item() > 0.01


def test_ms_ssim_of_opposite_images_is_one() -> None:
    """Structures that are opposed at every scale: the product of the scales is 0."""
    x = random_images(2, 161, seed=1).requires_grad_()
    distance = MSSSIM()(x, 1 - x.detach())
    assert distance.tolist() == [1.0, 1.0]
    assert torch.autograd.grad(distance.sum(), x)[0].abs().max() == 0


def test_gradients_in_float64() -> None:
    x, y = (z[:1].double() for z in photo_pairs(162))
    assert_gradient(lambda z: MSSSIM()(z, y), x)
    assert_gradient(lambda z: FSIM()(z, y[..., :24, :31]), x[..., :24, :31], step=1e-7, rtol=1e-4)


def test_too_small_images_get_a_sentence() -> None:
    with pytest.raises(UserError, match=r"ms-ssim needs images of at least 161 x 161 pixels, got \(160, 200\)"):
        MSSSIM()(random_images(1, 160, 200), random_images(1, 160, 200))
    assert MSSSIM()(random_images(1, 161, seed=1), random_images(1, 161, seed=2)).isfinite().all()


def test_fsim_equals_the_authors_formula() -> None:
    """FeatureSIM.m, written out below."""
    x, y = photo_pairs(120)
    wanted = [_fsim(*pair) for pair in _pairs(x, y)]
    assert (1 - FSIM()(x, y)).tolist() == pytest.approx(wanted, abs=1e-5)
    odd = [z[:2, :, :61, :88] for z in (x, y)]
    assert (1 - FSIM()(*odd)).tolist() == pytest.approx([_fsim(*pair) for pair in _pairs(*odd)], abs=1e-5)


def test_fsim_is_near_another_program() -> None:
    """piq 0.8.0, whose colour matrix has other last digits."""
    theirs = pytest.importorskip("piq")
    x, y = photo_pairs()
    with torch.no_grad():
        wanted = theirs.fsim(x, y, data_range=1.0, reduction="none")
        torch.testing.assert_close(1 - FSIM()(x, y), wanted, rtol=0, atol=2e-3)


@pytest.mark.parametrize(("height", "width", "factor"), [(383, 500, 1), (384, 391, 2), (641, 640, 3)])
def test_fsim_averages_large_images_down_as_the_authors_do(height: int, width: int, factor: int) -> None:
    x = random_images(1, height, width, seed=4)[:, :1]
    got = shrink(x)[0, 0].numpy()
    # MATLAB's conv2(x, ones(F) / F^2, 'same') begins at sample ceil((F + 1) / 2) of the full convolution.
    first = math.ceil((factor + 1) / 2) - 1
    padded = np.pad(x[0, 0].double().numpy(), factor - 1)
    full = np.lib.stride_tricks.sliding_window_view(padded, (factor, factor)).mean((2, 3))
    wanted = full[first : first + height : factor, first : first + width : factor]
    np.testing.assert_allclose(got, wanted, atol=1e-6)


def test_pieces_of_fsim_in_closed_form() -> None:
    assert yiq(torch.ones(1, 3, 1, 1)).flatten().tolist() == pytest.approx([255, 0, 0], abs=1e-4)
    blue = torch.tensor([0.0, 0.0, 1.0])[None, :, None, None]
    assert yiq(blue).flatten().tolist() == pytest.approx([0.114 * 255, -0.322 * 255, 0.312 * 255], abs=1e-4)
    ramp = torch.arange(6.0).repeat(5, 1)[None]
    assert gradient(ramp)[0, 1:-1, 1:-1].flatten().tolist() == pytest.approx([2.0] * 12)
    part = torch.tensor([0.75, 1e-9, 2.0, 1.0], requires_grad=True)
    value = one_less_power(part, 0.5)
    assert value.tolist() == pytest.approx([0.5, 5e-10, 1.0, 1.0], rel=1e-6)
    assert torch.autograd.grad(value.sum(), part)[0].isfinite().all()


def test_phase_congruency_peaks_at_an_edge_and_is_nothing_on_a_plain() -> None:
    assert phase_congruency(torch.full((1, 32, 33), 77.7)).max() < 1e-3
    step = torch.zeros(1, 64, 64)
    step[..., 32:] = 200
    found = phase_congruency(step)[0]
    assert found.min() >= 0
    assert found.max() <= 1
    # The transform is periodic: there is an edge at the border too, and nothing halfway.
    assert found[32, 8:56].argmax() + 8 in (31, 32)
    assert found[32, 31:33].min() > 1.2 * found[32, 26:30].max()


def _fsim(x: Array, y: Array) -> float:
    """FSIMc of images (3, h, w) in [0, 1] whose smaller side is below 384 pixels."""
    matrix = np.array([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
    (y1, i1, q1), (y2, i2, q2) = (np.tensordot(matrix, 255 * z, 1) for z in (x, y))
    pc1, pc2, g1, g2 = _phase(y1), _phase(y2), _scharr(y1), _scharr(y2)

    def alike(a: Array, b: Array, t: float) -> Array:
        return (2 * a * b + t) / (a**2 + b**2 + t)

    colour = ((alike(i1, i2, 200) * alike(q1, q2, 200)).astype(complex) ** 0.03).real
    weight = np.maximum(pc1, pc2)
    return float((alike(pc1, pc2, 0.85) * alike(g1, g2, 160) * colour * weight).sum() / weight.sum())


def _scharr(z: Array) -> Array:
    p = np.pad(z, 1)
    across = 3 * (p[:-2, 2:] - p[:-2, :-2]) + 10 * (p[1:-1, 2:] - p[1:-1, :-2]) + 3 * (p[2:, 2:] - p[2:, :-2])
    down = 3 * (p[2:, :-2] - p[:-2, :-2]) + 10 * (p[2:, 1:-1] - p[:-2, 1:-1]) + 3 * (p[2:, 2:] - p[:-2, 2:])
    return np.hypot(across, down) / 16


def _phase(z: Array) -> Array:
    rows, cols = z.shape

    def axis(n: int) -> Array:
        return np.arange(-(n - 1) / 2, n / 2) / (n - 1) if n % 2 else np.arange(-n / 2, n / 2) / n

    u, v = np.meshgrid(axis(cols), axis(rows))
    radius, theta = np.fft.ifftshift(np.sqrt(u**2 + v**2)), np.fft.ifftshift(np.arctan2(-v, u))
    low_pass = 1 / (1 + (radius / 0.45) ** 30)
    radius[0, 0] = 1
    spectrum = np.fft.fft2(z)
    energy_all, amplitude_all = np.zeros_like(z), np.zeros_like(z)
    for o in range(4):
        angle = o * np.pi / 4
        sine = np.sin(theta) * np.cos(angle) - np.cos(theta) * np.sin(angle)
        cosine = np.cos(theta) * np.cos(angle) + np.sin(theta) * np.sin(angle)
        spread = np.exp(-(np.abs(np.arctan2(sine, cosine)) ** 2) / (2 * (np.pi / 4 / 1.2) ** 2))
        filters, responses = [], []
        for s in range(4):
            gabor = np.exp(-(np.log(radius / (1 / (6 * 2**s))) ** 2) / (2 * np.log(0.55) ** 2)) * low_pass
            gabor[0, 0] = 0
            filters.append(gabor * spread)
            responses.append(np.fft.ifft2(spectrum * filters[-1]))
        even, odd = sum(r.real for r in responses), sum(r.imag for r in responses)
        size = np.sqrt(even**2 + odd**2) + 1e-4
        energy = np.zeros_like(z)
        for r in responses:
            energy += (r.real * even + r.imag * odd) / size - np.abs(r.real * odd - r.imag * even) / size
        power_ = -np.median(np.abs(responses[0]) ** 2) / np.log(0.5) / (filters[0] ** 2).sum()
        inverse = [np.fft.ifft2(f).real * np.sqrt(rows * cols) for f in filters]
        squares = sum((f**2).sum() for f in inverse)
        products = sum((inverse[a] * inverse[b]).sum() for a in range(4) for b in range(a + 1, 4))
        tau = np.sqrt((2 * power_ * squares + 4 * power_ * products) / 2)
        limit = (tau * np.sqrt(np.pi / 2) + 2 * np.sqrt((2 - np.pi / 2) * tau**2)) / 1.7
        energy_all += np.maximum(energy - limit, 0)
        amplitude_all += sum(np.abs(r) for r in responses)
    return energy_all / amplitude_all
