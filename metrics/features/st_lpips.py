"""Shift-tolerant LPIPS (Ghildyal & Liu, ECCV 2022, arXiv:2207.13686), on AlexNet.

Own, and tested against PyPI stlpips-pytorch 0.0.2: that embeds both images at every call and imports IPython, and
part of its code is marked as not for commercial use.
"""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from perceptbench.core.card import About
from perceptbench.core.fetch.weights import Weights, load
from perceptbench.metrics.base import metric
from perceptbench.metrics.features.lpips import LPIPS
from perceptbench.metrics.features.lpips_heads import read_heads
from perceptbench.metrics.features.lpips_net import LPIPSNet, Net
from perceptbench.metrics.fill import fill

WEIGHTS = Weights(
    file="stlpips_alex_shift_tolerant.pth",
    url="https://pypi.org/project/stlpips-pytorch/0.0.2",
    # That of the file in the package.
    sha256="b356b382f96010f77d085ee8343ecd9fd322d0a56e8de2b2d0549fafcad8b9ee",
    size=9899296,
    package="stlpips_pytorch:weights/vST0.0/alex_shift_tolerant.pth",
    by_hand="run: pip install --no-deps stlpips-pytorch==0.0.2, or take alex_shift_tolerant.pth out of the wheel",
)
NET = Net("alex, shift-tolerant", taps=(2, 6, 10, 12, 14), channels=(64, 192, 384, 256, 256), smallest=21)


class BlurPool(nn.Module):
    """Every second value under a 3 x 3 binomial window, two pixels mirrored on at each side."""

    def forward(self, x: Tensor) -> Tensor:
        window = x.new_tensor([0.25, 0.5, 0.25])
        kernel = torch.outer(window, window).expand(x.shape[1], 1, 3, 3)
        return F.conv2d(F.pad(x, (2, 2, 2, 2), mode="reflect"), kernel, stride=2, groups=x.shape[1])


def shift_tolerant_alexnet() -> nn.Sequential:
    """AlexNet's convolutions with stride 1 everywhere, and a blur wherever pixels are dropped (section 4)."""
    return nn.Sequential(
        nn.Conv2d(3, 64, 11, padding=2),
        BlurPool(),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(3, 1),
        BlurPool(),
        nn.Conv2d(64, 192, 5, padding=2),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(3, 1),
        BlurPool(),
        nn.Conv2d(192, 384, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(384, 256, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(256, 256, 3, padding=1),
        nn.ReLU(inplace=True),
    )


def from_authors_layout(state: Mapping[str, Tensor], where: str) -> LPIPSNet:
    """The network of the authors' state dict: `net.sliceK.I.{weight,bias}` and `linK.model.1.weight`.

    Raises UserError, naming `where` it comes from, where tensors are missing or of another shape.
    """
    with torch.device("meta"):  # nothing is drawn for what is replaced at once
        trunk = shift_tolerant_alexnet()
    inside = {key.split(".", 2)[-1]: t for key, t in state.items() if key.startswith("net.slice")}
    inside = {key: inside[key] for key in trunk.state_dict() if key in inside}
    fill(trunk, inside, f"the weights of ST-LPIPS on AlexNet in {where}")
    return LPIPSNet(NET, trunk, read_heads(state, NET.channels, where))


@metric(
    "st-lpips",
    source="arXiv:2207.13686; weights: PyPI stlpips-pytorch 0.0.2",
    about=About(year=2022, weights=(WEIGHTS,), weights_licence="BSD-2-Clause", parameters=2.471, gmac=3.72),
)
def st_lpips() -> LPIPS:
    """LPIPS on an AlexNet that small shifts move little: anti-aliased, with strides only after a blur."""
    return LPIPS(from_authors_layout(load(WEIGHTS), WEIGHTS.file), "st-lpips")
