"""DISTS against its authors' package, another program, and values others published."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from originals import assert_gradient, foreign, photo_pairs, random_trunk, use_shared_weights
from torch import nn

from perceptbench.core.errors import UserError
from perceptbench.core.noise import forked_rng
from perceptbench.core.ref import Ref
from perceptbench.metrics.base import metric
from perceptbench.metrics.features import dists as module
from perceptbench.metrics.features.dists import CHANNELS, DISTS, L2Pool
from perceptbench.testing.samples import generator, random_images


def _random() -> DISTS:
    draw = generator(3)
    alpha, beta = (0.02 + torch.rand(sum(CHANNELS), generator=draw) for _ in range(2))
    return DISTS(random_trunk("vgg16"), alpha, beta)


def _vgg16(trunk: nn.Module) -> SimpleNamespace:
    """What a package gets in place of torchvision's classifier: the same convolutions, and pools."""
    layers = [nn.MaxPool2d(2) if isinstance(layer, L2Pool) else layer for layer in trunk]  # type: ignore[arg-type]
    return SimpleNamespace(features=nn.Sequential(*layers, nn.MaxPool2d(2)))


def _package(ours: DISTS, monkeypatch: pytest.MonkeyPatch) -> nn.Module:
    """PyPI dists-pytorch 0.1 with the same weights."""
    theirs = pytest.importorskip("DISTS_pytorch.DISTS_pt")
    monkeypatch.setattr(theirs.models, "vgg16", lambda **_: _vgg16(ours.trunk))
    with foreign():
        made: nn.Module = theirs.DISTS(load_weights=False)
    made.alpha.data, made.beta.data = ours.alpha[None, :, None, None], ours.beta[None, :, None, None]  # type: ignore[union-attr]
    return made


def test_equals_the_package_on_an_untrained_trunk(monkeypatch: pytest.MonkeyPatch) -> None:
    """In double precision: theirs takes covariances as a difference of large numbers."""
    ours = _random()
    theirs = _package(ours, monkeypatch).double()
    x, y = (z[::3].double() for z in photo_pairs(64))
    wanted = theirs(x, y)
    ours.trunk.float()
    ours.alpha, ours.beta = ours.alpha.float(), ours.beta.float()
    with torch.no_grad():
        torch.testing.assert_close(ours(x.float(), y.float()).double(), wanted, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("package", ["dists-pytorch", "piq"])
def test_equals_other_programs_with_the_published_weights(
    package: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """PyPI dists-pytorch 0.1 and piq 0.8.0; they differ above 256 pixels only, where piq shrinks."""
    use_shared_weights(monkeypatch, tmp_path)
    ours = metric.build(Ref("dists"))
    assert isinstance(ours, DISTS)
    # Four of the ten: to a formula or a weight that differs, one photograph is as good as another.
    x, y = (z[::3] for z in photo_pairs(128))
    if package == "piq":
        theirs = pytest.importorskip("piq.perceptual")
        weights = {"alpha": ours.alpha[None, :, None, None], "beta": ours.beta[None, :, None, None]}
        monkeypatch.setattr(theirs, "vgg16", lambda **_: _vgg16(ours.trunk))
        monkeypatch.setattr(torch.hub, "load_state_dict_from_url", lambda *_, **__: weights)
        with foreign():
            made = theirs.DISTS(reduction="none")
    else:
        made = _package(ours, monkeypatch)
    with torch.no_grad():
        torch.testing.assert_close(ours(x, y), made(x, y).flatten(), rtol=1e-5, atol=1e-6)


def test_gives_the_values_in_the_documentation_of_torchmetrics(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """torchmetrics.functional.image.deep_image_structure_and_texture_similarity, its example under seed 42."""
    use_shared_weights(monkeypatch, tmp_path)
    with forked_rng(42):
        x, y = torch.rand(5, 3, 256, 256), torch.rand(5, 3, 256, 256)
    with torch.no_grad():
        got = metric.build(Ref("dists"))(x, y)
    assert [round(d, 4) for d in got.tolist()] == [0.1285, 0.1344, 0.1356, 0.1277, 0.1276]


def test_axioms_and_ranges() -> None:
    ours = _random()
    x, y = photo_pairs(48)
    with torch.no_grad():
        assert ours(x, x.clone()).tolist() == [0.0] * 10
        distance = ours(x, y)
        assert (distance > 0).all()
        assert (distance <= 2).all()
        torch.testing.assert_close(distance, ours(y, x), rtol=1e-6, atol=0)
        assert ours(random_images(1, 1, seed=1), random_images(1, 1, seed=2)).isfinite().all()


def test_l2_pool_in_closed_form() -> None:
    assert L2Pool()(torch.full((1, 2, 9, 9), 3.0))[0, :, 1:-1, 1:-1].flatten().tolist() == pytest.approx([3.0] * 18)
    point = torch.zeros(1, 1, 5, 5)
    point[..., 2, 2] = 4.0
    assert L2Pool()(point)[0, 0].tolist() == [pytest.approx(row, abs=1e-5) for row in ([0, 0, 0], [0, 2, 0], [0, 0, 0])]
    point[..., 2, 2], point[..., 1, 1] = 0.0, 4.0
    assert L2Pool()(point)[0, 0, :2, :2].flatten().tolist() == pytest.approx([1.0] * 4, abs=1e-5)
    zero = torch.zeros(1, 1, 4, 4, requires_grad=True)
    assert torch.autograd.grad(L2Pool()(zero).sum(), zero)[0].isfinite().all()


def test_gradients_in_float64_and_at_the_edges() -> None:
    ours = _random()
    black = torch.zeros(1, 3, 20, 20)
    for x, y in ((black, black), (black, black + 1), (random_images(1, 20, seed=1), black)):
        moving = x.clone().requires_grad_()
        assert torch.autograd.grad(ours(moving, y).sum(), moving)[0].isfinite().all()
    ours.trunk.double()
    ours.alpha, ours.beta = ours.alpha.double(), ours.beta.double()
    x, y = (z[:1].double() for z in photo_pairs(24))
    assert_gradient(lambda z: ours(z, y), x, step=1e-7)


@pytest.mark.parametrize("fault", [{"alpha": torch.ones(3)}, {"alpha": -torch.ones(1475)}, {}])
def test_weights_that_are_refused(fault: dict[str, torch.Tensor], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "load", lambda _: {"beta": torch.ones(1475)} | fault)
    monkeypatch.setattr(module, "vgg16_trunk", nn.Sequential)
    with pytest.raises(UserError, match=r"dists_alpha_beta.pt: expected 1475 weights alpha, none of them negative"):
        metric.build(Ref("dists"))
