"""Vision transformers (Dosovitskiy et al., arXiv:2010.11929): timm's network, in the sizes of a checkpoint."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from math import isqrt
from typing import Any

import torch
from torch import Tensor, nn

from perceptbench.core.errors import UserError

_HEAD_WIDTH, _WIDEST = 64, 1024
MOST_BLOCKS = 64
"""Of a network whose shape a file states: the names of tensors could claim any number of them."""
_MOST_MACS = 1_000_000_000_000


def affordable(macs: int, what: str) -> None:
    """Raises UserError for a network that takes more than 1000 GMAC an image, which no metric here comes near to."""
    if macs > _MOST_MACS:
        raise UserError(
            f"expected a network of at most {_MOST_MACS / 1e9:g} GMAC an image, got {macs / 1e9:.3g}: {what}"
        )


@dataclass(frozen=True, slots=True)
class ViT:
    """The sizes of a vision transformer whose heads have 64 channels, as all up to the large one do.

    Raises UserError for other widths: a checkpoint does not say how many heads it has.
    """

    patch: int
    width: int
    depth: int
    side: int = 224

    def __post_init__(self) -> None:
        if self.width % _HEAD_WIDTH or self.width > _WIDEST:
            wanted = f"a width that is a multiple of {_HEAD_WIDTH} and at most {_WIDEST}"
            raise UserError(f"expected a vision transformer with {wanted}, got {self.width}")
        if not (1 <= self.depth <= MOST_BLOCKS and 1 <= self.patch <= self.side and self.width):
            raise UserError(f"expected 1 to {MOST_BLOCKS} blocks, and patches within the image, got {self}")
        tokens = (self.side // self.patch) ** 2 + 1
        affordable(self.depth * (12 * self.width**2 * tokens + 2 * self.width * tokens**2), str(self))

    @classmethod
    def of(cls, state: Mapping[str, Tensor]) -> "ViT":
        """The sizes behind tensors under timm's names, which are DINO's too.

        Raises UserError where they are no vision transformer's.
        """
        try:
            width, _, _, patch = state["patch_embed.proj.weight"].shape
            side = patch * isqrt(state["pos_embed"].shape[1] - 1)
            depth = 1 + max(int(name.split(".")[1]) for name in state if name.startswith("blocks."))
        except (KeyError, ValueError, IndexError, TypeError) as error:
            raise UserError("expected the weights of a vision transformer, got other tensors") from error
        return cls(patch, width, depth, side)

    def __str__(self) -> str:
        sizes = f"{self.depth} blocks of width {self.width}, patches of {self.patch} pixels, images of {self.side}"
        return f"a vision transformer ({sizes})"


def blank(shape: ViT, *, eps: float, **layout: Any) -> nn.Module:
    """timm's network without values, on the meta device; `eps` is that of its norms, `layout` goes to timm.

    It gives the class token, through a linear head where `num_classes` asks for one.
    """
    from timm.models.vision_transformer import VisionTransformer

    with torch.device("meta"):
        net: nn.Module = VisionTransformer(
            img_size=shape.side,
            patch_size=shape.patch,
            embed_dim=shape.width,
            depth=shape.depth,
            num_heads=shape.width // _HEAD_WIDTH,
            norm_layer=partial(nn.LayerNorm, eps=eps),
            **{"num_classes": 0, **layout},
        )
    return net


def without_final_norm(net: nn.Module) -> nn.Module:
    """The same network, giving the class token as the last block leaves it.

    DreamSim's extractor means this by `cls`: it hooks the last block (dreamsim 0.2.1, feature_extraction/extractor.py).
    """
    net.norm = nn.Identity()
    return net
