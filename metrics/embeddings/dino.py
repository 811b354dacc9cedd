"""DINO, DINOv2 and MAE as metrics: self-supervised transformers, compared by their class tokens.

The feature is the class token as the last block leaves it, before the final norm: what DreamSim's extractor calls
`cls`, and the published comparison on NIGHTS took. The weights are the authors' own files, whose names of
tensors are timm's.

Caron et al., arXiv:2104.14294; Oquab et al., arXiv:2304.07193; He et al., arXiv:2111.06377.
"""

from math import isqrt
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from perceptbench.core.card import About
from perceptbench.core.fetch.weights import Weights, load
from perceptbench.metrics.base import metric
from perceptbench.metrics.embeddings.vision import IMAGENET, VisionMetric
from perceptbench.metrics.embeddings.vit import ViT, blank, without_final_norm
from perceptbench.metrics.fill import fill

_META = "https://dl.fbaipublicfiles.com"
_PUBLISHED = "DreamSim (NeurIPS 2023) as in LipSim, table 4"
_DINO, _DINOV2, _MAE = "arXiv:2104.14294", "arXiv:2304.07193", "arXiv:2111.06377"


class ClassTokenMetric(VisionMetric):
    """Cosine distance of class tokens before the final norm."""

    def __init__(self, weights: Weights, shape: ViT, **layout: Any) -> None:
        state = load(weights)
        state.pop("mask_token", None)  # DINOv2's: it stands for patches that training hides
        state["pos_embed"] = at_grid(state["pos_embed"], shape.side // shape.patch)
        net = fill(blank(shape, eps=1e-6, **layout), state, f"the weights of {shape}")
        super().__init__(without_final_norm(net), IMAGENET, shape.side)


def at_grid(positions: Tensor, grid: int) -> Tensor:
    """Position embeddings (1, 1 + m m, width) for a grid x grid of patches, as DINO and DINOv2 interpolate them.

    Bicubic, not antialiased, with the scale (grid + 0.1) / m. The authors added 0.1 against rounding; it moves
    the sampled points a little and is part of the network as published.
    """
    side = isqrt(positions.shape[1] - 1)
    if side == grid:
        return positions
    patches = positions[:, 1:].unflatten(1, (side, side)).permute(0, 3, 1, 2)
    scale = (grid + 0.1) / side
    patches = F.interpolate(patches, scale_factor=(scale, scale), mode="bicubic")
    return torch.cat([positions[:, :1], patches.flatten(2).mT], dim=1)


def _about(
    year: int, weights: Weights, licence: str, parameters: float, gmac: float, nights: float | None = None
) -> About:
    return About(
        year=year,
        weights=(weights,),
        weights_licence=licence,
        side=224,
        parameters=parameters,
        gmac=gmac,
        nights=None if nights is None else (nights, _PUBLISHED),
    )


def _dino(name: str) -> Weights:
    return Weights(file=f"{name}.pth", url=f"{_META}/dino/{name}/{name}.pth")


_S8, _S16 = _dino("dino_deitsmall8_pretrain"), _dino("dino_deitsmall16_pretrain")
_B8, DINO_B16 = _dino("dino_vitbase8_pretrain"), _dino("dino_vitbase16_pretrain")
_V2_S14 = Weights(
    file="dinov2_vits14_pretrain.pth",
    url=f"{_META}/dinov2/dinov2_vits14/dinov2_vits14_pretrain.pth",
    sha256="b938bf1bc15cd2ec0feacfe3a1bb553fe8ea9ca46a7e1d8d00217f29aef60cd9",
    size=88283115,
)
_MAE_B16 = Weights(file="mae_pretrain_vit_base.pth", url=f"{_META}/mae/pretrain/mae_pretrain_vit_base.pth")


@metric("dino-s8", source=_DINO, needs=("timm",), about=_about(2021, _S8, "Apache-2.0", 21.67, 22.405, 89.0))
def dino_s8() -> ClassTokenMetric:
    """Cosine distance of DINO ViT-S/8 class tokens (n, 384), before the final norm."""
    return ClassTokenMetric(_S8, ViT(8, 384, 12))


@metric("dino-s16", source=_DINO, needs=("timm",), about=_about(2021, _S16, "Apache-2.0", 21.67, 4.598, 89.6))
def dino_s16() -> ClassTokenMetric:
    """Cosine distance of DINO ViT-S/16 class tokens (n, 384), before the final norm."""
    return ClassTokenMetric(_S16, ViT(16, 384, 12))


@metric("dino-b8", source=_DINO, needs=("timm",), about=_about(2021, _B8, "Apache-2.0", 85.81, 78.148, 88.6))
def dino_b8() -> ClassTokenMetric:
    """Cosine distance of DINO ViT-B/8 class tokens (n, 768), before the final norm."""
    return ClassTokenMetric(_B8, ViT(8, 768, 12))


@metric("dino-b16", source=_DINO, needs=("timm",), about=_about(2021, DINO_B16, "Apache-2.0", 85.8, 17.563, 90.1))
def dino_b16() -> ClassTokenMetric:
    """Cosine distance of DINO ViT-B/16 class tokens (n, 768), before the final norm."""
    return ClassTokenMetric(DINO_B16, ViT(16, 768, 12))


@metric("dinov2-s14", source=_DINOV2, needs=("timm",), about=_about(2023, _V2_S14, "Apache-2.0", 21.63, 6.124))
def dinov2_s14() -> ClassTokenMetric:
    """Cosine distance of DINOv2 ViT-S/14 class tokens (n, 384), before the final norm.

    At 224 pixels: its position embeddings for 518 are interpolated as its own code does it.
    """
    return ClassTokenMetric(_V2_S14, ViT(14, 384, 12), init_values=1.0)


@metric("mae-b16", source=_MAE, needs=("timm",), about=_about(2022, _MAE_B16, "CC-BY-NC-4.0", 85.8, 17.563))
def mae_b16() -> ClassTokenMetric:
    """Cosine distance of MAE ViT-B/16 class tokens (n, 768) of whole images, before the final norm."""
    return ClassTokenMetric(_MAE_B16, ViT(16, 768, 12))
