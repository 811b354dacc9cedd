"""`bench list`: every kind or one, searched, what can be used here, as a table or as JSON."""

import json

import pytest

from perceptbench.bench.commands import listing
from perceptbench.bench.commands.listing import Kind
from perceptbench.metrics.base import metric


def rows(bench, *words):
    return json.loads(bench("list", *words, "--json"))["rows"]


def test_without_a_kind_everything_is_listed(bench):
    found = rows(bench)
    assert {row["kind"] for row in found} == {kind.value for kind in Kind}
    assert [row["name"] for row in found if row["kind"] == "metrics"] == metric.names()
    assert found == [row for kind in Kind for row in rows(bench, kind.value)]
    said = bench("list")
    assert all(f"perceptbench: {kind.value}" in said for kind in Kind)


def test_a_text_is_searched_in_name_summary_and_source(bench):
    wanted = [
        row for row in rows(bench, "metrics") if "lipsim" in f"{row['name']} {row['what']} {row['source']}".lower()
    ]
    assert rows(bench, "metrics", "--grep", "LIPSIM") == wanted
    assert {"lipsim", "lipsim-paper"} <= {row["name"] for row in wanted}
    assert {"margin", "tsuzuku"} <= {row["name"] for row in rows(bench, "certifiers", "--grep", "arxiv")}
    said = bench("list", "--grep", "stadv")
    assert "perceptbench: threats" in said
    assert "perceptbench: metrics" not in said
    assert "found nothing" in bench.refusal("list", "--grep", "no such thing")
    assert rows(bench, "--grep", "no such thing") == []


def test_available_leaves_out_what_cannot_be_used_here(bench, monkeypatch, tmp_path):
    monkeypatch.setenv("PERCEPTBENCH_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    names = {row["name"] for row in rows(bench, "metrics", "--available")}
    assert {"lipsim", "psnr"} <= names
    assert "lpips" not in names
    missing = {row["name"]: row["here"] for row in rows(bench, "metrics")}["lpips"]
    assert missing == "no: weights"


@pytest.mark.parametrize("kind", list(Kind))
def test_each_row_says_all_there_is(kind, bench):
    registry = listing._registry(kind)
    found = {row["name"]: row for row in rows(bench, kind.value)}
    assert list(found) == registry.names()
    for name, row in found.items():
        assert set(row) == {"kind", "name", "what", "source", "licence", "here"}
        assert row["what"] == registry.card(name).summary
