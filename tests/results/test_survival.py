"""The curve over eps, its band by closed forms and by simulation, its area and its median."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from perceptbench.results.record import COLUMNS, Record
from perceptbench.results.statistics.survival import (
    area,
    areas,
    certified_radii,
    median_norm,
    minimal_norms,
    survival_curve,
)


def _record(norms: np.ndarray, eps: list[float], minimal: bool = True, shares: float = 1.0) -> Record:
    """Triplets that fall at these norms; 0 is wrong from the start."""
    n = len(norms)
    frame = pd.DataFrame(dict.fromkeys(COLUMNS, 0), index=range(n * len(eps))).assign(
        id=[f"t{i}" for i in range(n)] * len(eps), group="", broken_by="", eps=np.repeat(eps, n),
        right_share=shares, d1=1.0,
    )  # fmt: skip
    spec = {"metric": "m", "data": "d", "attack": "l2-fmn", "certifier": "margin", "norm": "l2", "eps": eps}
    facts = {"unit": "percent", "minimal": minimal}
    made = Record(run="0" * 12, spec=spec, provenance={}, samples=frame.astype(COLUMNS), facts=facts)
    return _again(made, norms)


def _again(record: Record, norms: np.ndarray) -> Record:
    """The same record with triplets that fall at other norms; cheaper than a new one."""
    at = record.samples["eps"].to_numpy()
    norms = np.tile(norms, len(record.spec["eps"]))
    size = np.where((norms > 0) & (norms <= at), norms, at / 2)
    answers = {"correct": norms > 0, "robust": norms > at, "radius": norms, "size": size}
    return replace(record, samples=record.samples.assign(**answers))


NORMS = np.array([0.0, 0.5, 0.5, 1.5, 9.0])


def test_an_attack_for_the_smallest_flip_gives_steps_where_triplets_fall() -> None:
    curve = survival_curve(_record(NORMS, [1.0, 2.0]))
    assert curve.eps.tolist() == [0, 0.5, 1.5, 2.0]
    assert curve.score == pytest.approx([0.8, 0.4, 0.2, 0.2])
    assert (curve.everywhere, curve.n) == (True, 5)


def test_certificates_give_steps_at_their_radii_and_a_radius_of_eps_proves_nothing() -> None:
    curve = survival_curve(_record(NORMS, [0.5, 1.5], minimal=False), proved=True)
    assert curve.eps.tolist() == [0, 0.5, 1.5]
    assert curve.score == pytest.approx([0.8, 0.4, 0.2])
    assert certified_radii(_record(NORMS, [1.0])).tolist() == NORMS.tolist()


def test_the_band_of_steps_is_massarts() -> None:
    """Wasserman, All of Nonparametric Statistics, example 2.1: 799 waiting times, +- .048 at 95 %."""
    curve = survival_curve(_record(np.linspace(0.01, 1, 799), [1.0]))
    inside = (curve.score > 0.1) & (curve.score < 0.9)
    assert np.round(curve.high - curve.score, 3)[inside].tolist() == [0.048] * inside.sum()
    assert np.round(curve.score - curve.low, 3)[inside].tolist() == [0.048] * inside.sum()
    assert (curve.low.min(), curve.high.max()) == (0, 1)


def test_a_sweep_is_known_at_its_eps_and_pays_for_these_alone() -> None:
    norms = np.repeat([0.0, 0.7, 1.5, 9.0], 10)
    curve = survival_curve(_record(norms, [0.5, 1.0, 2.0], minimal=False))
    assert curve.eps.tolist() == [0, 0.5, 1, 2]
    assert curve.score == pytest.approx([0.75, 0.75, 0.5, 0.25])
    # Clopper and Pearson by the F distribution, at 1 - .05 / 4: a band over four points.
    for score, low, high in zip(curve.score, curve.low, curve.high, strict=True):
        k, a = round(40 * score), 0.05 / 8
        assert low == pytest.approx(1 / (1 + (40 - k + 1) / (k * stats.f.ppf(a, 2 * k, 2 * (40 - k + 1)))))
        assert high == pytest.approx(1 / (1 + (40 - k) / ((k + 1) * stats.f.isf(a, 2 * (k + 1), 2 * (40 - k)))))
    steps = survival_curve(_record(norms, [0.5, 1.0, 2.0]))
    assert (curve.high - curve.low).max() < (steps.high - steps.low).max()
    assert not curve.everywhere


@pytest.mark.parametrize("minimal", [True, False])
def test_the_whole_true_curve_lies_in_the_band_nineteen_times_in_twenty(minimal: bool) -> None:
    """200 samples of 40 norms: wrong with chance .1, else exponential; the binomial error is 1.5 points."""
    rng, held = np.random.default_rng(7), 0
    record = _record(np.ones(40), [0.25, 0.5, 1.0, 2.0], minimal)
    for _ in range(200):
        norms = np.where(rng.random(40) < 0.1, 0.0, rng.exponential(size=40))
        curve = survival_curve(_again(record, norms))
        true = 0.9 * np.exp(-curve.eps)
        # A step holds up to the next one, where the true curve is lowest.
        low = np.concatenate([curve.low[:1], curve.low[:-1]]) if minimal else curve.low
        held += bool(np.all((low <= true) & (curve.low <= true) & (true <= curve.high)))
    assert 0.94 <= held / 200 < 1


def test_the_area_is_the_mean_score_over_eps() -> None:
    record = _record(NORMS, [1.0, 2.0])
    # 0, .5, .5, 1.5 and all of 2, over 2.
    assert areas(record) == pytest.approx([0, 0.25, 0.25, 0.75, 1])
    found = area(record)
    assert (found.value, found.n) == (pytest.approx(0.45), 5)
    assert 0 <= found.low < 0.45 < found.high <= 1
    curve = survival_curve(record)
    assert found.value == pytest.approx(np.sum(curve.score[:-1] * np.diff(curve.eps)) / 2)
    assert areas(record, proved=True) == pytest.approx([0, 0.25, 0.25, 0.75, 1])


def test_the_area_of_a_sweep_is_by_the_trapezium_rule() -> None:
    record = _record(NORMS, [1.0, 2.0], minimal=False)
    curve = survival_curve(record)
    assert curve.score == pytest.approx([0.8, 0.4, 0.2])
    assert area(record).value == pytest.approx(((0.8 + 0.4) / 2 + (0.4 + 0.2) / 2) / 2)
    # Shuffled rows are other rows of the same triplets.
    mixed = replace(record, samples=record.samples.sample(frac=1, random_state=np.random.default_rng(0)))
    assert sorted(areas(mixed)) == pytest.approx(sorted(areas(record)))
    assert survival_curve(mixed).score == pytest.approx(curve.score)


def test_divided_votes_are_credited_to_the_other_side() -> None:
    for minimal in (True, False):
        curve = survival_curve(_record(NORMS, [1.0, 2.0], minimal, shares=0.8))
        assert curve.score[[0, -1]] == pytest.approx([0.8 * 0.8 + 0.2 * 0.2, 0.2 * 0.8 + 0.8 * 0.2])
    assert areas(_record(NORMS, [2.0], shares=0.8)) == pytest.approx([0.2, 0.35, 0.35, 0.65, 0.8])


def test_minimal_norms_know_wrong_and_unreached() -> None:
    assert minimal_norms(_record(NORMS, [1.0, 2.0])).tolist() == [0, 0.5, 0.5, 1.5, math.inf]
    above = _record(np.array([1.0, 3.0]), [1.0])
    above.samples.loc[0, "size"] = np.nextafter(1.0, 2)
    assert minimal_norms(above).tolist() == [1.0, math.inf]
    assert survival_curve(above).score.tolist() == [1.0, 0.5]


@pytest.mark.parametrize(("n", "rank"), [(6, 1), (8, 1), (9, 2), (12, 3), (13, 3), (15, 4), (20, 6), (25, 8)])
def test_the_interval_of_the_median_has_the_tabled_ranks(n: int, rank: int) -> None:
    """Dixon and Massey, Introduction to Statistical Analysis, table A-25."""
    found = median_norm(np.random.default_rng(0).permutation(np.arange(1.0, n + 1)))
    assert (found.low, found.high, found.n) == (rank, n + 1 - rank, n)
    assert found.value == (n + 1) // 2


def test_a_median_that_is_not_reached_is_infinite() -> None:
    found = median_norm(np.array([0.0, 1, 2, 3, 4, *[math.inf] * 7]))
    assert (found.value, found.low, found.high) == (math.inf, 2, math.inf)
    found = median_norm(np.array([0.0, 1, 2, math.inf]))
    assert (found.value, found.low, found.high) == (1, 0, math.inf)
    for norms in ([], [1.0, float("nan")], [-1.0]):
        with pytest.raises(ValueError, match="zero or more"):
            median_norm(np.array(norms))


def test_shared_references_widen_the_bands() -> None:
    norms, eps = np.repeat(np.linspace(0.1, 2, 20), 4), [0.5, 1.0]
    for minimal in (True, False):
        alone = _record(norms, eps, minimal)
        names = {f"t{i}": f"r{i // 4}" for i in range(80)}
        shared = replace(alone, facts={**alone.facts, "references": names})
        twenty = survival_curve(_record(norms[::4], eps, minimal))
        wide = survival_curve(shared)
        assert (wide.low, wide.high) == (pytest.approx(twenty.low), pytest.approx(twenty.high))
        assert (wide.high - wide.low).max() > 1.5 * (lambda c: (c.high - c.low).max())(survival_curve(alone))
        assert area(shared).high > area(alone).high


def test_runs_without_a_curve() -> None:
    record = _record(NORMS, [1.0], minimal=False)
    with pytest.raises(ValueError, match="smallest flip"):
        minimal_norms(record)
    for option in ({"move": "all"}, {"protocol": "paper"}):
        asked = _record(NORMS, [1.0])
        other = replace(asked, spec={**asked.spec, **option})
        assert not survival_curve(other).everywhere
        with pytest.raises(ValueError, match="smallest flip"):
            minimal_norms(other)
    with pytest.raises(ValueError, match="no certificates"):
        certified_radii(replace(record, spec={**record.spec, "certifier": None}))
    with pytest.raises(ValueError, match="no attack"):
        survival_curve(replace(record, spec={**record.spec, "attack": None}))
    for eps in ([], [0.0]):
        with pytest.raises(ValueError, match="no positive eps"):
            areas(replace(record, spec={**record.spec, "eps": eps}))
    with pytest.raises(ValueError, match="moved distances"):
        areas(replace(record, facts={"unit": "distance"}))
    with pytest.raises(ValueError, match="two clusters"):
        area(_record(NORMS[:1], [1.0]))
