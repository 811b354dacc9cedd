"""What is kept from the norm of a layer, so that computing its weights and rounding them to float32 cannot break it.

*Rounding.* Let K be a map with k x k taps K_t (a matrix has one), `rows` inputs or outputs, and norm at most c.
Rounding changes an entry by at most 2^-24 of its size, so it adds taps E_t with |E_t|_F <= 2^-24 |K_t|_F. The norm of
a convolution is at most the sum of the norms of its taps, and by Cauchy-Schwarz over the k^2 taps

    |E| <= sum_t |E_t|_F <= 2^-24 sum_t |K_t|_F <= 2^-24 k |K|_F <= 2^-24 k sqrt(rows) c,

the last since K (or its transpose) sends the unit vector of a row to a vector of norm at most c.

*Computing.* A norm is bounded by the Gram matrix G of the filters w_i, computed in float64. An entry that is a sum of n
products is off by at most n 2^-53 |w_i| |w_j|. Diagonal dominance with weights 1 / |w_i| bounds this error by a
diagonal: at most n m 2^-53 |w_i|^2, with m entries in a row of G; and every bound of a row of G is at least |w_i|^2.
"""

from torch import Tensor

SLACK = 4e-6
"""The least share of a squared norm that is kept: enough for matrices of up to 1024 hidden units."""
_FLOAT32, _FLOAT64 = 2.0**-24, 2.0**-53
_SPARE = 1 + 1e-3
"""For terms of second order, and for entries so small that float32 has fewer digits for them."""


def rounding_share(rows: int, k: int = 1) -> float:
    """By which share rounding to float32 may raise the norm of a map with k x k taps and so many inputs or outputs."""
    return _FLOAT32 * k * rows**0.5


def kept(weight: Tensor) -> float:
    """The share by which a bound of the squared norm is raised before the weights are scaled to it and rounded.

    Args:
        weight: a matrix (inner, features), or the kernel (inner, channels, k, k) of a convolution of stride 1.
    """
    inner, k = weight.shape[0], weight.shape[-1] if weight.dim() == 4 else 1
    products = weight[0].numel()
    entries = inner * (2 * k - 1) ** 2
    return max(SLACK, _SPARE * (2 * rounding_share(inner, k) + products * entries * _FLOAT64))
