"""The network of LPIPS: a trunk, what is taken from it, and its heads (lpips_heads.py).

Zhang, Isola, Efros, Shechtman & Wang, CVPR 2018, arXiv:1801.03924. Version 0.1 of the weights: inputs in [-1, 1]
less the authors' shift over their scale, which is ImageNet's mean and deviation of inputs in [0, 1].
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from perceptbench.core.tensors import Images, PerImage
from perceptbench.metrics.embeddings.pooled import by_imagenet
from perceptbench.metrics.features.lpips_heads import differences, weigh
from perceptbench.metrics.features.trunks import alexnet_trunk, squeezenet_trunk, unit, vgg16_trunk, walk


@dataclass(frozen=True, slots=True)
class Net:
    """What LPIPS takes from a trunk.

    Args:
        name: in the package and in our files.
        taps: the modules whose outputs are compared, all of them after a ReLU.
        channels: of these outputs.
        smallest: the least side in pixels of which something is left at the last of them.
    """

    name: str
    taps: tuple[int, ...]
    channels: tuple[int, ...]
    smallest: int


@dataclass(frozen=True, slots=True)
class ImageNetNet(Net):
    """One whose trunk is torchvision's.

    Args:
        torchvision: the classifier's name there.
        pretrained: loads the trunk with ImageNet's weights.
    """

    torchvision: str
    pretrained: Callable[[], nn.Sequential]


NETS: Mapping[str, ImageNetNet] = {
    net.name: net
    for net in (
        ImageNetNet("alex", (1, 4, 7, 9, 11), (64, 192, 384, 256, 256), 31, "alexnet", alexnet_trunk),
        ImageNetNet("vgg", (3, 8, 15, 22, 29), (64, 128, 256, 512, 512), 16, "vgg16", vgg16_trunk),
        ImageNetNet(
            "squeeze",
            (1, 4, 7, 9, 10, 11, 12),
            (64, 128, 256, 384, 384, 512, 512),
            17,
            "squeezenet1_1",
            squeezenet_trunk,
        ),
    )
}


class LPIPSNet(nn.Module):
    """Distances of images by the features of a trunk; the weights `heads` are parameters, for training.

    Args:
        net: what is taken from the trunk.
        trunk: for the nets of `NETS`, `features` of torchvision's classifier.
        heads: a vector of weights for each tap, not negative; 1 everywhere without them.
    """

    def __init__(self, net: Net, trunk: nn.Sequential, heads: Sequence[Tensor] | None = None) -> None:
        super().__init__()
        self.net = net
        self.trunk = trunk[: net.taps[-1] + 1]
        given = heads if heads is not None else [torch.ones(count) for count in net.channels]
        self.heads = nn.ParameterList([nn.Parameter(w.detach().clone()) for w in given])

    def features(self, x: Images) -> tuple[Tensor, ...]:
        """Unit features (n, c, h, w) of images in [0, 1], one tensor a tap."""
        return tuple(unit(f) for f in walk(self.trunk, by_imagenet(x), self.net.taps))

    def compare(self, a: Sequence[Tensor], b: Sequence[Tensor]) -> PerImage:
        """Distances (n,) between features."""
        return weigh(differences(a, b), self.heads)

    def forward(self, x: Images, y: Images) -> PerImage:
        """Distances of images in [0, 1], differentiable in them and in whatever parameter is not frozen."""
        return self.compare(self.features(x), self.features(y))

    @torch.no_grad()
    def project(self) -> None:
        """Set negative weights to 0, after a step of training."""
        for w in self.heads:
            w.clamp_(min=0)
