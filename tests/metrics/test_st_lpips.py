"""ST-LPIPS against its authors' package."""

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, cast

import pytest
import torch
from originals import assert_gradient, foreign, photo_pairs, use_shared_weights
from torch import nn

from perceptbench.core.errors import UserError
from perceptbench.core.fetch.weights import load
from perceptbench.core.ref import Ref
from perceptbench.metrics.base import metric
from perceptbench.metrics.features.lpips import LPIPS
from perceptbench.metrics.features.st_lpips import WEIGHTS, BlurPool, from_authors_layout
from perceptbench.testing.samples import generator, random_images


@pytest.fixture
def theirs(monkeypatch: pytest.MonkeyPatch) -> nn.Module:
    """PyPI stlpips-pytorch 0.0.2, untrained. What it imports and never uses is stood in for."""
    for name, attribute in (("IPython", "embed"), ("torchsummary", "summary")):
        monkeypatch.setitem(sys.modules, name, cast(ModuleType, SimpleNamespace(**{attribute: None})))
    with foreign():
        package: Any = pytest.importorskip("stlpips_pytorch.stlpips")
        made: nn.Module = package.LPIPS(net="alex", variant="shift_tolerant", pretrained=False, verbose=False)
    for lin in made.lins:  # type: ignore[union-attr]
        lin.model[1].weight.data.abs_()
    return made


def test_equals_the_package_on_an_untrained_network(theirs: nn.Module) -> None:
    ours = LPIPS(from_authors_layout(theirs.state_dict(), "there"), "st-lpips")
    x, y = photo_pairs(96)
    with torch.no_grad():
        torch.testing.assert_close(ours(x, y), theirs(x, y, normalize=True).flatten(), rtol=1e-5, atol=0)


def test_equals_the_package_with_its_weights(
    theirs: nn.Module, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    use_shared_weights(monkeypatch, tmp_path)
    theirs.load_state_dict(load(WEIGHTS), strict=False)
    ours = metric.build(Ref("st-lpips"))
    x, y = (z[::3] for z in photo_pairs())
    with torch.no_grad():
        torch.testing.assert_close(ours(x, y), theirs(2 * x - 1, 2 * y - 1).flatten(), rtol=1e-5, atol=0)


def _random() -> LPIPS:
    draw = generator(2)
    shapes = {
        "1.0": (64, 3, 11),
        "2.5": (192, 64, 5),
        "3.9": (384, 192, 3),
        "4.11": (256, 384, 3),
        "5.13": (256, 256, 3),
    }
    state: dict[str, torch.Tensor] = {}
    for k, (key, (out, into, size)) in enumerate(shapes.items()):
        scale = (2 / (into * size**2)) ** 0.5
        state[f"net.slice{key}.weight"] = scale * torch.randn(out, into, size, size, generator=draw)
        state[f"net.slice{key}.bias"] = torch.zeros(out)
        state[f"lin{k}.model.1.weight"] = torch.rand(1, out, 1, 1, generator=draw)
    return LPIPS(from_authors_layout(state, "here"), "st-lpips")


def test_the_smallest_images_and_a_shift() -> None:
    ours = _random()
    assert ours(random_images(1, 21, seed=1), random_images(1, 21, seed=2)).isfinite().all()
    with pytest.raises(UserError, match="st-lpips needs images of at least 21 x 21 pixels"):
        ours(random_images(1, 20), random_images(1, 20))
    with pytest.raises(RuntimeError):
        ours.extract(random_images(1, 20))


def test_gradients_in_float64() -> None:
    ours = _random()
    ours.net.double()
    x, y = (z[:1].double() for z in photo_pairs(30))
    assert_gradient(lambda z: ours(z, y), x, step=1e-7)


def test_blur_pool_in_closed_form() -> None:
    """A constant stays; a point is spread over the binomial window of every second place."""
    assert BlurPool()(torch.full((1, 2, 6, 6), 2.0)).unique().tolist() == [2.0]
    point = torch.zeros(1, 1, 9, 9)
    point[..., 4, 4] = 16.0
    # Windows are centred at -1, 1, 3, 5, 7 and 9.
    line = torch.tensor([0.0, 0, 1, 1, 0, 0])
    assert torch.equal(BlurPool()(point)[0, 0], torch.outer(line, line))


def test_a_state_dict_of_something_else_is_refused() -> None:
    with pytest.raises(UserError, match=r"the weights of ST-LPIPS on AlexNet in x.pth, got others: 0.bias is missing"):
        from_authors_layout({"net.slice1.0.weight": torch.zeros(64, 3, 11, 11)}, "x.pth")
