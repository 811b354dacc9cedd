"""The networks at full size, on the meta device: what they are at their authors', and what their cards say of them.

Sizes are timm's for the checkpoints it lists under these names, and open_clip's.
"""

from typing import Any

import pytest
import timm
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from perceptbench.core.card import About
from perceptbench.core.ref import Ref
from perceptbench.metrics.base import metric
from perceptbench.metrics.embeddings import clip, dino, r_clip
from perceptbench.metrics.embeddings.vision import VisionMetric

TIMM = {
    "dino-s8": "vit_small_patch8_224.dino",
    "dino-s16": "vit_small_patch16_224.dino",
    "dino-b8": "vit_base_patch8_224.dino",
    "dino-b16": "vit_base_patch16_224.dino",
    "dinov2-s14": "vit_small_patch14_dinov2.lvd142m",
    "mae-b16": "vit_base_patch16_224.mae",
}
OPEN_CLIP = {
    "clip-b16": ("ViT-B-16-quickgelu", "openai"),
    "clip-b32": ("ViT-B-32-quickgelu", "openai"),
    "clip-l14": ("ViT-L-14-quickgelu", "openai"),
    "openclip-b16": ("ViT-B-16", "laion400m_e31"),
    "openclip-b32": ("ViT-B-32", "laion400m_e31"),
    "openclip-l14": ("ViT-L-14", "laion400m_e31"),
    "r-clip": ("convnext_base_w", ""),
}
ENSEMBLES = {
    "dreamsim": ("dino-b16", "clip-b16", "openclip-b16"),
    "dreamsim-dino": ("dino-b16",),
    "dreamsim-clip": ("clip-b32",),
    "dreamsim-openclip": ("openclip-b32",),
}


def about(name: str) -> About:
    found = metric.card(name).about
    assert found is not None
    return found


def their_tensors(name: str) -> dict[str, Tensor]:
    """Shapes of the authors' network, without values."""
    with torch.device("meta"):
        if name in TIMM:
            state: dict[str, Tensor] = timm.create_model(TIMM[name], num_classes=0).state_dict()
            return state | ({"mask_token": torch.empty(1, 384)} if name == "dinov2-s14" else {})
        open_clip = pytest.importorskip("open_clip")
        config = open_clip.get_model_config(OPEN_CLIP[name][0])
        return open_clip.model.CLIP(**config).state_dict()  # type: ignore[no-any-return]


@pytest.mark.parametrize("name", [*TIMM, *OPEN_CLIP])
def test_sizes_and_cost(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    state = their_tensors(name)
    for module in (clip, dino, r_clip):
        monkeypatch.setattr(module, "load", lambda _: state)
    with torch.device("meta"):
        subject = metric.build(Ref(name))
    assert isinstance(subject, VisionMetric)
    card = about(name)
    assert subject.side == card.side == 224
    parameters = sum(t.numel() for t in subject.net.parameters()) / 1e6
    assert card.parameters == pytest.approx(parameters, rel=1e-3)
    with FlopCounterMode(display=False) as flops:
        subject.net(torch.empty(1, 3, 224, 224, device="meta"))
    assert card.gmac == pytest.approx(flops.get_total_flops() / 2e9, rel=1e-3)


@pytest.mark.parametrize("name", ENSEMBLES)
def test_dreamsim_costs_what_its_branches_cost(name: str) -> None:
    parts = [about(part) for part in ENSEMBLES[name]]
    assert about(name).parameters == pytest.approx(sum(part.parameters for part in parts), rel=1e-3)
    assert about(name).gmac == pytest.approx(sum(part.gmac for part in parts), rel=1e-3)


@pytest.mark.parametrize("name", TIMM)
def test_weights_are_the_authors_files(name: str) -> None:
    """timm knows where they are, too."""
    (weights,) = about(name).weights
    assert weights.url == timm.get_pretrained_cfg(TIMM[name]).url


@pytest.mark.parametrize("name", [name for name in OPEN_CLIP if name != "r-clip"])
def test_weights_are_those_open_clip_lists(name: str) -> None:
    open_clip = pytest.importorskip("open_clip")
    network, tag = OPEN_CLIP[name]
    listed: dict[str, Any] = open_clip.get_pretrained_cfg(network.removesuffix("-quickgelu"), tag)
    (weights,) = about(name).weights
    assert weights.url == f"https://huggingface.co/{listed['hf_hub']}resolve/main/open_clip_model.safetensors"
    assert listed.get("quick_gelu", False) == (tag == "openai" or name == "openclip-b32")


def test_no_two_share_a_file() -> None:
    names = [*TIMM, *OPEN_CLIP, *ENSEMBLES]
    files = {weights.file: weights.url for name in names for weights in about(name).weights}
    assert len(files) == len(set(files.values())) == len(TIMM) + len(OPEN_CLIP) + len(ENSEMBLES)
