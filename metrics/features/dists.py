"""Deep image structure and texture similarity (Ding, Ma, Wang & Simoncelli, TPAMI 2020, arXiv:2004.07728).

There are two programs under this name, with the same weights. This is the authors' own repository and PyPI
dists-pytorch, which take images as they are. The authors' IQA_pytorch, and piq after it, first shrink images
whose smaller side is above 256 pixels; up to there all agree.

Own, and tested against dists-pytorch: that embeds both images at every call, and takes covariances as a
difference of large numbers.
"""

from collections.abc import Iterable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from perceptbench.core.card import About
from perceptbench.core.errors import UserError
from perceptbench.core.fetch.weights import Weights, load
from perceptbench.core.tensors import Images, PerImage
from perceptbench.metrics.base import metric
from perceptbench.metrics.embeddings.pooled import by_imagenet
from perceptbench.metrics.features.feature_metric import FeatureMetric, Features
from perceptbench.metrics.features.trunks import TORCHVISION_LICENCE, VGG16, vgg16_trunk, walk

ALPHA_BETA = Weights(
    file="dists_alpha_beta.pt",
    url="https://github.com/dingkeyan93/DISTS/raw/master/DISTS_pytorch/weights.pt",
    # That of the file in the authors' package, PyPI dists-pytorch 0.1.
    sha256="f5e65c96230b7f6ca995691647d482237e4cab8a50c5c4a5784f219ef0748218",
    size=12288,
    package="DISTS_pytorch:weights.pt",
)
TAPS = (3, 8, 15, 22, 29)
CHANNELS = (3, 64, 128, 256, 512, 512)
_C = 1e-6


class L2Pool(nn.Module):
    """Root of the local mean of squares, under a 3 x 3 Hann window, at every second position (section 3.1)."""

    def forward(self, x: Tensor) -> Tensor:
        window = x.new_tensor([0.25, 0.5, 0.25])
        kernel = torch.outer(window, window).expand(x.shape[1], 1, 3, 3)
        power = F.conv2d(x.square(), kernel, stride=2, padding=1, groups=x.shape[1])
        return (power + 1e-12).sqrt()


class DISTS(FeatureMetric):
    """The distance of structure and texture with given weights.

    Args:
        trunk: `features` of torchvision's VGG16; its pools are replaced.
        alpha: weights of texture (1475,), that is of the channels' means.
        beta: weights of structure (1475,), that is of their correlations.
    """

    name = "dists"

    def __init__(self, trunk: nn.Sequential, alpha: Tensor, beta: Tensor) -> None:
        layers = [L2Pool() if isinstance(layer, nn.MaxPool2d) else layer for layer in trunk[: TAPS[-1] + 1]]
        self.trunk = nn.Sequential(*layers).eval().requires_grad_(False)
        total = alpha.sum() + beta.sum()
        self.alpha, self.beta = alpha / total, beta / total

    def extract(self, x: Images) -> Features:
        """Of the image itself and of five layers: channels less their mean, the means, the variances."""
        found: list[Tensor] = []
        for layer in (x, *walk(self.trunk, by_imagenet(x), TAPS)):
            mean = layer.mean((2, 3))
            centred = layer - mean[:, :, None, None]
            found += (centred, mean, centred.square().mean((2, 3)))
        return tuple(found)

    def compare(self, a: Features, b: Features) -> PerImage:
        """1 - the similarity, written so that nothing cancels: exactly 0 for equal features, and never less.

        1 - (2 m m' + c) / (m^2 + m'^2 + c) = (m - m')^2 / (m^2 + m'^2 + c), and likewise with the variances
        and the mean square of the centred difference.
        """
        terms = []
        for k, (alpha, beta) in enumerate(zip(self.alpha.split(CHANNELS), self.beta.split(CHANNELS), strict=True)):
            (x, mean_x, variance_x), (y, mean_y, variance_y) = (f[3 * k : 3 * k + 3] for f in (a, b))
            texture = (mean_x - mean_y).square() / (mean_x.square() + mean_y.square() + _C)
            structure = (x - y).square().mean((2, 3)) / (variance_x + variance_y + _C)
            terms.append(texture @ alpha + structure @ beta)
        return torch.stack(terms).sum(0)

    def to(self, device: str) -> "DISTS":
        self.trunk.to(device)
        self.alpha, self.beta = self.alpha.to(device), self.beta.to(device)
        return self

    def weights(self) -> Iterable[Tensor]:
        return (*self.trunk.state_dict().values(), self.alpha, self.beta)


def _vector(state: Mapping[str, Tensor], name: str) -> Tensor:
    tensor = state.get(name)
    # A comparison with NaN is false, so this refuses it too.
    if tensor is None or tensor.numel() != sum(CHANNELS) or not bool(((tensor >= 0) & (tensor < torch.inf)).all()):
        raise UserError(f"{ALPHA_BETA.file}: expected {sum(CHANNELS)} weights {name}, none of them negative")
    return tensor.flatten().float()


@metric(
    "dists",
    source="arXiv:2004.07728; weights: github dingkeyan93/DISTS, torchvision",
    about=About(
        year=2020,
        weights=(VGG16, ALPHA_BETA),
        weights_licence=f"MIT (DISTS), {TORCHVISION_LICENCE} (torchvision)",
        parameters=14.718,
        gmac=15.36,
        nights=(86.0, "LipSim, table 4"),
    ),
)
def dists() -> DISTS:
    """Structure and texture in VGG16's features, as in dists-pytorch: images are not resized; range [0, 2]."""
    state = load(ALPHA_BETA)
    return DISTS(vgg16_trunk(), _vector(state, "alpha"), _vector(state, "beta"))
