"""LipSim's own network: 1-Lipschitz from pixels to embedding, efficient, isometric down-sampling."""

import json
from dataclasses import asdict, dataclass
from typing import Any, Self

from torch import Tensor, nn

from core.errors import UserError
from core.noise import forked_rng
from metrics.lipschitz.layers import SLL, SLLConv, SLLLinear
from metrics.lipschitz.maps import MAPS
from metrics.lipschitz.scaling import Scaling
from metrics.lipschitz.square import Square, SquareConv, SquareDense
from metrics.lipschitz.stem import Stem, sum_pool

FAMILIES = ("sll", *MAPS)
BASES = ("pixel", "dct")


@dataclass(frozen=True, slots=True, kw_only=True)
class LipSimConfig:
    """The shape of the network; it travels in the header of the weights file.

    Args:
        stem: side of the pixel-unshuffle blocks, which turn 3 channels into 3 * stem**2.
        depths: convolutions in each stage; between stages a 2x2 sum-pool over 2 (norm 1).
        inners: hidden channels of the convolutions of each stage; those of other families than sll have none.
        linears: dense layers at the end.
        linear_inner: their hidden units; in other families than sll the side of their blocks.
        family: what the layers are: sll, aol, cayley or liresnet.
        scaled: whether learnt weights of at most 1 end each stage (one a channel) and the network (one a feature).
        basis: pixel, or dct for the frequencies of a block of pixels.
        pre_pool: window of a sum-pool of the pixels, before anything else.
        width: channels behind the stem, zeros added; 0 for as many as the stem gives.
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

    @property
    def channels(self) -> int:
        """Channels behind the stem, the same in every stage."""
        return self.width or 3 * self.stem**2

    @property
    def features(self) -> int:
        """Length of the embedding: every coordinate is kept, since a dropped one is lost radius."""
        return self.channels * (self.size // self._divisor) ** 2

    @property
    def _divisor(self) -> int:
        return int(self.pre_pool * self.stem * 2 ** len(self.depths))

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
        numbers += [*self.depths, *self.inners]
        if not all(type(n) is int and 0 <= n <= 4096 for n in numbers) or min(self.stem, self.pre_pool) < 1:
            raise UserError(f"expected a network of small whole numbers, got {self}")
        if len(self.depths) != len(self.inners) or self.size % self._divisor:
            raise UserError(f"expected as many inners as depths, and a size that divides, got {self}")
        if self.family not in FAMILIES or self.basis not in BASES or type(self.scaled) is not bool:
            raise UserError(f"expected a family of {', '.join(FAMILIES)} and a basis of {', '.join(BASES)}, got {self}")
        if self.channels < 3 * self.stem**2:
            raise UserError(f"expected a width of at least the {3 * self.stem**2} channels of the stem, got {self}")
        blocks = self.linears == 0 or (self.linear_inner > 0 and self.features % self.linear_inner == 0)
        if self.family != "sll" and (self.channels % 2 or not blocks):
            raise UserError(f"{self.family} wants an even width, and a linear_inner that divides {self.features}")
        return self


class LipSimNet(nn.Module):
    """Images (n, 3, size, size) in [0, 1] to embeddings (n, features); 1-Lipschitz in l2."""

    def __init__(self, config: LipSimConfig) -> None:
        super().__init__()
        self.config = config
        self.stem = Stem(config.stem, config.pre_pool, config.basis == "dct", config.channels)
        self.stages = nn.ModuleList(
            nn.Sequential(*(_conv(config, inner) for _ in range(depth)), *_scaling(config, config.channels))
            for depth, inner in zip(config.depths, config.inners, strict=True)
        )
        dense = (_dense(config, number) for number in range(config.linears))
        self.head = nn.Sequential(*dense, *_scaling(config, config.features))

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for stage in self.stages:
            x = sum_pool(stage(x), 2)
        return self.head(x.flatten(1))


def _conv(config: LipSimConfig, inner: int) -> nn.Module:
    if config.family == "sll":
        return SLLConv(config.channels, inner)
    return SquareConv(MAPS[config.family](1, config.channels, 3), config.channels)


def _dense(config: LipSimConfig, number: int) -> nn.Module:
    """Blocks of neighbours and of strides by turns, so that all features meet."""
    if config.family == "sll":
        return SLLLinear(config.features, config.linear_inner)
    blocks = config.features // config.linear_inner
    kernel = MAPS[config.family](blocks, config.linear_inner, 1)
    return SquareDense(kernel, config.features, strided=number % 2 == 1)


def _scaling(config: LipSimConfig, units: int) -> list[nn.Module]:
    return [Scaling(units)] if config.scaled else []


def freeze(module: nn.Module) -> nn.Module:
    """Replace every layer that derives its weights by its frozen form, in place, and stop its gradients."""
    for name, child in module.named_children():
        if isinstance(child, SLL | Square | Scaling):
            setattr(module, name, child.frozen())
        else:
            freeze(child)
    return module.eval().requires_grad_(False)


def untrained(config: LipSimConfig, seed: int) -> LipSimNet:
    """A network with random weights; the global generator is left as it was. Raises UserError as `checked` does."""
    with forked_rng(seed):
        return LipSimNet(config.checked())
