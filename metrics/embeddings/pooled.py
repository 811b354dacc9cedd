"""Cosine of pooled features: the simplest embedding that a pretrained trunk gives."""

from collections.abc import Iterable

import torch.nn.functional as F
from torch import Tensor, nn

from perceptbench.core.tensors import Embeddings, Images
from perceptbench.metrics.base import EmbeddingMetric
from perceptbench.metrics.embeddings.vision import IMAGENET

SIDE = 224


def by_imagenet(x: Images) -> Tensor:
    """Images in [0, 1] by the mean and deviation of ImageNet's channels."""
    mean, deviation = (x.new_tensor(values)[:, None, None] for values in (IMAGENET.mean, IMAGENET.std))
    return (x - mean) / deviation


class Pooled(EmbeddingMetric):
    """1 - cos of the spatial means of a trunk's last features; images of other sizes are brought to 224 x 224.

    Subclasses hand over the trunk and say what it wants its input to be.
    """

    def __init__(self, trunk: nn.Module) -> None:
        self.trunk = trunk

    def normalise(self, x: Images) -> Tensor:
        """Images in [0, 1] as the trunk wants them."""
        return by_imagenet(x)

    def embed(self, x: Images) -> Embeddings:
        if x.shape[-2:] != (SIDE, SIDE):
            x = F.interpolate(x, (SIDE, SIDE), mode="bilinear", antialias=True)
        return self.trunk(self.normalise(x)).mean((2, 3))

    def to(self, device: str) -> "Pooled":
        self.trunk.to(device)
        return self

    def weights(self) -> Iterable[Tensor]:
        return self.trunk.state_dict().values()
