"""Published numbers: every one has a source, and none differs from the tables it was copied from."""

import csv
from collections import Counter
from pathlib import Path

import pytest

from perceptbench.reports.tables.literature import facts, facts_for, remarks

COPIED = Path(__file__).parents[2].parent / "shared" / "data" / "published"
needs_tables = pytest.mark.skipif(not COPIED.is_dir(), reason="needs the collected tables: ../shared/data/published")


def _table(name: str) -> list[dict[str, str]]:
    with (COPIED / name).open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_every_number_has_a_source_and_is_a_share() -> None:
    assert len(facts()) == 274
    for fact in facts():
        assert fact.source
        assert fact.reference
        assert fact.metric
        assert 0 <= fact.score.value <= 100
        assert fact.kind in ("natural", "attack", "certificate")
        assert (fact.eps is None) == (fact.norm == "") == (fact.kind == "natural")


def test_numbers_stand_only_beside_scores_on_the_same_data() -> None:
    assert {fact.data for fact in facts_for("natural", "nights:/x@val")} == {"NIGHTS"}
    assert {fact.data for fact in facts_for("certified", "bapps:/x@val")} == {"BAPPS"}
    assert facts_for("natural", "photos") == facts_for("natural", "csv:nights.csv") == []


def test_known_slips_are_told() -> None:
    assert "0.93 for DreamSim at eps 2 and at eps 3" in remarks(facts_for("l2", "nights:x"))
    assert "84.10 in Table 4" in remarks(facts_for("certified", "nights:x"))
    assert "arXiv:2310.18274" in remarks(facts_for("natural", "nights:x"))


@needs_tables
@pytest.mark.parametrize(
    ("name", "source"),
    [("table1_l2_aa.csv", 1), ("table2_certified.csv", 2), ("table3_linf.csv", 3), ("table4_natural.csv", 4)],
)
def test_the_papers_tables_are_whole(name: str, source: int) -> None:
    words = {"metric", "teacher", "stage", "margin", "model_class", "model", "model_type"}
    copied = Counter(value for row in _table(name) for key, value in row.items() if key not in words)
    assert Counter(str(fact.score) for fact in facts() if fact.source == f"LipSim, Table {source}") == copied


@needs_tables
def test_other_papers_are_whole() -> None:
    """But for flip rates, which someone computed from others' files: nobody published them."""
    rows = [row for row in _table("other_papers.csv") if not row["kind"].startswith("flip rate")]
    copied = Counter(
        (row["metric"], row["dataset"].split()[0], row["norm"], float(row["score_percent"])) for row in rows
    )
    ours = [fact for fact in facts() if not fact.source.startswith("LipSim, Table")]
    assert Counter((fact.metric, fact.data, fact.norm, fact.score.value) for fact in ours) == copied


def test_a_published_number_is_marked_beside_scores_at_another_side() -> None:
    ours, theirs = (facts_for("certified", f"bapps:/x@val{side}") for side in ("(side=64)", ""))
    assert not any("¶" in fact.name or "¶" in fact.note for fact in ours)
    assert theirs
    assert all("¶" in fact.name for fact in theirs)
    assert "¶ BAPPS is published at 64 x 64 pixels, and measured here at 224" in remarks(theirs)
    assert facts_for("certified", "bapps:/x@val(side=224)") == theirs
    assert not any("¶" in fact.name for fact in facts_for("natural", "nights:/x"))
