"""ViT-Ti/16 as a metric: the small vision transformer of AugReg (Steiner et al., TMLR 2022, arXiv:2106.10270).

Trained on ImageNet-21k, then on ImageNet-1k. The feature is the class token after the final norm, which is what
the classifier takes; the classifier itself is left out.
"""

from perceptbench.core.card import About
from perceptbench.core.fetch.weights import Weights, load
from perceptbench.metrics.base import metric
from perceptbench.metrics.embeddings.vision import Scale, VisionMetric
from perceptbench.metrics.embeddings.vit import ViT, blank
from perceptbench.metrics.fill import fill

_REPOSITORY = "vit_tiny_patch16_224.augreg_in21k_ft_in1k"
_WEIGHTS = Weights(
    file=f"{_REPOSITORY}.safetensors",
    url=f"https://huggingface.co/timm/{_REPOSITORY}/resolve/main/model.safetensors",
    also=("vit_tiny_patch16_224.safetensors",),
)
_SHAPE = ViT(patch=16, width=192, depth=12)
_CLASSIFIER = ("head.weight", "head.bias")


@metric(
    "vit-tiny",
    source="arXiv:2106.10270; weights: Hugging Face timm",
    needs=("timm",),
    about=About(year=2021, weights=(_WEIGHTS,), weights_licence="Apache-2.0", side=224, parameters=5.524, gmac=1.253),
)
class ViTTiny(VisionMetric):
    """Cosine distance of ViT-Ti/16 class tokens (n, 192), after the final norm; trained on ImageNet-21k and 1k."""

    def __init__(self) -> None:
        state = load(_WEIGHTS)
        state = {name: tensor for name, tensor in state.items() if name not in _CLASSIFIER}
        net = fill(blank(_SHAPE, eps=1e-6), state, f"the weights of {_SHAPE}")
        super().__init__(net, Scale((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)), _SHAPE.side)
