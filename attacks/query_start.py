"""Where a search that sees answers alone begins: any change, however large, that reaches the goal."""

import torch
from torch import Tensor

from perceptbench.attacks.base import Objective
from perceptbench.attacks.threats.base import ThreatSet
from perceptbench.core.noise import Noise
from perceptbench.core.tensors import Images

_DOUBLINGS = 8
"""Random changes of other threats are tried at eps, 2 eps, 4 eps, ..., and again from the beginning."""


def first_success(
    objective: Objective, x: Images, eps: float, noise: Noise, within: ThreatSet, tries: int
) -> tuple[Tensor, Tensor]:
    """The rows for which one of `tries` random changes reaches the goal, in order, and these changes."""
    left = torch.arange(len(x), device=x.device)
    rows: list[Tensor] = []
    found: list[Tensor] = []
    for number in range(tries):
        if not len(left):
            break
        theta = mosaic(x, number, noise) if within.pixels else within.start(x, eps * 2 ** (number % _DOUBLINGS), noise)
        hit = objective.reached(objective.value(theta))
        rows.append(left[hit])
        found.append(theta[hit])
        going = (~hit).nonzero().flatten()
        left, x, objective, noise = left[going], x[going], objective.select(going), noise.select(going)
    if not rows or not sum(map(len, rows)):
        return left[:0], within.start(x, eps, None)[:0]
    index, order = torch.cat(rows).sort()
    return index, torch.cat(found)[order]


def mosaic(x: Images, number: int, noise: Noise) -> Images:
    """Random tiles of the darkest and brightest colours, shaped as x; 1 across, then 2, 4, ... up to one each pixel.

    Metrics see differences of photographs, which are smooth: noise in single pixels seldom moves them to another
    answer, and large tiles do.
    """
    height, width = x.shape[-2:]
    sides = [2**i for i in range(max(height, width).bit_length()) if 2**i < max(height, width)] + [max(height, width)]
    side = sides[number % len(sides)]
    down, across = min(side, height), min(side, width)
    colours = (noise.uniform(x.new_empty(len(x), x.shape[1], down, across)) < 0.5).to(x)
    rows = torch.arange(height, device=x.device) * down // height
    columns = torch.arange(width, device=x.device) * across // width
    return colours[:, :, rows][:, :, :, columns]
