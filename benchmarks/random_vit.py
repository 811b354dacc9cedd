"""A ViT-S as a metric: what speed is measured on where a large pretrained network would run."""

import timm
from torch import Tensor, nn

from perceptbench.core.noise import forked_rng
from perceptbench.core.tensors import Embeddings, Images
from perceptbench.metrics.base import EmbeddingMetric

NAME = "vit_small_patch16_224"


class SmallViT(nn.Module):
    """timm's ViT-S/16 without its classifier, random weights of this seed, frozen; takes pixels in [0, 1]."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        with forked_rng(seed):
            self.trunk = timm.create_model(NAME, pretrained=False, num_classes=0)
        self.eval().requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        return self.trunk(2 * x - 1)  # type: ignore[no-any-return]


class RandomViT(EmbeddingMetric):
    """Cosine distance of its pooled output."""

    def __init__(self, seed: int = 0) -> None:
        self.net = SmallViT(seed)

    def embed(self, x: Images) -> Embeddings:
        return self.net(x)  # type: ignore[no-any-return]

    def to(self, device: str) -> "RandomViT":
        self.net.to(device)
        return self
