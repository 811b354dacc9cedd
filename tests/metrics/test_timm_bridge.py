"""`timm:NAME` against timm itself."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import timm
import torch
from checkpoints import assert_same_distances, photo_pairs, randomise, weights_folder
from safetensors.torch import save_file
from torch import nn
from torch.nn.functional import cosine_similarity, interpolate

from perceptbench.core.errors import UserError
from perceptbench.core.noise import forked_rng
from perceptbench.core.ref import Ref
from perceptbench.metrics.base import metric
from perceptbench.metrics.bridges.timm import TimmMetric, _activation, _build, _config, _weights
from perceptbench.testing.samples import random_images


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return weights_folder(tmp_path, monkeypatch)


def small(name: str, seed: int = 0) -> nn.Module:
    with forked_rng(seed):
        return randomise(timm.create_model(name, pretrained=False), seed)


def build(text: str) -> TimmMetric:
    made = metric.build(Ref.parse(text))
    assert isinstance(made, TimmMetric)
    return made


@pytest.mark.parametrize("name", ["test_vit", "test_convnext", "test_efficientnet"])
def test_equals_timms_features(name: str, folder: Path) -> None:
    """Of checkpoints with a classifier: what it takes, not what it gives."""
    net = small(name)
    save_file(net.state_dict(), folder / f"{name}.r160_in1k.safetensors")
    subject, config = build(f"timm:{name}"), timm.get_pretrained_cfg(name)
    mean, std = (torch.tensor(values)[:, None, None] for values in (config.mean, config.std))
    net.reset_classifier(0)  # type: ignore[operator]

    def features(x: torch.Tensor) -> torch.Tensor:
        side = config.input_size[-1]
        x = interpolate(x, (side, side), mode=config.interpolation, antialias=True).clamp(0, 1)
        return net((x - mean) / std)  # type: ignore[no-any-return]

    x, y = photo_pairs()
    with torch.no_grad():
        a, b = features(x), features(y)
        torch.testing.assert_close(subject.embed(x), a, rtol=1e-5, atol=1e-5)
        assert_same_distances(subject(x, y), 1 - cosine_similarity(a, b))


def test_random_weights_are_the_same_each_time(folder: Path) -> None:
    first, second = build("timm:test_vit(pretrained=false)"), build("timm:test_vit(pretrained=false)")
    x = random_images(2, 40, seed=1).requires_grad_()
    assert torch.equal(first.embed(x), second.embed(x))
    (gradient,) = torch.autograd.grad(first(x, random_images(2, 40, seed=2)).sum(), x)
    assert (gradient.flatten(1).norm(dim=1) > 0).all()


@pytest.mark.parametrize(
    ("name", "file", "url", "sha256"),
    [
        (
            "vit_small_patch16_224.dino",
            "vit_small_patch16_224.dino.safetensors",
            "https://huggingface.co/timm/vit_small_patch16_224.dino/resolve/main/model.safetensors",
            "",
        ),
        (
            "vit_base_patch32_clip_quickgelu_224.openai",
            "vit_base_patch32_clip_224.openai.safetensors",
            "https://huggingface.co/timm/vit_base_patch32_clip_224.openai/resolve/main/open_clip_model.safetensors",
            "",
        ),
        (
            "gcvit_tiny",
            "gcvit_tiny_224_nvidia-ac783954.pth",
            "https://github.com/rwightman/pytorch-image-models/releases/download/v0.1-weights-morevit/"
            "gcvit_tiny_224_nvidia-ac783954.pth",
            "ac783954",
        ),
    ],
)
def test_where_weights_come_from(name: str, file: str, url: str, sha256: str) -> None:
    weights = _weights(name, _config(name))
    assert (weights.file, weights.url, weights.sha256) == (file, url, sha256)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("test_vit0", "has no network 'test_vit0'; did you mean"),
        ("hf-hub:timm/test_vit.r160_in1k", "has no network 'hf-hub:timm/"),
        ("test_vit.nothing", "has no weights 'test_vit.nothing'"),
        ("vit_huge_patch14_xp_224", r"write timm:vit_huge_patch14_xp_224\(pretrained=false\)"),
        ("test_vit", r"test_vit\.r160_in1k\.safetensors .*huggingface\.co/timm/test_vit\.r160_in1k/resolve/main"),
    ],
)
def test_what_cannot_be_built(name: str, message: str, folder: Path) -> None:
    with pytest.raises(UserError, match=message):
        metric.build(Ref("timm", name))


def test_weights_of_another_network(folder: Path) -> None:
    save_file(small("test_vit2").state_dict(), folder / "test_vit.r160_in1k.safetensors")
    with pytest.raises(UserError, match=r"test_vit\.r160_in1k\.safetensors: timm cannot make test_vit of it"):
        metric.build(Ref("timm", "test_vit"))


@pytest.mark.parametrize(
    ("name", "activation"),
    [
        ("vit_base_patch32_clip_224.openai", {"act_layer": "quick_gelu"}),
        ("vit_base_patch32_clip_quickgelu_224.openai", {}),
        ("vit_base_patch32_clip_224.laion2b", {}),
        ("test_vit", {}),
    ],
)
def test_weights_that_want_quick_gelu_get_it(name: str, activation: dict[str, str]) -> None:
    """timm says so in a note alone, and offers variants that have it by themselves."""
    assert _activation(name, _config(name)) == activation


def test_a_note_that_cannot_be_followed_is_refused() -> None:
    asks = SimpleNamespace(notes=("natively QuickGELU, use quickgelu model variant for original results",))
    assert _activation("vit_small_patch16", asks) == {"act_layer": "quick_gelu"}
    with pytest.raises(UserError, match="timm says of test_vit: natively QuickGELU"):
        _build("test_vit", asks, None)


def test_networks_for_other_than_square_images(monkeypatch: pytest.MonkeyPatch) -> None:
    from timm.data import config

    data = {"input_size": (3, 32, 24), "mean": (0.5,) * 3, "std": (0.5,) * 3, "interpolation": "bicubic"}
    monkeypatch.setattr(config, "resolve_data_config", lambda **_: data)
    with pytest.raises(UserError, match=r"square RGB images, test_vit takes \(3, 32, 24\)"):
        metric.build(Ref("timm", "test_vit", (("pretrained", False),)))
