"""R-CLIP: CLIP image towers trained further against attacks (Croce et al., SaTML 2025).

"Adversarially Robust CLIP Models Can Induce Better (Robust) Perceptual Metrics". The default is the paper's
R-CLIP_T: OpenCLIP's ConvNeXt-B, tuned with TeCoA on ImageNet for l-infinity 4/255 and not on NIGHTS.
"""

from pathlib import Path

from perceptbench.core.card import About
from perceptbench.core.fetch.weights import Weights, load, read
from perceptbench.metrics.base import metric
from perceptbench.metrics.embeddings.open_clip import image_tower
from perceptbench.metrics.embeddings.vision import CLIP, VisionMetric

_REPOSITORY = "TeCoA4-convnext_base_w-laion2B-s13B-b82K-augreg"
_WEIGHTS = Weights(
    file=f"{_REPOSITORY}.safetensors",
    url=f"https://huggingface.co/chs20/{_REPOSITORY}/resolve/main/open_clip_model.safetensors",
)
_ABOUT = About(
    year=2025,
    weights=(_WEIGHTS,),
    weights_licence="MIT",
    side=224,
    parameters=88.22,
    gmac=15.354,
    original="similarity",
    nights=(92.3, "R-CLIP (SaTML 2025), their README"),
)


@metric(
    "r-clip", source="SaTML 2025; weights: Hugging Face chs20, in open_clip's layout", needs=("timm",), about=_ABOUT
)
class RClip(VisionMetric):
    """Cosine distance of robust CLIP embeddings: R-CLIP_T, or any image tower in a file of open_clip's layout.

    Images are taken at 224 pixels, as in the paper's own evaluation, or at the side of a transformer in a file.
    """

    def __init__(self, file: str = "", quick_gelu: bool = False) -> None:
        """Args:
        file: a checkpoint in the layout of open_clip, whole or its image tower alone.
        quick_gelu: whether its transformer computes x sigmoid(1.702 x) for GELU: true for those that were trained
            further from OpenAI's networks. The default weights are a ConvNeXt, which has no such choice.
        """
        state = read(Path(file)) if file else load(_WEIGHTS)
        net, side = image_tower(state, quick_gelu=quick_gelu)
        super().__init__(net, CLIP, side)
