"""Push and pull in the gate: distances, better small or large, tested over references."""

from dataclasses import replace
from pathlib import Path

import pytest
from baselines import MACHINE, SAME, baseline, run

from perceptbench.results.gate.baseline import BaselineRun, run_of
from perceptbench.results.gate.baseline_file import read, write
from perceptbench.results.gate.worse import compare


def pushed(distances: list[float], better: str = "smaller", part: dict[str, str] | None = None, each: int = 1):
    """A run with these distances at eps 1 and 2, each of so many triplets of one reference."""
    words = [f"1 - {d:g},{d:g} 0.5 -" for d in distances for _ in range(each)]
    goal = {"smaller": "push", "larger": "pull"}[better]
    made = run(words, attack="l2-pgd", attacked=better, task="drift", goal=goal, part=part, machine=MACHINE)
    return replace(made, references={f"t{i}": f"r{i // each}" for i in range(len(words))} if each > 1 else {})


def verdicts(old: BaselineRun, new: BaselineRun) -> list[str]:
    return [one.verdict for one in compare(baseline(old), [new])[1:]]


@pytest.mark.parametrize(("better", "worse"), [("smaller", 1.5), ("larger", 0.5)])
def test_the_direction_is_that_of_the_goal(better: str, worse: float) -> None:
    """Eight triplets that all moved the same way: p = 2^-8, twice that after Holm over two budgets."""
    old, new = pushed([1.0] * 8, better), pushed([worse] * 8, better)
    found = compare(baseline(old), [new])[1]
    assert (found.verdict, found.drop.value, found.before, found.now) == ("worse", 0.5, 1.0, worse)
    assert (found.p, found.adjusted) == (pytest.approx(2**-8), pytest.approx(2**-7))
    assert found.method == f"l2-pgd --goal {old.spec['goal']}"
    assert verdicts(new, old) == ["better", "better"]


def test_copies_of_a_reference_are_no_evidence() -> None:
    """The same eight values of four references: p = 2^-4 twice, however many triplets each has."""
    old, new = pushed([1.0] * 4, each=2), pushed([1.5] * 4, each=2)
    found = compare(baseline(old), [new])[1]
    assert (found.n, found.p, found.verdict) == (8, pytest.approx(2**-4), "changed")
    assert (found.unseen, found.smallest) == (True, None)


def test_a_change_within_the_tolerance_passes() -> None:
    """2 % of the mean distance."""
    assert verdicts(pushed([1.0] * 12), pushed([1.0199] * 12)) == ["changed", "changed"]
    assert verdicts(pushed([1.0] * 12), pushed([1.0201] * 12)) == ["worse", "worse"]


def test_the_smallest_shift_that_fails_is_what_it_says() -> None:
    """Values that scatter: shifted by a little more than what is printed they fail, by a little less they do not."""
    old = pushed([1.0] * 10)
    scattered = [1.3, 0.8, 1.1, 0.7, 1.25, 0.9, 1.05, 0.85, 1.15, 0.9]
    found = compare(baseline(old), [pushed(scattered)])[1]
    assert found.verdict == "changed"
    for factor, verdict in ((0.99, "changed"), (1.01, "worse")):
        assert verdicts(old, pushed([d + factor * found.smallest for d in scattered]))[0] == verdict


def test_where_nothing_changed_one_distance_that_got_worse_fails_and_is_named() -> None:
    old = pushed([1.0] * 4, part=SAME)
    for moved, verdict, lost in ((1.00009, "changed", ()), (1.00011, "worse", ("t2",)), (0.9, "better", ())):
        new = pushed([1.0, 1.0, moved, 1.0], part=SAME)
        found = compare(baseline(old), [new])[1]
        assert (found.exact, found.verdict, found.lost) == (True, verdict, lost)


def test_a_baseline_of_distances_is_written_and_read(tmp_path: Path) -> None:
    made = baseline(pushed([1.0, 0.123456, 1e-9]))
    write(made, tmp_path / "b.json")
    assert read(tmp_path / "b.json") == made
    assert made.runs[0].scores["attacked"] == [0.374485, 0.374485]


def test_push_and_pull_keep_the_distance_that_their_tables_show(tiny) -> None:
    """d_self is .1 to .4; pull goes to the side that people did not choose: left where label is 1."""
    columns = {"d0_adv": [0.6] * 8, "d1_adv": [0.7] * 8}
    push = run_of(tiny(spec={"goal": "push"}, facts={"unit": "distance"}, **columns))
    pull = run_of(tiny(spec={"goal": "pull"}, facts={"unit": "distance"}, **columns))
    assert [one.attacked for one in push.outcomes.values()] == [(d, d) for d in (0.1, 0.2, 0.3, 0.4)]
    assert [one.attacked for one in pull.outcomes.values()] == [(0.6, 0.6)] * 3 + [(0.7, 0.7)]
    assert (push.attacked, pull.attacked, push.natural) == ("smaller", "larger", "stands")
    photographs = run_of(tiny(spec={"goal": "push"}, facts={"unit": "distance", "answers": False}))
    assert (photographs.natural, [one.natural for one in photographs.outcomes.values()]) == (
        "larger",
        [0.5, 0.5, 0.5, 0.1],
    )
