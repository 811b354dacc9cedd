"""The least change that flips bits, against every way to flip them."""

from itertools import product

import numpy as np
import pytest

from perceptbench.certifiers.bit_cost import Code, least_length
from perceptbench.certifiers.hash import match_length

RANK = (3, 2)
"""Six values beside their third smallest: at most 3 above it, and at most 2 below."""


def drawn(seed: int, k: int = 6, ties: bool = False) -> Code:
    draw = np.random.default_rng(seed)
    values = draw.normal(size=k)
    if ties:
        values = np.round(values)
    middle = np.sort(values)[k // 2 - 1]
    return Code(values, draw.uniform(0.5, 2, size=k), values > middle, *RANK)


def by_every_way(code: Code, wanted: np.ndarray, flips: int) -> float:
    """Each value below the threshold, on it or above; the threshold by ternary search, as each cost is convex in it."""
    ways = np.array(list(product((-1, 0, 1), repeat=len(code.values))))
    above = ways == 1
    gained = np.where(wanted, above != code.bits, -1 * (above != code.bits)).sum(1)
    fit = (above.sum(1) <= code.above) & ((ways == -1).sum(1) <= code.below) & (gained >= flips)
    ways = ways[fit]

    def cost(at: np.ndarray) -> np.ndarray:
        away = code.values - at[:, None]
        wrong = np.where(ways == 0, np.abs(away), np.maximum(-ways * away, 0))
        return (wrong**2 / code.scale).sum(1)

    low, high = (np.full(len(ways), end) for end in (code.values.min() - 1, code.values.max() + 1))
    for _ in range(50):
        left, right = low + (high - low) / 3, high - (high - low) / 3
        lower = cost(left) < cost(right)
        low, high = np.where(lower, low, left), np.where(lower, right, high)
    return float(np.sqrt(cost(low).min())) if len(ways) else np.inf


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("flips", [1, 2, 3, 4])
def test_the_least_length_is_that_of_the_best_way(flips, ties):
    found = []
    for seed in range(6):
        code = drawn(seed, ties=ties)
        wanted = np.random.default_rng(seed + 99).random(6) < (1.0 if seed % 2 else 0.7)
        best, claimed = by_every_way(code, wanted, flips), least_length(code, wanted, flips)
        assert claimed <= best + 1e-9
        assert claimed == pytest.approx(best, rel=1e-3, abs=1e-6)
        found.append(best)
    assert ties or sum(0 < best < np.inf for best in found) >= 2


def test_bits_fall_alone_onto_a_tied_threshold():
    """Two fall and one rises where they meet: 2 (1 - t)^2 + t^2 is 2/3 at best. In equal pairs a -9 must rise too."""
    code = Code(np.array([-9.0, -9.0, 0.0, 1.0, 1.0, 1.0]), np.ones(6), np.arange(6) > 2, *RANK)
    assert least_length(code, np.ones(6, bool), 3) == pytest.approx((2 / 3) ** 0.5, rel=1e-4)


def test_a_pair_meets_halfway():
    code = Code(np.array([-9.0, -9.0, 0.0, 1.0, 8.0, 9.0]), np.ones(6), np.arange(6) > 2, *RANK)
    assert least_length(code, np.ones(6, bool), 2) == pytest.approx(0.5**0.5, rel=1e-4)


def test_what_is_not_sure_of_the_values_comes_off_every_gap():
    code = Code(np.array([-9.0, -8.0, 0.0, 1.0, 8.0, 9.0]), np.ones(6), np.arange(6) > 2, *RANK)
    sure = least_length(code, np.ones(6, bool), 1)
    unsure = Code(code.values, code.scale, code.bits, *RANK, off=0.1)
    assert least_length(unsure, np.ones(6, bool), 1) < 0.9 * sure


def test_nothing_to_do_and_too_few_bits():
    code = drawn(1)
    assert least_length(code, np.ones(6, bool), 0) == 0
    assert least_length(code, np.ones(6, bool), 7) == np.inf
    assert least_length(code, np.zeros(6, bool), 1) == np.inf


def test_equal_values_flip_at_once():
    code = Code(np.zeros(6), np.ones(6), np.zeros(6, bool), *RANK)
    assert least_length(code, np.ones(6, bool), 1) == 0


def test_a_distance_of_the_threshold_is_a_match():
    """At distance 2, a threshold of 2 is one flip from evasion, and one of 1 is one flip from collision."""
    steps = []
    for seed in range(4):
        code = drawn(seed)
        other = code.bits.copy()
        other[[0, 3]] = ~other[[0, 3]]
        same = code.bits == other
        evasion = [least_length(code, same, flips) for flips in (1, 2, 3)]
        collision = [least_length(code, ~same, flips) for flips in (1, 2)]
        assert [match_length(code, other, tau) for tau in (2.0, 3.0, 4.0)] == evasion
        assert [match_length(code, other, tau) for tau in (1.0, 0.0)] == collision
        assert match_length(code, other, 2.9) == evasion[0]
        assert match_length(code, other, 6.0) == np.inf
        assert match_length(code, other, -0.5) == np.inf
        steps.append((evasion[0] < evasion[1], evasion[1] < evasion[2], collision[0] < collision[1]))
    assert all(map(any, zip(*steps, strict=True)))
