"""LipSim's own network: 1-Lipschitz from pixels to embedding, efficient, isometric down-sampling."""

import torch
from torch import Tensor, nn

from perceptbench.core.errors import UserError
from perceptbench.core.noise import forked_rng
from perceptbench.metrics.fill import refuse_infinite
from perceptbench.metrics.lipsim.layers.maps import MAPS
from perceptbench.metrics.lipsim.layers.maxmin import MaxMinConv, MaxMinDense, MaxMinLayer
from perceptbench.metrics.lipsim.layers.patch_layer import Merge, PatchSLL
from perceptbench.metrics.lipsim.layers.patches import Patches
from perceptbench.metrics.lipsim.layers.scaling import Scaling
from perceptbench.metrics.lipsim.layers.sll import SLL, SLLConv, SLLLinear
from perceptbench.metrics.lipsim.layers.spectrum import Spectrum
from perceptbench.metrics.lipsim.layers.stem import Stem, SumPool
from perceptbench.metrics.lipsim.shape import LipSimConfig

DERIVED = SLL | MaxMinLayer | Scaling | Patches | PatchSLL | Merge
"""Layers that compute their weights from others."""


class LipSimNet(nn.Module):
    """Images (n, 3, size, size) in [0, 1] to embeddings (n, features); 1-Lipschitz in l2."""

    def __init__(self, config: LipSimConfig) -> None:
        super().__init__()
        self.config = config
        self.stem = _stem(config)
        self.stages = nn.ModuleList(
            nn.Sequential(
                *(_conv(config, stage, layer) for layer in range(depth)),
                *_end(config, stage),
            )
            for stage, depth in enumerate(config.depths)
        )
        self.spectrum = nn.Sequential(*_spectrum(config))
        dense = (_dense(config, number) for number in range(config.linears))
        self.head = nn.Sequential(*dense, *_scaling(config, config.features))

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for stage in self.stages:
            x = stage(x)
        return self.head(self.spectrum(x).flatten(1))


def _stem(config: LipSimConfig) -> nn.Module:
    if config.family == "window":
        return Patches(config.stem, config.widths[0])
    return Stem(config.stem, config.pre_pool, config.basis == "dct", config.channels)


def _conv(config: LipSimConfig, stage: int, layer: int) -> nn.Module:
    channels, inner = config.stages[stage], config.inners[stage]
    if config.family == "sll":
        return SLLConv(channels, inner)
    if config.family == "window":
        # In turn: single pixels, shifted windows, windows.
        return PatchSLL(channels, inner, window=2 if layer % 3 else 1, shifted=layer % 3 == 1)
    return MaxMinConv(MAPS[config.family](1, channels, 3), channels)


def _end(config: LipSimConfig, stage: int) -> list[nn.Module]:
    if config.family == "window":
        return [Merge(config.stages[stage], to) for to in config.widths[stage + 1 : stage + 2]]
    return [*_scaling(config, config.channels), SumPool(2)]


def _spectrum(config: LipSimConfig) -> list[nn.Module]:
    if not config.spectrum:
        return []
    channels, inner = config.stages[-1], config.inners[-1]
    folds = (PatchSLL(channels, inner, window=1, shifted=False) for _ in range(config.folds))
    return [_turned(config), *folds]


def _turned(config: LipSimConfig) -> Spectrum:
    return Spectrum(config.grid, config.family == "window")


def _dense(config: LipSimConfig, number: int) -> nn.Module:
    """Blocks of neighbours and blocks of strides in turn, so that all features meet."""
    if config.family == "sll":
        return SLLLinear(config.features, config.linear_inner)
    if config.family == "window":
        return PatchSLL(config.features, config.linear_inner, window=1, shifted=False)
    blocks = config.features // config.linear_inner
    kernel = MAPS[config.family](blocks, config.linear_inner, 1)
    return MaxMinDense(kernel, config.features, strided=number % 2 == 1)


def _scaling(config: LipSimConfig, units: int) -> list[nn.Module]:
    return [Scaling(units)] if config.scaled else []


def freeze(module: nn.Module) -> nn.Module:
    """Replace every layer that derives its weights by its frozen form, in place, and stop its gradients."""
    for name, child in module.named_children():
        if isinstance(child, DERIVED):
            setattr(module, name, child.frozen())
        else:
            freeze(child)
    return module.eval().requires_grad_(False)


def frozen(net: nn.Module, what: str) -> nn.Module:
    """`freeze`, for parameters that are not trusted. Raises UserError where what is derived of them is not finite."""
    try:
        made = freeze(net)
    except RuntimeError as error:  # of linear algebra, for a matrix without the factor it needs
        raise UserError(f"{what} are too large or too small to compute a network from") from error
    refuse_infinite(made.state_dict().items(), what)
    return made


def blank(config: LipSimConfig) -> LipSimNet:
    """A network whose parameters have no values yet, on the meta device; what is not learnt has its own."""
    with torch.device("meta"):
        net = LipSimNet(config.checked())
    if isinstance(net.stem, Stem):
        net.stem = _stem(config)
    if config.spectrum:
        net.spectrum[0] = _turned(config)
    return net


def untrained(config: LipSimConfig, seed: int) -> LipSimNet:
    """A network with random weights; the global generator is left as it was. Raises UserError as `checked` does."""
    with forked_rng(seed):
        return LipSimNet(config.checked())
