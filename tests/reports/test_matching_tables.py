"""Tables of matching: rates and false matches, ranks by goal and eps, copies by edit."""

from dataclasses import replace

import pytest

from perceptbench.bench.planner import make_plans
from perceptbench.bench.request import Held, Request
from perceptbench.bench.runner import run_plans
from perceptbench.metrics.classical.pixel import PSNR, PixelL2
from perceptbench.reports.base import Cell, Number
from perceptbench.reports.tables.matching_rates import MatchingEdits, MatchingLeaderboard, MatchingRates
from perceptbench.reports.write import write_report
from perceptbench.results.memory_store import MemoryStore
from perceptbench.results.record import Record
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


def test_a_whole_report_can_be_written(records, tmp_path) -> None:
    write_report(records, tmp_path / "report", ("md", "latex", "html", "csv"))
    text = (tmp_path / "report" / "report.md").read_text()
    assert "evasion rate, matching(tau=0.45), on mine in percent, at l2 eps 0.5: " in text
    assert "at most 100.0 whatever the attack" in text
    assert "matching score after" not in text
