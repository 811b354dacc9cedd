"""The sign-flip test against counted flips, McNemar's test and what it must not depend on."""

from itertools import product

import numpy as np
import pytest
from scipy import stats

from perceptbench.results.statistics.comparison import mcnemar
from perceptbench.results.statistics.sign_flips import one_sided, smallest_shift, two_sided


def counted(sums: list[float]) -> float:
    """P by listing all signs."""
    signed = [np.dot(signs, np.abs(sums)) for signs in product([1, -1], repeat=len(sums))]
    return float(np.mean([one >= sum(sums) - 1e-12 for one in signed]))


@pytest.mark.parametrize("sums", [[1, 2, 3], [3, 2, -1], [0.5, 0.5, -0.25, 1], [-1, -2], [1, 1, 1, 1, -1]])
def test_the_p_value_is_the_share_of_signs_that_give_as_much(sums: list[float]) -> None:
    assert one_sided(np.array(sums)) == pytest.approx(counted(sums))
    assert one_sided(np.array([*sums, 0.0, 0.0])) == pytest.approx(counted(sums))
    assert two_sided(np.array(sums)) == pytest.approx(min(1, 2 * min(counted(sums), counted([-one for one in sums]))))


@pytest.mark.parametrize(("gained", "lost"), [(9, 1), (1, 9), (12, 0), (5, 5), (30, 18), (0, 0)])
def test_zeros_and_ones_give_mcnemars_exact_test(gained: int, lost: int) -> None:
    first = np.array([True] * (5 + gained) + [False] * (lost + 2))
    second = np.array([True] * 5 + [False] * gained + [True] * lost + [False] * 2)
    assert two_sided(first.astype(float) - second) == pytest.approx(mcnemar(first, second).exact, rel=1e-9)


def test_triplets_of_one_reference_are_flipped_together() -> None:
    values = np.array([1.0, 1, 1, 1, 1, 1])
    assert one_sided(values) == pytest.approx(2**-6)
    assert one_sided(values, list("aabbcc")) == pytest.approx(2**-3)
    assert one_sided(np.array([1.0, -1, 2]), list("aab")) == pytest.approx(0.5), (
        "what cancels in a reference is nothing"
    )


def test_many_clusters_are_drawn_and_agree_with_the_normal_limit() -> None:
    values = np.random.default_rng(0).normal(0.15, 1, 200)
    limit = stats.norm.sf(values.sum() / np.sqrt((values**2).sum()))
    assert one_sided(values) == pytest.approx(limit, abs=0.005)
    assert one_sided(values) == one_sided(values), "the draws are seeded"
    assert one_sided(values + 10) == pytest.approx(1 / 20_000), "never 0: the signs as they are count"


def test_the_unit_of_the_values_does_not_matter() -> None:
    values = np.random.default_rng(1).normal(0.3, 1, 10)
    for unit in (1e-12, 1e12):
        assert one_sided(unit * values) == one_sided(values)


def test_the_smallest_shift_is_where_the_test_turns() -> None:
    values = np.random.default_rng(2).normal(0, 1, 10)
    found = smallest_shift(values, None, 0.0167)
    around = values - values.mean()
    assert one_sided(around + 1.001 * found) <= 0.0167 < one_sided(around + 0.999 * found)
    assert smallest_shift(np.zeros(10), None, 0.0167) == 0, "without scatter any shift is seen"
    assert smallest_shift(values[:5], None, 0.0167) is None, "2^-5 is more than .0167"
    assert smallest_shift(values, list("aabbccddee"), 0.0167) is None
