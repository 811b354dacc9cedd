"""What float32 costs: of a metric that is off by a known share."""

import pytest
import torch
from torch import Tensor

from benchmarks.rounding import measure, over
from perceptbench.certifiers.certify import certify
from perceptbench.certifiers.margin import Margin
from perceptbench.core.errors import UserError
from perceptbench.testing.known_metrics import ProjectionCosine
from perceptbench.testing.samples import random_triplets, subset
from perceptbench.triplets.base import Triplets

SHARE = 1e-3
EXACT = ProjectionCosine(3 * 8 * 8)


class Off(ProjectionCosine):
    """Distances too long by a share, where they are not asked for in float64."""

    def compare(self, a: Tensor, b: Tensor) -> Tensor:
        return (1 + SHARE) * super().compare(a, b)

    def double(self) -> ProjectionCosine:
        return EXACT


class Source:
    """Triplets by number."""

    def __init__(self, n: int, backwards: bool = False) -> None:
        self.all = random_triplets(max(n, 1), 8, 3, EXACT)
        self.entries = list(range(n))[:: -1 if backwards else 1]

    def __len__(self) -> int:
        return len(self.entries)

    def batch(self, entries: list[int]) -> Triplets:
        return subset(self.all, torch.tensor(entries))


# In either order, so that the worst is met in the first batch and in the last.
@pytest.mark.parametrize("backwards", [False, True])
def test_the_worst_over_batches_is_what_it_was_made_to_be(backwards: bool) -> None:
    source = Source(64, backwards)
    d0, d1 = EXACT.prepare(source.all.left, source.all.right).distances(source.all.reference)
    exact, _ = EXACT.exact(source.all)
    given = certify(Margin(), Off(3 * 8 * 8), source.all).radius

    worst = over(Off(3 * 8 * 8), source)

    assert worst.n == 64
    assert worst.margin == pytest.approx(SHARE * float((d0 - d1).abs().max()), rel=0.01)
    # Sums of float32 depend on how large a batch is.
    assert worst.radius == pytest.approx(float((exact - given).max()), rel=1e-3)
    assert worst.radii == pytest.approx(float(given.max()), rel=1e-4)
    norms = EXACT.embed(source.all.reference.double()).norm(dim=1)
    assert worst.norm == pytest.approx(float(norms.min()), rel=1e-6)
    assert worst.radius > 100 * measure(EXACT, source.all).radius


def test_no_triplets_are_refused() -> None:
    with pytest.raises(UserError, match="expected triplets"):
        over(EXACT, Source(0))
