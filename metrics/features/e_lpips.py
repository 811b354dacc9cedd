"""E-LPIPS: LPIPS over an ensemble of random transformations (Kettunen et al., 2019, arXiv:1906.03973).

Own: the authors' program needs TensorFlow 1. There every evaluation draws anew. Here the draws are fixed when the
metric is made, the same for every image, so it is a function: attacks see what is measured, and to attack it is to
attack the mean over n draws (EOT).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from perceptbench.core.card import About
from perceptbench.core.errors import UserError
from perceptbench.core.fetch.weights import Weights, load
from perceptbench.core.tensors import Images, PerImage
from perceptbench.metrics.base import Anchors, Metric, metric
from perceptbench.metrics.embeddings.pooled import by_imagenet
from perceptbench.metrics.features.e_lpips_views import View, apply, draw_views
from perceptbench.metrics.features.lpips_heads import differences, read_heads, weigh
from perceptbench.metrics.features.trunks import TORCHVISION_LICENCE, VGG16, unit, vgg16_trunk

HEADS = Weights(
    file="elpips_heads_vgg_full_avg.safetensors",
    url="https://github.com/mkettune/elpips/blob/master/elpips/vgg_full_avg.npy",
    by_hand="save the authors' pickled NumPy dictionary, which runs code when it is opened, as safetensors with the "
    "same names, where you trust it; take it",
)
CHANNELS = (3, 64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512)
_KEEP = 0.99
_MOST_VIEWS = 1000


class ELPIPS(Metric):
    """The mean of LPIPS over fixed views, with VGG16's pools replaced by averages and a dropout before every layer.

    Args:
        trunk: `features` of torchvision's VGG16.
        heads: 14 vectors of weights: of the input's channels and of those of every convolution.
        views: the draws.
    """

    smallest = 9

    def __init__(self, trunk: nn.Sequential, heads: Sequence[Tensor], views: Sequence[View]) -> None:
        layers = [nn.AvgPool2d(2) if isinstance(layer, nn.MaxPool2d) else layer for layer in trunk[:30]]
        self.trunk = nn.Sequential(*layers).eval().requires_grad_(False)
        self.heads = list(heads)
        self.views = tuple(views)

    def features(self, view: View, x: Images) -> tuple[Tensor, ...]:
        """Unit features of the transformed images and of every convolution, behind its ReLU."""
        masks = torch.Generator().manual_seed(view.seed)
        x = by_imagenet(apply(view, x))
        found = [unit(x)]
        for layer in self.trunk:
            if isinstance(layer, nn.Conv2d):
                # One mask for all images, and drawn on the CPU: the same in every batch and on every device.
                kept = torch.empty(x.shape[1:]).bernoulli_(_KEEP, generator=masks).to(x)
                x = x * (kept / _KEEP)
            x = layer(x)
            if isinstance(layer, nn.ReLU):
                found.append(unit(x))
        return tuple(found)

    def distances(self, x: Images, fixed: tuple[Images, ...]) -> Tensor:
        """Distances (k, n) from x to each of k fixed images."""
        self.require_size(x, "e-lpips")
        total = x.new_zeros(len(fixed), len(x))
        for view in self.views:
            # Only one view's layers are kept in memory: backward computes them again.
            total = total + checkpoint(self._seen, view, x, fixed, use_reentrant=False, preserve_rng_state=False)
        return total / len(self.views)

    def _seen(self, view: View, x: Images, fixed: tuple[Images, ...]) -> Tensor:
        moving = self.features(view, x)
        return torch.stack([weigh(differences(moving, self.features(view, y)), self.heads) for y in fixed])

    def __call__(self, x: Images, y: Images) -> PerImage:
        return self.distances(x, (y,))[0]

    def anchors(self, *fixed: Images) -> Anchors:
        return ViewedAnchors(self, fixed)

    def to(self, device: str) -> "ELPIPS":
        self.trunk.to(device)
        self.heads = [w.to(device) for w in self.heads]
        return self

    def weights(self) -> Iterable[Tensor]:
        return (*self.trunk.state_dict().values(), *self.heads)


@dataclass(frozen=True, slots=True)
class ViewedAnchors:
    """Fixed images. Their features under every view would take a gigabyte an image; those of x are taken once."""

    metric: ELPIPS
    fixed: tuple[Images, ...]

    def distances(self, x: Images) -> Tensor:
        return self.metric.distances(x, self.fixed)

    def select(self, index: Tensor) -> "ViewedAnchors":
        return ViewedAnchors(self.metric, tuple(y[index] for y in self.fixed))


@metric(
    "e-lpips",
    source="arXiv:1906.03973; weights: github mkettune/elpips, torchvision",
    about=About(
        year=2019,
        weights=(VGG16, HEADS),
        weights_licence=f"BSD-2-Clause (elpips), {TORCHVISION_LICENCE} (torchvision)",
        parameters=14.719,
        gmac=323.7,
    ),
)
def e_lpips(n: int = 12, seed: int = 0) -> ELPIPS:
    """LPIPS on VGG16 over n fixed random transformations of both images; every one of them is a pass.

    Args:
        n: how many are drawn; 12 hold every flip three times and every order of colours twice.
        seed: of the draw.
    """
    if not 1 <= n <= _MOST_VIEWS:
        raise UserError(f"e-lpips(n=...) wants a number of at least 1 and at most {_MOST_VIEWS}, got {n}")
    heads = read_heads(load(HEADS), CHANNELS, HEADS.file)
    return ELPIPS(vgg16_trunk(), heads, draw_views(n, torch.Generator().manual_seed(seed)))
