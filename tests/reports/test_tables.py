"""Numbers in tables against those counted from the samples, without the code of results."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from perceptbench.core.errors import UserError
from perceptbench.reports.base import Table
from perceptbench.reports.cell import Cell, Number
from perceptbench.reports.tables.attacked import Attacked
from perceptbench.reports.tables.bounds import Sandwich
from perceptbench.reports.tables.certified import Certified
from perceptbench.reports.tables.cost import Cost
from perceptbench.reports.tables.distances import Distances
from perceptbench.reports.tables.leaderboard import Leaderboard
from perceptbench.reports.tables.natural import Natural
from perceptbench.results.record import Record


def _line(table: Table, metric: str) -> dict[str, object]:
    rows = [row for row in table.rows if metric in row[:2]]
    assert len(rows) == 1
    return dict(zip(table.columns, rows[0], strict=True))


def _with(record: Record, **columns: object) -> Record:
    return replace(record, samples=record.samples.assign(**columns))


def _answers(record: Record, robust: Sequence[bool]) -> Record:
    """The same run with these answers under attack, at every eps, and right ones without."""
    return _with(record, correct=True, robust=np.tile(robust, len(record.spec["eps"])), radius=0.0)


def test_the_leaderboard_ranks_by_the_score_under_attack(four_metrics) -> None:
    (table,) = Leaderboard()(four_metrics)
    assert table.title == "Leaderboard on photos, l2 eps 3, percent (n = 64)"
    attacked = [record for record in four_metrics if record.spec["attack"]]
    robust = {r.spec["metric"]: 100 * r.samples.loc[r.samples["eps"] == 3, "robust"].mean() for r in attacked}
    assert [row[1] for row in table.rows] == [*sorted(robust, key=lambda name: -robust[name]), "psnr"]
    assert [row[0] for row in table.rows] == [1, 2, 2, None]  # ssim and effnet-lite0 stand alike
    for record in four_metrics:
        line, samples = _line(table, record.spec["metric"]), record.samples
        at = samples[samples["eps"] == 3]
        assert line["natural"].value == pytest.approx(100 * at["correct"].mean())
        if record.spec["attack"]:
            assert line["attacked"].value == pytest.approx(100 * at["robust"].mean())
            assert line["attacked"].low <= line["attacked"].value <= line["attacked"].high
        if record.spec["certifier"]:
            assert line["certified"].value == pytest.approx(100 * (at["radius"] > 3).mean())
        assert (line["attacked"] is None, line["group"] is None) == (record.spec["attack"] is None,) * 2
        assert (line["certified"] is None) == (record.spec["certifier"] is None)


def test_groups_are_those_of_mcnemar_after_holm(make_record) -> None:
    """40 triplets; 40, 34 and 30 stand, each set inside the other.

    Exact p of 6 to 0 is 2/2^6 = 0.031, of 10 to 0 is 2/2^10 = 0.002, of 4 to 0 is 0.125; Holm makes them
    2 * 0.031 = 0.063, 3 * 0.002 = 0.006 and 0.125: only the first and the third differ.
    """
    names = {"a": 40, "b": 34, "c": 30}
    records = [
        _answers(make_record(name, run=name * 12, n=40, certifier=None), np.arange(40) < stand)
        for name, stand in names.items()
    ]
    (table,) = Leaderboard()(records)
    assert [row[-1] for row in table.rows] == ["a", "ab", "b"]
    assert "over 3 pairs" in table.notes[1]


def test_equal_scores_share_a_rank_and_the_strongest_attack_counts(make_record) -> None:
    plain = {"n": 8, "certifier": None}
    weak = [_answers(make_record(m, run=m * 12, attack="l2-pgd", **plain), np.arange(8) < 8) for m in "abc"]
    strong = _answers(make_record("a", run="d" * 12, **plain), np.arange(8) < 4)
    other = _answers(make_record("b", run="e" * 12, **plain), np.arange(8) >= 4)
    last = _answers(make_record("c", run="f" * 12, **plain), np.arange(8) < 1)
    (table,) = Leaderboard()([*weak, strong, other, last])
    assert [row[0] for row in table.rows] == [1, 1, 3]
    assert _line(table, "a")["by"] == "l2-aa 4 (4), l2-pgd 0 (0)"
    assert _line(table, "a")["attacked"].value == 50


def test_the_eps_is_the_largest_that_most_metrics_were_attacked_at(make_record) -> None:
    records = [make_record("a", eps=(1.0, 2.0, 4.0)), make_record("b", run="b" * 12, eps=(1.0, 2.0))]
    (table,) = Leaderboard()(records)
    assert "eps 2," in table.title


def test_other_triplets_other_content_and_other_threats_are_not_ranked_together(make_record) -> None:
    records = [
        make_record("a"),
        make_record("b", run="b" * 12, data="nights:/data/nights@test"),
        make_record("c", run="c" * 12, n=8),
        make_record("d", run="d" * 12, norm="linf", attack="linf-aa"),
    ]
    changed = make_record("e", run="e" * 12)
    changed.spec["fingerprints"]["data"] = "e" * 64
    moved = make_record("f", run="f" * 12, certifier=None)
    moved.spec["move"] = "left"
    tables = Leaderboard()([*records, changed, moved])
    assert sorted([row[1] for row in table.rows] for table in tables) == [["a"], ["b"], ["c"], ["d"], ["e"]]


def test_the_note_of_the_groups_says_which_test_was_made(make_record) -> None:
    records = [make_record("a"), make_record("b", run="b" * 12)]
    assert Leaderboard()(records)[0].notes[-1].count("exact McNemar test") == 1
    divided = [_with(record, right_share=record.samples["right_share"] * 0.8) for record in records]
    note = Leaderboard()(divided)[0].notes[-1]
    assert "sign-flip test of what each triplet adds to the score, Holm's" in note
    records[0].facts["references"] = {"t0": "x", "t1": "x"}
    assert "to the score, triplets of one reference together, Holm's" in Leaderboard()(records)[0].notes[-1]


def test_natural_scores_by_subset_a_tie_counts_one_half(make_record) -> None:
    record = make_record(n=8, natural=0.5, eps=(1.0, 2.0))
    group = np.array(["imagenet"] * 3 + ["other"] * 5)
    d0 = np.where(np.arange(8) == 7, 0.8, 0.5)  # the last one, which was wrong, becomes a tie
    record = _with(record, group=np.tile(group, 2), d0=np.tile(d0, 2))
    (table,) = Natural()([record])
    line = _line(table, "lipsim")
    assert table.columns == ("metric", "n", "overall", "imagenet", "other")
    assert [line[name].value for name in ("overall", "imagenet", "other")] == [56.25, 100.0, 30.0]
    assert [line[name].n for name in ("overall", "imagenet", "other")] == [8, 3, 5]
    assert "of 8 triplets, 3 imagenet, 5 other" in table.notes[0]


def test_plain_images_and_rounded_ones_have_no_natural_line(make_record) -> None:
    plain, rounded = make_record(), make_record(run="b" * 12)
    plain.facts["answers"] = False
    rounded.spec["quantize"] = "8bit"
    assert Natural()([plain, rounded]) == []


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_attacked_scores_stand_one_line_a_metric_and_attack(make_record, norm: str) -> None:
    records = [
        make_record("a", norm=norm, attack=f"{norm}-aa"),
        make_record("a", run="b" * 12, norm=norm, attack=f"{norm}-pgd", eps=(1.0, 8 / 255)),
        make_record("b", run="c" * 12, attack=None),
    ]
    (table,) = Attacked()(records)
    assert table.columns == ("metric", "n", "attack", "natural", "eps 8/255", "eps 0.5", "eps 1", "eps 2", "eps 3")
    assert [row[:3] for row in table.rows] == [("a", 64, f"{norm}-aa"), ("a", 64, f"{norm}-pgd")]
    for record, row in zip(records, table.rows, strict=False):
        cells = dict(zip((8 / 255, 0.5, 1.0, 2.0, 3.0), row[4:], strict=True))
        for eps, cell in cells.items():
            at = record.samples[record.samples["eps"] == eps]
            assert (cell is None) == at.empty
            assert cell is None or cell.value == pytest.approx(100 * at["robust"].mean())


def test_seeds_are_told_apart_and_of_two_answers_the_newer_counts(make_record) -> None:
    first = make_record()
    again = make_record(run="b" * 12, seed=1, flip=9.0)
    (table,) = Attacked()([first, again])
    assert sorted(row[2] for row in table.rows) == ["l2-aa, seed 0", "l2-aa, seed 1"]
    newer = make_record(run="c" * 12, flip=9.0, time="2026-02-01T00:00:00+00:00")
    (table,) = Attacked()([first, newer])
    (row,) = table.rows
    at = newer.samples[newer.samples["eps"] == 3]
    assert row[-1].value == pytest.approx(100 * at["robust"].mean())


def test_runs_of_other_code_or_arguments_in_one_line_are_named(make_record) -> None:
    first, later = make_record(eps=(1.0,)), make_record(run="b" * 12, eps=(2.0,))
    for report in (Attacked(), Certified()):
        assert "different" not in " ".join(report([first, later])[0].notes)
    later.spec["fingerprints"]["code"] = "d" * 64
    for report, method in ((Attacked(), "l2-aa"), (Certified(), "margin")):
        note = f"lipsim, {method}, n = 64: these numbers come from runs of different code (0123456789ab, {'b' * 12})."
        assert report([first, later])[0].notes[-1] == note
    later.spec["arguments"]["attack"]["steps"] = 7
    assert "different arguments and code" in Attacked()([first, later])[0].notes[-1]
    later.spec["certifier"] = None
    assert "different arguments (" in Attacked()([first, later])[0].notes[-1], "without a certificate other code ran"
    hidden = make_record(run="c" * 12, eps=(1.0,), time="2025-01-01T00:00:00+00:00")
    hidden.spec["fingerprints"]["code"] = "e" * 64
    assert "different" not in " ".join(Attacked()([first, hidden])[0].notes), "no number of it is shown"


def test_a_stronger_attack_at_a_smaller_eps_bounds_larger_ones(make_record) -> None:
    """2 of 8 stood at eps 1 under one attack, 6 at eps 2 under another: no more than 2 can stand at eps 2."""
    strong = _answers(make_record("a", attack="l2-pgd", n=8, eps=(1.0,)), np.arange(8) < 2)
    weak = _answers(make_record("a", run="b" * 12, n=8, eps=(2.0,)), np.arange(8) < 6)
    other = _answers(make_record("b", run="c" * 12, n=8, eps=(2.0,)), np.arange(8) < 4)
    (table,) = Sandwich()([strong, weak])
    lines = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    assert [(line["eps"], line["at most"].value, line["attacked by"], line["gap"].value) for line in lines] == [
        ("1", 25, "l2-pgd", 25), ("2", 25, "l2-pgd 6 (4), l2-aa 2 (0)", 25),
    ]  # fmt: skip
    (table,) = Leaderboard()([strong, weak, other])
    assert "eps 2," in table.title
    assert [(row[1], row[3].value) for row in table.rows] == [("b", 50), ("a", 25)]


def test_certified_scores_answer_at_published_eps_too(make_record) -> None:
    record = make_record(data="nights:x", attack=None, eps=(1.0,))
    (table,) = Certified()([record])
    line = _line(table, "lipsim")
    for heading, eps in (("eps 36/255", 36 / 255), ("eps 72/255", 72 / 255), ("eps 108/255", 108 / 255), ("eps 1", 1)):
        assert line[heading].value == pytest.approx(100 * (record.samples["radius"] > eps).mean())
    assert line["source"] == "measured"
    (table,) = Certified()([make_record(attack=None, eps=(1.0,))])
    assert table.columns == ("metric", "n", "certifier", "natural", "eps 1")


def test_certificates_that_are_no_promise_are_marked_and_bound_nothing(make_record) -> None:
    record = make_record(certifier="paper", sound=False)
    (table,) = Certified()([record])
    assert _line(table, "lipsim")["eps 1"].mark == "§"
    assert any("not sound" in note for note in table.notes)
    assert Sandwich()([record]) == []
    assert "certified" not in Leaderboard()([record])[0].columns


def test_published_lines_stand_below_a_rule_marked_and_only_beside_their_own_data(make_record) -> None:
    for report, sources in (
        (Natural(), {"published: LipSim, Table 4", "published: DreamSim, README"}),
        (Certified(), {"published: LipSim, Table 2"}),
        (
            Attacked(),
            {"published: LipSim, Table 1", "published: R-CLIP, README", "published: LipSim, authors' rebuttal"},
        ),
    ):
        (table,) = report([make_record(data="nights:x@test")])
        (rule,) = table.rules
        ours, theirs = table.rows[:rule], table.rows[rule:]
        assert {row[-1] for row in ours} == {"measured"}
        assert {row[-1] for row in theirs} == sources
        assert not any(isinstance(value, Cell) for row in theirs for value in row)
        assert any("copied, not measured" in note for note in table.notes)
        (table,) = report([make_record()])
        assert (table.rules, "source" in table.columns) == ((), False)
    (table,) = Leaderboard()([make_record(data="nights:x@test")])
    assert len(table.rows) == 1


def test_numbers_of_the_papers_tables() -> None:
    """Read off the paper: Table 1, LipSim at eps 2; Table 2, DreamSim teacher, margin 0.5; Table 3, DINO's PGD."""
    from perceptbench.reports.tables.lines import published
    from perceptbench.reports.tables.literature import facts_for

    attacked = {line.metric: line for line in published(facts_for("l2", "nights:x"), "l2") if "Table 1" in line.source}
    lipsim = attacked["LipSim (DreamSim, margin 0.5)"]
    assert (str(lipsim.natural), [str(lipsim.at[eps]) for eps in (0.5, 1, 2, 3)]) == (
        "85.09", ["81.58", "76.92", "65.62", "53.07"],
    )  # fmt: skip
    proved = {line.metric: line for line in published(facts_for("certified", "nights:x"), "l2")}
    assert str(proved["LipSim (DreamSim, margin 0.5)"].at[72 / 255]) == "43.26"
    linf = {(line.metric, line.method): line for line in published(facts_for("linf", "nights:x"), "linf")}
    assert str(linf["DINO", "PGD"].at[0.02]) == "49.98"


def test_the_bounds_join_what_all_attacks_found(make_record) -> None:
    weak = make_record(attack="l2-pgd", flip=40.0, proved=0.5)
    strong = make_record(attack="l2-aa", run="b" * 12, proved=0.5)
    (table,) = Sandwich()([weak, strong])
    for row in table.rows:
        line = dict(zip(table.columns, row, strict=True))
        at = strong.samples["eps"] == float(line["eps"])
        robust = strong.samples.loc[at, "robust"] & weak.samples.loc[at, "robust"]
        radius = np.maximum(weak.samples.loc[at, "radius"], strong.samples.loc[at, "radius"])
        assert line["at most"].value == pytest.approx(100 * robust.mean())
        assert line["at least"].value == pytest.approx(100 * (radius > float(line["eps"])).mean())
        assert line["gap"].value == pytest.approx(100 * (robust & ~(radius > float(line["eps"]))).mean())


def test_the_gap_counts_what_is_neither_broken_nor_proved(make_record) -> None:
    record = _with(
        _answers(make_record(n=10, eps=(1.0,)), np.arange(10) < 6), radius=np.where(np.arange(10) < 3, 2.0, 0.0)
    )
    (table,) = Sandwich()([record])
    gap = dict(zip(table.columns, table.rows[0], strict=True))["gap"]
    # Wilson's interval for 3 of 10 (Brown, Cai and DasGupta, Statistical Science 2001, give its formula).
    assert (gap.value, round(gap.low, 2), round(gap.high, 2)) == (pytest.approx(30), 10.78, 60.32)


def test_a_proof_that_an_attack_broke_stops_the_report(make_record) -> None:
    record = _with(
        _answers(make_record(n=10, eps=(1.0,)), np.arange(10) < 6), radius=np.where(np.arange(10) > 7, 2.0, 0.0)
    )
    with pytest.raises(UserError, match=r"lipsim: the run \w+ \(l2-aa\) broke the sample 't8' by .* l2 1, inside"):
        Sandwich()([record])


def test_distances_have_a_table_of_their_own(make_record) -> None:
    record = make_record("ssim", attack="l2-mse", certifier=None, unit="distance")
    (table,) = Distances()([record])
    cell = _line(table, "ssim")["eps 2"]
    expected = record.samples.loc[record.samples["eps"] == 2, "d_self"].mean()
    assert (cell.unit, cell.value) == ("distance", pytest.approx(expected))
    assert (Attacked()([record]), Leaderboard()([record])) == ([], [])


def test_the_cost_of_a_triplet_counts_only_those_that_this_process_computed(make_record) -> None:
    record = make_record(n=8)
    record.facts.update(seconds=12.0, resumed=2)
    record = _with(record, forwards=np.repeat([1.0, 2.0, 4.0, 8.0], 8) + np.tile(np.arange(8.0), 4))
    (table,) = Cost()([record])
    line = _line(table, "lipsim")
    assert line["seconds"] == Number(2.0, ".3g")
    # The last eps holds the sum over all: 8 to 15, standard error 2.449 / sqrt(8), t(7) = 2.365.
    assert (line["forwards"].value, round(line["forwards"].low, 2)) == (11.5, 9.45)
    assert line["eps"] == "0.5, 1, 2, 3"


def test_lines_of_the_cost_that_look_alike_say_what_was_asked_and_others_do_not(make_record) -> None:
    def run(name: str, task: str, **spec: object) -> Record:
        record = make_record("lipsim", run=name * 12, certifier=None)
        record.spec.update(task=task, threat="l2", goal="push", **spec)
        return record

    first, fifth, pulled = (
        run("a", "retrieval(top=1)"), run("b", "retrieval(top=5)"), run("c", "retrieval(top=5)", restarts=3),
    )  # fmt: skip
    alone = run("d", "retrieval(top=5)", eps=[1.0])
    (table,) = Cost()([first, fifth, pulled])
    assert table.columns[2:5] == ("method", "asked", "eps")
    assert [row[3] for row in table.rows] == ["retrieval(top=1)", "retrieval(top=5)", "retrieval(top=5) --restarts 3"]
    (table,) = Cost()([fifth, alone])
    assert "asked" not in table.columns
    (table,) = Cost()([first, fifth, alone])
    assert [row[3] for row in table.rows] == ["retrieval(top=1)", "retrieval(top=5)", None]


def test_what_costs_no_pass_is_said_where_it_holds(make_record) -> None:
    def said(*records: Record) -> str:
        (table,) = Cost()(records)
        return " ".join(table.notes)

    every = make_record(run="b" * 12)
    every.spec["skip_certified"] = False
    paper = make_record(run="c" * 12)
    paper.spec["protocol"] = "paper"
    pushed = make_record(run="d" * 12, attack="l2-mse", certifier=None, unit="distance")
    assert "a wrong answer costs no pass, nor does a triplet that is proved safe" in said(make_record(), pushed)
    for records in ([every], [make_record(), every], [make_record(certifier=None)], [make_record(sound=False)]):
        assert "a wrong answer costs no pass." in said(*records)
        assert "proved safe" not in said(*records)
    for records in ([paper], [make_record(), paper], [pushed], [make_record(attack=None)]):
        assert "no pass" not in said(*records)


def test_a_table_with_a_crooked_row_is_refused() -> None:
    with pytest.raises(ValueError, match="has 2 columns, a row has 1"):
        Table("t", ("a", "b"), ((Cell(1, 0, 2, 3),),))
