"""DINO, DINOv2 and MAE against dreamsim's extractor, which the published comparison used, on small random networks."""

import warnings
from functools import partial
from pathlib import Path
from types import ModuleType

import pytest
import torch
from checkpoints import assert_same_distances, photo_pairs, randomise, weights_folder
from torch import nn

from perceptbench.core.errors import UserError
from perceptbench.core.noise import forked_rng
from perceptbench.core.ref import Ref
from perceptbench.metrics.base import metric
from perceptbench.metrics.embeddings import dino
from perceptbench.metrics.embeddings.dino import ClassTokenMetric, at_grid
from perceptbench.metrics.embeddings.vit import ViT

WIDTH = 64
# What dreamsim calls a network of this patch size and normalisation; its own sizes are not used here.
NAMES = {
    "dino-s8": ("dino_vits8", 8),
    "dino-s16": ("dino_vits16", 16),
    "dino-b8": ("dino_vitb8", 8),
    "dino-b16": ("dino_vits16", 16),
    "dinov2-s14": ("dinov2_vitb14", 14),
    "mae-b16": ("mae_vitb16", 16),
}


@pytest.fixture(scope="module")
def dreamsim() -> ModuleType:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip("dreamsim")
        import dreamsim.model
    return dreamsim.model


def original(patch: int, side: int = 224) -> nn.Module:
    """DINO's own vision transformer, as dreamsim carries it, with random weights."""
    from dreamsim.feature_extraction.vision_transformer import VisionTransformer

    norm = partial(nn.LayerNorm, eps=1e-6)
    sizes = {"embed_dim": WIDTH, "depth": 12, "num_heads": 1, "qkv_bias": True}
    with forked_rng(0):
        made = VisionTransformer(img_size=[side], patch_size=patch, norm_layer=norm, **sizes)
    return randomise(made)


def their_model(
    dreamsim: ModuleType, net: nn.Module, name: str, patch: int, monkeypatch: pytest.MonkeyPatch
) -> nn.Module:
    """dreamsim's model of a network without tuning, feature `cls`."""
    monkeypatch.setattr(dreamsim.ViTExtractor, "create_model", staticmethod(lambda *_: net))
    return dreamsim.PerceptualModel(name, "cls", str(patch), baseline=True, device="cpu")  # type: ignore[no-any-return]


def compare(subject: ClassTokenMetric, theirs: nn.Module) -> None:
    x, y = (z[::3] for z in photo_pairs())
    with torch.no_grad():
        torch.testing.assert_close(subject.embed(x), theirs.embed(x), rtol=1e-5, atol=2e-5)  # type: ignore[operator]
        assert_same_distances(subject(x, y), theirs(x, y))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return weights_folder(tmp_path, monkeypatch)


def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """The metrics of this module at width 64."""
    monkeypatch.setattr(dino, "ViT", lambda patch, width, depth: ViT(patch, WIDTH, depth))


@pytest.mark.parametrize("name", [name for name in NAMES if name != "dinov2-s14"])
def test_equals_dreamsims_extractor(
    name: str, dreamsim: ModuleType, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    called, patch = NAMES[name]
    net = original(patch)
    state = net.state_dict()
    (weights,) = metric.card(name).about.weights  # type: ignore[union-attr]
    torch.save({"model": state} if name == "mae-b16" else state, folder / weights.file)
    small(monkeypatch)
    subject = metric.build(Ref(name))
    assert isinstance(subject, ClassTokenMetric)
    compare(subject, their_model(dreamsim, net, called, patch, monkeypatch))


def test_dinov2_equals_dreamsims_extractor(dreamsim: ModuleType, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its layer scales are linear, hence in DINO's network they are part of the layers before them."""
    net, scales = original(14, side=518), {}
    state = {name: t.clone() for name, t in net.state_dict().items()} | {"mask_token": torch.zeros(1, WIDTH)}
    for i, block in enumerate(net.blocks):  # type: ignore[arg-type]
        for scale, layer in (("ls1", block.attn.proj), ("ls2", block.mlp.fc2)):
            gamma = 0.5 + torch.arange(WIDTH) / WIDTH
            scales[f"blocks.{i}.{scale}.gamma"] = gamma
            layer.weight.data *= gamma[:, None]
            layer.bias.data *= gamma
    (weights,) = metric.card("dinov2-s14").about.weights  # type: ignore[union-attr]
    torch.save({**state, **scales}, folder / weights.file)
    small(monkeypatch)
    monkeypatch.setattr(dino, "_V2_S14", type(weights)(file=weights.file, url=weights.url))  # whose hash is another's
    subject = metric.build(Ref("dinov2-s14"))
    assert isinstance(subject, ClassTokenMetric)
    compare(subject, their_model(dreamsim, net, "dinov2_vitb14", 14, monkeypatch))


def test_stated_hash_of_dinov2_is_checked(folder: Path) -> None:
    torch.save(original(14).state_dict(), folder / "dinov2_vits14_pretrain.pth")
    with pytest.raises(UserError, match="expected SHA-256 b938bf1b"):
        metric.build(Ref("dinov2-s14"))


@pytest.mark.parametrize("grid", [4, 16])
def test_positions_at_a_grid_of_their_own_stay(grid: int) -> None:
    positions = torch.randn(1, 1 + grid**2, 3, generator=torch.Generator().manual_seed(0))
    assert at_grid(positions, grid) is positions
    assert at_grid(positions, grid + 3).shape == (1, 1 + (grid + 3) ** 2, 3)
    assert at_grid(positions, grid + 3)[:, 0].equal(positions[:, 0])
