"""LPIPS and its kin on disk: against the authors' package, and the axioms of a distance."""

import json
from pathlib import Path

import pytest
import torch
from originals import assert_gradient, foreign, photo_pairs, random_trunk, use_shared_weights
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from perceptbench.core.errors import UserError
from perceptbench.core.ref import Ref
from perceptbench.metrics.base import metric
from perceptbench.metrics.features.lpips import LPIPS
from perceptbench.metrics.features.lpips_file import load_lpips, save_lpips
from perceptbench.metrics.features.lpips_heads import differences, read_heads
from perceptbench.metrics.features.lpips_net import NETS, LPIPSNet, Net
from perceptbench.metrics.features.r_lpips import from_package_layout
from perceptbench.metrics.features.trunks import unit
from perceptbench.testing.samples import generator, random_images

PACKAGE = "lpips 0.1.4"


def _random(name: str) -> LPIPSNet:
    """An untrained trunk under random heads."""
    net = NETS[name]
    draw = generator(3)
    return LPIPSNet(net, random_trunk(net.torchvision), [torch.rand(c, generator=draw) for c in net.channels])


def _package(name: str, ours: LPIPSNet | None = None) -> nn.Module:
    """The package's network, the authors' heads in it, with our trunk (and heads, if asked for)."""
    theirs = pytest.importorskip("lpips", reason=f"{PACKAGE} is not installed")
    with foreign():
        made: nn.Module = theirs.LPIPS(net=name, pnet_rand=True, verbose=False)
    if ours is not None:
        for key, parameter in made.net.named_parameters():
            parameter.data = ours.trunk.get_parameter(key.partition(".")[2]).data.clone()
        for theirs_, w in zip(made.lins, ours.heads, strict=True):
            theirs_.model[1].weight.data = w.data.clone()[None, :, None, None]
    return made


@pytest.mark.parametrize(("name", "side"), [("alex", 224), ("vgg", 96), ("squeeze", 161)])
def test_equals_the_package_on_an_untrained_trunk(name: str, side: int) -> None:
    ours = _random(name)
    theirs = _package(name, ours)
    x, y = (z[::3] for z in photo_pairs(side))
    with torch.no_grad():
        wanted = theirs(x, y, normalize=True).flatten()
        got = LPIPS(ours, name)(x, y)
    torch.testing.assert_close(got, wanted, rtol=1e-5, atol=0)


@pytest.mark.parametrize(("name", "net", "side"), [("lpips", "alex", 224), ("lpips-vgg", "vgg", 128)])
def test_equals_the_package_with_its_weights(
    name: str, net: str, side: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The heads are the package's own; the trunk is torchvision's, as verified beside the weights."""
    use_shared_weights(monkeypatch, tmp_path)
    ours = metric.build(Ref(name))
    assert isinstance(ours, LPIPS)
    theirs = _package(net)
    for key, parameter in theirs.net.named_parameters():  # type: ignore[union-attr]
        parameter.data = ours.net.trunk.get_parameter(key.partition(".")[2]).data.clone()
    x, y = (z[::3] for z in photo_pairs(side))
    with torch.no_grad():
        wanted = theirs(2 * x - 1, 2 * y - 1).flatten()
        torch.testing.assert_close(ours(x, y), wanted, rtol=1e-5, atol=0)


@pytest.mark.parametrize("name", list(NETS))
def test_the_smallest_images(name: str) -> None:
    ours = LPIPS(_random(name), f"lpips-{name}")
    side = ours.smallest
    assert ours(random_images(1, side, seed=1), random_images(1, side, seed=2)).isfinite().all()
    with pytest.raises(
        UserError, match=rf"lpips-{name} needs images of at least {side} x {side} pixels, got \({side - 1}"
    ):
        ours(random_images(1, side - 1, side), random_images(1, side - 1, side))
    with pytest.raises(RuntimeError):
        ours.extract(random_images(1, side - 1))


def test_axioms_that_hold() -> None:
    """Not negative, 0 for equal images and for no others here, symmetric."""
    ours = LPIPS(_random("alex"), "lpips")
    x, y = photo_pairs(64)
    with torch.no_grad():
        assert ours(x, x.clone()).tolist() == [0.0] * 10
        assert (ours(x, y) > 0).all()
        assert torch.equal(ours(x, y), ours(y, x))


def test_the_triangle_inequality_fails() -> None:
    """Three grey levels between two features: unit features at angles 0, 45 and 90 degrees.

    A squared chord is 2 - 2 cos: 2 over the whole way, 2 - sqrt 2 over each half.
    """
    with foreign():
        layer = nn.Conv2d(3, 2, 1, bias=False)
    layer.weight.data = torch.tensor([[1.0, 0, 0], [0, 1.0, 0]])[:, :, None, None]
    toy = LPIPSNet(Net("toy", taps=(1,), channels=(2,), smallest=1), nn.Sequential(layer, nn.ReLU()))
    red, both, green = (_inputs(*values) for values in ((1.0, 0.0), (1.0, 1.0), (0.0, 1.0)))
    whole, halves = toy(red, green), (toy(red, both), toy(both, green))
    assert whole.item() == pytest.approx(2, abs=1e-5)
    assert [d.item() for d in halves] == pytest.approx([2 - 2**0.5] * 2, abs=1e-5)
    assert whole > sum(halves)


def _inputs(red: float, green: float) -> Tensor:
    """One pixel of these values behind ImageNet's mean and deviation."""
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    return (torch.tensor([red, green, 0.0]) * std + mean)[None, :, None, None]


def test_the_triangle_inequality_fails_for_the_published_weights(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """By way of the middle of two images it is nearly half as far, as with a squared distance."""
    use_shared_weights(monkeypatch, tmp_path)
    ours = metric.build(Ref("lpips"))
    x, y = (z[4:5] for z in photo_pairs())
    with torch.no_grad():
        middle = (x + y) / 2
        assert ours(x, y) > 1.05 * (ours(x, middle) + ours(middle, y))


def test_gradients_in_float64_and_where_features_vanish() -> None:
    ours = LPIPS(_random("alex"), "lpips")
    ours.net.double()
    x, y = (z[:1].double() for z in photo_pairs(40))
    assert_gradient(lambda z: ours(z, y), x, step=1e-7)
    zero = torch.zeros(1, 3, 2, 2, requires_grad=True)
    (gradient,) = torch.autograd.grad((unit(zero) - unit(torch.ones(1, 3, 2, 2))).square().sum(), zero)
    assert gradient.isfinite().all()


def test_heads_are_trained_as_the_mathematics_say() -> None:
    """d(distance) / d(w_l) is the averaged squared difference of channels; w >= 0 by projection."""
    net = _random("squeeze")
    x, y = photo_pairs(48)
    a, b = net.features(x), net.features(y)
    gradients = torch.autograd.grad(net.compare(a, b).sum(), list(net.heads))
    for gradient, averaged, (p, q) in zip(gradients, differences(a, b), zip(a, b, strict=True), strict=True):
        torch.testing.assert_close(gradient, averaged.sum(0))
        torch.testing.assert_close(averaged[0, 5], ((p[0, 5] - q[0, 5]) ** 2).mean())
    net.heads[0].data[:3] = torch.tensor([-1.0, 0.5, -0.1])
    net.project()
    assert net.heads[0][:3].tolist() == [0.0, 0.5, 0.0]


def test_a_file_of_ours_comes_back_the_same(tmp_path: Path) -> None:
    net = _random("squeeze")
    save_lpips(net, tmp_path / "mine.safetensors", tuned=True, record={"data": "photos"})
    back = metric.build(Ref("lpips", str(tmp_path / "mine.safetensors")))
    x, y = photo_pairs(40)
    with torch.no_grad():
        assert torch.equal(back(x, y), net(x, y))
    assert back.smallest == NETS["squeeze"].smallest


def test_a_file_of_heads_stands_on_the_published_trunk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    use_shared_weights(monkeypatch, tmp_path)
    stock = metric.build(Ref("lpips"))
    assert isinstance(stock, LPIPS)
    save_lpips(stock.net, tmp_path / "heads.safetensors", tuned=False)
    assert set(load_file(tmp_path / "heads.safetensors")) == {f"lin{k}" for k in range(5)}
    back = metric.build(Ref("lpips", str(tmp_path / "heads.safetensors")))
    x, y = photo_pairs(40)
    with torch.no_grad():
        assert torch.equal(back(x, y), stock(x, y))


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("missing", "found no file"),
        ("noise", "not a safetensors file"),
        ("format", "expected lpips weights, got format 'other'"),
        ("net", "expected one of alex, vgg, squeeze as net"),
        ("config", "expected one of alex, vgg, squeeze as net"),
        ("shape", "expected the weights lin0, lin1"),
        ("extra", "expected the weights lin0, lin1"),
        ("negative", "lin1 must be finite and not negative"),
        ("infinite", "hold values that are not finite"),
        ("trunk", "expected the trunk of torchvision's squeezenet1_1"),
    ],
)
def test_files_that_are_refused(fault: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.safetensors"
    save_lpips(_random("squeeze"), path, tuned=True)
    tensors, header = load_file(path), {"format": "perceptbench.lpips.1", "config": json.dumps({"net": "squeeze"})}
    match fault:
        case "format":
            header["format"] = "other"
        case "net":
            header["config"] = json.dumps({"net": "resnet"})
        case "config":
            header["config"] = "[]"
        case "shape":
            tensors["lin2"] = tensors["lin2"][:5]
        case "extra":
            tensors["other"] = tensors["lin0"].clone()
        case "negative":
            tensors["lin1"][0] = -1
        case "infinite":
            tensors["net.0.bias"][0] = torch.inf
        case "trunk":
            del tensors["net.0.bias"]
    path.unlink()
    if fault == "noise":
        path.write_bytes(b"\x10" * 100)
    elif fault != "missing":
        save_file({key: t.contiguous() for key, t in tensors.items()}, path, header)
    with pytest.raises(UserError, match=words):
        load_lpips(path)


def test_heads_that_are_refused() -> None:
    good = {"lin0.model.1.weight": torch.ones(1, 1, 3, 1)}
    assert read_heads(good, [3], "f.pth")[0].tolist() == [1.0, 1.0, 1.0]
    with pytest.raises(UserError, match=r"f.pth: expected 4 weights under lin0.model.1.weight, got \(1, 1, 3, 1\)"):
        read_heads(good, [4], "f.pth")
    with pytest.raises(UserError, match=r"lin1.model.1.weight, got nothing"):
        read_heads(good, [3, 2], "f.pth")


def test_r_lpips_reads_what_the_package_writes(tmp_path: Path) -> None:
    """A random checkpoint in the layout of the authors, who save the state dict of the package's LPIPS."""
    theirs = _package("alex")
    draw = generator(5)
    for parameter in theirs.parameters():
        parameter.data = torch.rand(parameter.shape, generator=draw) * parameter.shape[0] ** -0.5 - 0.01
    for lin in theirs.lins:  # type: ignore[union-attr]
        lin.model[1].weight.data.abs_()
    torch.save(theirs.state_dict(), tmp_path / "latest_net_.pth")
    assert {"net.slice1.0.weight", "lin0.model.1.weight", "lins.0.model.1.weight"} <= set(theirs.state_dict())
    ours = metric.build(Ref("r-lpips", str(tmp_path / "latest_net_.pth")))
    x, y = photo_pairs(96)
    with torch.no_grad():
        wanted = theirs(x, y, normalize=True).flatten()
        torch.testing.assert_close(ours(x, y), wanted, rtol=1e-5, atol=0)


def test_r_lpips_says_what_it_needs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PERCEPTBENCH_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(UserError, match=r"r_lpips_alex.pth are not on this machine .* https://github.com/SaraGhaz"):
        metric.build(Ref("r-lpips"))
    with pytest.raises(UserError, match=r"expected the trunk of torchvision's alexnet in mine.pth"):
        from_package_layout({"net.slice1.0.weight": torch.zeros(64, 3, 11, 11)}, "mine.pth")
