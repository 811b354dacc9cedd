"""Tests between metrics against textbook values, counted tails and all groups there can be."""

from itertools import combinations
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests

from perceptbench.results.statistics.comparison import difference, holm, letters, mcnemar


def _answers(both: int, first: int, second: int, none: int) -> tuple[np.ndarray, np.ndarray]:
    one = [True] * (both + first) + [False] * (second + none)
    other = [True] * both + [False] * first + [True] * second + [False] * none
    return np.array(one), np.array(other)


def test_mcnemar_on_agrestis_approval_of_the_president() -> None:
    """Agresti, Categorical Data Analysis, table 10.1: z = -4.17, that is 64^2 / 236 = 17.36 uncorrected."""
    found = mcnemar(*_answers(794, 150, 86, 570))
    assert (found.n, found.gained, found.lost) == (1600, 150, 86)
    assert found.corrected == pytest.approx(stats.chi2.sf(63**2 / 236, 1), rel=1e-9)
    tail = sum(comb(236, k) for k in range(87)) / 2**236
    assert found.exact == pytest.approx(2 * tail, rel=1e-9)
    assert stats.norm.sf(4.17) * 2 < found.exact < 2 * stats.norm.sf(3.9)


def test_mcnemar_exact_by_hand_for_few_triplets() -> None:
    # 9 against 1: 2 (1 + 10) / 2^10.
    found = mcnemar(*_answers(3, 1, 9, 2))
    assert (found.gained, found.lost) == (1, 9)
    assert found.exact == pytest.approx(22 / 1024)
    assert found.corrected == pytest.approx(stats.chi2.sf(4.9, 1))


@pytest.mark.parametrize("counts", [(5, 0, 0, 5), (0, 1, 1, 0), (4, 7, 7, 4)])
def test_no_more_gained_than_lost_is_no_difference(counts: tuple[int, int, int, int]) -> None:
    found = mcnemar(*_answers(*counts))
    assert (found.exact, found.corrected) == (1.0, 1.0)


def test_mcnemar_wants_pairs_of_booleans() -> None:
    right = np.array([True, False])
    with pytest.raises(ValueError, match="same triplets"):
        mcnemar(right, right[:1])
    with pytest.raises(ValueError, match="same triplets"):
        mcnemar(right[:0], right[:0])
    with pytest.raises(ValueError, match="booleans"):
        mcnemar(right.astype(int), right)


def test_holm_on_four_p_values() -> None:
    # Sorted .005 .01 .03 .04 times 4 3 2 1, never falling: .02 .03 .06 .06 (Holm 1979, by hand).
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([0.2]) == [0.2]
    assert holm([]) == []
    for wrong in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match="lie in"):
            holm([0.5, wrong])


def test_holm_is_that_of_statsmodels() -> None:
    rng = np.random.default_rng(3)
    for p in (rng.random(27) ** 3, np.repeat(rng.random(5), 4)):
        assert holm(p.tolist()) == multipletests(p, method="holm")[1].tolist()


def test_the_interval_of_a_difference_is_paired() -> None:
    rng = np.random.default_rng(0)
    hard = rng.random(200)
    first, second = hard + 0.1 + 0.01 * rng.standard_normal(200), hard
    found = difference(first, second)
    assert found.value == pytest.approx(np.mean(first - second))
    # Normal theory: 0.1 +- 1.96 * 0.01 / sqrt(200); unpaired it would be some forty times as wide.
    assert (found.high - found.low) / 2 == pytest.approx(1.96 * 0.01 / np.sqrt(200), rel=0.15)
    assert found.n == 200
    swapped = difference(second, first)
    assert (swapped.value, swapped.low) == pytest.approx((-found.value, -found.high), abs=2e-4)


def test_groups_are_drawn_whole() -> None:
    gaps = np.random.default_rng(1).standard_normal(12)
    names = [f"{i:02}" for i in range(12)]
    once = difference(gaps, np.zeros(12), names)
    often = difference(np.repeat(gaps, 4), np.zeros(48), list(np.repeat(names, 4)))
    assert (often.low, often.high) == pytest.approx((once.low, once.high), abs=1e-9)
    assert difference(np.repeat(gaps, 4), np.zeros(48)).high < often.high


def test_differences_that_are_all_equal_and_samples_too_small() -> None:
    same = np.array([1.0, 0.0, 1.0])
    found = difference(same, same)
    assert (found.value, found.low, found.high, found.n) == (0, 0, 0, 3)
    for size in (0, 1):
        with pytest.raises(ValueError, match=r"same triplets|two clusters"):
            difference(same[:size], same[:size])
    with pytest.raises(ValueError, match="one group"):
        difference(same, same, ["a"])


def _pairs(differ: str, names: str) -> dict[frozenset[str], float]:
    apart = {frozenset(pair) for pair in differ.split()}
    return {pair: 0.01 if pair in apart else 0.6 for pair in map(frozenset, combinations(names, 2))}


def test_letters_by_hand() -> None:
    # The classical chain: neighbours alike, others not (Piepho 2004).
    assert letters("ABCD", [4, 3, 2, 1], _pairs("AC AD BD", "ABCD")) == {"A": "a", "B": "ab", "C": "bc", "D": "c"}
    # Best first, whatever the order they come in.
    assert list(letters("BA", [1, 2], _pairs("AB", "AB")).items()) == [("A", "a"), ("B", "b")]
    assert letters("ABC", [3, 2, 1], _pairs("", "ABC")) == {"A": "a", "B": "a", "C": "a"}
    assert letters("A", [1], {}) == {"A": "a"}
    # Alike at the ends but not in the middle, as happens where the triplets differ.
    assert letters("ABC", [3, 2, 1], _pairs("AB BC", "ABC")) == {"A": "a", "B": "b", "C": "a"}
    # Significant means smaller than alpha.
    assert letters("AB", [2, 1], {frozenset("AB"): 0.05}) == {"A": "a", "B": "a"}


def test_letters_beyond_z() -> None:
    names = [f"m{i:02}" for i in range(28)]
    found = letters(names, range(28, 0, -1), {frozenset(pair): 0.0 for pair in combinations(names, 2)})
    assert [found[name] for name in names[24:]] == ["y", "z", "aa", "ab"]


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 6).flatmap(lambda n: st.tuples(st.just(n), st.sets(st.integers(0, n * n - 1)))))
def test_letters_are_the_largest_groups_without_a_significant_pair(drawn: tuple[int, set[int]]) -> None:
    n, marked = drawn
    names = "ABCDEF"[:n]
    adjusted = {
        frozenset(names[i] + names[j]): 0.01 if i * n + j in marked else 0.5 for i, j in combinations(range(n), 2)
    }
    found = letters(names, range(n, 0, -1), adjusted)
    subsets = [frozenset(group) for size in range(1, n + 1) for group in combinations(names, size)]
    alike = [group for group in subsets if all(adjusted[frozenset(pair)] > 0.05 for pair in combinations(group, 2))]
    expected = {group for group in alike if not any(group < other for other in alike)}
    used = sorted({letter for letters_ in found.values() for letter in letters_})
    assert {frozenset(name for name in names if letter in found[name]) for letter in used} == expected
    assert len(used) == len(expected)
    assert used == list("abcdefghijklmnop"[: len(used)])


def test_letters_want_every_pair_and_every_name_once() -> None:
    with pytest.raises(ValueError, match="A and B"):
        letters("AB", [2, 1], {})
    for names, scores in (("", []), ("AA", [1, 1]), ("AB", [1])):
        with pytest.raises(ValueError, match="each once"):
            letters(names, scores, {})
