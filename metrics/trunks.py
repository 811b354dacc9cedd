"""The convolutional trunks of torchvision's classifiers, frozen, for the metrics that look into them."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from core.errors import UserError
from core.weights import Weights, load

_OFFICIAL = "https://download.pytorch.org/models"
TRUNK_LICENCE = "BSD-3 (torchvision)"

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
    file="squeezenet1_1-b8a52dc0.pth",
    url=f"{_OFFICIAL}/squeezenet1_1-b8a52dc0.pth",
    sha256="b8a52dc0",
)


def alexnet_trunk() -> nn.Sequential:
    """`features` of torchvision's AlexNet, 13 modules; input by ImageNet's mean and deviation."""
    return _trunk("alexnet", ALEXNET)


def vgg16_trunk() -> nn.Sequential:
    """`features` of torchvision's VGG16, 31 modules; input by ImageNet's mean and deviation."""
    return _trunk("vgg16", VGG16)


def squeezenet_trunk() -> nn.Sequential:
    """`features` of torchvision's SqueezeNet 1.1, 13 modules; input by ImageNet's mean and deviation."""
    return _trunk("squeezenet1_1", SQUEEZENET)


def _trunk(name: str, weights: Weights) -> nn.Sequential:
    """The trunk with its weights, from a whole checkpoint or from one that holds the trunk alone.

    Raises UserError where the weights are absent or do not fit.
    """
    inside = {key.removeprefix("features."): t for key, t in load(weights).items() if key.startswith("features.")}
    return fitted_trunk(name, inside, weights.file)


def fitted_trunk(name: str, state: Mapping[str, Tensor], where: str) -> nn.Sequential:
    """`features` of torchvision's classifier of this name with these weights, frozen.

    Raises UserError, naming `where` they come from, where they do not fit.
    """
    from torchvision import models

    with torch.device("meta"):  # nothing is drawn for what is replaced at once
        trunk: nn.Sequential = getattr(models, name)(weights=None).features
    try:
        trunk.load_state_dict(state, assign=True)
    except RuntimeError as error:
        reason = str(error).partition("\n")[2].strip().partition("\n")[0]
        raise UserError(f"expected the trunk of torchvision's {name} in {where}: {reason}") from error
    return trunk.eval().requires_grad_(False)
