"""What certifiers that draw at random share: Gaussian images, triplet by triplet, and exact binomial bounds."""

from collections.abc import Iterator, Sequence

import torch
from scipy.special import betaincinv
from torch import Tensor

from perceptbench.certifiers.base import Proof
from perceptbench.core.errors import UserError
from perceptbench.core.noise import Noise
from perceptbench.metrics.seen import Seen

_AT_ONCE = 64
"""Images in one forward pass: memory does not grow with the number of draws."""


def gaussians(noise: Noise, like: Tensor, count: int) -> Iterator[Tensor]:
    """`count` standard normal tensors shaped as `like`, in stacks (k, ...); `noise` is of one sample.

    One after the other from the sample's own generator: the stacks change nothing, nor does the batch.
    """
    while count > 0:
        k = min(count, _AT_ONCE)
        yield torch.cat([noise.normal(like[None]) for _ in range(k)])
        count -= k


def lower_bound(successes: int, n: int, alpha: float) -> float:
    """Clopper-Pearson: a probability is at least this, but for a chance of alpha."""
    return float(betaincinv(successes, n - successes + 1, alpha)) if successes > 0 else 0.0


def check(name: str, *, sigma: float, alpha: float, **counts: int) -> None:
    """Raises UserError for arguments out of their range."""
    if sigma <= 0:
        raise UserError(f"{name}(sigma=...) wants a positive deviation of the noise, got {sigma:g}")
    if not 0 < alpha < 1:
        raise UserError(f"{name}(alpha=...) wants a chance of error between 0 and 1, got {alpha:g}")
    for key, value in counts.items():
        if value < 1:
            raise UserError(f"{name}({key}=...) wants at least one draw, got {value}")


def needed(noise: Noise | None, name: str) -> Noise:
    """The noise itself. Raises UserError where none was handed in."""
    if noise is None:
        raise UserError(f"the certifier {name!r} draws at random: hand certify one noise source a sample")
    return noise


def collected(rows: Sequence[tuple[float, bool]], seen: Seen) -> Proof:
    """A proof from the radius of every sample and whether the method abstained there."""
    norm = seen.norm("reference")
    like = torch.zeros_like(norm)
    radius = torch.tensor([r for r, _ in rows], dtype=torch.float64, device=like.device)
    abstained = torch.tensor([a for _, a in rows], dtype=torch.bool, device=like.device)
    return Proof(radius, like, norm, abstained)
