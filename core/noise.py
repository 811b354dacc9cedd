"""Random numbers by sample: what a sample draws does not depend on the rest of the batch."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor


def seed_of(*parts: object) -> int:
    """A seed in [0, 2^63) that depends on these parts alone."""
    digest = hashlib.sha256("\x1f".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


@contextmanager
def forked_rng(seed: int) -> Iterator[None]:
    """For libraries that draw from torch's global generator: seeded inside, restored afterwards."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield


@dataclass(frozen=True, slots=True)
class Noise:
    """One generator for each sample, seeded by (seed, label, id of the sample).

    Numbers are drawn on the CPU, so that they are the same on every device.
    """

    seed: int
    ids: tuple[str, ...]
    generators: tuple[torch.Generator, ...]
    label: str = ""

    @classmethod
    def make(cls, seed: int, ids: Sequence[str], label: str = "") -> "Noise":
        """Fresh generators for these samples."""
        seeds = (seed_of(seed, label, name) for name in ids)
        return cls(seed, tuple(ids), tuple(torch.Generator().manual_seed(s) for s in seeds), label)

    def stream(self, name: str) -> "Noise":
        """An independent source for the same samples, for example one for each restart."""
        return Noise.make(self.seed, self.ids, f"{self.label}/{name}")

    def select(self, index: Tensor) -> "Noise":
        """The generators of some of the samples, in their present state."""
        keep = index.tolist()
        ids = tuple(self.ids[i] for i in keep)
        return Noise(self.seed, ids, tuple(self.generators[i] for i in keep), self.label)

    def common(self) -> torch.Generator:
        """One generator for all samples: its numbers depend on seed and label and not on the batch."""
        return torch.Generator().manual_seed(seed_of(self.seed, self.label))

    def normal(self, like: Tensor) -> Tensor:
        """Standard normal numbers, shaped and placed as `like` (n, ...)."""
        return self._draw(torch.randn, like)

    def uniform(self, like: Tensor) -> Tensor:
        """Uniform numbers in [0, 1), shaped and placed as `like` (n, ...)."""
        return self._draw(torch.rand, like)

    def _draw(self, draw: Callable[..., Tensor], like: Tensor) -> Tensor:
        rows = [draw(like.shape[1:], generator=g, dtype=torch.float32) for g in self.generators]
        return torch.stack(rows).to(like)
