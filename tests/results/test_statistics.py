"""Scores and intervals against published numbers and answers known by hand."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from perceptbench.results.statistics.estimates import clustered_mean, credit, mean_estimate, natural_credit, proportion


@pytest.mark.parametrize(
    ("right", "n", "low", "high"),
    [
        # Newcombe, Statistics in Medicine 17 (1998), Table I, method 3 (score, no continuity correction).
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_interval_is_newcombes_method_3(right: int, n: int, low: float, high: float) -> None:
    estimate = proportion(np.array([1.0] * right + [0.0] * (n - right)))
    assert (estimate.value, estimate.n) == (right / n, n)
    assert (round(estimate.low, 4), round(estimate.high, 4)) == (low, high)


@pytest.mark.parametrize(
    ("right", "n", "low", "high"),
    [
        # The same table, method 5 (exact, Clopper and Pearson).
        (81, 263, 0.2527, 0.3676),
        (15, 148, 0.0578, 0.1617),
        (0, 20, 0.0, 0.1684),
        (1, 29, 0.0009, 0.1776),
        (20, 20, 0.8316, 1.0),
    ],
)
def test_clopper_pearson_interval_is_newcombes_method_5(right: int, n: int, low: float, high: float) -> None:
    estimate = proportion(np.array([1.0] * right + [0.0] * (n - right)), "clopper-pearson")
    assert (estimate.value, estimate.n) == (right / n, n)
    assert (round(estimate.low, 4), round(estimate.high, 4)) == (low, high)


def test_another_confidence_and_fewer_independent_answers() -> None:
    values = np.array([1.0] * 15 + [0.0] * 5)
    # 90 %: the ends leave a twentieth of the binomial distribution on each side.
    wide = proportion(values, "clopper-pearson", confidence=0.9)
    assert (stats.binom.sf(14, 20, wide.low), stats.binom.cdf(15, 20, wide.high)) == pytest.approx((0.05, 0.05))
    fewer = proportion(values, independent=4)
    four = proportion(np.array([1.0, 1, 1, 0]))
    assert (fewer.low, fewer.high, fewer.n) == (four.low, four.high, 20)


def test_an_interval_of_a_proportion_wants_credits_and_a_known_method() -> None:
    for values in ([1.5, 0.0], [-0.1, 1.0], [np.nan, 1.0]):
        with pytest.raises(ValueError, match="credits in"):
            proportion(np.array(values))
    with pytest.raises(ValueError, match="unknown interval 'exact'; known: wilson, clopper-pearson"):
        proportion(np.ones(2), "exact")  # type: ignore[arg-type]


def test_t_interval_by_hand_from_the_t_table() -> None:
    # Values 1..5 have mean 3, s = sqrt(2.5), t(0.975, 4) = 2.776.
    estimate = mean_estimate(np.arange(1.0, 6.0))
    half = 2.776 * np.sqrt(2.5) / np.sqrt(5)
    assert estimate.value == 3
    assert (estimate.low, estimate.high) == pytest.approx((3 - half, 3 + half), abs=1e-3)


def test_a_mean_of_distances_has_as_many_degrees_of_freedom_as_references() -> None:
    """Three references of 20 triplets each, all alike: means .1, .5, .9, s = .4, t(0.975, 2) = 4.303."""
    estimate = mean_estimate(np.repeat([0.1, 0.5, 0.9], 20), list(np.repeat(["a", "b", "c"], 20)))
    half = 4.303 * 0.4 / np.sqrt(3)
    assert (estimate.value, estimate.n) == (pytest.approx(0.5), 60)
    assert (estimate.low, estimate.high) == pytest.approx((0.5 - half, 0.5 + half), abs=1e-3)
    assert (round(estimate.low, 2), round(estimate.high, 2)) == (-0.49, 1.49)


def test_references_of_unequal_size_count_by_their_triplets() -> None:
    """Sums 2 of 2 and 0 of 1: mean 2/3, residuals 2 - 4/3 and 0 - 2/3, s.e. sqrt(2 * 8/9) / 3, t(0.975, 1) = 12.706."""
    estimate = mean_estimate(np.array([1.0, 0.0, 1.0]), ["a", "b", "a"])
    half = 12.706 * np.sqrt(2 * 8 / 9) / 3
    assert (estimate.low, estimate.high) == pytest.approx((2 / 3 - half, 2 / 3 + half), abs=1e-3)
    with pytest.raises(ValueError, match="share no reference, got 1"):
        mean_estimate(np.array([1.0, 0.0]), ["a", "a"])


@pytest.mark.parametrize("n", [1, 3, 7, 44, 342])
@pytest.mark.parametrize("method", ["wilson", "clopper-pearson"])
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_an_interval_holds_its_score_where_all_or_none_are_right(n: int, method: str, value: float) -> None:
    """Wilson's formula gives 5.6e-15 for the low end of 0 of 3."""
    estimate = proportion(np.full(n, value), method)  # type: ignore[arg-type]
    assert estimate.low <= value <= estimate.high
    assert (estimate.low if value == 0 else estimate.high) == value


def test_divided_votes_get_the_interval_of_counts_with_their_mean() -> None:
    divided, counted = proportion(np.array([0.8] * 20)), proportion(np.array([1.0] * 16 + [0.0] * 4))
    assert (divided.low, divided.high) == pytest.approx((counted.low, counted.high))
    # Wilson by hand for 16 of 20: (0.8 + 0.09604 +- 1.96 sqrt(0.008 + 0.0024)) / 1.19207
    assert (divided.low, divided.high) == pytest.approx((0.5840, 0.9193), abs=1e-4)
    alone = proportion(np.array([0.7]))
    assert 0 <= alone.low < 0.7 < alone.high <= 1


def test_an_empty_set_has_no_score() -> None:
    with pytest.raises(ValueError, match="no score"):
        proportion(np.array([]))
    with pytest.raises(ValueError, match="at least two"):
        mean_estimate(np.array([1.0]))


def test_bapps_rule_counts_the_share_of_people_who_agree() -> None:
    samples = pd.DataFrame({"right_share": [1.0, 0.8, 0.2, 0.8, 0.2], "d0": 1.0, "d1": 0.0})
    survived = pd.Series([True, True, True, False, False])
    assert credit(samples, survived).tolist() == pytest.approx([1, 0.8, 0.8, 0.2, 0.2])


def test_a_tie_of_the_metric_counts_one_half_without_attack_and_is_lost_under_it() -> None:
    samples = pd.DataFrame({"right_share": [1.0, 1.0], "d0": [0.5, 0.5], "d1": [0.5, 0.1], "correct": [False, True]})
    assert natural_credit(samples).tolist() == [0.5, 1.0]
    assert credit(samples, samples["correct"]).tolist() == [0.0, 1.0]


def test_a_clustered_interval_knows_that_copies_are_no_evidence() -> None:
    """Ten answers each said five times over: the interval of the ten, and not the fifth root of it."""
    rng = np.random.default_rng(0)
    values = rng.random(10)
    names = list("abcdefghij")
    once = clustered_mean(values, names)
    often = clustered_mean(np.repeat(values, 5), list(np.repeat(names, 5)))
    assert (often.low, often.high) == pytest.approx((once.low, once.high), abs=1e-3)
    assert (once.n, often.n) == (10, 50)
    naive = clustered_mean(np.repeat(values, 5), [f"{i:02}" for i in range(50)])
    assert naive.high - naive.low < 0.6 * (once.high - once.low)


def test_a_clustered_interval_of_single_answers_is_scipys_bca() -> None:
    values = np.random.default_rng(1).exponential(size=40)
    expected = stats.bootstrap(
        (values,), np.mean, method="BCa", n_resamples=4999, rng=np.random.default_rng(2)
    ).confidence_interval
    ours = clustered_mean(values, [f"{i:02}" for i in range(40)], seed=2)
    assert ours.value == pytest.approx(values.mean())
    assert (ours.low, ours.high) == pytest.approx((expected.low, expected.high), abs=0.03)


def test_clusters_of_unequal_size_weigh_as_many_answers_as_they_hold() -> None:
    assert clustered_mean(np.array([1.0, 1.0, 1.0, 0.0]), ["a", "a", "a", "b"]).value == 0.75
    with pytest.raises(ValueError, match="two clusters"):
        clustered_mean(np.array([1.0, 0.0]), ["a", "a"])
    same = clustered_mean(np.ones(4), ["a", "b", "a", "b"])
    assert (same.low, same.high) == (1.0, 1.0)
