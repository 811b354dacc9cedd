"""The linear map behind a hash: c = A x, then bit_i = [c_i > m] with a threshold m of the values c.

A = 255 w (x) B_v (x) B_h is separable: luma weights w, and for each side of the image a matrix that downsamples and
then transforms. So K = A A^T = 255^2 |w|^2 (B_v B_v^T) (x) (B_h B_h^T), and no large matrix is ever made.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from perceptbench.core.tensors import Images, PerImage
from perceptbench.metrics.hashes.levels import LEVELS

Side = Callable[[int], np.ndarray]
"""The matrix (r, size) of one side of an image, by its size in pixels."""


@dataclass(frozen=True)
class LinearHash:
    """A hash without what its library rounds and clips. Values c are in grey levels of 0 to 255.

    Args:
        luma: weights of red, green and blue.
        vertical, horizontal: B_v and B_h by the height and the width of an image.
        threshold: m (n,) of values (n, k).
        above, below: how many values can lie above the threshold, and how many below it.
    """

    luma: tuple[float, float, float]
    vertical: Side
    horizontal: Side
    threshold: Callable[[Tensor], PerImage]
    above: int
    below: int

    def values(self, x: Images) -> Float[Tensor, "n k"]:
        """c = A x in float64; differentiable in x."""
        grey = torch.einsum("c,nchw->nhw", self._luma(x), x.double()) * LEVELS
        rows, columns = self._sides(x)
        return (rows @ grey @ columns.T).flatten(1)

    def lift(self, change: Float[Tensor, "n k"], like: Images) -> Images:
        """A^T K^-1 Delta: the smallest change of images (n, 3, h, w), in l2, that changes the values by Delta.

        Where a small image has fewer pixels than values, the one that comes nearest to Delta.
        """
        rows, columns = self._sides(like)
        folded = change.double().unflatten(1, (len(rows), len(columns)))
        grey = torch.linalg.pinv(rows) @ folded @ torch.linalg.pinv(columns).T
        weights = self._luma(like)
        return torch.einsum("c,nhw->nchw", weights / (weights.square().sum() * LEVELS), grey)

    def slope(self, gradient: Images) -> Float[Tensor, "n k"]:
        """K^-1 A g: the gradient by the values of a loss that sees them alone, from the gradient g by the image."""
        rows, columns = self._sides(gradient)
        weights = self._luma(gradient)
        grey = torch.einsum("c,nchw->nhw", weights / (weights.square().sum() * LEVELS), gradient.double())
        return (torch.linalg.pinv(rows).T @ grey @ torch.linalg.pinv(columns)).flatten(1)

    def scale(self, height: int, width: int) -> Float[Tensor, " k"]:
        """S, the diagonal of K: a change of l2 norm 1 moves a value by at most the root of its entry."""
        rows, columns = (_matrix(side, size) for side, size in ((self.vertical, height), (self.horizontal, width)))
        diagonal = torch.outer(rows.square().sum(1), columns.square().sum(1)).flatten()
        return LEVELS**2 * float(np.square(self.luma).sum()) * diagonal

    def stretch(self, height: int, width: int) -> float:
        """lambda, the largest eigenvalue of S^-1/2 K S^-1/2: |delta|^2 >= Delta^T S^-1 Delta / lambda.

        At least 1; 1 exactly where the values move independently. That of a Kronecker product is the product.
        """
        return _largest(self.vertical, height) * _largest(self.horizontal, width)

    def _luma(self, x: Tensor) -> Tensor:
        return torch.tensor(self.luma, dtype=torch.float64, device=x.device)

    def _sides(self, x: Images) -> tuple[Tensor, Tensor]:
        height, width = x.shape[-2:]
        return _matrix(self.vertical, height).to(x.device), _matrix(self.horizontal, width).to(x.device)


@lru_cache(maxsize=32)
def _matrix(side: Side, size: int) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(side(size), dtype=np.float64))


@lru_cache(maxsize=32)
def _largest(side: Side, size: int) -> float:
    """The largest eigenvalue of B B^T after its diagonal is scaled to 1."""
    rows = _matrix(side, size)
    unit = rows / rows.norm(dim=1, keepdim=True)
    return float(torch.linalg.matrix_norm(unit, 2)) ** 2
