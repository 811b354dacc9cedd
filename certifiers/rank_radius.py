"""Retrieval with proof: how far a query may move before its match leaves the top k (docs/certificates.md, section 5).

Every rival j has the radius of the pair (match, j), that of a triplet whose reference moves, at which j overtakes the
match; k rivals must do so before the match leaves the top k. `top_k_radius` is that theorem for pure embeddings;
`stays_inside` and `stays_outside` are what may be claimed where float32 ranks: each pair's radius is reduced by the
float error, as for triplets. Both scan the whole gallery, a part at a time.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from perceptbench.certifiers.base import Certifier
from perceptbench.certifiers.embedded import Embedded
from perceptbench.core.errors import UserError
from perceptbench.core.tensors import Embeddings, PerImage
from perceptbench.core.threat import Threat
from perceptbench.metrics.base import LipschitzMetric

Gallery: TypeAlias = Float[Tensor, "g d"]
"""The embeddings a query is compared with."""
_FLOATS = 2**22
"""Numbers of a gallery that are in memory at once in float64: 32 MiB."""


@runtime_checkable
class RivalCertifier(Certifier, Protocol):
    """A certifier of triplets that needs embeddings alone, so that a gallery is embedded once for all pairs in it."""

    def claimed(
        self, exact: Embedded, answered: tuple[PerImage, PerImage], threat: Threat
    ) -> tuple[PerImage, PerImage]:
        """Radii (n,) in pixel l2 within which `near` stays nearer to the reference than `far`, safe to claim, and what
        the float error took off each; 0 where `near` is not nearer.

        Args:
            exact: in float64.
            answered: the distances to near and far in the precision that answers.
        """
        ...


@dataclass(frozen=True, eq=False)
class RankedGallery:
    """One query and a gallery, in the precision that answers and in float64.

    Args:
        certifier: proves each pair.
        metric: whose embeddings these are.
        query, query_exact: (d,).
        rows, rows_exact: (g, d), which may be files that are mapped into memory.
        threat: in pixel l2; the query moves.
    """

    certifier: RivalCertifier
    metric: LipschitzMetric
    query: Tensor
    query_exact: Tensor
    rows: np.ndarray
    rows_exact: np.ndarray
    threat: Threat

    def stays_inside(self, right: Bool[Tensor, " g"], rivals: Bool[Tensor, " g"], k: int, most: int) -> PerImage:
        """(radius, float error), two numbers: some right image has fewer than k rivals before it.

        The largest over right images i of the k-th smallest radius of (i, j) over rivals j. Any image i proves it, so
        only the `most` nearest ones are tried. Infinite where there are fewer than k rivals.
        """
        best = self.query_exact.new_zeros(2)
        for i in self._nearest(right, most):
            found = torch.cat([self._overtaken(i, True, part) for part in self._parts(rivals)], dim=1)
            if found.shape[1] < k:
                return self.query_exact.new_tensor([torch.inf, 0.0])
            kth = found[:, found[0].kthvalue(k).indices]
            best = torch.where(kth[0] > best[0], kth, best)
        return best

    def stays_outside(self, rival: int, others: Bool[Tensor, " g"], k: int) -> PerImage:
        """(radius, float error): at least k of the others stay nearer than the rival.

        The k-th largest radius of (j, rival) over the others j; 0 where there are fewer than k.
        """
        found = torch.cat([self._overtaken(rival, False, part) for part in self._parts(others)], dim=1)
        if found.shape[1] < k:
            return self.query_exact.new_zeros(2)
        return found[:, found[0].kthvalue(found.shape[1] - k + 1).indices]

    def _parts(self, which: Bool[Tensor, " g"]) -> Iterator[Tensor]:
        return iter(which.nonzero().flatten().split(max(1, _FLOATS // self.rows.shape[1])))

    @cached_property
    def _answered(self) -> Float[Tensor, " g"]:
        """The distance of the query from every image, as the metric gives it."""
        every = torch.ones(len(self.rows), dtype=torch.bool, device=self.query.device)
        parts = [self._take(self.rows, part, self.query) for part in self._parts(every)]
        return torch.cat([self.metric.compare(self.query.expand(len(part), -1), part) for part in parts])

    def _nearest(self, which: Bool[Tensor, " g"], most: int) -> list[int]:
        order = self._answered.masked_fill(~which, torch.inf).argsort(stable=True)
        nearest: list[int] = order[: min(most, int(which.sum()))].tolist()
        return nearest

    def _overtaken(self, one: int, stays_near: bool, places: Tensor) -> Tensor:
        """(2, m): radius and error of each pair of one image and another."""
        alone = torch.tensor([one], device=places.device)
        query, mine, others = _reduced(
            self.metric.space.fixed,
            self.query_exact,
            self._take(self.rows_exact, alone, self.query_exact)[0],
            self._take(self.rows_exact, places, self.query_exact),
        )
        distances = self._answered[alone].expand(len(places)), self._answered[places]
        near, far = (mine, others) if stays_near else (others, mine)
        right_is_near = torch.ones(len(places), dtype=torch.bool, device=query.device)
        exact = Embedded(self.metric.double(), query, near, far, right_is_near)
        return torch.stack(self.certifier.claimed(exact, distances if stays_near else distances[::-1], self.threat))

    @staticmethod
    def _take(rows: np.ndarray, places: Tensor, like: Tensor) -> Embeddings:
        return torch.from_numpy(rows[places.cpu().numpy()]).to(like)


def _reduced(fixed: int | None, query: Tensor, one: Tensor, others: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Each triple (query, one, other) turned into few coordinates, (m, d) each; whole where it may not be turned.

    Two axes hold the query and the one image, a third what is left of the other image, and the fixed coordinates stay.
    What is left is subtracted before its length is taken: of nearly equal images, squares would lose every digit.
    """
    m, d = others.shape
    if fixed is None or d - fixed <= 3:
        return query.expand(m, -1), one.expand(m, -1), others
    free = d - fixed
    axes = torch.linalg.qr(torch.stack([query[:free], one[:free]], dim=1)).Q
    along = others[:, :free] @ axes
    left = (others[:, :free] - along @ axes.T).norm(dim=1, keepdim=True)
    nothing = query.new_zeros(1)
    few = [torch.cat([part[:free] @ axes, nothing, part[free:]]).expand(m, -1) for part in (query, one)]
    return few[0], few[1], torch.cat([along, left, others[:, free:]], dim=1)


def top_k_radius(metric: LipschitzMetric, query: Embeddings, gallery: Gallery, k: int) -> tuple[Tensor, PerImage]:
    """The best match of each query, and how far the query may move with that match still among the top k.

    Every rival j has the exact radius of the pair (best, j) at which j overtakes it; k rivals must do
    so before the match leaves the top k, so it stays within the k-th smallest of these radii.

    The theorem alone: embed with `metric.double()`, and take the float error off where float32 ranks.

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
