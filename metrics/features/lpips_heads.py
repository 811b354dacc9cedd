"""The heads of LPIPS: for each layer a weight for every channel, not negative (Zhang et al., arXiv:1801.03924, eq. 1).

A head turns the squared differences of one layer into its share of the distance. Here are the files that the
authors publish, how a head is read and checked, and what it computes.
"""

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor

from perceptbench.core.errors import UserError
from perceptbench.core.fetch.weights import Weights
from perceptbench.core.tensors import PerImage


def _published(net: str, sha256: str, size: int) -> Weights:
    return Weights(
        file=f"lpips_v0.1_{net}.pth",
        url=f"https://github.com/richzhang/PerceptualSimilarity/raw/master/lpips/weights/v0.1/{net}.pth",
        sha256=sha256,
        size=size,
        package=f"lpips:weights/v0.1/{net}.pth",
    )


# The hashes are those of the files in the authors' package, PyPI lpips 0.1.4.
HEADS = {
    "alex": _published("alex", "df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0", 6009),
    "vgg": _published("vgg", "a78928a0af1e5f0fcb1f3b9e8f8c3a2a5a3de244d830ad5c1feddc79b8432868", 7289),
    "squeeze": _published("squeeze", "4a5350f23600cb79923ce65bb07cbf57dca461329894153e05a1346bd531cf76", 10811),
}


def differences(a: Sequence[Tensor], b: Sequence[Tensor]) -> list[Tensor]:
    """Squared differences of features (n, c, h, w), averaged over positions: (n, c) each."""
    return [(p - q).square().mean((2, 3)) for p, q in zip(a, b, strict=True)]


def weigh(averaged: Sequence[Tensor], heads: Iterable[Tensor]) -> PerImage:
    """The distance, which is linear in the averaged differences: sum of <w_l, d_l>."""
    return torch.stack([d @ w for d, w in zip(averaged, heads, strict=True)]).sum(0)


def read_heads(state: Mapping[str, Tensor], channels: Sequence[int], where: str) -> list[Tensor]:
    """The vectors `linK.model.1.weight` of the authors' layout, whatever axes of size 1 they have.

    Raises UserError, naming `where` they come from, for one that is missing, of another size or negative.
    """
    heads = []
    for k, count in enumerate(channels):
        weight = state.get(f"lin{k}.model.1.weight")
        if weight is None or weight.numel() != count:
            got = "nothing" if weight is None else tuple(weight.shape)
            raise UserError(f"{where}: expected {count} weights under lin{k}.model.1.weight, got {got}")
        heads.append(checked_head(weight.flatten().float(), f"lin{k}.model.1.weight", where))
    return heads


def checked_head(weight: Tensor, name: str, where: str) -> Tensor:
    """A vector of weights, finite and not negative: else it makes no distance. Raises UserError."""
    if not bool(weight.isfinite().all()) or bool((weight < 0).any()):
        raise UserError(f"{where}: the weights {name} must be finite and not negative; train or copy the file again")
    return weight
