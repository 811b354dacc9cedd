"""Effect sizes against published values and counted pairs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from perceptbench.results.statistics.effects import cliffs_delta, cohens_d


def test_cohens_d_by_hand() -> None:
    # Means 3 and 5, both variances 2.5: d = -2 / sqrt(2.5).
    found = cohens_d(np.arange(1.0, 6.0), np.arange(3.0, 8.0))
    assert found.value == pytest.approx(-2 / np.sqrt(2.5))
    # Unequal sizes: variances 1 and 4 pool to (2 * 1 + 4 * 4) / 6 = 3 (Cohen 1988, eq. 2.5.2).
    found = cohens_d(np.array([4.0, 5.0, 6.0]), np.array([-1.0, 0, 1, 0, 0]) * np.sqrt(8))
    assert found.value == pytest.approx(5 / np.sqrt(3))
    assert found.n == 8


def test_the_interval_of_d_is_that_of_kelley() -> None:
    """Kelley, Journal of Statistical Software 20(8), 2007: t = 2.83 at 126 degrees has ncp from 0.8338 to 4.8154."""
    unit = stats.norm.ppf((np.arange(64) + 0.5) / 64)
    unit = unit / unit.std(ddof=1)
    found = cohens_d(unit + 2.83 / np.sqrt(32), unit)
    assert found.value * np.sqrt(32) == pytest.approx(2.83)
    assert (found.low * np.sqrt(32), found.high * np.sqrt(32)) == pytest.approx((0.83375, 4.81536), abs=1e-5)


def test_the_ends_of_d_leave_a_fortieth_on_each_side() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.normal(0.4, 1, 9), rng.normal(0, 2, 14)
    found, scale = cohens_d(first, second), np.sqrt(9 * 14 / 23)
    tails = [stats.nct.sf(found.value * scale, 21, end * scale) for end in (found.low, found.high)]
    assert tails == pytest.approx([0.025, 0.975], abs=1e-5)


def test_cliffs_delta_and_its_interval_on_brunner_and_munzels_pain_scores() -> None:
    """Brunner and Munzel, Biometrical Journal 42 (2000), table 1: P = .789, interval .595 to .983."""
    other = np.array([1, 2, 1, 1, 1, 1, 1, 1, 1, 1, 2, 4, 1, 1])
    new = np.array([3, 3, 4, 3, 1, 2, 3, 1, 1, 5, 4])
    found = cliffs_delta(new, other)
    expected = (2 * 0.788961 - 1, 2 * 0.5952169 - 1, 2 * 0.9827052 - 1)
    assert (found.value, found.low, found.high) == pytest.approx(expected, abs=1e-6)
    assert cliffs_delta(other, new).value == pytest.approx(-found.value)
    assert found.n == 25


def test_cliffs_delta_counts_pairs() -> None:
    rng = np.random.default_rng(3)
    first, second = rng.integers(0, 6, 17), rng.integers(1, 7, 11)
    dominance = np.sign(first[:, None] - second[None]).mean()
    found = cliffs_delta(first, second)
    assert found.value == pytest.approx(dominance)
    assert -1 <= found.low < found.value < found.high <= 1


@settings(max_examples=40, deadline=None)
@given(*(st.lists(st.integers(0, 3), min_size=2, max_size=6) for _ in range(2)))
def test_cliffs_delta_of_anything_that_varies_lies_in_an_interval(first: list[int], second: list[int]) -> None:
    if len({*first, *second}) > 1:
        found = cliffs_delta(np.array(first), np.array(second))
        assert -1 <= found.low <= found.value <= found.high <= 1
        assert found.low < found.high


def test_sets_that_do_not_overlap_have_an_interval_too() -> None:
    # Five pairs without common members, all of one sign: the probability is at least 0.025^(1/5) = 0.4782.
    above, below = np.arange(10.0, 17.0), np.arange(5.0)
    found = cliffs_delta(above, below)
    assert (found.value, found.low, found.high) == pytest.approx((1, 2 * 0.025**0.2 - 1, 1))
    found = cliffs_delta(below, above)
    assert (found.value, found.low, found.high) == pytest.approx((-1, -1, 1 - 2 * 0.025**0.2))


def test_samples_too_small_or_without_spread() -> None:
    many = np.arange(4.0)
    for effect in (cohens_d, cliffs_delta):
        for size in (0, 1):
            with pytest.raises(ValueError, match="at least two"):
                effect(many[:size], many)
            with pytest.raises(ValueError, match="at least two"):
                effect(many, many[:size])
    with pytest.raises(ValueError, match="neither set vary"):
        cohens_d(np.ones(3), np.zeros(3))
    with pytest.raises(ValueError, match="all distances are equal"):
        cliffs_delta(np.ones(3), np.ones(4))
