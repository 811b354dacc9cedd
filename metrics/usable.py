"""Images that a metric does not answer for: the hash of a flat picture says nothing, so its users ignore it.

A metric says so by a method `usable`. Tasks on pairs leave such pairs out of every rate and say how many they are, and
searches refuse such images.
"""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from perceptbench.core.errors import UserError
from perceptbench.core.tensors import Images, Mask
from perceptbench.metrics.base import Metric

_AT_ONCE = 32


@runtime_checkable
class Selective(Protocol):
    """A metric that answers for some images alone, such as `pdq` for those of quality 50 or more."""

    def usable(self, x: Images) -> Mask:
        """The images (n,) whose distances are to be trusted. It depends on each image alone."""
        ...


@torch.no_grad()
def usable(metric: Metric, x: Images) -> Mask:
    """The images (n,) that the metric answers for: all, unless it says otherwise.

    Raises UserError where the metric gives anything but one yes or no an image.
    """
    if not isinstance(metric, Selective):
        return torch.ones(len(x), dtype=torch.bool, device=x.device)
    found = metric.usable(x)
    if not isinstance(found, Tensor) or found.dtype != torch.bool or found.shape != (len(x),):
        got = f"{found.dtype} {tuple(found.shape)}" if isinstance(found, Tensor) else type(found).__name__
        raise UserError(f"the metric {type(metric).__name__}.usable: expected booleans ({len(x)},), got {got}")
    return found


def unusable(metric: Metric, count: int, read: Callable[[list[int]], Images], device: str) -> list[int]:
    """Which of some images the metric does not answer for. `read` gives a few of them by their numbers."""
    if not isinstance(metric, Selective):
        return []
    found: list[int] = []
    for start in range(0, count, _AT_ONCE):
        rows = list(range(start, min(start + _AT_ONCE, count)))
        answers = usable(metric, read(rows).to(device)).tolist()
        found += [row for row, answered in zip(rows, answers, strict=True) if not answered]
    return found
