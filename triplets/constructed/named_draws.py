"""Numbers that follow from a name: the same on every machine, under every version of every library."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class NamedDraws:
    """Draws fixed by `key` and the name of the draw, so that adding one draw changes no other."""

    key: str

    def whole(self, name: str, low: int, high: int) -> int:
        """An integer in [low, high]."""
        digest = hashlib.sha256(f"{self.key}/{name}".encode(errors="surrogatepass")).digest()
        return low + int.from_bytes(digest[:8], "big") % (high - low + 1)

    def between(self, name: str, low: float, high: float) -> float:
        """A number in [low, high]."""
        return low + (high - low) * self.whole(name, 0, 1000) / 1000

    def pick(self, name: str, choices: Sequence[T]) -> T:
        """One of some choices."""
        return choices[self.whole(name, 0, len(choices) - 1)]

    def gaussian(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        """Nearly normal numbers of mean 0 and deviation 1: sums of eight bytes, shifted and scaled.

        Only the raw bits of PCG64 are taken, since NumPy promises these, and not its `normal`,
        for all its versions.
        """
        bits = np.random.PCG64(self.whole(name, 0, 2**62)).random_raw(int(np.prod(shape)))
        # A byte has mean 127.5 and variance (256^2 - 1) / 12; little-endian or not, the sum is one.
        total = bits.view(np.uint8).reshape(*shape, 8).sum(-1, dtype=np.int32)
        return (total - 8 * 127.5) / np.sqrt(8 * (256**2 - 1) / 12)
