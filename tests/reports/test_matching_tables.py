"""Tables of matching: rates and false matches, ranks by goal and eps, copies by edit."""

from dataclasses import replace

import pandas as pd
import pytest

from perceptbench.bench.planner import make_plans
from perceptbench.bench.request import Held, Request
from perceptbench.bench.runner import run_plans
from perceptbench.metrics.classical.pixel import PSNR, PixelL2
from perceptbench.reports.cell import Cell, Number, Value
from perceptbench.reports.tables.matching_rates import MatchingEdits, MatchingLeaderboard, MatchingRates
from perceptbench.reports.write import write_report
from perceptbench.results.memory_store import MemoryStore
from perceptbench.results.record import Record
from perceptbench.results.references import photographs
from perceptbench.results.statistics.dyadic import Sides, micro_ap, rate, roc_auc
from perceptbench.testing.samples import pairs, pairs_source
from perceptbench.triplets.pairs import PairEntry, PairSource

DISTANCES = [0.2, 0.4, 0.5, 0.6, 0.3, 0.56, 0.8]
SAME = [True] * 4 + [False] * 3


@pytest.fixture(scope="module")
def records() -> list[Record]:
    """Pixel l2 and psnr at thresholds of one meaning, evasion and collision; psnr met another attack."""
    made = pairs_source(pairs(DISTANCES, SAME))
    source = PairSource(
        made.name, tuple(_grouped(one, f"edit {i % 2}") for i, one in enumerate(made.entries)), made.recipe
    )
    found = []
    for goal in ("evade", "collide"):
        request = Request(
            metrics=[Held("metric", PixelL2()), Held("other", PSNR())], data=[Held("mine", source)],
            task="matching(tau=0.45)", attacks=["l2-fmn(steps=40)"], eps=(0.1, 0.5), goal=goal,
        )  # fmt: skip
        found += run_plans(make_plans(request), MemoryStore(), 4)
    return found


def _grouped(entry: PairEntry, group: str) -> PairEntry:
    return replace(entry, group=group)


def test_rates_stand_with_the_threshold_and_the_false_matches_to_expect(records) -> None:
    (table,) = MatchingRates()(records)
    rows = {row[0]: dict(zip(table.columns, row, strict=True)) for row in table.rows}
    l2 = rows["metric"]
    assert (l2["pairs"], l2["tau"]) == (7, Number(pytest.approx(0.45, abs=1e-6), ".4g"))
    assert [round(l2[name].value, 1) for name in ("TPR", "FPR", "ROC-AUC", "micro-AP")] == [50.0, 33.3, 66.7, 77.1]
    assert l2["false matches in 1000 pictures"].value == pytest.approx(499500 / 3)
    # Every pair is nearer than 0.45 dB to nothing: decibels are negative, so all match.
    assert rows["other"]["TPR"].value == 100


def test_a_board_for_each_goal_and_eps_ranks_by_what_stays_right(records) -> None:
    boards = {table.title: table for table in MatchingLeaderboard()(records)}
    assert len(boards) == 4
    title = "Leaderboard of matching(tau=0.45), evade, on mine, l2 eps 0.1, percent"
    rows = [dict(zip(boards[title].columns, row, strict=True)) for row in boards[title].rows]
    assert [(row["rank"], row["metric"]) for row in rows] == [(1, "other"), (2, "metric")]
    l2 = rows[1]
    wanted = {"TPR": 50, "right after attack": 25, "certified": 25, "evasion rate": 50, "evasion rate, proved": 50}
    assert {name: l2[name].value for name in wanted} == wanted
    collided = next(table for name, table in boards.items() if "collide" in name and "0.1" in name)
    row = dict(zip(collided.columns, next(r for r in collided.rows if r[1] == "metric"), strict=True))
    assert (row["FPR"].value, row["right after attack"].value) == (pytest.approx(100 / 3), pytest.approx(200 / 3))
    assert row["collision rate"].value == 0


def test_copies_by_edit(records) -> None:
    (table,) = MatchingEdits()(records)
    assert table.columns == ("edit", "pairs", "metric", "other")
    found = {row[0]: row[2].value for row in table.rows if isinstance(row[2], Cell)}
    assert found == {"edit 0": 50, "edit 1": 50}


@pytest.fixture(scope="module")
def shared() -> list[Record]:
    """The same run and a second one, in which an attack found less and a proof less still; photographs are shared."""
    names = [("a", "a"), ("a", "a"), ("b", "b"), ("b", "b"), ("a", "b"), ("b", "c"), ("a", "c")]
    made = pairs_source(pairs(DISTANCES, SAME), names)
    source = PairSource(made.name, tuple(_grouped(one, "edit") for one in made.entries), made.recipe)
    request = Request(
        metrics=[Held("metric", PixelL2())], data=[Held("mine", source)], task="matching(tau=0.55)",
        attacks=["l2-pgd(steps=10)"], eps=(0.1, 0.5), goal="evade",
    )  # fmt: skip
    (found,) = run_plans(make_plans(request), MemoryStore(), 4)
    # Of 0.2, 0.4 and 0.5, the last falls at 0.1. That of 0.4 has no proof any more.
    radius = found.samples["radius"].where(found.samples["d"].round(3) != 0.4, 0.05)
    return [replace(found, samples=found.samples.assign(radius=radius))]


def board_of(shared: list[Record], eps: str) -> dict[str, Value]:
    (table,) = (one for one in MatchingLeaderboard()(shared) if f"eps {eps}," in one.title)
    (row,) = table.rows
    return dict(zip(table.columns, row, strict=True))


def test_proved_and_attacked_shares_are_those_of_their_own_eps(shared) -> None:
    """At 0.1 two of four same pairs are left and one is proved; of the three that matched, one and two are lost."""
    near, far = board_of(shared, "0.1"), board_of(shared, "0.5")
    names = ("TPR", "right after attack", "certified", "evasion rate", "evasion rate, proved")
    assert [round(near[name].value, 1) for name in names] == [75, 50, 25, 33.3, 66.7]
    assert [round(far[name].value, 1) for name in names] == [75, 0, 0, 100, 100]
    assert [near[name].n for name in names] == [4, 4, 4, 3, 3]


def test_intervals_are_about_photographs(shared) -> None:
    """Four same pairs show two photographs: each cell has the interval of these, and not that of four pairs."""
    record, near = shared[0], board_of(shared, "0.1")
    first = record.samples[record.samples["eps"] == 0.1]
    same = first[first["same"]]
    sides = Sides.of(*photographs(record, same["id"]))
    assert sides.photographs == 2

    def cell(values: pd.Series, which: Sides = sides) -> tuple[float, float]:
        found = rate(values.to_numpy(float), which)
        return pytest.approx(100 * found.low), pytest.approx(100 * found.high)  # type: ignore[return-value]

    assert (near["TPR"].low, near["TPR"].high) == cell(same["matched"])
    assert (near["right after attack"].low, near["right after attack"].high) == cell(same["robust"])
    assert (near["certified"].low, near["certified"].high) == cell(same["radius"] > 0.1)
    matched = same["matched"].to_numpy()
    evaded = near["evasion rate"]
    assert (evaded.low, evaded.high) == cell(~same["robust"][matched], sides.select(matched))
    (edits,) = MatchingEdits()(shared)
    assert (edits.rows[0][2].low, edits.rows[0][2].high) == cell(same["matched"])
    (rates,) = MatchingRates()(shared)
    row = dict(zip(rates.columns, rates.rows[0], strict=True))
    every, every_same = Sides.of(*photographs(record, first["id"])), first["same"].to_numpy()
    for name, statistic in (("ROC-AUC", roc_auc), ("micro-AP", micro_ap)):
        found = statistic(first["d"].to_numpy(), every_same, every)
        assert (row[name].low, row[name].high) == (pytest.approx(100 * found.low), pytest.approx(100 * found.high))


def test_of_two_runs_the_newest_counts_and_rounded_images_are_others(shared) -> None:
    record = shared[0]
    newer = replace(
        record, run="f" * 12, provenance={**record.provenance, "time": "2999-01-01T00:00:00"},
        samples=record.samples.assign(matched=True),
    )  # fmt: skip
    rounded = replace(
        newer, run="e" * 12, provenance={**record.provenance, "time": "2999-02-01T00:00:00"},
        spec={**record.spec, "quantize": "8bit"}, samples=record.samples.assign(matched=False),
    )  # fmt: skip
    for records in ([record, newer, rounded], [rounded, newer, record]):
        (table,) = MatchingRates()(records)
        assert [row[table.columns.index("TPR")].value for row in table.rows] == [100]
        (edits,) = MatchingEdits()(records)
        assert [row[2].value for row in edits.rows] == [100]


@pytest.mark.parametrize(("tau", "shown"), [(119.99999237060547, "119.9"), (0.31239, "0.3123"), (-24.5, "-24.5")])
def test_a_threshold_that_was_found_is_never_shown_as_one_that_matches_more(shared, tau, shown) -> None:
    """Bits are whole numbers: what matches below 120 does not match at 120. One that was typed is shown as it was."""
    record, state = shared[0], shared[0].facts["state"]
    assert [str(MatchingRates()(shared)[0].rows[0][2])] == ["0.55"]
    found = replace(record, facts={**record.facts, "state": {**state, "tau": tau, "calibration_pairs": 9}})
    assert str(MatchingRates()([found])[0].rows[0][2]) == shown


def test_the_ratio_of_pairs_stands_beside_micro_average_precision(shared) -> None:
    (table,) = MatchingRates()(shared)
    assert "4 same and 3 different pairs (0.75 to 1)." in table.notes


def test_a_whole_report_can_be_written(records, tmp_path) -> None:
    write_report(records, tmp_path / "report", ("md", "latex", "html", "csv"))
    text = (tmp_path / "report" / "report.md").read_text()
    assert "evasion rate, matching(tau=0.45), on mine in percent, at l2 eps 0.5: " in text
    assert "at most 100.0 whatever the attack" in text
    assert "matching score after" not in text
