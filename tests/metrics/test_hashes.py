"""Perceptual hashes beside their libraries, and what the proof assumes of each."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from perceptbench.core.ref import Ref
from perceptbench.metrics.base import metric
from perceptbench.metrics.hashes.hash_metric import HashMetric
from perceptbench.metrics.hashes.levels import on_grid, pictures
from perceptbench.metrics.hashes.provable import ProvableHash
from perceptbench.testing.samples import generator, random_images

pdqhash = pytest.importorskip("pdqhash", reason="the extra pdq is not installed")
imagehash = pytest.importorskip("imagehash", reason="the extra hashes is not installed")

NAMES = ("pdq", "phash", "dhash", "ahash")
PROVED = ("pdq", "phash")
MANY = Path(__file__).parents[2] / ".." / "shared" / "data"
EMBEDDED = Path(__file__).parents[2] / "triplets" / "photos_data"


def made(name: str) -> HashMetric:
    found = metric.build(Ref(name))
    assert isinstance(found, HashMetric)
    return found


def proved(name: str) -> ProvableHash:
    found = made(name)
    assert isinstance(found, ProvableHash)
    return found


def photographs(folder: Path, side: int = 224) -> Tensor:
    files = sorted(p for p in folder.rglob("*") if p.suffix in (".jpg", ".webp", ".png"))
    levels = [np.array(Image.open(p).convert("RGB").resize((side, side))) for p in files]
    return torch.from_numpy(np.stack(levels)).permute(0, 3, 1, 2) / 255


def bits_of_the_form(hashed: HashMetric, x: Tensor) -> Tensor:
    values = hashed.exact(x) if isinstance(hashed, ProvableHash) else hashed.linear.values(x)
    return values > hashed.linear.threshold(values)[:, None]


@pytest.mark.parametrize("name", NAMES)
def test_the_distance_is_the_hamming_distance_of_the_library(name):
    x, y = random_images(2, 40, 56, seed=1), random_images(2, 40, 56, seed=2)
    first, second = ([Image.fromarray(one) for one in pictures(images)] for images in (x, y))
    library = {"phash": imagehash.phash, "dhash": imagehash.dhash, "ahash": imagehash.average_hash}
    if name == "pdq":
        expected = [
            (pdqhash.compute(np.array(a))[0] != pdqhash.compute(np.array(b))[0]).sum()
            for a, b in zip(first, second, strict=True)
        ]
    else:
        expected = [library[name](a) - library[name](b) for a, b in zip(first, second, strict=True)]
    assert made(name)(x, y).tolist() == expected


def test_images_become_pictures_by_rounding():
    x = torch.tensor([0.0, 0.49 / 255, 0.51 / 255, 7 / 255, 1.0]).expand(1, 3, 1, 5)
    assert pictures(x)[0, 0, :, 0].tolist() == [0, 0, 1, 7, 255]
    assert (on_grid(x)[0, 0, 0] * 255).tolist() == [0, 0, 1, 7, 255]


@pytest.mark.parametrize(("name", "most"), [("pdq", 0), ("phash", 4), ("dhash", 12), ("ahash", 12)])
def test_the_form_gives_the_bits_of_the_library_on_the_embedded_photographs(name, most):
    """Where rounding does not decide; `most` bits of all."""
    x = photographs(EMBEDDED)
    hashed = made(name)
    assert len(x) >= 9
    assert int((bits_of_the_form(hashed, x) != hashed.represent(x)).sum()) <= most


@pytest.mark.parametrize("size", [(224, 224), (64, 64), (300, 77), (40, 131)])
@pytest.mark.parametrize("name", NAMES)
def test_the_form_holds_at_every_size(name, size):
    x = torch.nn.functional.interpolate(photographs(EMBEDDED)[:3], size, mode="bilinear")
    hashed = made(name)
    values = hashed.linear.values(on_grid(x))
    away = (values - hashed.linear.threshold(values)[:, None]).abs() / hashed.linear.scale(*size).sqrt()
    wrong = bits_of_the_form(hashed, x) != hashed.represent(x)
    # Rounding decides near the threshold alone, and not at all for PDQ.
    assert int(wrong.sum()) <= (0 if name == "pdq" else 6)
    assert float(away[wrong].max() if wrong.any() else 0) < 0.2


@pytest.mark.skipif(not MANY.is_dir(), reason="../shared/data is not here")
@pytest.mark.parametrize(("name", "most"), [("pdq", 0), ("phash", 8)])
def test_the_form_gives_the_bits_of_the_library_on_many_photographs(name, most):
    x = photographs(MANY / "coco128")
    hashed = made(name)
    assert len(x) == 128
    assert int((bits_of_the_form(hashed, x) != hashed.represent(x)).sum()) <= most


def whole_matrix(hashed: HashMetric, height: int, width: int) -> Tensor:
    """A (k, 3 h w), a unit vector after the other."""
    units = torch.eye(3 * height * width, dtype=torch.float64).view(-1, 3, height, width)
    return hashed.linear.values(units).T


@pytest.mark.parametrize("name", NAMES)
def test_the_parts_of_k_are_those_of_the_whole_matrix(name):
    """Off-diagonal parts and all: S, lambda, the smallest change and the slope."""
    hashed, (height, width) = made(name), (24, 36)
    whole = whole_matrix(hashed, height, width)
    gram = whole @ whole.T
    scale = hashed.linear.scale(height, width)
    torch.testing.assert_close(scale, gram.diagonal().clone())
    scaled = gram / torch.outer(scale.sqrt(), scale.sqrt())
    stretch = hashed.linear.stretch(height, width)
    assert stretch == pytest.approx(float(torch.linalg.eigvalsh(scaled)[-1]), rel=1e-9)
    like = torch.zeros(1, 3, height, width)
    change = torch.randn(1, len(gram), generator=generator(1), dtype=torch.float64)
    smallest = torch.linalg.lstsq(whole, change.T, driver="gelsd").solution
    lifted = hashed.linear.lift(change, like).flatten(1)
    torch.testing.assert_close(lifted.T, smallest, rtol=1e-5, atol=1e-7 * float(smallest.abs().max()))
    gradient = torch.randn(1, 3, height, width, generator=generator(2), dtype=torch.float64)
    expected = torch.linalg.lstsq(whole.T, gradient.flatten(1).T, driver="gelsd").solution
    torch.testing.assert_close(
        hashed.linear.slope(gradient).T, expected, rtol=1e-5, atol=1e-7 * float(expected.abs().max())
    )


@pytest.mark.parametrize("name", PROVED)
def test_the_bound_of_a_change_is_attained_along_the_largest_eigenvector(name):
    """|delta|^2 = Delta^T S^-1 Delta / lambda there: a K without its off-diagonal part would claim too much."""
    hashed, (height, width) = made(name), (224, 224)
    rows, columns = hashed.linear._sides(torch.zeros(1, 3, height, width))
    top = []
    for matrix in (rows, columns):
        unit = matrix / matrix.norm(dim=1, keepdim=True)
        top.append(torch.linalg.eigh(unit @ unit.T).eigenvectors[:, -1])
    scale = hashed.linear.scale(height, width)
    change = torch.outer(*top).flatten()[None] * scale.sqrt()
    size = hashed.linear.lift(change, torch.zeros(1, 3, height, width)).norm()
    moved = (change.square() / scale).sum().sqrt()
    bound = float(moved) / hashed.linear.stretch(height, width) ** 0.5
    assert float(size) == pytest.approx(bound, rel=1e-6)
    assert name != "pdq" or float(size) < 0.8 * float(moved)


@pytest.mark.parametrize("name", PROVED)
@pytest.mark.parametrize("kind", ["noise", "smooth", "contrast", "pixel"])
def test_no_change_of_a_picture_moves_the_values_further_than_is_paid_for(name, kind):
    """The library's own values afterwards, with what it rounds and clips, beside the exact ones before."""
    hashed, x = proved(name), on_grid(photographs(EMBEDDED)[:4]).float()
    draw = generator(5)
    change = {
        "noise": torch.randn(x.shape, generator=draw) / 60,
        "smooth": torch.linspace(-0.1, 0.1, 224)[None, None, :, None].expand_as(x).clone(),
        "contrast": (x - 0.5) * 2,
        "pixel": torch.zeros_like(x),
    }[kind]
    change[:, :, 100, 100] += 0.5 * (kind == "pixel")
    y = on_grid((x + change).clamp(0, 1)).float()
    before = hashed.exact(x)
    after = library_values(hashed, y)
    gaps = ((after - before).abs() - hashed.off(y)[:, None]).clamp_min(0)
    moved = (gaps.square() / hashed.scale(224, 224)).sum(1).sqrt()
    size = (y.double() - x.double()).flatten(1).norm(dim=1)
    assert (hashed.needed(moved, 224, 224) <= size).all()


def library_values(hashed: ProvableHash, x: Tensor) -> Tensor:
    """What the library compares with its middle."""
    if hashed.name == "pdq":
        return torch.stack([torch.tensor(np.array(pdqhash.compute_float(p)[0])).double() for p in pictures(x)])
    import scipy.fftpack

    found = []
    for picture in pictures(x):
        small = np.asarray(Image.fromarray(picture).convert("L").resize((32, 32), Image.Resampling.LANCZOS))
        found.append(scipy.fftpack.dct(scipy.fftpack.dct(small, axis=0), axis=1)[:8, :8].ravel())
    return torch.from_numpy(np.stack(found))


def test_what_rounding_costs_phash_is_not_free():
    hashed = proved("phash")
    free = torch.zeros(1, dtype=torch.float64)
    assert -2.1 < float(hashed.needed(free, 224, 224)) < -1.9


def test_what_pdq_loses_in_float32_is_paid_for_eightfold_and_more():
    """The library's own values beside the form in float64; and 32 units in the last place of the largest one."""
    hashed, x = proved("pdq"), photographs(EMBEDDED)
    exact = hashed.exact(x)
    lost = (library_values(hashed, x) - exact).abs().amax(1)
    assert (lost > 0).all()
    assert torch.equal(hashed.off(x), 8 * lost + 32 * 2**-23 * exact.abs().amax(1))


def test_pdq_trusts_no_flat_image():
    flat, busy = torch.full((1, 3, 64, 64), 0.5), random_images(1, 64, seed=1)
    assert proved("pdq").usable(torch.cat([flat, busy])).tolist() == [False, True]
    assert proved("phash").usable(flat).tolist() == [True]


@pytest.mark.parametrize("name", NAMES)
def test_the_surrogate_falls_towards_each_bit(name):
    """Along its slope in the values, every bit of the other image is wanted."""
    hashed, x, y = made(name), random_images(1, 64, seed=1), random_images(1, 64, seed=2)
    soft = hashed.surrogate()
    moving = x.clone().requires_grad_()
    distance = soft.prepare(y).distances(moving)[0]
    (gradient,) = torch.autograd.grad(distance.sum(), moving)
    slope = hashed.linear.slope(gradient)
    values = hashed.linear.values(y)
    wanted = values > hashed.linear.threshold(values)[:, None]
    assert torch.equal(slope < 0, wanted)
