"""What linear heads learn from: per channel, how far apart the features of two images are.

An LPIPS distance is linear in its heads: d = sum_c w_c v_c, with v_c the mean over positions of the squared
difference of unit-normalised features. While the trunk stands still, v is all there is to know of a pair.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from rich.console import Console
from rich.progress import track
from torch import Tensor

from perceptbench.metrics.features.lpips_heads import differences
from perceptbench.metrics.features.lpips_net import LPIPSNet
from perceptbench.triplets.base import Entry, TripletSource

_MOST_BYTES = 1 << 31


@dataclass(frozen=True, slots=True)
class Differences:
    """v of (reference, left) and (reference, right), each (n, channels), and the votes (n,)."""

    left: Tensor
    right: Tensor
    share: Tensor

    def __len__(self) -> int:
        return len(self.share)

    def select(self, index: Tensor) -> "Differences":
        """Those of some triplets."""
        return Differences(self.left[index], self.right[index], self.share[index])

    def distances(self, heads: Tensor) -> tuple[Tensor, Tensor]:
        """d0 and d1 under heads (channels,)."""
        return self.left @ heads, self.right @ heads


class _Features:
    """Features of images by name, kept while there is room."""

    def __init__(self, net: LPIPSNet) -> None:
        self.net = net
        self.kept: dict[str, Sequence[Tensor]] = {}
        self.bytes = 0

    @torch.no_grad()
    def of(self, entry: Entry) -> list[Sequence[Tensor]]:
        """Those of reference, left and right, a tensor a layer each."""
        names = entry.images
        if names and all(name in self.kept for name in names):
            return [self.kept[name] for name in names]
        trio: list[Sequence[Tensor]] = [self.net.features(image[None]) for image in entry.load()]
        for name, layers in zip(names, trio, strict=False):
            if name not in self.kept and self.bytes < _MOST_BYTES:
                self.kept[name] = layers
                self.bytes += sum(layer.nbytes for layer in layers)
        return trio


def measure(net: LPIPSNet, source: TripletSource) -> Differences:
    """Embed every triplet once. Memory: two rows of `channels` floats a triplet, and 2 GiB of features."""
    features, left, right = _Features(net), [], []
    for entry in track(source.entries, f"features of {source.name}", console=Console(stderr=True)):
        reference, a, b = features.of(entry)
        left.append(torch.cat(differences(reference, a), dim=1)[0])
        right.append(torch.cat(differences(reference, b), dim=1)[0])
    share = torch.tensor([entry.right_share for entry in source.entries])
    return Differences(torch.stack(left), torch.stack(right), share)
