"""LipSim's own network: 1-Lipschitz from pixels to embedding, efficient, isometric down-sampling."""

import json
from dataclasses import asdict, dataclass
from typing import Any, Self

from torch import Tensor, nn

from core.errors import UserError
from core.noise import forked_rng
from metrics.lipschitz.layers import SLL, SLLConv, SLLLinear
from metrics.lipschitz.maps import MAPS
from metrics.lipschitz.patches import Patches
from metrics.lipschitz.scaling import Scaling
from metrics.lipschitz.square import Square, SquareConv, SquareDense
from metrics.lipschitz.stem import Stem, SumPool
from metrics.lipschitz.windows import Merge, WindowSLL

FAMILIES = ("sll", "window", *MAPS)
BASES = ("pixel", "dct")
DERIVED = SLL | Square | Scaling | Patches | WindowSLL | Merge
"""Layers that compute their weights from others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LipSimConfig:
    """The shape of the network; it travels in the header of the weights file.

    Args:
        stem: side of the pixel-unshuffle blocks, which turn 3 channels into 3 * stem**2.
        depths: convolutions in each stage; a 2x2 sum-pool over 2 (norm 1) ends it.
        inners: hidden channels of the convolutions of each stage; those of aol, cayley and liresnet have none.
        linears: dense layers at the end.
        linear_inner: their hidden units; in aol, cayley and liresnet the side of their blocks.
        family: what the layers are: sll, window, aol, cayley or liresnet.
        scaled: whether learnt weights of at most 1 end the network (one a feature) and each stage (one a channel;
            not of the family window, whose rows choose what to keep).
        basis: pixel, or dct for the frequencies of a block of pixels.
        pre_pool: window of a sum-pool of the pixels, before anything else.
        width: channels behind the stem, zeros added; 0 for as many as the stem gives.
        widths: of the family window, which learns its stem and its pools: channels of each stage.
    """

    size: int = 224
    stem: int = 8
    depths: tuple[int, ...] = (2, 4)
    inners: tuple[int, ...] = (96, 128)
    linears: int = 2
    linear_inner: int = 192
    family: str = "sll"
    scaled: bool = False
    basis: str = "pixel"
    pre_pool: int = 1
    width: int = 0
    widths: tuple[int, ...] = ()

    @property
    def channels(self) -> int:
        """Channels behind the stem."""
        return self.width or 3 * self.stem**2

    @property
    def stages(self) -> tuple[int, ...]:
        """Channels of each stage."""
        return self.widths or (self.channels,) * len(self.depths)

    @property
    def features(self) -> int:
        """Length of the embedding."""
        return self.stages[-1] * (self.size // self._divisor) ** 2

    @property
    def _divisor(self) -> int:
        halved = len(self.depths) - bool(self.widths)
        return int(self.pre_pool * self.stem * 2**halved)

    def to_json(self) -> str:
        """The text that `from_json` reads."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read the header of a weights file. Raises UserError when it is not one of ours."""
        try:
            header: dict[str, Any] = json.loads(text)
            values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in header.items()}
            config = cls(**values)
            return config.checked()
        except (TypeError, ValueError, AttributeError) as error:
            raise UserError(f"expected the header of a lipsim weights file, got {text[:80]!r}") from error

    def checked(self) -> Self:
        """Raises UserError for a shape that does not fit or that would not fit into memory."""
        numbers = [self.size, self.stem, self.linears, self.linear_inner, self.pre_pool, self.width]
        numbers += [*self.depths, *self.inners, *self.widths]
        if not all(type(n) is int and 0 <= n <= 4096 for n in numbers) or min(self.stem, self.pre_pool) < 1:
            raise UserError(f"expected a network of small whole numbers, got {self}")
        if not self.depths or len(self.depths) != len(self.inners) or self.size % self._divisor:
            raise UserError(f"expected as many inners as depths, and a size that divides, got {self}")
        if self.family not in FAMILIES or self.basis not in BASES or type(self.scaled) is not bool:
            raise UserError(f"expected a family of {', '.join(FAMILIES)} and a basis of {', '.join(BASES)}, got {self}")
        if self.channels < 3 * self.stem**2:
            raise UserError(f"expected a width of at least the {3 * self.stem**2} channels of the stem, got {self}")
        if self.family == "window":
            return self._window_checked()
        blocks = self.linears == 0 or (self.linear_inner > 0 and self.features % self.linear_inner == 0)
        if self.widths:
            raise UserError(f"only the family window takes widths, got {self}")
        if self.family != "sll" and (self.channels % 2 or not blocks):
            raise UserError(f"{self.family} wants an even width, and a linear_inner that divides {self.features}")
        return self

    def _window_checked(self) -> Self:
        if len(self.widths) != len(self.depths) or min(self.widths) < 1:
            raise UserError(f"window wants a width for each stage, got {self}")
        if (self.basis, self.pre_pool, self.width) != ("pixel", 1, 0):
            raise UserError(f"window learns its stem: it takes no basis, pre_pool or width, got {self}")
        inputs = (3 * self.stem**2, *(4 * width for width in self.widths))
        fits = all(to <= channels for channels, to in zip(inputs, self.widths, strict=False))
        fits &= all(inner <= channels for inner, channels in zip(self.inners, self.widths, strict=True))
        if not fits or self.linear_inner > self.features:
            raise UserError(f"window wants no more rows and hidden units than there are inputs, got {self}")
        return self


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
        dense = (_dense(config, number) for number in range(config.linears))
        self.head = nn.Sequential(*dense, *_scaling(config, config.features))

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for stage in self.stages:
            x = stage(x)
        return self.head(x.flatten(1))


def _stem(config: LipSimConfig) -> nn.Module:
    if config.family == "window":
        return Patches(config.stem, config.widths[0])
    return Stem(config.stem, config.pre_pool, config.basis == "dct", config.channels)


def _conv(config: LipSimConfig, stage: int, layer: int) -> nn.Module:
    channels, inner = config.stages[stage], config.inners[stage]
    if config.family == "sll":
        return SLLConv(channels, inner)
    if config.family == "window":
        # Single pixels, shifted windows, windows, by turns.
        return WindowSLL(channels, inner, window=2 if layer % 3 else 1, shifted=layer % 3 == 1)
    return SquareConv(MAPS[config.family](1, channels, 3), channels)


def _end(config: LipSimConfig, stage: int) -> list[nn.Module]:
    if config.family == "window":
        return [Merge(config.stages[stage], to) for to in config.widths[stage + 1 : stage + 2]]
    return [*_scaling(config, config.channels), SumPool(2)]


def _dense(config: LipSimConfig, number: int) -> nn.Module:
    """Blocks of neighbours and of strides by turns, so that all features meet."""
    if config.family == "sll":
        return SLLLinear(config.features, config.linear_inner)
    if config.family == "window":
        return WindowSLL(config.features, config.linear_inner, window=1, shifted=False)
    blocks = config.features // config.linear_inner
    kernel = MAPS[config.family](blocks, config.linear_inner, 1)
    return SquareDense(kernel, config.features, strided=number % 2 == 1)


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


def untrained(config: LipSimConfig, seed: int) -> LipSimNet:
    """A network with random weights; the global generator is left as it was. Raises UserError as `checked` does."""
    with forked_rng(seed):
        return LipSimNet(config.checked())
