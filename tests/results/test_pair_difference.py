"""Tests between two metrics, and those of the gate, where pairs share photographs on both sides."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from baselines import baseline, run
from scipy import stats

from perceptbench.results.gate.worse import compare
from perceptbench.results.paired import Outcomes
from perceptbench.results.statistics import sign_flips
from perceptbench.results.statistics.dyadic import Sides
from perceptbench.results.statistics.pair_difference import difference, fewest, one_sided, two_sided


def sides(pairs: list[tuple[str, str]]) -> Sides:
    return Sides.of(*(np.array(names) for names in zip(*pairs, strict=True)))


def couples(named: list[tuple[str, str]]) -> list[tuple[int, int]]:
    """The couples of pairs that share a photograph, by the definition; each pair is one with itself."""
    every = range(len(named))
    return [(i, j) for i in every for j in every if set(named[i]) & set(named[j])]


def test_pairs_that_share_nothing_have_the_exact_test_of_mcnemar() -> None:
    d = np.array([1.0] * 9 + [-1.0] * 2 + [0.0] * 5)
    mine = sides([(f"{i} a", f"{i} b") for i in range(16)])
    assert one_sided(d, mine) == pytest.approx(stats.binom.sf(8, 11, 0.5))
    assert two_sided(-d, mine) == pytest.approx(2 * stats.binom.sf(8, 11, 0.5))
    assert one_sided(np.zeros(16), mine) == 1


def test_copies_of_one_photograph_are_flipped_together() -> None:
    """Four copies of each of six photographs, and an image of its own for two of them: queries stand apart."""
    named = [(f"p{i}", f"p{i}") for i in range(6) for _ in range(4)] + [("p0", "own"), ("p1", "another")]
    d = np.random.default_rng(0).choice([0.0, 1.0, 1.0, -1.0], len(named))
    assert one_sided(d, sides(named)) == pytest.approx(sign_flips.one_sided(d, [one for one, _ in named]))
    assert one_sided(np.ones(len(named)), sides(named)) == pytest.approx(1 / 2**6)


def test_an_image_that_all_are_compared_with_is_one_piece_of_evidence() -> None:
    """Twelve queries: flips of queries would say 1 / 4096."""
    common = sides([(f"q{i}", "x") for i in range(12)])
    assert one_sided(np.ones(12), common) == 0.5
    assert one_sided(np.ones(12), sides([("x", f"q{i}") for i in range(12)])) == 0.5


def error_of(d: np.ndarray, named: list[tuple[str, str]]) -> float:
    """By the definitions: the sum over couples, at least that of independent pairs, and leaving out a photograph."""
    away, photographs = (d - d.mean()) / len(d), sorted({one for pair in named for one in pair})
    dyadic = max(sum(away[i] * away[j] for i, j in couples(named)), float((away**2).sum()))
    left = np.array([np.mean([v for v, pair in zip(d, named, strict=True) if one not in pair]) for one in photographs])
    jackknife = (len(left) - 1) / len(left) * float(((left - left.mean()) ** 2).sum())
    return max(dyadic, jackknife) ** 0.5


@pytest.mark.parametrize("seed", range(4))
def test_every_pair_of_ten_photographs_is_tested_by_its_standard_error(seed: int) -> None:
    """One of them loses all of its pairs, others some: flips of queries, or of images, say less than Student's t."""
    draw, named = np.random.default_rng(seed), list(combinations("abcdefghij", 2))
    d = np.array([float("e" in pair or draw.random() < 0.3) for pair in named])
    mine = sides(named)
    wanted = stats.t.sf(d.mean() / error_of(d, named), 10 / 2 - 1)
    flips = [sign_flips.one_sided(d, [pair[side] for pair in named]) for side in (0, 1)]
    assert wanted > 1.5 * max(flips)
    assert one_sided(d, mine) == pytest.approx(wanted)


def test_where_all_pairs_differ_alike_flips_say_how_many_that_may_be_by_chance() -> None:
    """15 pairs of six photographs, which are five queries and five images."""
    assert one_sided(np.ones(15), sides(list(combinations("abcdef", 2)))) == 1 / 32


def test_the_level_is_held_where_photographs_have_effects_of_their_own() -> None:
    """Two metrics that are equally good: at most 7 % of 400 draws say otherwise at 5 %, and flips of queries more."""
    draw, named = np.random.default_rng(3), list(combinations(range(14), 2))
    mine = sides([(f"{i}", f"{j}") for i, j in named])

    def drawn(shift: float) -> np.ndarray:
        effect = draw.normal(size=14)
        found = [effect[i] + effect[j] + 0.5 * draw.normal() + shift for i, j in named]
        return np.where(np.abs(found) > 1, np.sign(found), 0.0)

    every = [drawn(0) for _ in range(400)]
    assert np.mean([two_sided(one, mine) <= 0.05 for one in every]) <= 0.07
    assert np.mean([sign_flips.two_sided(one, mine.first.tolist()) <= 0.05 for one in every]) > 0.10
    # It still sees a difference that is there.
    assert np.mean([two_sided(drawn(3), mine) <= 0.05 for _ in range(50)]) > 0.9


def test_the_interval_of_a_difference_is_about_the_photographs_of_both_sides() -> None:
    named = [*combinations("abcdef", 2)]
    d = np.random.default_rng(1).choice([-0.2, 0.0, 0.2], 15)
    found, half = difference(d, sides(named)), stats.t.ppf(0.975, 2) * error_of(d, named)
    assert (found.low, found.high) == (pytest.approx(max(-1, d.mean() - half)), pytest.approx(min(1, d.mean() + half)))
    assert (found.value, found.n) == (pytest.approx(d.mean()), 15)
    assert -1 < found.low < found.high < 1
    common = difference(np.array([1.0, 0, 0]), sides([("x", "a"), ("x", "b"), ("c", "x")]))
    assert (common.low, common.high) == (-1, 1)
    with pytest.raises(ValueError, match="no difference"):
        difference(np.zeros(0), sides([("a", "b")]))


def test_the_fewest_lost_pairs_are_of_as_many_photographs() -> None:
    """At 1 / 60 six photographs are needed, however many copies there are of each; five never suffice."""
    eight, five = (sides([(f"p{i}", f"p{i}") for i in range(n) for _ in range(5)]) for n in (8, 5))
    assert fewest(eight, np.ones(40, dtype=bool), 1 / 60) == 6
    assert fewest(five, np.ones(25, dtype=bool), 1 / 60) is None
    # Only five photographs have a pair left to lose.
    assert fewest(eight, np.arange(40) < 25, 1 / 60) is None
    assert fewest(eight, np.zeros(40, dtype=bool), 0.05) is None


def test_two_metrics_on_pairs_are_tested_by_the_photographs_of_both_sides() -> None:
    right = np.ones(12, dtype=bool), np.zeros(12, dtype=bool)
    made = Outcomes(
        np.array([f"{i}" for i in range(12)]), np.array([f"q{i}" for i in range(12)]), right,
        (right[0].astype(float), right[1].astype(float)), sides([(f"q{i}", "x") for i in range(12)]),
    )  # fmt: skip
    assert made.p_value() == 1
    assert made.difference().value == 1
    assert replace(made, sides=None).p_value() == pytest.approx(2 / 2**12)


def test_the_gate_does_not_take_pairs_of_one_image_for_independent() -> None:
    """Twelve of sixteen decisions fall. On triplets that fails; on pairs that share an image it may be chance."""
    before, now = run(["1 - -"] * 16), run(["0 - -"] * 12 + ["1 - -"] * 4)
    names = list(before.outcomes)

    def verdict(other: dict[str, str]) -> tuple[str, float | None, bool]:
        queries = {name: f"q{i}" for i, name in enumerate(names)} if other else {}
        (found,) = compare(baseline(before), [replace(now, references=queries, others=other)])
        return found.verdict, found.smallest, found.of_pairs

    assert verdict({})[0] == "worse"
    assert verdict(dict.fromkeys(names, "x")) == ("changed", None, True)
    apart = verdict({name: f"own {i}" for i, name in enumerate(names)})
    assert apart == ("worse", pytest.approx(100 * 6 / 16), True)
