"""SDP-based Lipschitz layers (SLL; Araujo et al., ICLR 2023, arXiv:2303.03169; LipSim, eq. 12).

    phi(x) = x - 2 W diag(t) relu(W^T x + b),    t_i = 1 / sum_j |W^T W|_ij q_j / q_i

is 1-Lipschitz in l2 for every W, b and q > 0: diagonal dominance gives W^T W <= diag(1/t).

ReLU is positively homogeneous, so 2t can be split evenly over both sides: with A = W diag(sqrt(2t))
the layer is x - A relu(A^T x + sqrt(2t) b). That is the frozen form: plain weights, no scales.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from perceptbench.metrics.lipsim.layers.kept_for_rounding import kept


def sll_scale(gram_row_sums: Tensor, q: Tensor, slack: float) -> Tensor:
    """t_i from the row sums of |W^T W|_ij q_j, shape (inner,), and q, shape (inner,); `slack` is what is kept of it."""
    return q / (gram_row_sums * (1 + slack)).clamp_min(torch.finfo(q.dtype).tiny)


def gram_rows_linear(weight: Tensor, q: Tensor) -> Tensor:
    """sum_j |W^T W|_ij q_j for a dense W^T of shape (inner, features)."""
    return (weight @ weight.T).abs() @ q


def gram_rows_conv(weight: Tensor, q: Tensor) -> Tensor:
    """The same for a convolution W^T with kernel (inner, channels, k, k), stride 1.

    Computed on the infinite grid. Zero padding only restricts the operator to a subspace on both
    sides (P W^T W P <= P diag(1/t) P), so the bound holds for every image size.
    """
    k = weight.shape[-1]
    gram = F.conv2d(weight, weight, padding=k - 1)
    return gram.abs().sum((2, 3)) @ q


class SLL(nn.Module):
    """What the dense and the convolutional layer share: parameters, scale and freezing.

    Args:
        weight: W^T, the map from the input to the inner units; inner units come first.
    """

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        inner = weight.shape[0]
        self.weight = nn.Parameter(weight)
        self.bias = nn.Parameter(torch.zeros(inner))
        self.log_q = nn.Parameter(torch.zeros(inner))

    def gram_rows(self, q: Tensor) -> Tensor:
        """sum_j |W^T W|_ij q_j, shape (inner,)."""
        raise NotImplementedError

    def residual(self, x: Tensor, a: Tensor, b: Tensor) -> Tensor:
        """x - A relu(A^T x + b) for the scaled weight `a` (= A^T) and bias `b`."""
        raise NotImplementedError

    def scaled(self) -> tuple[Tensor, Tensor]:
        """A^T and sqrt(2t) b."""
        # Under autocast the sums would be taken in bfloat16.
        with torch.autocast(self.weight.device.type, enabled=False):
            q = self.log_q.exp()
            root = (2 * sll_scale(self.gram_rows(q), q, kept(self.weight))).sqrt()
        return self.weight * root.view(-1, *[1] * (self.weight.dim() - 1)), self.bias * root

    def forward(self, x: Tensor) -> Tensor:
        return self.residual(x, *self.scaled())

    @torch.no_grad()
    def frozen(self) -> "Frozen":
        """The same map with its scales folded in, derived in float64."""
        dtype = self.weight.dtype
        self.double()
        try:
            weight, bias = self.scaled()
        finally:
            self.to(dtype)
        return self.plain(weight.to(dtype), bias.to(dtype))

    def plain(self, weight: Tensor, bias: Tensor) -> "Frozen":
        """The frozen form of these weights."""
        raise NotImplementedError


class Frozen(nn.Module):
    """x - A relu(A^T x + b) with plain weights: what evaluation and attacks run."""

    weight: Tensor
    bias: Tensor

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.register_buffer("weight", weight)
        self.register_buffer("bias", bias)


class SLLLinear(SLL):
    """Dense SLL layer on (n, features) with `inner` hidden units."""

    def __init__(self, features: int, inner: int) -> None:
        super().__init__(nn.init.orthogonal_(torch.empty(inner, features)))

    def gram_rows(self, q: Tensor) -> Tensor:
        return gram_rows_linear(self.weight, q)

    def residual(self, x: Tensor, a: Tensor, b: Tensor) -> Tensor:
        return x - F.relu(F.linear(x, a, b)) @ a

    def plain(self, weight: Tensor, bias: Tensor) -> Frozen:
        return FrozenLinear(weight, bias)


class FrozenLinear(Frozen):
    """Dense."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.addmm(x, F.linear(x, self.weight, self.bias).relu_(), self.weight, alpha=-1)


class SLLConv(SLL):
    """Convolutional SLL layer on (n, channels, h, w), stride 1, zero padding, odd kernel."""

    def __init__(self, channels: int, inner: int, kernel: int = 3) -> None:
        # Orthogonal at the centre, zero around it: there W^T W = 1 and the scales start at 1. With
        # random taps all round, the row sums of |W^T W| are so large that the layer hardly acts.
        weight = torch.zeros(inner, channels, kernel, kernel)
        weight[:, :, kernel // 2, kernel // 2] = nn.init.orthogonal_(torch.empty(inner, channels))
        super().__init__(weight)

    def gram_rows(self, q: Tensor) -> Tensor:
        return gram_rows_conv(self.weight, q)

    def residual(self, x: Tensor, a: Tensor, b: Tensor) -> Tensor:
        pad = a.shape[-1] // 2
        hidden = F.relu(F.conv2d(x, a, b, padding=pad))
        # The transposed convolution as a plain one: faster on CPUs, same numbers.
        return x - F.conv2d(hidden, a.transpose(0, 1).flip(2, 3), padding=pad)

    def plain(self, weight: Tensor, bias: Tensor) -> Frozen:
        return FrozenConv(weight, bias)


class FrozenConv(Frozen):
    """Convolutional. Weights lie channels last, which saves CPUs the copies their convolutions would make."""

    back: Tensor

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        super().__init__(_last(weight), bias)
        # -A as a plain convolution: faster than the transposed one, same numbers. Derived, so not stored.
        self.register_buffer("back", _last(-weight.transpose(0, 1).flip(2, 3)), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return _Residual.apply(x, self.weight, self.bias, self.back)  # type: ignore[no-any-return]


class _Residual(torch.autograd.Function):
    """x - A relu(A^T x + b), whose Jacobian I - A D A^T is symmetric: backward is a forward with D for relu.

    So both directions cost two plain convolutions, and only the signs of the hidden units are kept.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, back: Tensor) -> Tensor:
        pad = weight.shape[-1] // 2
        hidden = F.conv2d(_last(x), weight, bias, padding=pad).relu_()
        ctx.save_for_backward(hidden > 0, weight, back)
        return F.conv2d(hidden, back, padding=pad).add_(x)

    @staticmethod
    def backward(ctx: Any, *upper: Tensor) -> tuple[Tensor, None, None, None]:
        active, weight, back = ctx.saved_tensors
        pad = weight.shape[-1] // 2
        hidden = F.conv2d(_last(upper[0]), weight, padding=pad) * active
        return F.conv2d(hidden, back, padding=pad) + upper[0], None, None, None


def _last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)
