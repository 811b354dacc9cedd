"""Three classifiers as one metric, joined the way DreamSim (arXiv:2306.09344) joins its three transformers."""

from collections.abc import Iterable
from itertools import chain

import torch
import torch.nn.functional as F
from torch import Tensor

from perceptbench.core.card import About
from perceptbench.core.tensors import Embeddings, Images
from perceptbench.metrics.base import EmbeddingMetric, metric
from perceptbench.metrics.embeddings.effnet_lite0 import EffNetLite0
from perceptbench.metrics.embeddings.mobilenetv2 import MobileNetV2
from perceptbench.metrics.embeddings.pooled import SIDE, Pooled
from perceptbench.metrics.features.trunks import (
    EFFICIENTNET_LITE0,
    MOBILENETV2,
    TORCHVISION_LICENCE,
    VGG16,
    vgg16_trunk,
)


class VGG16Pooled(Pooled):
    """Cosine distance of the pooled 512 features of VGG16 (arXiv:1409.1556), before its last max-pooling."""

    def __init__(self) -> None:
        super().__init__(vgg16_trunk()[:-1])


@metric(
    "ensemble-cosine",
    source="this repository; parts: arXiv:1905.11946, arXiv:1801.04381, arXiv:1409.1556",
    needs=("timm", "torchvision"),
    about=About(
        year=2026,
        weights=(EFFICIENTNET_LITE0, MOBILENETV2, VGG16),
        weights_licence=f"Apache-2.0, MIT, {TORCHVISION_LICENCE}",
        side=SIDE,
        parameters=20.31,
        gmac=16.03,
    ),
)
class EnsembleCosine(EmbeddingMetric):
    """Cosine distance of pooled EfficientNet-Lite0, MobileNetV2 and VGG16, each normalised, side by side."""

    def __init__(self) -> None:
        self.parts: tuple[Pooled, ...] = (EffNetLite0(), MobileNetV2(), VGG16Pooled())

    def embed(self, x: Images) -> Embeddings:
        return torch.cat([F.normalize(part.embed(x), dim=1) for part in self.parts], dim=1)

    def to(self, device: str) -> "EnsembleCosine":
        for part in self.parts:
            part.to(device)
        return self

    def weights(self) -> Iterable[Tensor]:
        return chain.from_iterable(part.weights() for part in self.parts)
