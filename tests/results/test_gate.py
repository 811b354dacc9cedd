"""The gate's tests: known p-values, alpha by kind, Holm within it, the tolerance, and what they cannot see."""

from bisect import bisect_left
from dataclasses import replace
from math import comb
from pathlib import Path

import pytest
from baselines import baseline, run

from perceptbench.results.gate.baseline import Baseline
from perceptbench.results.gate.baseline_file import read
from perceptbench.results.gate.decide import Evidence, counted, decide
from perceptbench.results.gate.worse import compare
from perceptbench.results.rows import Kind

EMPTY = Baseline(updated="2026-01-01", reason="test", runs=())


def counts(lost: int, gained: int, n: int = 100, kind: Kind = "attack") -> Evidence:
    return counted(kind, n, lost, gained)


@pytest.mark.parametrize(
    ("lost", "gained", "p"),
    [
        (0, 0, 1.0),
        (5, 0, 1 / 32),
        (0, 5, 1.0),
        (10, 2, (1 + 12 + 66) / 4096),  # P(Bin(12, 1/2) >= 10)
        (7, 7, 0.5 + 3432 / 2**15),  # 1/2 and half of the middle of Bin(14, 1/2)
    ],
)
def test_the_p_value_is_the_upper_tail_of_the_binomial(lost: int, gained: int, p: float) -> None:
    test = counts(lost, gained)
    ((adjusted, _),) = decide([test], EMPTY)
    assert test.fell == pytest.approx(p, rel=1e-12)
    assert adjusted == pytest.approx(p, rel=1e-12)


def test_holm_makes_one_score_of_many_less_surprising() -> None:
    """6 lost of 6: p = 1/64 is below .05 / 3 alone, 4/64 among four of its kind is not."""
    assert decide([counts(6, 0)], EMPTY)[0][1] == "worse"
    adjusted, verdict = decide([counts(6, 0), *[counts(0, 0)] * 3], EMPTY)[0]
    assert adjusted == pytest.approx(4 / 64)
    assert verdict == "changed"


def test_scores_of_another_kind_do_not_raise_the_bar() -> None:
    others = [counts(0, 0, kind="certificate")] * 18 + [counts(0, 0, kind="natural")] * 3
    assert decide([counts(6, 0), *others], EMPTY)[0] == (pytest.approx(1 / 64), "worse")


def test_each_kind_has_a_third_of_alpha() -> None:
    """5 lost of 5: p = 1/32 is below .05 and above .05 / 3."""
    assert decide([counts(5, 0)], EMPTY)[0][1] == "changed"
    assert decide([counts(5, 0)], replace(EMPTY, alpha=3 / 32))[0][1] == "worse"


def test_nine_of_thirty_two_fail_among_six_attacked_scores_and_in_all_six_at_once() -> None:
    """2^-9 times six is .0117, less than .0167."""
    shape: list[Kind] = ["attack"] * 6 + ["certificate"] * 18 + ["natural"] * 3
    for falling in (1, 6):
        gate = [counts(9 if i < falling else 0, 0, 32, kind) for i, kind in enumerate(shape)]
        found = decide(gate, EMPTY)
        assert [verdict for _, verdict in found].count("worse") == falling
        assert found[0][0] == pytest.approx(6 / 2**9)
        assert round(found[0][0], 4) == 0.0117
    eight = decide([counts(8 if i == 0 else 0, 0, 32, kind) for i, kind in enumerate(shape)], EMPTY)
    assert eight[0][1] == "changed"


def test_a_drop_within_the_tolerance_passes_however_sure_it_is() -> None:
    """20 of 1000 lost are 2 points and p = 1e-6; 21 are more than 2 points."""
    assert decide([counts(20, 0, 1000)], EMPTY)[0][1] == "changed"
    assert decide([counts(21, 0, 1000)], EMPTY)[0][1] == "worse"
    assert decide([counts(20, 0, 1000)], replace(EMPTY, tolerance=1.9))[0][1] == "worse"


def test_a_gain_is_reported_and_never_fails() -> None:
    assert [verdict for _, verdict in decide([counts(0, 30), counts(1, 1), counts(0, 0)], EMPTY)] == [
        "better", "changed", "same",
    ]  # fmt: skip


def test_scores_drops_and_counts_are_those_of_the_outcomes() -> None:
    """20 triplets at two budgets: 15 fall at the larger eps, 1 rises at the smaller."""
    before = ["1 11 -"] * 18 + ["1 00 -"] * 2
    now = ["1 10 -"] * 15 + ["1 11 -"] * 3 + ["1 10 -"] + ["1 00 -"]
    found = compare(baseline(run(before)), [run(now)])
    natural, small, large = found
    assert (natural.kind, natural.eps, natural.verdict) == ("natural", None, "same")
    assert (small.before, small.now, small.lost, small.gained) == (90, 95, (), ("t18",))
    assert (large.before, large.now, len(large.lost), large.gained) == (90, 15, 15, ())
    assert large.drop.value == pytest.approx(75)
    assert large.drop.low < 75 < large.drop.high
    assert large.p == pytest.approx(2.0**-15)
    assert large.adjusted == pytest.approx(2 * 2.0**-15)
    assert large.tests == 2
    assert [one.verdict for one in found] == ["same", "changed", "worse"]


def test_sixteen_triplets_cannot_show_a_drop_of_19_points_and_this_is_said() -> None:
    """3 of 16 lost: p = 1/8. One attacked score at two budgets: 7 of 16 are needed, 2^-7 < .0167 / 2 < 2^-6."""
    before, now = ["1 - 11"] * 16, ["1 - 11"] * 13 + ["1 - 10"] * 3
    found = compare(baseline(run(before, attack="l2-pgd")), [run(now, attack="l2-pgd")])
    assert [(one.verdict, one.unseen) for one in found] == [("same", False), ("same", False), ("changed", True)]
    assert found[2].drop.value == 18.75
    assert found[2].smallest == pytest.approx(100 * 7 / 16)


def test_the_smallest_drop_counts_the_tolerance_and_what_there_is_to_lose() -> None:
    """2^-6 < .0167 for one natural score: 6 of 100, unless the tolerance is 8 points, or only 5 stand."""
    words = ["1 11 -"] * 100
    for known, expected in ((baseline(run(words)), 6), (replace(baseline(run(words)), tolerance=8), 9)):
        assert compare(known, known.runs)[0].smallest == expected
    few = baseline(run(["1 11 -"] * 5 + ["0 00 -"] * 95))
    assert compare(few, few.runs)[0].smallest is None
    # What it says is so: 6 of 100 lost fail, 5 do not.
    for lost in (5, 6):
        found = compare(baseline(run(words)), [run(["0 11 -"] * lost + words[lost:])])
        assert found[0].verdict == ("worse" if lost == 6 else "changed")


def test_triplets_are_compared_by_name_and_not_by_place() -> None:
    old, new = run(["1 11 -", "0 00 -"]), run(["1 11 -", "0 00 -"])
    turned = replace(new, outcomes=dict(reversed(new.outcomes.items())))
    assert {one.verdict for one in compare(baseline(old), [turned])} == {"same"}


def test_a_score_that_two_runs_have_is_tested_once_on_more_triplets() -> None:
    few, many = run(["1 11 11"] * 3, attack="l2-pgd"), run(["1 11 -"] * 9)
    found = compare(baseline(few, many), [few, many])
    assert [(one.kind, one.n) for one in found] == [
        ("natural", 9), ("certificate", 9), ("certificate", 9), ("attack", 3), ("attack", 3),
    ]  # fmt: skip


def test_options_make_another_score() -> None:
    one, other = run(["1 11 -"] * 3), run(["1 11 -"] * 3, move="left")
    found = compare(baseline(one, other), [one, other])
    assert [c.method for c in found] == ["", "margin", "margin", "margin --move left", "margin --move left"]


def test_other_triplets_or_budgets_are_refused() -> None:
    with pytest.raises(ValueError, match="other samples or budgets"):
        compare(baseline(run(["1 11 -"] * 3)), [run(["1 11 -"] * 2)])


def test_the_false_alarm_rate_is_at_most_alpha() -> None:
    """Of 60 triplets that move each is lost by a fair coin: the rate is the tail from the first count that fails."""

    def fails(lost: int) -> bool:
        return decide([counts(lost, 60 - lost)], EMPTY)[0][1] == "worse"

    least = bisect_left(range(61), True, key=fails)
    rate = sum(comb(60, k) for k in range(least, 61)) / 2**60
    assert rate <= 0.05 / 3
    assert rate + comb(60, least - 1) / 2**60 > 0.05 / 3


ROOT = Path(__file__).parents[2]
PAGE = " ".join((ROOT / "docs/ci.md").read_text(encoding="utf-8").split())


@pytest.mark.parametrize(("groups", "size"), [(3, 8), (5, 8), (1, 26)])
def test_triplets_that_move_together_break_the_promise_as_the_page_says(groups: int, size: int) -> None:
    """Each group of one of 18 certified scores is lost or gained as a whole, by a fair coin."""
    fails = 0
    for lost in range(groups + 1):
        moved = counts(lost * size, (groups - lost) * size, 342)
        fails += comb(groups, lost) * (decide([moved, *[counts(0, 0, 342)] * 17], EMPTY)[0][1] == "worse")
    assert f"| {groups} of {size} triplets | {100 * fails / 2**groups:.1f} |" in PAGE


def test_the_page_counts_what_other_seeds_can_lose_in_the_shipped_baseline() -> None:
    """An attack can lose what it left standing and no certificate covers."""
    open_to_loss: dict[str, list[int]] = {}
    for one in read(ROOT / "results/baselines/default.json").runs:
        if one.spec["attack"]:
            assert len(one.outcomes) == 32
            open_to_loss[one.spec["metric"]] = [
                sum(
                    bool(each.attacked and each.attacked[at]) and not (each.certified and each.certified[at])
                    for each in one.outcomes.values()
                )
                for at in range(len(one.spec["eps"]))
            ]
    lipsim, (ssim_1, ssim_3) = max(open_to_loss["lipsim"]), open_to_loss["ssim"]
    assert f"leaves lipsim at most {lipsim} of 32 triplets to lose and psnr none, where 9 are needed" in PAGE
    assert f"its {ssim_1} triplets at eps 1 and {ssim_3} at eps 3 are all open" in PAGE
    assert max(open_to_loss["psnr"]) == 0
    needed = [k for k in range(33) if decide([counts(k, 0, 32), *[counts(0, 0, 32)] * 5], EMPTY)[0][1] == "worse"]
    assert needed[0] == 9
