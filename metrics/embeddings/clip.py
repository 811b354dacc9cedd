"""CLIP (Radford et al., arXiv:2103.00020) and OpenCLIP (Cherti et al., arXiv:2212.07143) as metrics.

The feature is the image's projected embedding, what CLIP compares with a text. DreamSim's extractor calls it
`embedding`, and the published comparison on NIGHTS took it of these networks. The weights are those of
open_clip's list in its own files (safetensors; OpenAI's own are TorchScript archives, which hold code).
"""

from perceptbench.core.card import About
from perceptbench.core.fetch.weights import Weights, load
from perceptbench.metrics.base import metric
from perceptbench.metrics.embeddings.open_clip import image_tower
from perceptbench.metrics.embeddings.vision import CLIP, VisionMetric
from perceptbench.metrics.embeddings.vit import ViT

_PUBLISHED = "DreamSim (NeurIPS 2023) as in LipSim, table 4"
_OPENAI = "arXiv:2103.00020; weights: OpenAI, in open_clip's layout"
_LAION = "arXiv:2212.07143; weights: open_clip laion400m_e31"
_B16, _B32, _L14 = ViT(16, 768, 12), ViT(32, 768, 12), ViT(14, 1024, 24)


class ClipMetric(VisionMetric):
    """Cosine distance of CLIP's projected image embeddings."""

    def __init__(self, weights: Weights, expected: ViT, *, quick_gelu: bool = False) -> None:
        state = load(weights)
        net, side = image_tower(state, quick_gelu=quick_gelu, expected=expected)
        super().__init__(net, CLIP, side)


def _weights(name: str) -> Weights:
    url = f"https://huggingface.co/timm/{name}/resolve/main/open_clip_model.safetensors"
    return Weights(file=f"{name}.safetensors", url=url)


def _about(year: int, weights: Weights, parameters: float, gmac: float, nights: float) -> About:
    return About(
        year=year,
        weights=(weights,),
        weights_licence="MIT",
        side=224,
        parameters=parameters,
        gmac=gmac,
        original="similarity",
        nights=(nights, _PUBLISHED),
    )


_OPENAI_B16 = _weights("vit_base_patch16_clip_224.openai")
_OPENAI_B32 = _weights("vit_base_patch32_clip_224.openai")
_OPENAI_L14 = _weights("vit_large_patch14_clip_224.openai")
_LAION_B16 = _weights("vit_base_patch16_clip_224.laion400m_e31")
_LAION_B32 = _weights("vit_base_patch32_clip_224.laion400m_e31")
_LAION_L14 = _weights("vit_large_patch14_clip_224.laion400m_e31")


@metric("clip-b16", source=_OPENAI, needs=("timm",), about=_about(2021, _OPENAI_B16, 86.19, 17.563, 82.2))
def clip_b16() -> ClipMetric:
    """Cosine distance of OpenAI's CLIP ViT-B/16 embeddings (n, 512)."""
    return ClipMetric(_OPENAI_B16, _B16, quick_gelu=True)


@metric("clip-b32", source=_OPENAI, needs=("timm",), about=_about(2021, _OPENAI_B32, 87.85, 4.409, 83.1))
def clip_b32() -> ClipMetric:
    """Cosine distance of OpenAI's CLIP ViT-B/32 embeddings (n, 512)."""
    return ClipMetric(_OPENAI_B32, _B32, quick_gelu=True)


@metric("clip-l14", source=_OPENAI, needs=("timm",), about=_about(2021, _OPENAI_L14, 303.97, 81.013, 81.8))
def clip_l14() -> ClipMetric:
    """Cosine distance of OpenAI's CLIP ViT-L/14 embeddings (n, 768)."""
    return ClipMetric(_OPENAI_L14, _L14, quick_gelu=True)


@metric("openclip-b16", source=_LAION, needs=("timm",), about=_about(2022, _LAION_B16, 86.19, 17.563, 87.1))
def openclip_b16() -> ClipMetric:
    """Cosine distance of OpenCLIP ViT-B/16 embeddings (n, 512), trained on LAION-400M."""
    return ClipMetric(_LAION_B16, _B16)


@metric("openclip-b32", source=_LAION, needs=("timm",), about=_about(2022, _LAION_B32, 87.85, 4.409, 87.6))
def openclip_b32() -> ClipMetric:
    """Cosine distance of OpenCLIP ViT-B/32 embeddings (n, 512), trained on LAION-400M.

    These weights were trained with QuickGELU. The published comparison ran them with GELU (DreamSim's loader
    changes nothing but the norms, and checks itself against open_clip's plain ViT-B-32), hence so does this.
    """
    return ClipMetric(_LAION_B32, _B32)


@metric("openclip-l14", source=_LAION, needs=("timm",), about=_about(2022, _LAION_L14, 303.97, 81.013, 85.9))
def openclip_l14() -> ClipMetric:
    """Cosine distance of OpenCLIP ViT-L/14 embeddings (n, 768), trained on LAION-400M."""
    return ClipMetric(_LAION_L14, _L14)
