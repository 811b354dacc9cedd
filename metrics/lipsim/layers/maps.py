"""Linear maps of norm at most 1, as square kernels (blocks, out, in, k, k) that weights cannot break.

Three constructions beside the layers of `sll.py`: AOL, Cayley with block convolutions, and the
linear residual of LiResNet. `blocks` maps stand side by side: one for a convolution, many for a dense layer.
All start as the identity, so that networks of them differ in nothing else.

Norms are proved on the infinite grid. Zero padding embeds the image there and cuts it out again,
both of norm 1, so the bound holds for every image size. Circular padding would need none of this,
but joins opposite borders of the image.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from perceptbench.metrics.lipsim.layers.kept_for_rounding import rounding_share
from perceptbench.metrics.lipsim.layers.sll import gram_rows_conv

_LEAST = 1e-12


class Map(nn.Module):
    """What the constructions share: the kernel, and its constant form."""

    def forward(self) -> Tensor:
        """The kernel, of norm at most 1."""
        raise NotImplementedError

    @torch.no_grad()
    def given(self) -> "Given":
        """The same kernel as plain weights, derived in float64."""
        dtype = next(self.parameters()).dtype
        self.double()
        try:
            kernel = self()
        finally:
            self.to(dtype)
        return Given(kernel.to(dtype))


class Given(Map):
    """Plain weights: what evaluation and attacks run."""

    kernel: Tensor

    def __init__(self, kernel: Tensor) -> None:
        super().__init__()
        self.register_buffer("kernel", kernel)

    def forward(self) -> Tensor:
        return self.kernel


def slack(kernel: Tensor) -> float:
    """The share of the norm that is kept of a kernel (b, o, i, k, k): twice what rounding to float32 may add.

    The other half covers computing it: see kept_for_rounding.py, and for Cayley's kernels `cayley`.
    """
    return 2 * rounding_share(kernel.shape[1], kernel.shape[-1])


def gram_rows(kernel: Tensor) -> Tensor:
    """sum_j |K^T K|_ij over the inputs of kernels (b, o, i, k, k): shape (b, i). Wider than 1, they are one block.

    Diagonal dominance gives K^T K <= diag of these, in the order of symmetric matrices. Kept from zero,
    where the gradient of a root has no limit.
    """
    if kernel.shape[-1] == 1:
        rows = (kernel[..., 0, 0].mT @ kernel[..., 0, 0]).abs().sum(2)
    else:
        rows = gram_rows_conv(kernel[0].transpose(0, 1), kernel.new_ones(kernel.shape[2]))[None]
    return rows.clamp_min(_LEAST)


def centred(square: Tensor, k: int) -> Tensor:
    """Matrices (b, n, n) at the centre tap of a kernel that is zero around it."""
    return F.pad(square[..., None, None], (k // 2,) * 4)


class AOL(Map):
    """W diag(t)^(-1/2), t_i = sum_j |W^T W|_ij (Prach & Lampert, ECCV 2022, arXiv:2208.03160)."""

    def __init__(self, blocks: int, side: int, k: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(centred(torch.eye(side).repeat(blocks, 1, 1), k))

    def forward(self) -> Tensor:
        return self.weight * gram_rows(self.weight).rsqrt()[:, None, :, None, None] / (1 + slack(self.weight))


class LiRes(Map):
    """(1 + W) / sqrt(max_i t_i), t as for AOL with 1 + W in place of W.

    The linear residual of Hu et al. (NeurIPS 2023, arXiv:2301.12549): one bound for `x + W x`, in
    place of 1 + |W|. Theirs comes from power iteration, which errs to the unsafe side; this one is proved.
    """

    def __init__(self, blocks: int, side: int, k: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(blocks, side, side, k, k))

    def forward(self) -> Tensor:
        one = torch.eye(side := self.weight.shape[1], dtype=self.weight.dtype, device=self.weight.device)
        whole = self.weight + centred(one.expand(1, side, side), self.weight.shape[-1])
        bound = gram_rows(whole).amax(1).sqrt()
        return whole / bound[:, None, None, None, None] / (1 + slack(whole))


def cayley(free: Tensor) -> Tensor:
    """Matrices (b, n, m), m <= n, with orthonormal columns, from any such (Trockman & Kolter, ICLR 2021).

    Their norm is at most 1 for every `free`, but for what rounding one product adds.

    With free = (U, V), U square, and Z = U - U^T + V^T V: ((1 - Z), -2 V) (1 + Z)^-1.
    """
    width = free.shape[2]
    upper, lower = free[:, :width], free[:, width:]
    z = upper - upper.mT + lower.mT @ lower
    one = torch.eye(width, dtype=free.dtype, device=free.device)
    # The real part of Z is not negative, so 1 + Z always has an inverse.
    columns = torch.linalg.solve(one + z, torch.cat([one - z, -2 * lower], 1), left=False)
    # Solving is off by as much as Z is large. The columns are divided by a bound of their norm as they came out.
    excess = torch.linalg.matrix_norm((columns.mT @ columns - one).detach())
    return columns / (1 + excess).sqrt()[:, None, None]


class Cayley(Map):
    """Orthogonal matrices by Cayley transforms (arXiv:2104.07167), sound with zero padding.

    Their convolutions are orthogonal with circular padding only. So a 3 x 3 kernel is built here as
    a block convolution (Li et al., NeurIPS 2019, arXiv:1911.00937): an orthogonal matrix after two
    pairs of taps (P, 1 - P) along either axis, each an isometry of the infinite grid for a
    projection P. The second of a pair starts as the mirror image of the first, so that
    everything is at the centre tap.
    """

    def __init__(self, blocks: int, side: int, k: int) -> None:
        super().__init__()
        self.turn = nn.Parameter(torch.zeros(blocks, side, side))
        self.k = k
        if k == 3:
            start = torch.randn(2, side, side // 2) / side**0.5
            self.halves = nn.Parameter(start.repeat_interleave(2, 0))

    def forward(self) -> Tensor:
        kernel = cayley(self.turn)[..., None, None]
        if self.k == 3:
            basis = cayley(self.halves)
            down, across = _three_taps(basis[:2]), _three_taps(basis[2:])
            kernel = torch.einsum("bij,yjk,xkl->bilyx", kernel[..., 0, 0], down, across)
        return kernel / (1 + slack(kernel))


def _three_taps(basis: Tensor) -> Tensor:
    """The taps (3, n, n) of (P + (1 - P) z) (1 - Q + Q z), P and Q the projections onto bases (2, n, n/2)."""
    p, q = basis @ basis.mT
    not_p, not_q = (torch.eye(len(p), dtype=p.dtype, device=p.device) - x for x in (p, q))
    return torch.stack([p @ not_q, p @ q + not_p @ not_q, not_p @ q])


MAPS: dict[str, type[AOL] | type[LiRes] | type[Cayley]] = {"aol": AOL, "cayley": Cayley, "liresnet": LiRes}
