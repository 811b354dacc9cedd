"""Budgets that hold every image: not wrong, but a score at such an eps says nothing about nearness."""

import math
from dataclasses import fields, is_dataclass
from typing import Any

from torch import Tensor

from perceptbench.core.errors import warn
from perceptbench.core.spec import RunSpec
from perceptbench.tasks.base import Batch


def sizes_of(batch: Batch) -> set[tuple[int, int]]:
    """Height and width of the images in a batch."""
    held: list[Any] = [getattr(batch, field.name) for field in fields(batch)] if is_dataclass(batch) else []
    return {(one.shape[-2], one.shape[-1]) for one in held if isinstance(one, Tensor) and one.dim() == 4}


def say_what_covers_everything(spec: RunSpec, height: int, width: int) -> None:
    """Give a notice for budgets within which every image of height x width in [0, 1] is reached from every other.

    In l2 that is sqrt(3 h w), over three images with one budget sqrt(3) times as much; in l-infinity 1.
    """
    images = 3 if spec.move == "all" and spec.eps_left is None else 1
    diameters = {"l2": math.sqrt(images * 3 * height * width), "linf": 1.0}
    diameter = diameters.get(spec.threat.name, math.inf)
    if covering := [eps for eps in spec.eps if eps >= diameter]:
        warn(
            f"--eps {', '.join(f'{eps:g}' for eps in covering)} covers everything: no two images of "
            f"{height} x {width} pixels are further apart than {diameter:.4g} in {spec.threat.name}"
        )
