"""The shape of a LipSim network: what its weights file says of it, and the shapes that go by a name."""

import json
from dataclasses import asdict, dataclass
from typing import Any, Self

from perceptbench.core.errors import UserError

FAMILIES = ("sll", "window", "aol", "cayley", "liresnet")
BASES = ("pixel", "dct")


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
        spectrum: whether the grid the stages leave is turned into frequencies before the dense layers (spectrum.py).
        folds: of the family window, layers on the channels of each frequency, the same for all.
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
    spectrum: bool = False
    folds: int = 0
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
        return self.stages[-1] * self.grid**2

    @property
    def grid(self) -> int:
        """Positions along each side that the stages leave."""
        return self.size // self._divisor

    @property
    def _divisor(self) -> int:
        halved = len(self.depths) - bool(self.widths)
        return int(self.pre_pool * self.stem * 2**halved)

    @property
    def words(self) -> str:
        """For messages: a file may state thousands of stages."""
        text = str(self)
        return text if len(text) <= 400 else f"{text[:400]} ..."

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
        except (TypeError, ValueError, AttributeError, RecursionError, ZeroDivisionError) as error:
            raise UserError(f"expected the header of a lipsim weights file, got {text[:80]!r}") from error

    def checked(self) -> Self:
        """Raises UserError for a shape that does not fit or that would not fit into memory."""
        numbers = [self.size, self.stem, self.linears, self.linear_inner, self.pre_pool, self.width, self.folds]
        numbers += [*self.depths, *self.inners, *self.widths]
        if not all(type(n) is int and 0 <= n <= 4096 for n in numbers) or min(self.size, self.stem, self.pre_pool) < 1:
            raise UserError(f"expected a network of small whole numbers, got {self.words}")
        if not self.depths or len(self.depths) != len(self.inners) or self.size % self._divisor:
            raise UserError(f"expected as many inners as depths, and a size that divides, got {self.words}")
        if (
            self.family not in FAMILIES
            or self.basis not in BASES
            or not all(type(flag) is bool for flag in (self.scaled, self.spectrum))
        ):
            raise UserError(
                f"expected a family of {', '.join(FAMILIES)} and a basis of {', '.join(BASES)}, got {self.words}"
            )
        if self.channels < 3 * self.stem**2:
            raise UserError(
                f"expected a width of at least the {3 * self.stem**2} channels of the stem, got {self.words}"
            )
        if self.family == "window":
            return self._window_checked()
        blocks = self.linears == 0 or (self.linear_inner > 0 and self.features % self.linear_inner == 0)
        if self.widths or self.folds:
            raise UserError(f"only the family window takes widths and folds, got {self.words}")
        if self.family != "sll" and (self.channels % 2 or not blocks):
            raise UserError(f"{self.family} wants an even width, and a linear_inner that divides {self.features}")
        return self

    def _window_checked(self) -> Self:
        if len(self.widths) != len(self.depths) or min(self.widths) < 1:
            raise UserError(f"window wants a width for each stage, got {self.words}")
        if self.folds and not self.spectrum:
            raise UserError(f"folds act on frequencies: they want a spectrum, got {self.words}")
        if (self.basis, self.pre_pool, self.width) != ("pixel", 1, 0):
            raise UserError(f"window learns its stem: it takes no basis, pre_pool or width, got {self.words}")
        inputs = (3 * self.stem**2, *(4 * width for width in self.widths))
        fits = all(to <= channels for channels, to in zip(inputs, self.widths, strict=False))
        fits &= all(inner <= channels for inner, channels in zip(self.inners, self.widths, strict=True))
        if not fits or self.linear_inner > self.features:
            raise UserError(f"window wants no more rows and hidden units than there are inputs, got {self.words}")
        return self


NETWORKS = {
    "sll": LipSimConfig(),
    "window": LipSimConfig(
        family="window",
        stem=16,
        widths=(256, 384),
        depths=(4, 2),
        inners=(256, 384),
        linears=1,
        linear_inner=64,
        scaled=True,
        spectrum=True,
        folds=2,
    ),
}
"""What `bench train lipsim --network` offers."""
