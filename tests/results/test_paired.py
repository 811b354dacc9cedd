"""Two runs, the triplets that both have, and who shares a reference."""

from dataclasses import replace
from math import comb

import numpy as np
import pandas as pd
import pytest

from perceptbench.core.errors import UserError
from perceptbench.results.paired import outcomes, significance
from perceptbench.results.record import COLUMNS
from perceptbench.results.references import references
from perceptbench.results.rows import rows_of
from perceptbench.results.statistics.estimates import clustered_mean, independent, proportion, score


def test_answers_are_aligned_by_id(tiny) -> None:
    first, second = tiny(), tiny(run="b" * 12)
    mixed = replace(second, samples=second.samples.iloc[[7, 2, 5, 0, 3, 6, 1, 4]].reset_index(drop=True))
    for kind, eps, right, credits in (
        ("natural", None, [True, True, False, True], [1, 1, 0.5, 0.8]),
        ("attack", 2.0, [True, False, False, False], [1, 0, 0, 0.2]),
        ("certificate", 1.0, [True, False, False, True], [1, 0, 0, 0.8]),
    ):
        found = outcomes(first, mixed, kind, eps)
        assert found.ids.tolist() == ["a", "b", "c", "d"]
        for side in (0, 1):
            assert found.right[side].tolist() == right
            assert found.score[side] == pytest.approx(credits)
        assert (found.test().gained, found.test().lost) == (0, 0)


def test_a_smaller_limit_leaves_the_triplets_of_both(tiny) -> None:
    first, second = tiny(), tiny(robust=[False, True, True, True] * 2)
    part = replace(second, samples=second.samples[second.samples["id"].isin(["b", "a", "c"])])
    found = outcomes(first, part, "attack", 1.0)
    assert found.ids.tolist() == ["a", "b", "c"]
    assert found.right[0].tolist() == [True, True, False]
    assert found.right[1].tolist() == [False, True, True]
    assert (found.test().n, found.test().gained, found.test().lost) == (3, 1, 1)
    assert found.difference().value == pytest.approx(0)


def test_what_cannot_be_paired(tiny) -> None:
    record = tiny()
    with pytest.raises(ValueError, match="different data"):
        outcomes(record, tiny(content=[f"{i:016x}" for i in (0, 1, 2, 9)] * 2), "natural")
    one, other = (tiny(spec={"fingerprints": {"data": digest}}, content=[""] * 8) for digest in "ab")
    with pytest.raises(ValueError, match="different data"):
        outcomes(one, other, "natural")
    with pytest.raises(ValueError, match="no triplet in common"):
        outcomes(record, tiny(id=["e", "f", "g", "h"] * 2), "natural")
    with pytest.raises(ValueError, match=r"no attack at eps 3"):
        outcomes(record, record, "attack", 3.0)
    with pytest.raises(ValueError, match="no certificate at eps"):
        outcomes(record, tiny(spec={"certifier": None}), "certificate", 1.0)
    with pytest.raises(ValueError, match="moved distances"):
        outcomes(record, tiny(facts={"unit": "distance"}), "attack", 1.0)


def _many(tiny, right: np.ndarray, run: str):
    record = tiny(run=run * 12)
    frame = pd.DataFrame(dict.fromkeys(COLUMNS, 0), index=range(len(right))).assign(
        id=[f"t{i}" for i in range(len(right))], eps=1.0, right_share=1.0, d1=1.0, correct=right, robust=right
    )
    return replace(record, spec={**record.spec, "eps": [1.0]}, samples=frame.astype(COLUMNS))


def test_metrics_are_tested_pair_by_pair_and_holm_counts_the_pairs(tiny) -> None:
    # Nested answers: 40, 30, 28 and none of 40. 40 against 30: 2 / 2^10; 30 against 28: 2 / 2^2.
    runs = {name: _many(tiny, np.arange(40) < k, name) for name, k in zip("abcd", (28, 40, 0, 30), strict=True)}
    found = significance(runs, "natural")
    assert found.pairs[frozenset("bd")].exact == pytest.approx(2 / 2**10)
    assert found.pairs[frozenset("ad")].exact == pytest.approx(0.5)
    # Six pairs; b against d is the fifth smallest, so times two; a against d the last.
    assert found.adjusted[frozenset("bd")] == pytest.approx(2 * 2 / 2**10)
    assert found.adjusted[frozenset("ad")] == pytest.approx(0.5)
    assert found.letters == {"b": "a", "d": "b", "a": "b", "c": "c"}
    assert list(found.letters) == ["b", "d", "a", "c"]
    assert (found.pairs[frozenset("ab")].gained, found.pairs[frozenset("ab")].lost) == (0, 12)
    assert significance({"a": runs["a"]}, "attack", 1.0).letters == {"a": "a"}
    with pytest.raises(ValueError, match="each once"):
        significance({}, "natural")


def test_divided_votes_are_tested_on_the_credit_that_ranks(tiny) -> None:
    """Where people were divided .9 to .1, ten answers weigh .8 each; where .6 to .4, twelve weigh .2 each.

    The first metric is right on the ten and the second on the twelve: by answers the second leads, by credit the first.
    """
    share = [0.9] * 10 + [0.6] * 12
    first, second = (
        _voted(tiny, np.array([leads] * 10 + [not leads] * 12), share, run)
        for run, leads in (("a", True), ("b", False))
    )
    pair = outcomes(first, second, "natural")
    assert (pair.test().gained, pair.test().lost) == (10, 12)
    assert pair.difference().value == pytest.approx((10 * 0.8 - 12 * 0.2) / 22)
    # The sum is 5.6 of at most 10.4: by the counts i of .8 and j of .2 that keep their sign, 1.6 i + .4 j >= 16.
    tail = (
        sum(comb(10, i) * comb(12, j) for i in range(11) for j in range(13) if 1.6 * i + 0.4 * j >= 16 - 1e-9) / 2**22
    )
    assert pair.p_value() == pytest.approx(2 * tail, abs=0.006)
    assert pair.test().exact > 0.8
    found = significance({"second": second, "first": first}, "natural")
    assert list(found.letters) == ["first", "second"]
    assert found.adjusted[frozenset(("first", "second"))] == pair.p_value()


def _voted(tiny, right: np.ndarray, share: list[float], run: str):
    record = _many(tiny, right, run)
    frame = record.samples.assign(right_share=share, label=1)
    return replace(record, samples=frame.astype(COLUMNS))


def test_references_that_repeat_are_flipped_whole(tiny) -> None:
    """Twelve triplets of three references, all gained: 2 / 2^3 and not 2 / 2^12."""
    runs = {name: _many(tiny, np.full(12, right), name) for name, right in (("a", True), ("b", False))}
    assert outcomes(runs["a"], runs["b"], "natural").p_value() == pytest.approx(2 / 2**12)
    names = {f"t{i}": f"r{i // 4}" for i in range(12)}
    shared = {name: replace(record, facts={**record.facts, "references": names}) for name, record in runs.items()}
    assert outcomes(shared["a"], shared["b"], "natural").p_value() == pytest.approx(2 / 2**3)
    assert significance(shared, "natural").letters == {"a": "a", "b": "a"}


def test_references_come_from_the_facts_and_are_no_ids(tiny) -> None:
    assert len(set(references(tiny(), "abcd"))) == 4
    shared = tiny(facts={"references": {"a": "d", "b": "d"}})
    found = references(shared, "abcd").tolist()
    assert found[0] == found[1]
    assert len(set(found)) == 3, "an image named d is not the triplet d"
    with pytest.raises(UserError, match="damaged: references"):
        references(tiny(facts={"references": ["a"]}), "a")


def test_scores_draw_shared_references_whole(tiny) -> None:
    values, names = np.array([1.0, 1, 1, 0, 0, 1, 0, 0.5]), list("aabbccdd")
    assert score(values, list("abcdefgh")) == proportion(values)
    assert score(values, names) == clustered_mean(values, names)
    # All references alike, or one alone: as many answers as references.
    same = score(np.array([1.0, 1, 1, 1]), list("aabb"))
    assert (same.value, same.low, same.n) == (1, pytest.approx(proportion(np.ones(2)).low), 4)
    alone = score(np.array([1.0, 0.0]), list("aa"))
    assert (alone.value, alone.high - alone.low) == (0.5, pytest.approx(np.ptp([*_ends(np.array([0.5]))])))
    with pytest.raises(ValueError, match="no score"):
        score(np.array([]), [])

    record = tiny(facts={"references": {"a": "x", "b": "x"}})
    natural, *others = rows_of(record)
    expected = clustered_mean(np.array([1, 1, 0.5, 0.8]), list("aacd"))
    assert (natural.score, natural.low) == (pytest.approx(100 * expected.value), pytest.approx(100 * expected.low))
    assert all(row.low != other.low for row, other in zip(others, rows_of(tiny())[1:], strict=True))
    assert outcomes(record, record, "natural").references[0] == outcomes(record, record, "natural").references[1]


def _ends(values: np.ndarray) -> tuple[float, float]:
    estimate = proportion(values)
    return estimate.low, estimate.high


def test_how_many_triplets_are_independent_at_worst() -> None:
    assert independent(list("abcd")) == 4
    assert independent(list("aabbcc")) == 3
    # 4^2 / (3^2 + 1)
    assert independent(list("aaab")) == pytest.approx(1.6)
    with pytest.raises(ValueError, match="no score"):
        independent([])
