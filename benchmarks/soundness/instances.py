"""Metrics whose certificates are attacked, by name, and triplets for each: images of 16 pixels, many in a batch."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from perceptbench.metrics.base import LipschitzMetric
from perceptbench.metrics.classical.pixel import PSNR, PixelL2
from perceptbench.metrics.lipsim.lipsim import FrozenLipSim
from perceptbench.metrics.lipsim.network import freeze, untrained
from perceptbench.metrics.lipsim.shape import FAMILIES, LipSimConfig
from perceptbench.testing.known_metrics import LiftedProjection, ProjectionCosine, Torus
from perceptbench.testing.samples import generator
from perceptbench.triplets.base import Triplets

SIDE = 16
PIXELS = 3 * SIDE**2
RESIZED = 12
"""Side of a network that sees images of SIDE pixels only after it has resized them."""

BLOCKS = LipSimConfig(size=SIDE, stem=2, depths=(1, 2), inners=(6, 5), linears=2, linear_inner=8)
RICH = {"scaled": True, "spectrum": True, "basis": "dct"}
WINDOWS = LipSimConfig(
    size=SIDE, family="window", stem=2, depths=(2, 2), inners=(6, 6), widths=(10, 12), linears=1, linear_inner=8
)

ORTHONORMAL = "orthonormal embedding"
"""The metric whose radii are tight: there a radius that is 1 % too large is found."""


def network(config: LipSimConfig, seed: int, *, lift: bool = False) -> FrozenLipSim:
    """A network with random weights and biases, so that nothing is zero by accident."""
    net, draw = untrained(config, seed), generator(seed)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=draw))
    return FrozenLipSim(freeze(net), config.size, lift)


def shapes() -> Mapping[str, LipSimConfig]:
    """A plain shape and a rich one of every family of layers."""
    found = {}
    for family in FAMILIES:
        plain = WINDOWS if family == "window" else replace(BLOCKS, family=family)
        rich = {"spectrum": True, "folds": 1, "scaled": True} if family == "window" else RICH
        found[family] = plain
        found[f"{family}, spectrum"] = replace(plain, **rich)  # type: ignore[arg-type]
    return found


def instances() -> Mapping[str, Callable[[int], LipschitzMetric]]:
    """What makes each metric from a seed."""
    made: dict[str, Callable[[int], LipschitzMetric]] = {
        "pixel l2": lambda seed: PixelL2(),
        "psnr": lambda seed: PSNR(),
        ORTHONORMAL: lambda seed: ProjectionCosine(PIXELS, seed=seed),
        "orthonormal embedding, short": lambda seed: ProjectionCosine(PIXELS, scale=0.05, seed=seed),
        "orthonormal embedding, lifted": lambda seed: LiftedProjection(PIXELS, seed=seed),
        "torus": lambda seed: Torus(PIXELS, seed=seed),
        "sll, resized": lambda seed: network(_of_side(RESIZED), seed),
    }
    for name, shape in shapes().items():
        made[name] = lambda seed, shape=shape: network(shape, seed)  # type: ignore[misc]
        made[f"{name}, lifted"] = lambda seed, shape=shape: network(shape, seed, lift=True)  # type: ignore[misc]
    return made


def _of_side(side: int) -> LipSimConfig:
    return LipSimConfig(size=side, stem=2, depths=(1,), inners=(6,), linears=1, linear_inner=8)


def triplets(metric: LipschitzMetric, n: int, seed: int) -> Triplets:
    """Images of noise and of smooth colours, far enough from black and white for a change; labelled by the metric.

    So every answer is right. left and right are the reference under changes of different size.
    """
    draw = generator(seed)
    reference, *changes = (_images(n, draw) for _ in range(3))
    shares = torch.rand(2, n, 1, 1, 1, generator=draw)
    left, right = (torch.lerp(reference, other, 0.3 + 0.7 * by) for other, by in zip(changes, shares, strict=True))
    with torch.no_grad():
        d0, d1 = metric.prepare(left, right).distances(reference)
    label = (d1 < d0).float()
    return Triplets(reference, left, right, label, label, tuple(f"{seed}-{i}" for i in range(n)))


def _images(n: int, draw: torch.Generator) -> Tensor:
    """(n, 3, SIDE, SIDE) within [0.2, 0.8], the second half of them smooth."""
    noise = torch.rand(n - n // 2, 3, SIDE, SIDE, generator=draw)
    coarse = torch.rand(n // 2, 3, 4, 4, generator=draw)
    smooth = F.interpolate(coarse, size=(SIDE, SIDE), mode="bilinear", align_corners=False)
    return 0.2 + 0.6 * torch.cat((noise, smooth))[torch.randperm(n, generator=draw)]
