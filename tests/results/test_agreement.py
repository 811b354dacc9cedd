"""Agreement between people against published tables and counted pairs of people."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from perceptbench.results.statistics.agreement import cohens_kappa, fleiss_kappa, human_ceiling

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


def test_judges_who_always_or_never_agree_have_an_interval_too() -> None:
    """Clopper and Pearson's lower end for n of n is 0.025^(1/n); half of it is chance, so kappa is 2 p - 1."""
    for n in (2, 10):
        answers = np.arange(n) % 2
        found, opposed = cohens_kappa(answers, answers), cohens_kappa(answers, 1 - answers)
        assert (found.value, found.low, found.high) == pytest.approx((1, 2 * 0.025 ** (1 / n) - 1, 1))
        assert (opposed.value, opposed.low, opposed.high) == pytest.approx((-1, -1, 1 - 2 * 0.025 ** (1 / n)))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=2, max_size=8))
def test_a_kappa_lies_in_an_interval_with_width(answers: list[tuple[int, int]]) -> None:
    first, second = np.array(answers).T
    if len({*first}) > 1 and len({*second}) > 1:
        found = cohens_kappa(first, second)
        assert -1 <= found.low <= found.value <= found.high <= 1
        assert found.low < found.high


def test_kappas_without_a_value() -> None:
    alike, mixed = np.array([True, True]), np.array([True, False])
    for first, second in ((alike, alike), (alike, mixed), (mixed, alike)):
        with pytest.raises(ValueError, match="same answer"):
            cohens_kappa(first, second)
    for few in (mixed[:0], mixed[:1]):
        with pytest.raises(ValueError, match="at least two triplets"):
            cohens_kappa(few, few)
    with pytest.raises(ValueError, match="same triplets"):
        cohens_kappa(mixed, mixed[:1])
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


def test_people_on_triplets_of_one_reference_promise_less() -> None:
    share = np.array([0.8, 0.8, 0.8, 1.0, 1.0, 1.0])
    alone, shared = human_ceiling(share), human_ceiling(share, references=["a"] * 3 + ["b"] * 3)
    assert shared.majority.value == alone.majority.value == pytest.approx(0.9)
    # Two references, one at .8 and one at 1: nothing between these ends is known.
    assert (shared.majority.low, shared.majority.high) == pytest.approx((0.8, 1.0))
    assert (shared.person.low, shared.person.high) == pytest.approx((0.68, 1.0))


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
