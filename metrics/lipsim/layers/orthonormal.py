"""Orthonormal rows from free weights, and the norm of what was rounded."""

import torch
from torch import Tensor, nn

from perceptbench.metrics.lipsim.layers.kept_for_rounding import kept

_RIDGE = 1e-5
_TINY = 1e-12


def orthonormal(weight: Tensor) -> Tensor:
    """Rows that span those of a matrix (inner, features), inner <= features, made orthonormal.

    By Cholesky: with W W^T = L L^T, L^-1 W. The ridge keeps the factor finite where rows are nearly
    dependent; it makes rows shorter, never longer.
    """
    gram = weight @ weight.mT
    ridge = (
        _RIDGE * gram.diagonal().mean().clamp_min(_TINY) * torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
    )
    return torch.linalg.solve_triangular(torch.linalg.cholesky(gram + ridge), weight, upper=False)


def at_most(matrix: Tensor, bound: float) -> Tensor:
    """A float64 matrix (inner, features), divided: its squared norm is at most `bound` once it is in float32."""
    # Twice what kept_for_rounding.py asks for, as eigenvalues are computed with errors of their own.
    square = torch.linalg.eigvalsh(matrix @ matrix.mT).amax() * (1 + kept(matrix)) ** 2
    return matrix / (square / bound).clamp_min(1).sqrt()


class Plain(nn.Module):
    """Holds a matrix as plain weights: what evaluation and attacks run."""

    weight: Tensor

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.register_buffer("weight", weight)
