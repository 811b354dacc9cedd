"""Retrieval with proof: how far a query may move before the best match changes (docs/certificates.md, section 5).

Pure functions of embeddings, as the metric's `embed` gives them. They are the theorem alone: embed with
`metric.double()`. Where float32 ranks, its error must still be taken off.
"""

from typing import TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from perceptbench.core.errors import UserError
from perceptbench.core.tensors import Embeddings, PerImage
from perceptbench.metrics.base import LipschitzMetric

Gallery: TypeAlias = Float[Tensor, "g d"]
"""The embeddings a query is compared with."""


def top_k_radius(metric: LipschitzMetric, query: Embeddings, gallery: Gallery, k: int) -> tuple[Tensor, PerImage]:
    """The best match of each query, and how far the query may move with that match still among the top k.

    Every rival j has the exact radius of the pair (best, j) at which j overtakes it; k rivals must do
    so before the match leaves the top k, so it stays within the k-th smallest of these radii.

    Args:
        metric: its space and Lipschitz constant decide the radii.
        query: (n, d).
        gallery: (g, d).
        k: from 1 on.

    Returns:
        indices into the gallery (n,), and radii in pixel l2 (n,): 0 at a tie for the best match,
        infinite where the gallery has no k rivals.

    Raises UserError for an empty gallery or k < 1.
    """
    if len(gallery) == 0 or k < 1:
        raise UserError(f"retrieval wants a gallery and k of at least 1, got {len(gallery)} images and k={k}")
    rows = [_one(metric, g, gallery, k) for g in query]
    best = torch.tensor([i for i, _ in rows], dtype=torch.long, device=gallery.device)
    return best, torch.stack([radius for _, radius in rows]) if rows else query.new_zeros(0)


def top1_radius(metric: LipschitzMetric, query: Embeddings, gallery: Gallery) -> tuple[Tensor, PerImage]:
    """The best match of each query, and how far the query may move with that match still the best.

    The smallest radius over all rivals: `top_k_radius` with k = 1.
    """
    return top_k_radius(metric, query, gallery, 1)


def _one(metric: LipschitzMetric, g: Tensor, gallery: Gallery, k: int) -> tuple[int, Tensor]:
    queries = g.expand(len(gallery), -1)
    best = int(metric.compare(queries, gallery).argmin())
    if k >= len(gallery):
        return best, g.new_tensor(torch.inf)
    rivals = torch.cat([gallery[:best], gallery[best + 1 :]])
    radii = metric.space.signed_radius(queries[1:], rivals, gallery[best].expand(len(rivals), -1))
    return best, radii.clamp_min(0).kthvalue(k).values / metric.lipschitz
