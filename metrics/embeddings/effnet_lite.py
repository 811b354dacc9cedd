"""What the metrics of the family EfficientNet-Lite share: the trunk, and what it wants its input to be."""

from torch import Tensor

from perceptbench.core.fetch.weights import Weights
from perceptbench.core.tensors import Images
from perceptbench.metrics.embeddings.pooled import Pooled
from perceptbench.metrics.features.trunks import efficientnet_lite_trunk


class EffNetLite(Pooled):
    """Cosine distance of the pooled 1280 features of a network of the family, by its name in timm."""

    def __init__(self, name: str, weights: Weights) -> None:
        super().__init__(efficientnet_lite_trunk(name, weights))

    def normalise(self, x: Images) -> Tensor:
        return (255 * x - 127) / 128
