"""DreamSim (Fu et al., NeurIPS 2023, arXiv:2306.09344): transformers tuned to human judgements of similarity.

The distance is the cosine of centred embeddings, those of the branches side by side. A branch is DINO's class
token before the final norm, or CLIP's or OpenCLIP's projected embedding, with low-rank adapters that were trained
on NIGHTS. The package `dreamsim` builds the same networks with torch.hub, which runs code from the network; here
timm builds them, with the adapters merged into the weights.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from perceptbench.core.card import About
from perceptbench.core.errors import UserError
from perceptbench.core.fetch.weights import Weights, load, resolve
from perceptbench.core.tensors import Embeddings, Images
from perceptbench.metrics.base import EmbeddingMetric, metric
from perceptbench.metrics.embeddings.archive import member, tensors
from perceptbench.metrics.embeddings.dino import DINO_B16
from perceptbench.metrics.embeddings.lora import Adapter
from perceptbench.metrics.embeddings.vision import CLIP, IMAGENET, VisionMetric, resized
from perceptbench.metrics.embeddings.vit import ViT, blank, without_final_norm
from perceptbench.metrics.fill import fill

SIDE = 224
_SOURCE = "arXiv:2306.09344; weights: dreamsim 0.2.0"
_RELEASE = "https://github.com/ssundaram21/dreamsim/releases/download/v0.2.0-checkpoints"
_PUBLISHED = "DreamSim (NeurIPS 2023) as in LipSim, table 4"


class DreamSim(EmbeddingMetric):
    """Cosine distance of centred embeddings; range [0, 2]."""

    def __init__(self, archive: Weights, folder: str, *branches: "Dino | Clip") -> None:
        """Args:
        archive: the zip that the authors offer.
        folder: where in it the adapters are.
        branches: the networks, in their order.
        """
        path = resolve(archive)
        config = member(path, f"{folder}/adapter_config.json")
        adapter = Adapter.read(config, tensors(path, f"{folder}/adapter_model.safetensors"))
        parts = [adapter.under(f"extractor_list.{i}.model.") for i in range(len(branches))]
        if sum(len(part.pairs) for part in parts) != len(adapter.pairs):
            raise UserError(f"{path}: expected adapters of {len(branches)} networks, got others: {max(adapter.pairs)}")
        self.branches: list[VisionMetric] = [
            branch.metric(part.merged(branch.state(path))) for branch, part in zip(branches, parts, strict=True)
        ]

    def embed(self, x: Images) -> Embeddings:
        x = resized(x, SIDE)
        features = torch.cat([branch.embed(x) for branch in self.branches], dim=1)
        return F.normalize(features - features.mean(1, keepdim=True))

    def to(self, device: str) -> "DreamSim":
        for branch in self.branches:
            branch.to(device)
        return self

    def weights(self) -> Iterable[Tensor]:
        return (tensor for branch in self.branches for tensor in branch.weights())


@dataclass(frozen=True, slots=True)
class Dino:
    """DINO ViT-B/16, whose weights are its authors' own file."""

    weights: Weights = DINO_B16

    def state(self, archive: Path) -> dict[str, Tensor]:
        """Its weights. The archive holds only DINO's head, which is not needed."""
        return load(self.weights)

    def metric(self, state: Mapping[str, Tensor]) -> VisionMetric:
        """The class token before the final norm."""
        shape = ViT.of(state)
        net = fill(blank(shape, eps=1e-6), state, f"the weights of {shape}")
        return VisionMetric(without_final_norm(net), IMAGENET, shape.side)


@dataclass(frozen=True, slots=True)
class Clip:
    """A CLIP as DreamSim keeps it: a DINO with a norm `pos_drop` and a matrix `proj`.

    Args:
        file: its member of the archive.
        quick_gelu: whether it computes x sigmoid(1.702 x) in place of GELU, as OpenAI's do.
    """

    file: str
    quick_gelu: bool = False

    def state(self, archive: Path) -> dict[str, Tensor]:
        """Its weights under timm's names.

        Its patches have a bias, which timm's CLIP has not: it moves into the position embeddings.
        """
        given = tensors(archive, self.file)
        named = {name.replace("pos_drop.", "norm_pre."): tensor for name, tensor in given.items()}
        try:
            bias, head = named.pop("patch_embed.proj.bias"), named.pop("proj").T
            token, patches = named["pos_embed"].tensor_split([1], dim=1)
            moved = {"pos_embed": torch.cat([token, patches + bias], dim=1)}
        except KeyError as error:
            raise UserError(f"{archive}: expected {error} in {self.file}, found no such tensor") from error
        except (RuntimeError, IndexError) as error:
            raise UserError(f"{archive}: expected a vision transformer in {self.file}, got other shapes") from error
        return named | moved | {"head.weight": head, "head.bias": head.new_zeros(len(head))}

    def metric(self, state: Mapping[str, Tensor]) -> VisionMetric:
        """The projected embedding."""
        shape, act = ViT.of(state), "quick_gelu" if self.quick_gelu else "gelu"
        net = blank(shape, eps=1e-5, pre_norm=True, act_layer=act, num_classes=len(state["head.bias"]))
        return VisionMetric(fill(net, state, f"the weights of {shape}"), CLIP, shape.side)


def _archive(name: str) -> Weights:
    file = f"dreamsim_{name}_checkpoint.zip"
    return Weights(file=file, url=f"{_RELEASE}/{file}")


def _about(weights: tuple[Weights, ...], parameters: float, gmac: float, nights: float) -> About:
    return About(
        year=2023,
        weights=weights,
        weights_licence="MIT",
        side=SIDE,
        parameters=parameters,
        gmac=gmac,
        nights=(nights, _PUBLISHED),
    )


_ENSEMBLE = (_archive("ensemble"), DINO_B16)
_DINO = (_archive("dino_vitb16"), DINO_B16)
_CLIP = (_archive("clip_vitb32"),)
_OPENCLIP = (_archive("open_clip_vitb32"),)


@metric("dreamsim", source=_SOURCE, needs=("timm",), about=_about(_ENSEMBLE, 258.18, 52.689, 96.2))
def dreamsim() -> DreamSim:
    """DreamSim, the ensemble of DINO, CLIP and OpenCLIP ViT-B/16, tuned on NIGHTS."""
    clips = Clip("clip_vitb16_pretrain.pth.tar", quick_gelu=True), Clip("open_clip_vitb16_pretrain.pth.tar")
    return DreamSim(_ENSEMBLE[0], "ensemble_lora", Dino(), *clips)


@metric("dreamsim-dino", source=_SOURCE, needs=("timm",), about=_about(_DINO, 85.8, 17.563, 94.6))
def dreamsim_dino() -> DreamSim:
    """DreamSim with one branch, DINO ViT-B/16, tuned on NIGHTS."""
    return DreamSim(_DINO[0], "dino_vitb16_single_lora", Dino())


@metric("dreamsim-clip", source=_SOURCE, needs=("timm",), about=_about(_CLIP, 87.85, 4.409, 93.9))
def dreamsim_clip() -> DreamSim:
    """DreamSim with one branch, CLIP ViT-B/32, tuned on NIGHTS."""
    return DreamSim(_CLIP[0], "clip_vitb32_single_lora", Clip("clip_vitb32_pretrain.pth.tar", quick_gelu=True))


@metric("dreamsim-openclip", source=_SOURCE, needs=("timm",), about=_about(_OPENCLIP, 87.85, 4.409, 95.5))
def dreamsim_openclip() -> DreamSim:
    """DreamSim with one branch, OpenCLIP ViT-B/32, tuned on NIGHTS."""
    return DreamSim(_OPENCLIP[0], "open_clip_vitb32_single_lora", Clip("open_clip_vitb32_pretrain.pth.tar"))
