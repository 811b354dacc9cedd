"""Rates and curves of pairs against closed forms and brute force, and what shared photographs do to intervals."""

import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from perceptbench.results.statistics.dyadic import Sides, micro_ap, rate, roc_auc, variance


def sides(pairs: list[tuple[str, str]]) -> Sides:
    return Sides.of(*(np.array(names) for names in zip(*pairs, strict=True)))


def apart(n: int) -> Sides:
    """Pairs that share no photograph."""
    return sides([(f"{i} a", f"{i} b") for i in range(n)])


def test_pairs_that_share_nothing_are_independent() -> None:
    values = np.array([1.0, 0, 0, 1, 1, 0, 0, 0])
    assert variance(values - values.mean(), apart(8)) == pytest.approx(8 * 3 / 8 * 5 / 8)
    found = rate(values, apart(8))
    # As Wilson's of 8 pairs, but for Student's t of 16 photographs.
    count = 8 * (stats.norm.ppf(0.975) / stats.t.ppf(0.975, 15)) ** 2
    assert (found.low, found.high) == pytest.approx(proportion_confint(3 / 8 * count, count, method="wilson"))
    assert (found.value, found.n) == (3 / 8, 8)


def test_the_sum_over_couples_that_share_a_photograph() -> None:
    """Against the definition, on pairs that meet on either side, twice, and with one photograph on both sides."""
    named = [("a", "b"), ("b", "a"), ("b", "c"), ("c", "c"), ("d", "e"), ("a", "c"), ("a", "b"), ("d", "d")]
    influence = np.array([0.3, 0.5, -0.2, 0.4, 0.1, 0.25, -0.05, 0.15])
    wanted = sum(
        influence[i] * influence[j]
        for i, one in enumerate(named)
        for j, other in enumerate(named)
        if set(one) & set(other)
    )
    assert wanted > (influence**2).sum()
    assert variance(influence, sides(named)) == pytest.approx(wanted)
    # Where neighbours offset each other, a variance below that of independent pairs is not believed.
    assert variance(np.array([1.0, -1.0]), sides([("a", "b"), ("b", "c")])) == 2.0


def test_copies_of_a_pair_bring_nothing() -> None:
    """Five of each pair: the interval is that of the pairs, since it depends on the photographs."""
    one = [(f"{i} a", f"{i} b") for i in range(12)]
    values = np.array([1.0, 0, 0, 1, 1, 0, 0, 0, 1, 1, 1, 0])
    single, many = rate(values, sides(one)), rate(np.repeat(values, 5), sides([pair for pair in one for _ in range(5)]))
    assert (many.low, many.high) == pytest.approx((single.low, single.high))
    assert many.n == 60


def test_the_other_side_counts_too() -> None:
    """Every query stands once, and all are compared with two images: nothing is known of other images."""
    values = np.repeat([1.0, 0.0], 50)
    shared = rate(values, sides([(f"{i}", "x" if i < 50 else "y") for i in range(100)]))
    own = rate(values, apart(100))
    assert shared.high - shared.low > 3 * (own.high - own.low)


def test_a_rate_of_none_or_all_still_has_an_interval() -> None:
    """20 pairs of 4 queries and 4 images: as many as there are of either."""
    named = sides([(f"q{i % 4}", f"g{i % 4}") for i in range(20)])
    none = rate(np.zeros(20), named)
    count = 4 * (stats.norm.ppf(0.975) / stats.t.ppf(0.975, 7)) ** 2
    assert none.low == 0
    assert none.high == pytest.approx(proportion_confint(0, count, method="wilson")[1])
    with pytest.raises(ValueError, match="no rate"):
        rate(np.zeros(0), sides([("a", "b")]))


def test_the_area_counts_couples_and_ties_one_half() -> None:
    draw = np.random.default_rng(1)
    distances, same = draw.integers(0, 12, 60).astype(float), draw.random(60) < 0.4
    couples = [(a < b) + (a == b) / 2 for a in distances[same] for b in distances[~same]]
    found = roc_auc(distances, same, apart(60))
    assert found.value == pytest.approx(np.mean(couples))
    mann_whitney = stats.mannwhitneyu(distances[~same], distances[same]).statistic / (same.sum() * (~same).sum())
    assert found.value == pytest.approx(mann_whitney)
    with pytest.raises(ValueError, match="wants pairs that are the same and pairs that are different"):
        roc_auc(distances, np.ones(60, dtype=bool), apart(60))


def test_the_variance_of_the_area_is_that_of_delong() -> None:
    """Of independent pairs: S10 / m + S01 / n with variances of placements (over m and n, not one less)."""
    draw = np.random.default_rng(2)
    distances, same = draw.normal(size=80) + 0, np.arange(80) < 30
    distances[same] -= 1
    v10 = np.array([(a < distances[~same]).mean() for a in distances[same]])
    v01 = np.array([(distances[same] < b).mean() for b in distances[~same]])
    spread = v10.var() / 30 + v01.var() / 50
    found = roc_auc(distances, same, apart(80))
    count = found.value * (1 - found.value) / spread * (stats.norm.ppf(0.975) / stats.t.ppf(0.975, 159)) ** 2
    wanted = proportion_confint(found.value * min(count, 80), min(count, 80), method="wilson")
    assert (found.low, found.high) == pytest.approx(wanted)


def test_average_precision_by_hand_and_ties_against_it() -> None:
    """Ranks s d s s d s: (1 + 2/3 + 3/4 + 4/6) / 4. With all distances equal, the share of pairs that are the same."""
    same = np.array([True, False, True, True, False, True])
    assert micro_ap(np.arange(6.0), same, apart(6)).value == pytest.approx((1 + 2 / 3 + 3 / 4 + 4 / 6) / 4)
    assert micro_ap(np.ones(6), same, apart(6)).value == pytest.approx(4 / 6)
    shuffled = np.random.default_rng(0).permutation(6)
    assert micro_ap(np.arange(6.0)[shuffled], same[shuffled], apart(6)).value == pytest.approx(0.770833, abs=1e-5)
    with pytest.raises(ValueError, match="wants pairs that are the same"):
        micro_ap(np.ones(2), np.array([False, False]), apart(2))


@pytest.mark.parametrize("kind", ["rate", "area", "precision"])
def test_intervals_hold_the_truth_where_pairs_share_photographs(kind: str) -> None:
    """Every pair of 14 photographs, each with an effect of its own: at least 90 % of 200 intervals hold the truth.

    For a rate of different pairs, intervals that take pairs for independent ones hold it less often.
    """
    photographs, draws = 14, 200
    named = [(i, j) for i in range(photographs) for j in range(photographs) if i < j]
    every = sides([(f"{i}", f"{j}") for i, j in [*named, *((i, i) for i in range(photographs))]])
    same = np.array([False] * len(named) + [True] * photographs)
    draw = np.random.default_rng(5)

    def drawn() -> tuple[np.ndarray, np.ndarray]:
        effect = draw.normal(size=photographs)
        d = [effect[i] + effect[j] + 0.5 * draw.normal() for i, j in named]
        return np.array([*d, *(draw.normal(size=photographs) + effect - 2)]), same

    def estimate(d: np.ndarray, same: np.ndarray, which: Sides):
        if kind == "rate":
            return rate((d[~same] < -1).astype(float), which.select(~same))
        return (roc_auc if kind == "area" else micro_ap)(d, same, which)

    samples = [drawn() for _ in range(draws)]
    truth = np.mean(
        [estimate(*one, every).value for one in [drawn() for _ in range(1500 if kind != "precision" else 300)]]
    )
    found = [estimate(*one, every) for one in samples]
    held = np.mean([one.low <= truth <= one.high for one in found])
    assert held >= 0.90
    if kind == "rate":
        alone = [estimate(*one, apart(len(same))) for one in samples]
        assert np.mean([one.low <= truth <= one.high for one in alone]) < held - 0.05


def test_an_interval_never_claims_more_pairs_than_there_are() -> None:
    values = np.array([0.5] * 6 + [0.5001] * 6)
    found = rate(values, apart(12))
    assert found.high - found.low > 2 * 1.96 * math.sqrt(0.25 / 12) * 0.7
