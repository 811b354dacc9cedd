"""Where nothing changed that decides a score, its outcomes must be the same; what rounding may turn is no evidence."""

from dataclasses import replace

import pytest
from baselines import MACHINE, SAME, baseline, run

from perceptbench.results.gate.baseline import metric_part
from perceptbench.results.gate.worse import ScoreComparison, compare

WORDS = ["1 11 11 0.5 3.0", "1 10 10 0.5 1.5", "1 00 00 0.5 0.25", "0 00 00 0.5 0.0"]


def compared(old: list[str], new: list[str], **other: object) -> list[ScoreComparison]:
    """Natural, certified at 1 and 2, attacked at 1 and 2, of a metric that did not change, on one machine."""
    alike = {"attack": "l2-pgd", "part": SAME, "machine": MACHINE}
    return compare(baseline(run(old, **alike)), [run(new, **(alike | other))])


def changed(at: int, word: str) -> list[str]:
    return [word if i == at else each for i, each in enumerate(WORDS)]


@pytest.mark.parametrize(
    ("word", "score", "name"),
    [
        ("0 11 11 0.5 3.0", 0, "t0"),  # the clean answer
        ("1 10 11 0.5 1.9", 2, "t0"),  # a certificate at 2
        ("1 11 10 0.5 3.0", 4, "t0"),  # what an attack left at 2
    ],
)
def test_one_lost_triplet_fails_and_is_named(word: str, score: int, name: str) -> None:
    found = compared(WORDS, changed(0, word))
    assert all(one.exact and one.adjusted is None for one in found)
    assert [one.verdict for one in found] == ["worse" if i == score else "same" for i in range(5)]
    assert (found[score].lost, found[score].gained) == ((name,), ())
    assert found[score].smallest == 25


def test_a_gained_triplet_is_named_and_passes() -> None:
    found = compared(WORDS, changed(1, "1 11 11 0.5 3.0"))
    assert [one.verdict for one in found] == ["same", "same", "better", "same", "better"]
    assert (found[2].lost, found[2].gained) == ((), ("t1",))


def test_a_loss_is_not_made_good_by_gains() -> None:
    found = compared(WORDS, ["1 10 11 0.5 1.9", "1 11 11 0.5 3.0", "1 11 11 0.5 3.0", "0 00 00 0.5 0.0"])
    assert (found[2].verdict, found[2].lost, found[2].gained) == ("worse", ("t0",), ("t1", "t2"))


@pytest.mark.parametrize(("radius", "verdict"), [("2.00019", "changed"), ("2.00021", "worse")])
def test_a_radius_within_rounding_of_eps_is_no_evidence(radius: str, verdict: str) -> None:
    """1e-4 of eps 2 are .0002."""
    old, new = changed(0, f"1 11 11 0.5 {radius}"), changed(0, "1 10 11 0.5 1.9999")
    found = compared(old, new)[2]
    assert (found.verdict, len(found.lost), found.close) == (verdict, int(verdict == "worse"), int(verdict != "worse"))


@pytest.mark.parametrize(("margin", "verdict"), [("9.9e-05", "changed"), ("0.000101", "worse")])
def test_a_clean_answer_within_rounding_of_a_tie_is_no_evidence(margin: str, verdict: str) -> None:
    found = compared(changed(0, f"1 11 11 {margin} 3.0"), changed(0, "0 11 11 0.5 3.0"))[0]
    assert (found.verdict, len(found.lost)) == (verdict, int(verdict == "worse"))


@pytest.mark.parametrize(
    "other",
    [
        {"machine": MACHINE | {"cpu": "b"}}, {"machine": MACHINE | {"threads": 2}}, {"machine": {}},
        {"machine": MACHINE | {"versions": {"torch": "3"}}}, {"seed": 1},
    ],
)  # fmt: skip
def test_on_another_machine_or_seed_attacks_are_tested_and_the_rest_is_exact(other: dict[str, object]) -> None:
    assert [one.exact for one in compared(WORDS, WORDS, **other)] == [True, True, True, False, False]


def test_a_graphics_card_does_not_promise_the_same_attack() -> None:
    card = MACHINE | {"device": "some card"}
    same = run(WORDS, attack="l2-pgd", part=SAME, machine=card)
    assert [one.exact for one in compare(baseline(same), [same])] == [True, True, True, False, False]


@pytest.mark.parametrize("part", [{"weights": "x"}, {"metric": "x"}])
def test_another_metric_is_tested(part: dict[str, str]) -> None:
    assert not any(one.exact for one in compared(WORDS, WORDS, part=SAME | part))


def test_what_is_not_known_of_old_runs_is_not_taken_to_be_the_same() -> None:
    nothing = baseline(run(WORDS, attack="l2-pgd", machine=MACHINE))
    assert not any(one.exact for one in compare(nothing, nothing.runs))
    assert metric_part({"weights": "w", "code": "c"}) == ("w",)
    assert metric_part({"weights": "w", "metric": "m", "data": "d"}) == ("w", "m")
    bare = run([word[:7] for word in WORDS], attack="l2-pgd", part=SAME)
    assert not any(one.exact for one in compare(baseline(bare), [bare]))


def test_certificates_that_are_drawn_are_exact_only_with_the_same_draws() -> None:
    drawn = replace(run(WORDS, attack="l2-pgd", part=SAME, machine=MACHINE), confidence=0.999)
    elsewhere = replace(drawn, machine={})
    assert [one.exact for one in compare(baseline(drawn), [drawn])] == [True] * 5
    assert [one.exact for one in compare(baseline(drawn), [elsewhere])] == [True, False, False, False, False]


def test_exact_scores_do_not_raise_the_bar_for_those_that_are_tested() -> None:
    """psnr did not change: of its kind, lipsim's two attacked scores alone are tested."""
    old, words = run(["1 - 11 0.5 -"] * 20, attack="a", part=SAME, machine=MACHINE), ["1 - 11 0.5 -"] * 20
    lipsim = run(words, metric="lipsim", attack="a", part=SAME, machine=MACHINE)
    other = run(words, metric="lipsim", attack="a", part={"weights": "x", "metric": "m"}, machine=MACHINE)
    found = compare(baseline(old, lipsim), [old, other])
    assert [one.tests for one in found] == [0, 0, 0, 1, 2, 2]
