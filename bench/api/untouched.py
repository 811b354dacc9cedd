"""Images on their way to somebody's metric: copies, compared afterwards with what was given.

Writes by `.data` and `.numpy()` do not count as a change of a tensor (metrics/asked.py), so contents are compared.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch

from perceptbench.core.errors import UserError
from perceptbench.core.tensors import Images


@contextmanager
def untouched(name: str, images: Sequence[Images], where: torch.device | str) -> Iterator[list[Images]]:
    """Copies of images on a device, for one call; gradients flow through them.

    Args:
        name: what tables call the metric.

    Raises UserError at the end where anything was written into a copy. The images themselves cannot be.
    """
    copies = [one.to(where, copy=True).contiguous() for one in images]
    yield copies
    for copy, one in zip(copies, images, strict=True):
        if not torch.equal(copy.detach(), one.detach().to(where)):
            raise UserError(f"the metric {name} changes the images that it is given; clone them first")
