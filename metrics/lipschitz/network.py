"""LipSim's own network: 1-Lipschitz from pixels to embedding, efficient, isometric down-sampling."""

import json
from dataclasses import asdict, dataclass
from typing import Any, Self

import torch.nn.functional as F
from torch import Tensor, nn

from core.errors import UserError
from core.noise import forked_rng
from metrics.lipschitz.layers import SLL, SLLConv, SLLLinear


@dataclass(frozen=True, slots=True, kw_only=True)
class LipSimConfig:
    """The shape of the network; it travels in the header of the weights file.

    Args:
        stem: side of the pixel-unshuffle blocks, which turn 3 channels into 3 * stem**2.
        depths: SLL convolutions in each stage; between stages a 2x2 sum-pool over 2 (norm 1).
        inners: hidden channels of the convolutions of each stage.
        linears: dense SLL layers at the end.
        linear_inner: their hidden units.
    """

    size: int = 224
    stem: int = 8
    depths: tuple[int, ...] = (2, 4)
    inners: tuple[int, ...] = (96, 128)
    linears: int = 2
    linear_inner: int = 192

    @property
    def channels(self) -> int:
        """Channels behind the stem, the same in every stage."""
        return 3 * self.stem**2

    @property
    def features(self) -> int:
        """Length of the embedding: every coordinate is kept, since a dropped one is lost radius."""
        return self.channels * (self.size // self.stem // 2 ** len(self.depths)) ** 2

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
        numbers = [self.size, self.stem, self.linears, self.linear_inner, *self.depths, *self.inners]
        if not all(type(n) is int and 0 <= n <= 4096 for n in numbers) or self.stem < 1:
            raise UserError(f"expected a network of small whole numbers, got {self}")
        if len(self.depths) != len(self.inners) or self.size % (self.stem * 2 ** len(self.depths)):
            raise UserError(f"expected as many inners as depths, and a size that divides, got {self}")
        return self


def sum_pool(x: Tensor, window: int) -> Tensor:
    """Sum over non-overlapping windows divided by their side: operator norm exactly 1."""
    return F.avg_pool2d(x, window) * window


def unshuffle(x: Tensor, side: int) -> Tensor:
    """`pixel_unshuffle`, the same numbers lying channels last: one copy where two were made, and
    gradients come back in the layout of images."""
    n, channels, height, width = x.shape
    blocks = x.reshape(n, channels, height // side, side, width // side, side).permute(0, 2, 4, 1, 3, 5)
    return blocks.reshape(n, height // side, width // side, channels * side**2).permute(0, 3, 1, 2)


class LipSimNet(nn.Module):
    """Images (n, 3, size, size) in [0, 1] to embeddings (n, features); 1-Lipschitz in l2."""

    def __init__(self, config: LipSimConfig) -> None:
        super().__init__()
        self.config = config
        self.stages = nn.ModuleList(
            nn.Sequential(*(SLLConv(config.channels, inner) for _ in range(depth)))
            for depth, inner in zip(config.depths, config.inners, strict=True)
        )
        self.head = nn.Sequential(*(SLLLinear(config.features, config.linear_inner) for _ in range(config.linears)))

    def forward(self, x: Tensor) -> Tensor:
        # Mid-grey at zero, so that cosines compare contrast and not brightness.
        x = unshuffle(x - 0.5, self.config.stem)
        for stage in self.stages:
            x = sum_pool(stage(x), 2)
        return self.head(x.flatten(1))


def freeze(module: nn.Module) -> nn.Module:
    """Replace every SLL layer by its frozen form, in place, and stop its gradients."""
    for name, child in module.named_children():
        if isinstance(child, SLL):
            setattr(module, name, child.frozen())
        else:
            freeze(child)
    return module.eval().requires_grad_(False)


def untrained(config: LipSimConfig, seed: int) -> LipSimNet:
    """A network with random weights; the global generator is left as it was."""
    with forked_rng(seed):
        return LipSimNet(config)
