"""Image towers from checkpoints in the layout of open_clip, as timm networks: transformers and ConvNeXts."""

import re
from collections.abc import Mapping
from math import isqrt

import torch
from torch import Tensor, nn

from perceptbench.core.errors import UserError
from perceptbench.metrics.embeddings.vit import MOST_BLOCKS, ViT, affordable, blank
from perceptbench.metrics.fill import fill

_CONVNEXT_SIDE = 224  # it takes any; this is where R-CLIP is evaluated


def image_tower(
    state: Mapping[str, Tensor], *, quick_gelu: bool = False, expected: ViT | None = None
) -> tuple[nn.Module, int]:
    """The network that takes normalised images to their projected embedding (n, d), and the side of these images.

    Args:
        state: a whole model, of which the text tower is left out, or an image tower alone (names without `visual.`).
        quick_gelu: whether its transformer computes x sigmoid(1.702 x) in place of GELU, which the file does not
            say: OpenAI's networks do, and so do those that were trained further from them.
        expected: the sizes that its transformer must have.

    Raises UserError where the tensors are no such tower.
    """
    if not any(name.startswith("visual.") for name in state):
        state = {f"visual.{name}": tensor for name, tensor in state.items()}
    state = {name: tensor for name, tensor in state.items() if name.startswith("visual.")}
    try:
        if "visual.trunk.stem.0.weight" in state:
            return _convnext(state), _CONVNEXT_SIDE
        return _transformer(state, quick_gelu, expected)
    except (KeyError, ValueError, IndexError, TypeError, RuntimeError) as error:
        reason = str(error).partition("\n")[0]
        raise UserError(f"expected the image tower of a CLIP in open_clip's layout, got another ({reason})") from error


def _transformer(state: dict[str, Tensor], quick_gelu: bool, expected: ViT | None) -> tuple[nn.Module, int]:
    from timm.models.vision_transformer import checkpoint_filter_fn

    width, _, _, patch = state["visual.conv1.weight"].shape
    side = patch * isqrt(len(state["visual.positional_embedding"]) - 1)
    shape = ViT(patch, width, _count(state, r"visual\.transformer\.resblocks\.(\d+)\."), side)
    if expected not in (None, shape):
        raise UserError(f"expected {expected}, got {shape}")
    act, classes = "quick_gelu" if quick_gelu else "gelu", state["visual.proj"].shape[1]
    net = blank(shape, eps=1e-5, pre_norm=True, act_layer=act, num_classes=classes)
    tensors = checkpoint_filter_fn(state, net)  # type: ignore[arg-type]
    return fill(net, tensors, f"the weights of {shape}"), side


def _convnext(state: dict[str, Tensor]) -> nn.Module:
    from timm.models.convnext import ConvNeXt, checkpoint_filter_fn

    depths = tuple(_count(state, rf"visual\.trunk\.stages\.{stage}\.blocks\.(\d+)\.") for stage in range(4))
    dims = tuple(len(state[f"visual.trunk.stages.{stage}.blocks.0.norm.weight"]) for stage in range(4))
    if max(depths) > MOST_BLOCKS:
        raise UserError(f"expected a ConvNeXt of at most {MOST_BLOCKS} blocks a stage, got {depths}")
    positions = [(_CONVNEXT_SIDE // 4 >> stage) ** 2 for stage in range(4)]
    macs = sum(d * 8 * width**2 * n for d, width, n in zip(depths, dims, positions, strict=True))
    affordable(macs, f"{depths} blocks of widths {dims}")
    with torch.device("meta"):
        net = ConvNeXt(depths=depths, dims=dims, num_classes=len(state["visual.head.proj.weight"]))
    return fill(
        net, checkpoint_filter_fn(state, net), f"the weights of a ConvNeXt of {depths} blocks and widths {dims}"
    )


def _count(state: Mapping[str, Tensor], pattern: str) -> int:
    """How many numbered parts there are. Raises ValueError where there is none."""
    return 1 + max(int(found[1]) for name in state if (found := re.match(pattern, name)))
