"""E-LPIPS: its draws, each transformation, and the whole against a slow port of the authors' program.

The original needs TensorFlow 1. The port below follows it step by step, in NumPy and float64, with the axes
(image, row, column, channel).
"""

from collections import Counter
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from originals import assert_gradient, foreign, photo_pairs, use_shared_weights
from torch import nn

from perceptbench.core.errors import UserError
from perceptbench.core.ref import Ref
from perceptbench.metrics.base import metric
from perceptbench.metrics.features.e_lpips import ELPIPS
from perceptbench.metrics.features.e_lpips_views import View, apply, draw_views, level
from perceptbench.testing.samples import generator, random_images

Array = np.ndarray
PLAIN = View(
    scale=0.0,
    phase=(0.0, 0.0),
    offset=(7, 7),
    flip=(),
    transpose=False,
    order=(0, 1, 2),
    colour=(1.0, 1.0, 1.0),
    seed=0,
)


def _view(**changes: object) -> View:
    return View(**({name: getattr(PLAIN, name) for name in View.__slots__} | changes))  # type: ignore[arg-type]


def test_each_transformation_in_closed_form() -> None:
    x = random_images(2, 9, 12, seed=1)
    plain = apply(PLAIN, x)
    assert plain.shape == (2, 3, 16, 19)
    assert torch.equal(plain[..., :9, :12], x)
    assert torch.equal(plain[..., 9, :12], x[..., 7, :])  # mirrored, the last row not repeated
    assert torch.equal(apply(_view(offset=(0, 3)), x)[..., 7:, 4:16], x)
    assert torch.equal(apply(_view(flip=(3,)), x), plain.flip(3))
    assert torch.equal(apply(_view(flip=(2, 3)), x), plain.flip(2, 3))
    assert torch.equal(apply(_view(transpose=True), x), plain.mT)
    assert torch.equal(apply(_view(order=(2, 0, 1)), x), plain[:, [2, 0, 1]])
    assert torch.equal(apply(_view(colour=(0.5, 1.0, 0.25)), x)[:, 2], plain[:, 2] / 4)


def test_averaging_keeps_constants_and_takes_means_of_blocks() -> None:
    view = _view(scale=0.999)  # half size at 128 pixels
    assert apply(view, torch.full((1, 3, 128, 140), 0.3)).unique().tolist() == pytest.approx([0.3])
    x = random_images(1, 128, seed=1)
    blocks = x.unfold(2, 2, 2).unfold(3, 2, 2).mean((4, 5))
    torch.testing.assert_close(apply(view, x)[..., :64, :64], blocks)
    # A later phase moves the blocks by one pixel.
    moved = apply(_view(scale=0.999, phase=(0.6, 0.0)), x)[..., 1:64, :64]
    torch.testing.assert_close(moved, x[..., 1:127, :].unfold(2, 2, 2).unfold(3, 2, 2).mean((4, 5)))


def test_levels_have_the_chances_of_the_paper() -> None:
    """1 / i^2 for i up to side / 64."""
    counts = Counter(level(_view(scale=(k + 0.5) / 1000), 224) for k in range(1000))
    total = 1 + 1 / 4 + 1 / 9
    assert [counts[i] for i in (1, 2, 3)] == pytest.approx([1000 / total / i**2 for i in (1, 2, 3)], abs=1)
    assert level(_view(scale=0.999), 127) == 1
    assert level(_view(scale=0.999), 20) == 1


def test_draws_are_stratified_reproducible_and_cover_their_ranges() -> None:
    views = draw_views(12, generator(1))
    assert views == draw_views(12, generator(1))
    assert views != draw_views(12, generator(2))
    assert set(Counter(view.flip for view in views).values()) == {3}
    assert set(Counter(view.order for view in views).values()) == {2}
    for channel in range(3):
        assert sorted(int((view.colour[channel] - 0.2) / 0.8 * 12) for view in views) == list(range(12))
    many = draw_views(400, generator(3))
    assert {o for view in many for o in view.offset} == set(range(8))
    assert {view.transpose for view in many} == {False, True}
    assert len({view.seed for view in many}) == 400
    assert np.mean([view.scale for view in many]) == pytest.approx(0.5, abs=0.06)


def _toy(n: int, dtype: torch.dtype = torch.float32, seed: int = 0) -> ELPIPS:
    """VGG16 in small: the same kinds of layers, few channels."""
    with foreign(5):
        trunk = nn.Sequential(
            nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 5, 3, padding=1), nn.ReLU(),
            nn.MaxPool2d(2), nn.Conv2d(5, 6, 3, padding=1), nn.ReLU(),
        )  # fmt: skip
    heads = [torch.rand(c, generator=generator(c)).to(dtype) for c in (3, 4, 5, 6)]
    return ELPIPS(trunk.to(dtype), heads, draw_views(n, generator(seed)))


@pytest.mark.parametrize("shape", [(16, 21), (130, 200), (200, 192)])
def test_views_equal_the_port(shape: tuple[int, int]) -> None:
    x = random_images(2, *shape, seed=1)
    for view in draw_views(24, generator(1)):
        wanted = _transformed(view, x.double().permute(0, 2, 3, 1).numpy())
        got = apply(view, x).permute(0, 2, 3, 1).numpy()
        np.testing.assert_allclose(got, wanted, atol=1e-6)


def test_equals_the_port_on_ten_pairs() -> None:
    ours = _toy(4)
    x, y = photo_pairs(130)
    with torch.no_grad():
        got = ours(x, y)
    wanted = np.mean([_distance(view, ours, x, y) for view in ours.views], axis=0)
    assert got.tolist() == pytest.approx(wanted.tolist(), rel=1e-5)


def test_one_function_whatever_else_is_in_the_batch() -> None:
    ours = _toy(3)
    x, y = photo_pairs(64)
    with torch.no_grad():
        together = ours(x, y)
        assert torch.equal(together, ours(x, y))
        torch.testing.assert_close(torch.cat([ours(x[i : i + 1], y[i : i + 1]) for i in range(10)]), together)
        assert not torch.allclose(together, _toy(3, seed=1)(x, y), rtol=1e-3)


def test_gradients_in_float64() -> None:
    """Also: computing layers again gives what keeping them does."""
    ours = _toy(3, torch.float64)
    x, y = (z[:2].double() for z in photo_pairs(32))
    assert_gradient(lambda z: ours(z, y), x, step=1e-7)
    assert_gradient(lambda z: ours.prepare(y).distances(z)[0], x, step=1e-7)
    moving = x.clone().requires_grad_()
    kept = torch.stack([ours._seen(view, moving, (y,))[0] for view in ours.views]).mean(0)
    wanted = torch.autograd.grad(kept.sum(), moving)[0]
    torch.testing.assert_close(torch.autograd.grad(ours(moving, y).sum(), moving)[0], wanted)


def test_the_published_heads_and_what_is_said_without_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="at least 1 and at most 1000, got 0"):
        metric.build(Ref.parse("e-lpips(n=0)"))
    use_shared_weights(monkeypatch, tmp_path)
    ours = metric.build(Ref.parse("e-lpips(n=2)"))
    assert isinstance(ours, ELPIPS)
    x, y = photo_pairs(32)
    with torch.no_grad():
        assert (ours(x, y) > 0).all()
        assert ours(x, x.clone()).tolist() == [0.0] * 10
        assert ours(random_images(1, 9, seed=1), random_images(1, 9, seed=2)).isfinite().all()
    with pytest.raises(UserError, match=r"e-lpips needs images of at least 9 x 9 pixels, got \(8, 9\)"):
        ours(random_images(1, 8, 9), random_images(1, 8, 9))
    monkeypatch.setenv("PERCEPTBENCH_WEIGHTS", str(tmp_path))
    with pytest.raises(UserError, match=r"elpips_heads_vgg_full_avg.safetensors are not on this machine .* pickled"):
        metric.build(Ref("e-lpips"))


def _transformed(view: View, x: Array) -> Array:
    """What one draw does, in the authors' order. Rows first, then columns, as their arrays are."""
    side = min(x.shape[1:3])
    chances = np.cumsum([1 / i**2 for i in range(1, max(1, side // 64) + 1)])
    factor = int(np.searchsorted(chances, view.scale * chances[-1], side="right")) + 1
    if factor > 1:
        pads = []
        for size, phase in zip(x.shape[1:3], view.phase, strict=True):
            first = int(np.floor(phase * factor))
            full = (factor - 1 + size + factor - 1) // factor * factor
            pads.append((first, full - size - first))
        x = np.pad(x, ((0, 0), *pads, (0, 0)), mode="reflect")
        n, h, w, c = x.shape
        x = x.reshape(n, h // factor, factor, w // factor, factor, c).mean((2, 4))
    pads = [(7 - o, o) for o in view.offset]
    x = np.pad(x, ((0, 0), *pads, (0, 0)), mode="reflect")
    if view.flip in ((3,), (2, 3)):
        x = x[:, :, ::-1]
    if view.flip in ((2,), (2, 3)):
        x = x[:, ::-1]
    if view.transpose:
        x = x.transpose(0, 2, 1, 3)
    return np.stack([x[..., c] for c in view.order], axis=3) * np.array(view.colour)


def _layers(view: View, ours: ELPIPS, x: Array) -> list[Array]:
    """Unit features of the input and behind every ReLU, with the dropout of this draw."""
    masks = torch.Generator().manual_seed(view.seed)
    x = (2 * x - 1 - np.array([-0.030, -0.088, -0.188])) / np.array([0.458, 0.448, 0.450])
    found = [x]
    for layer in ours.trunk:
        if isinstance(layer, nn.Conv2d):
            n, h, w, c = x.shape
            mask = torch.empty(c, h, w).bernoulli_(0.99, generator=masks).permute(1, 2, 0).double().numpy()
            padded = np.pad(x * mask / 0.99, ((0, 0), (1, 1), (1, 1), (0, 0)))
            kernel = layer.weight.double().numpy()
            x = (
                sum(padded[:, i : i + h, j : j + w] @ kernel[:, :, i, j].T for i, j in product(range(3), repeat=2))
                + layer.bias.double().numpy()
            )  # type: ignore[union-attr]
        elif isinstance(layer, nn.ReLU):
            x = np.maximum(x, 0)
            found.append(x)
        else:
            n, h, w, c = x.shape
            x = x[:, : h // 2 * 2, : w // 2 * 2].reshape(n, h // 2, 2, w // 2, 2, c).mean((2, 4))
    return [f / (np.sqrt((f**2).sum(3, keepdims=True)) + 1e-10) for f in found]


def _distance(view: View, ours: ELPIPS, x: torch.Tensor, y: torch.Tensor) -> Array:
    sides: Sequence[list[Array]] = [
        _layers(view, ours, _transformed(view, z.double().permute(0, 2, 3, 1).numpy())) for z in (x, y)
    ]
    heads = [w.double().numpy() for w in ours.heads]
    return sum(((a - b) ** 2).mean((1, 2)) @ w for a, b, w in zip(*sides, heads, strict=True))
