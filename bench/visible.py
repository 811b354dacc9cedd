"""How visible the attacked images are, whatever the threat: four numbers beside the size of each change.

No score is computed of them, and no run is known by them: they are what a reader asks of a number of pixels or degrees.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

import torch
from torch import Tensor

from perceptbench.attacks.norms import change, size
from perceptbench.core.errors import UserError
from perceptbench.core.ref import Ref
from perceptbench.core.tensors import Images, PerImage
from perceptbench.metrics.base import Anchors, Metric, metric
from perceptbench.results.record import VISIBLE

_SIMILAR = "ssim"
_LEARNED = ("lpips", "lipsim")
"""The first one whose weights are here; nothing is fetched for this. LPIPS on AlexNet is the cheapest of its kind."""


@dataclass
class Visible:
    """Compares the attacked images of a chunk with the clean ones, at one budget after the other.

    Images that are the same as at the last budget are not looked at again, and unchanged ones never.

    Args:
        x: the clean images (n, 3, k h, w): one for each sample, or k stacked as one.
        count: k. Of several images SSIM and the learned distance are means.
    """

    x: Images
    count: int = 1
    _last: Images = field(init=False)
    _found: dict[str, PerImage] = field(init=False)
    _anchors: dict[Metric, Sequence[Anchors]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._last = self.x
        nothing = torch.zeros(len(self.x), dtype=torch.float64, device=self.x.device)
        learned, _ = _learned(str(self.x.device))
        unchanged = {"change_l2": 0.0, "change_linf": 0.0, "change_ssim": 1.0, f"change_{learned}": 0.0}
        self._found = {name: nothing + unchanged.get(name, torch.nan) for name in VISIBLE}

    @torch.no_grad()
    def __call__(self, adversarial: Images) -> Mapping[str, PerImage]:
        """The columns of results.record.VISIBLE of these images (n, 3, k h, w)."""
        index = (adversarial != self._last).flatten(1).any(1).nonzero().flatten()
        if len(index):
            found = self._compared(adversarial[index], index)
            for name, values in found.items():
                self._found[name] = self._found[name].index_copy(0, index, values.double())
            self._last = adversarial
        return self._found

    def _compared(self, changed: Images, index: Tensor) -> dict[str, PerImage]:
        delta = change(changed, self.x[index])
        learned, judge = _learned(str(self.x.device))
        return {
            "change_l2": size(delta, "l2"),
            "change_linf": size(delta, "linf"),
            "change_ssim": 1 - self._distance(_built(_SIMILAR, str(self.x.device)), changed, index),
            f"change_{learned}": self._distance(judge, changed, index),
        }

    def _distance(self, judge: Metric, changed: Images, index: Tensor) -> PerImage:
        """Means over the images of a sample; NaN for images that are too small for this metric."""
        side = self.x.shape[2] // self.count, self.x.shape[3]
        if min(side) < judge.smallest:
            return torch.full_like(changed[:, 0, 0, 0], torch.nan)
        pairs = zip(self._clean(judge), changed.chunk(self.count, dim=2), strict=True)
        return torch.stack([clean.select(index).distances(one)[0] for clean, one in pairs]).mean(0)

    def _clean(self, judge: Metric) -> Sequence[Anchors]:
        """The clean images as a metric sees them."""
        if judge not in self._anchors:
            self._anchors[judge] = [judge.prepare(one) for one in self.x.chunk(self.count, dim=2)]
        return self._anchors[judge]


@cache
def _built(name: str, device: str) -> Metric:
    return metric.build(Ref(name)).to(device)


@cache
def _learned(device: str) -> tuple[str, Metric]:
    """The learned distance that can be had without fetching anything, and its name. The last one ships with us."""
    *wanted, shipped = _LEARNED
    for name in wanted:
        try:
            if not metric.card(name).missing and not metric.card(name).absent:
                return name, _built(name, device)
        except UserError:  # Weights that are not what they should be: whoever asks for this metric is told.
            continue
    return shipped, _built(shipped, device)
