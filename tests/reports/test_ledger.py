"""One ledger: what attacks found is joined for the worst case alone, the same in every table, counted by hand here."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from perceptbench.core.errors import UserError
from perceptbench.reports.figures.robustness_curve import RobustnessCurve
from perceptbench.reports.tables.alignment import Alignment
from perceptbench.reports.tables.attacked import Attacked
from perceptbench.reports.tables.bounds import Sandwich, bounds
from perceptbench.reports.tables.headline import opening
from perceptbench.reports.tables.leaderboard import Leaderboard
from perceptbench.reports.tables.summary import Summary
from perceptbench.reports.write import write_report
from perceptbench.results.gate.baseline import run_of
from perceptbench.results.ledger import Ledger
from perceptbench.results.record import COLUMNS, Record
from perceptbench.results.rows import rows_of
from perceptbench.results.store import RunStore
from perceptbench.results.worst_case import lacking

PRINTS = {"weights": "w", "metric": "m", "data": "d", "attack": "a", "certifier": "c", "evaluator": "e"}


def run(
    letter: str, attack: str | None = "l2-pgd", *, broken: Mapping[int, float] | None = None, n: int = 4,
    eps: Sequence[float] = (1.0, 2.0), radius: float | Sequence[float] = 0.0, prints: Mapping[str, str] | None = None,
    ids: str = "t", content: bool = True, **spec: Any,
) -> Record:  # fmt: skip
    """A run on n triplets, all answered rightly. `broken` has the size of the change that broke a triplet."""
    sizes = np.array([(broken or {}).get(i, np.inf) for i in range(n)])
    clean = pd.DataFrame(
        {
            "id": [f"{ids}{i}" for i in range(n)], "group": "", "label": 1, "right_share": 1.0, "d0": 0.5, "d1": 0.2,
            "correct": True, "d0_adv": 0.5, "d1_adv": 0.5, "d_self": 0.1, "radius": radius, "norm_ref": 1.0,
            "forwards": 1.0, "backwards": 1.0, "content": [f"{i:016x}" if content else "" for i in range(n)],
        }
    )  # fmt: skip
    frames = [
        clean.assign(eps=at, robust=sizes > at, size=np.where(sizes <= at, sizes, 0.0), broken_by="") for at in eps
    ]
    asked = {
        "metric": "lipsim", "data": "photos", "attack": attack, "certifier": "margin" if np.any(radius) else None,
        "norm": "l2", "eps": list(eps), "task": "preference", "threat": "l2", "goal": "flip", "seed": 0, "limit": None,
        "move": "reference", "restarts": 1, "quantize": None, "protocol": "ours", "skip_certified": True,
        "arguments": {"metric": {}}, "fingerprints": {**PRINTS, **(prints or {})},
    }  # fmt: skip
    return Record(
        run=letter * 12,
        spec={**asked, **spec},
        provenance={"time": f"2026-01-01T00:00:{ord(letter) - 96:02d}+00:00"},
        samples=pd.concat(frames, ignore_index=True)[list(COLUMNS)].astype(COLUMNS),
        facts={"unit": "percent", "sound": True if np.any(radius) else None, "n": n, "state": {}},
    )


def left(records: Sequence[Record], metric: str = "lipsim", n: int = 4) -> dict[float, float]:
    """What the worst case leaves of a metric at each eps."""
    found = {key: bound for key, bound in bounds(records).items() if key[:2] == (metric, n)}
    return {eps: bound.attacked.score for (*_, eps), bound in found.items() if bound.attacked}


def halves() -> list[Record]:
    """Two attacks that break complementary halves of four triplets."""
    return [run("a", broken={0: 1.0, 1: 0.5}), run("b", "l2-square", broken={2: 1.0, 3: 0.9})]


def _line(table, **wanted: str) -> dict[str, Any]:
    lines = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    return next(line for line in lines if all(line[key] == value for key, value in wanted.items()))


def test_complementary_attacks_leave_nothing_and_every_view_says_so() -> None:
    records = [replace(one, samples=one.samples.assign(radius=0.3)) for one in halves()]
    for one in records:
        one.spec["certifier"], one.facts["sound"] = "margin", True
    (board,) = Leaderboard()(records)
    assert _line(board, metric="lipsim")["attacked"].value == 0
    assert _line(board, metric="lipsim")["by"] == "l2-pgd 2 (2), l2-square 2 (2)"
    (table,) = Sandwich()(records)
    for eps in ("1", "2"):
        line = _line(table, eps=eps)
        assert (line["at least"].value, line["at most"].value, line["gap"].value) == (0, 0, 0)
    (chart,) = RobustnessCurve()(records)
    curves = {curve.proved: [(eps, cell.value) for eps, cell in curve.points] for curve in chart.panels[0].curves}
    assert curves[False] == [(0, 100), (1, 0), (2, 0)]
    (chart,) = Alignment()(records)
    assert [cell.value for cell in chart.panels[0].cells[0] if cell] == [100, 0, 0]
    (table,) = Summary()(records)
    # Straight lines from 100 at 0 over 0 at 1 to 0 at 2: a quarter of the area. Each attack alone leaves 50 at 1 and 2.
    areas = {row[table.columns.index("attack")]: row[table.columns.index("area")].value for row in table.rows}
    assert areas == {"l2-pgd": 62.5, "l2-square": 62.5, "worst case of l2-pgd, l2-square": 25}
    assert "lipsim from 100.0 to 0.0 [" in opening(records)[0]


def test_rows_of_one_attack_show_what_it_found() -> None:
    (table,) = Attacked()(halves())
    cells = {row[2]: [cell.value for cell in row[4:]] for row in table.rows}
    assert cells == {"l2-pgd": [50, 50], "l2-square": [50, 50]}


def test_no_attack_broke_and_no_proof_covers_is_counted_by_hand() -> None:
    """t0 broken by one, t1 by the other, t2 by none, t3 proved: one of four lies between."""
    records = [run("a", broken={0: 0.5}, radius=[0, 0, 0, 3.0]), run("b", "l2-square", broken={1: 0.5})]
    (table,) = Sandwich()(records)
    line = _line(table, eps="2")
    assert (line["at least"].value, line["at most"].value, line["gap"].value) == (25, 50, 25)
    assert line["attacked by"] == "l2-pgd 1 (1), l2-square 1 (1)"


def test_a_flip_counts_at_every_eps_that_holds_its_size() -> None:
    """Found at eps 2, 0.4 large: it counts in a sweep from 0.5 on, not at 0.3."""
    records = [run("a", eps=(0.3, 0.4, 0.5)), run("b", "l2-square", broken={0: 0.4}, eps=(2.0,))]
    assert left(records) == {0.3: 100, 0.4: 75, 0.5: 75, 2.0: 75}


def test_both_attacks_are_named_with_what_no_other_broke() -> None:
    records = [run("a", broken={0: 1.0, 1: 1.0}), run("b", "l2-square", broken={1: 0.5, 2: 2.0})]
    found = {eps: bound.attacked.method for (*_, eps), bound in bounds(records).items() if bound.attacked}
    assert found == {1.0: "l2-pgd 2 (1), l2-square 1 (0)", 2.0: "l2-pgd 2 (1), l2-square 2 (1)"}


@pytest.mark.parametrize(
    "other",
    [
        {"prints": {"attack": "other", "certifier": "other", "data": "other"}}, {"seed": 1}, {"restarts": 3},
        {"skip_certified": False}, {"ids": "u"}, {"eps": (1.0,)}, {"eps": (0.5,)}, {"limit": 4},
    ],
)  # fmt: skip
def test_what_broke_a_sample_counts_whoever_found_it(other: dict[str, Any]) -> None:
    records = [run("b"), run("a", "l2-square", broken={0: 0.5}, **other)]
    assert left(records)[2.0] == 75


@pytest.mark.parametrize(
    "other",
    [
        {"prints": {"weights": "other"}}, {"prints": {"metric": "other"}}, {"prints": {"evaluator": "other"}},
        {"arguments": {"metric": {"lift": True}}}, {"metric": "ssim"}, {"threat": "shift", "norm": None},
        {"move": "left"}, {"quantize": "8bit"}, {"protocol": "paper"}, {"eps_left": 1.0},
    ],
)  # fmt: skip
def test_other_questions_share_nothing(other: dict[str, Any]) -> None:
    mine = run("b", "l2-square")
    cases = Ledger([mine, run("a", broken={0: 0.5}, **other)]).cases
    (case,) = [case for case in cases if case.newest is mine]
    assert not case.left(2.0).samples["robust"].eq(False).any()


def test_another_fitted_state_shares_nothing() -> None:
    other = run("a", broken={0: 0.5})
    other.facts["state"] = {"tau": 0.3}
    assert len(Ledger([run("b"), other]).cases) == 2


def test_the_same_id_with_another_content_is_another_sample() -> None:
    other = run("a", broken={0: 0.5})
    other.samples["content"] = other.samples["content"].str.replace("0" * 15, "f" * 15)
    assert left([run("b"), other])[2.0] == 75, "of these four triplets; the other four are intact"
    assert sorted(case.left(2.0).samples["robust"].sum() for case in Ledger([run("b"), other]).cases) == [3, 4]


def test_runs_without_contents_share_by_data_and_id() -> None:
    first, second = run("b", content=False), run("a", "l2-square", broken={0: 0.5}, content=False)
    assert left([first, second])[2.0] == 75
    second.spec["fingerprints"]["data"] = "other"
    assert sorted(case.left(2.0).samples["robust"].sum() for case in Ledger([first, second]).cases) == [3, 4]


def test_a_run_on_more_samples_gives_evidence_and_counts_as_met_and_one_on_fewer_gives_evidence() -> None:
    many = run("a", "l2-square", broken={0: 0.5, 7: 0.5}, n=8)
    few = run("b", broken={1: 0.5})
    assert left([many, few]) == {1.0: 50, 2.0: 50}
    assert left([many, few], n=8) == {1.0: 62.5, 2.0: 62.5}
    cases = {case.n: case for case in Ledger([many, few]).cases}
    assert cases[4].met(1.0) == {"l2-pgd", "l2-square"}
    assert cases[8].met(1.0) == {"l2-square"}
    assert cases[8].by(1.0) == "l2-square 2 (2), l2-pgd 1 (1)"


def test_a_proof_counts_by_the_newest_code_of_its_certifier(tmp_path: Path) -> None:
    old = run("a", None, radius=1.5, eps=(1.0,), prints={"certifier": "faulty"})
    new = run("b", None, radius=0.5)
    attacked = run("c", broken={0: 1.0})
    ledger = Ledger([old, new, attacked])
    assert ledger.outdated == ["a" * 12]
    assert ledger.cases[0].proofs.tolist() == [0.5] * 4
    text = write_report([old, new, attacked], tmp_path)[0].read_text()
    assert f"a newer run of their certifier has other code: {'a' * 12}." in text
    with pytest.raises(UserError, match=r"inside the radius 1\.5"):
        Ledger([old, attacked])


def test_another_certifier_keeps_its_own_proofs() -> None:
    smaller = run("b", None, radius=0.5)
    larger = run("a", None, radius=1.5, prints={"certifier": "other"}, certifier="tsuzuku")
    (case,) = Ledger([smaller, larger]).cases
    assert case.proofs.tolist() == [1.5] * 4


def test_a_flip_inside_a_proved_radius_stops_the_report(tmp_path: Path) -> None:
    records = [run("a", broken={2: 0.5}), run("b", None, radius=0.75)]
    with pytest.raises(UserError) as caught:
        write_report(records, tmp_path)
    for word in ("lipsim", "'t2'", "l2 0.5", "radius 0.75", "a" * 12, "l2-pgd", "b" * 12, "margin"):
        assert word in str(caught.value)
    assert not list(tmp_path.iterdir())
    records[1].facts["sound"] = False
    write_report(records, tmp_path)


def test_foreign_evidence_leaves_the_paper_and_the_gate_as_they_are(tmp_path: Path) -> None:
    """A folder with runs of our own attacks that broke everything: rows of the paper and of the gate do not move."""
    paper = run("a", broken={0: 0.5}, protocol="paper", attack="l2-apgd-ce")
    gated = run("b", broken={1: 0.5})
    foreign = run("c", "l2-square", broken=dict.fromkeys(range(4), 0.1))
    store = RunStore(tmp_path)
    for one in (paper, gated, foreign):
        with store.writer(one.run) as writer:
            writer.finish(one)
    read = {one.run: one for one in store.select()}
    for one in (paper, gated):
        assert rows_of(read[one.run]) == rows_of(one)
        assert run_of(read[one.run]) == run_of(one)
    (table,) = Attacked()(store.select())
    cells = {row[2]: [cell.value for cell in row[4:]] for row in table.rows}
    assert cells == {"l2-apgd-ce --protocol paper": [75, 75], "l2-pgd": [75, 75], "l2-square": [0, 0]}
    assert left(store.select()) == {1.0: 0, 2.0: 0}
    assert paper.run not in {one.newest.run for one in Ledger(store.select()).cases}


def test_a_metric_that_met_fewer_attacks_is_marked_and_has_no_rank() -> None:
    records = [
        run("a", broken={0: 0.5}), run("b", "l2-square", broken={1: 0.5}),
        run("c", "l2-square", metric="dists", prints={"metric": "n"}),
    ]  # fmt: skip
    (table,) = Leaderboard()(records)
    marked, whole = _line(table, metric="dists"), _line(table, metric="lipsim")
    assert (marked["rank"], marked["attacked"].mark, marked["attacked"].value) == (None, "¶", 100)
    assert (whole["rank"], whole["attacked"].mark, whole["attacked"].value) == (1, "", 50)
    assert "¶ dists did not meet l2-pgd, which flatters it." in table.notes
    (chart,) = Alignment()(records)
    assert "¶ dists did not meet l2-pgd, which flatters it." in chart.notes


def test_what_a_metric_lacks_is_what_any_other_one_met() -> None:
    met = {"a": frozenset("xy"), "b": frozenset("xz"), "c": frozenset("xyz"), "d": frozenset("xyz")}
    assert lacking(met) == {"a": ["z"], "b": ["y"]}
    assert lacking({"c": frozenset("xyz")}) == {}
    assert lacking({}) == {}


def test_an_attack_at_other_eps_was_not_met_unless_it_looks_for_the_smallest_flip() -> None:
    first, minimal = run("a", eps=(1.0,)), run("b", "l2-fmn", eps=(2.0,))
    minimal.facts["minimal"] = True
    (case,) = Ledger([first, minimal]).cases
    assert case.met(1.0) == {"l2-pgd", "l2-fmn"}
    assert case.met(2.0) == {"l2-fmn"}
    assert case.met(3.0) == frozenset()


def test_an_attack_for_the_smallest_flip_gives_its_curve_at_every_size() -> None:
    minimal = run("a", "l2-fmn", broken={0: 0.25, 1: 1.5}, eps=(2.0,))
    minimal.facts["minimal"] = True
    (chart,) = RobustnessCurve()([minimal])
    (curve,) = chart.panels[0].curves
    assert [(eps, cell.value) for eps, cell in curve.points] == [(0, 100), (0.25, 75), (1.5, 50), (2, 50)]


def test_versions_of_a_metric_that_share_nothing_are_said_to_be_apart() -> None:
    """As runs of schema 2 with different attacks, whose one fingerprint has the code of the attack too."""
    first, second = halves()
    second.spec["fingerprints"]["metric"] = "other"
    for table in (*Leaderboard()([first, second]), *Leaderboard()(halves())):
        said = any(note.startswith("Runs of lipsim differ in the code or weights") for note in table.notes)
        assert (_line(table, metric="lipsim")["attacked"].value, said) in ((50, True), (0, False))


def test_a_metric_lacks_no_attack_that_another_version_of_it_met() -> None:
    """Nothing joins here, and of each metric another attack left least, but both metrics met both."""
    records = []
    for metric, letters, broken in (("a", "ab", ({0: 1.0}, {})), ("b", "cd", ({}, {0: 1.0}))):
        for letter, attack, found in zip(letters, ("l2-pgd", "l2-square"), broken, strict=True):
            records.append(run(letter, attack, broken=found, metric=metric, prints={"metric": letter}))
    (table,) = Leaderboard()(records)
    assert [(line[0], line[3].mark) for line in table.rows] == [(1, ""), (1, "")]


def test_distances_and_runs_that_failed_are_no_evidence() -> None:
    failed = replace(run("a", broken={0: 0.5}), status="failed")
    pushed = run("b", broken={0: 0.5}, task="drift", goal="push")
    assert Ledger([failed, pushed]).cases == ()


def test_runs_whose_clean_answers_disagree_share_no_evidence(tmp_path: Path) -> None:
    """A metric that changed where no fingerprint sees it."""
    first, second = halves()
    changed = replace(second, samples=second.samples.assign(d0=second.samples["d0"] * 1.01))
    assert Ledger([first, second]).disagreeing == []
    rounded = replace(second, samples=second.samples.assign(d0=second.samples["d0"] * (1 + 1e-5)))
    assert Ledger([first, rounded]).disagreeing == []
    assert Ledger([first, changed]).disagreeing == [first.run]
    assert [case.several for case in Ledger([first, changed]).cases] == [False, False]
    text = write_report([first, changed], tmp_path)[0].read_text()
    assert "so they share no evidence: the metric changed where no fingerprint sees it" in text
    assert first.run in text
