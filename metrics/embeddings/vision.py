"""Frozen image networks as metrics: images at the network's side, its own normalisation, one vector an image."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from perceptbench.core.tensors import Embeddings, Images
from perceptbench.metrics.base import EmbeddingMetric


@dataclass(frozen=True, slots=True)
class Scale:
    """What a network takes off each channel of an image in [0, 1], and what it then divides by."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]


IMAGENET = Scale((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
CLIP = Scale((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))


def resized(x: Images, side: int, mode: str = "bicubic") -> Tensor:
    """Images at side x side as Pillow makes them: whole, antialiased, back in [0, 1]; untouched where they are so.

    Differentiable; where bicubic overshoots and is cut back, the gradient is zero.
    """
    if x.shape[-2:] == (side, side):
        return x
    return F.interpolate(x, (side, side), mode=mode, antialias=True).clamp(0, 1)


class VisionMetric(EmbeddingMetric):
    """Cosine distance of what a frozen network makes of images of side x side pixels; range [0, 2]."""

    def __init__(self, net: nn.Module, scale: Scale, side: int = 224, mode: str = "bicubic") -> None:
        self.net, self.side, self.mode = net.eval().requires_grad_(False), side, mode
        self.mean, self.std = (torch.tensor(values)[:, None, None] for values in (scale.mean, scale.std))

    def embed(self, x: Images) -> Embeddings:
        return self.net(self.prepared(x))  # type: ignore[no-any-return]

    def prepared(self, x: Images) -> Tensor:
        """What the network takes: images at its side, normalised."""
        return (resized(x, self.side, self.mode) - self.mean) / self.std

    def to(self, device: str) -> "VisionMetric":
        self.net.to(device)
        self.mean, self.std = self.mean.to(device), self.std.to(device)
        return self

    def weights(self) -> Iterable[Tensor]:
        return self.net.state_dict().values()
