"""Learned perceptual image patch similarity (Zhang et al., CVPR 2018, arXiv:1801.03924), version 0.1.

Own, and tested against the package `lpips`: that embeds both images at every call, so the image that stays
cannot be embedded once.
"""

from collections.abc import Iterable
from pathlib import Path

from torch import Tensor

from perceptbench.core.card import About
from perceptbench.core.fetch.weights import load
from perceptbench.core.tensors import Images, PerImage
from perceptbench.metrics.base import metric
from perceptbench.metrics.features.feature_metric import FeatureMetric, Features
from perceptbench.metrics.features.lpips_file import load_lpips
from perceptbench.metrics.features.lpips_heads import HEADS, read_heads
from perceptbench.metrics.features.lpips_net import NETS, LPIPSNet
from perceptbench.metrics.features.trunks import ALEXNET, SQUEEZENET, TORCHVISION_LICENCE, VGG16

_SOURCE = "arXiv:1801.03924; weights: github richzhang/PerceptualSimilarity, torchvision"
_LICENCE = f"BSD-2-Clause (PerceptualSimilarity), {TORCHVISION_LICENCE} (torchvision)"


class LPIPS(FeatureMetric):
    """A network of LPIPS, frozen, as a metric for images of any size that leaves something at its last layer.

    Squared differences of unit features: not negative, symmetric, 0 for equal images; no triangle inequality.
    """

    def __init__(self, net: LPIPSNet, name: str) -> None:
        self.net = net.eval().requires_grad_(False)
        self.name = name
        self.smallest = net.net.smallest

    def extract(self, x: Images) -> Features:
        return self.net.features(x)

    def compare(self, a: Features, b: Features) -> PerImage:
        return self.net.compare(a, b)

    def to(self, device: str) -> "LPIPS":
        self.net.to(device)
        return self

    def weights(self) -> Iterable[Tensor]:
        return self.net.state_dict().values()

    def code(self) -> tuple[object, ...]:
        return (self, *self.net.modules())


def published(net: str) -> LPIPSNet:
    """The authors' heads on ImageNet's trunk. Raises UserError where the weights cannot be had."""
    made = NETS[net]
    return LPIPSNet(made, made.pretrained(), read_heads(load(HEADS[net]), made.channels, HEADS[net].file))


@metric(
    "lpips",
    source=_SOURCE,
    about=About(
        year=2018,
        weights=(ALEXNET, HEADS["alex"]),
        weights_licence=_LICENCE,
        parameters=2.471,
        gmac=0.656,
        nights=(70.7, "LipSim, table 4"),
    ),
)
def lpips(file: str = "") -> LPIPS:
    """Learned distance of AlexNet's features. `lpips:FILE` takes weights of your own, on any of the three nets.

    Args:
        file: weights written by `bench train lpips`; the authors' without it.
    """
    return LPIPS(load_lpips(Path(file)) if file else published("alex"), "lpips")


@metric(
    "lpips-vgg",
    source=_SOURCE,
    about=About(year=2018, weights=(VGG16, HEADS["vgg"]), weights_licence=_LICENCE, parameters=14.716, gmac=15.347),
)
def lpips_vgg() -> LPIPS:
    """Learned distance of VGG16's features."""
    return LPIPS(published("vgg"), "lpips-vgg")


@metric(
    "lpips-squeeze",
    source=_SOURCE,
    about=About(
        year=2018, weights=(SQUEEZENET, HEADS["squeeze"]), weights_licence=_LICENCE, parameters=0.725, gmac=0.263
    ),
)
def lpips_squeeze() -> LPIPS:
    """Learned distance of SqueezeNet's features."""
    return LPIPS(published("squeeze"), "lpips-squeeze")
