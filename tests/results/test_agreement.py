"""Agreement between people against published tables and counted pairs of people."""

import numpy as np
import pytest
from scipy import stats

from results.agreement import cohens_kappa, fleiss_kappa, human_ceiling

FLEISS_1971 = """444444 222555 233335 555555 222444 113333 333355 113334 114444 555555 144444 124444 222333 144444
224445 333335 111455 111112 224444 133555 555555 244444 224555 114444 144445 222224 111155 224444 133333 555555"""
"""Psychological Bulletin 76, table 1: thirty patients, six psychiatrists, five diagnoses."""


def test_fleiss_kappa_on_fleiss_patients() -> None:
    counts = np.array([[patient.count(str(kind)) for kind in range(1, 6)] for patient in FLEISS_1971.split()])
    assert counts.shape == (30, 5)
    assert round(fleiss_kappa(counts), 3) == 0.430


def test_fleiss_kappa_of_two_answers_by_hand() -> None:
    # Rows agree 1, 1/3 and 1/3; answers 6 and 3 of 9: (5/9 - 5/9) / (4/9).
    assert fleiss_kappa(np.array([[3, 0], [2, 1], [1, 2]])) == pytest.approx(0, abs=1e-12)
    assert fleiss_kappa(np.array([[3, 0], [0, 3]])) == pytest.approx(1)


def test_cohens_kappa_on_the_diagnoses_of_fleiss() -> None:
    """Fleiss, Statistical Methods for Rates and Proportions, 1981, table 13.1: kappa .68, s.e. .087."""
    table = np.array([[75, 1, 4], [5, 4, 1], [0, 0, 10]])
    first, second = (np.repeat(axis.ravel(), table.ravel()) for axis in np.indices((3, 3)))
    found = cohens_kappa(first, second)
    assert found.n == 100
    # Observed .89, by chance .8 * .8 + .1 * .05 + .1 * .15 = .66.
    assert found.value == pytest.approx((0.89 - 0.66) / (1 - 0.66))
    assert round(found.value, 2) == 0.68
    assert (found.high - found.value) == pytest.approx(1.96 * 0.0877, abs=2e-4)
    assert found.value - found.low == pytest.approx(found.high - found.value)


def test_kappa_stays_in_its_range_and_takes_words() -> None:
    assert cohens_kappa(np.array(["left", "right"] * 5), np.array(["left", "right"] * 5)).high == 1
    found = cohens_kappa(np.array(["left"] * 5 + ["right"] * 5), np.array(["right"] * 4 + ["left"] * 6))
    assert (found.value, found.low) == (pytest.approx(-0.8), -1)


def test_kappas_without_a_value() -> None:
    alike = np.array([True, True])
    with pytest.raises(ValueError, match="same answer"):
        cohens_kappa(alike, alike)
    for first, second in ((alike[:0], alike[:0]), (alike, alike[:1])):
        with pytest.raises(ValueError, match="same triplets"):
            cohens_kappa(first, second)
    for counts, said in (
        (np.zeros((0, 2)), "one row"),
        (np.array([3, 1]), "one row"),
        (np.array([[2, 1], [1, 1]]), "same number"),
        (np.array([[1, 0], [0, 1]]), "same number"),
        (np.array([[3, 0], [3, 0]]), "only one answer"),
    ):
        with pytest.raises(ValueError, match=said):
            fleiss_kappa(counts)


def test_the_majority_and_one_person() -> None:
    # Zhang et al. 2018: of four in five, the majority scores .8 and a person .8^2 + .2^2.
    ceiling = human_ceiling(np.array([0.8, 0.2]))
    assert (ceiling.majority.value, ceiling.person.value) == pytest.approx((0.8, 0.68))
    # Two of the five drawn without putting back agree in 6 of 10 pairs.
    assert human_ceiling(np.array([0.8]), np.array([5])).person.value == pytest.approx(0.6)
    assert human_ceiling(np.array([1.0, 0.0])).person.value == 1
    assert human_ceiling(np.array([0.6]), np.array([5])).majority.n == 1


@pytest.mark.parametrize("p", [0.5, 0.7, 0.95])
def test_a_person_is_counted_without_her_own_vote(p: float) -> None:
    """Over all votes of five people, the expectation is that of two people asked anew."""
    k = np.arange(6)
    chance = stats.binom.pmf(k, 5, p)
    agree = [human_ceiling(np.array([votes / 5]), np.array([5])).person.value for votes in k]
    assert chance @ agree == pytest.approx(p**2 + (1 - p) ** 2)


def test_votes_that_cannot_be() -> None:
    for share in ([], [1.2], [float("nan")]):
        with pytest.raises(ValueError, match="at least one triplet"):
            human_ceiling(np.array(share))
    for votes in ([1], [3], [5, 5]):
        with pytest.raises(ValueError, match="two votes or more"):
            human_ceiling(np.array([0.8]), np.array(votes))
