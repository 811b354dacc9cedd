"""What every format prints, computed again from samples.parquet, without the code of results."""

import csv
import re
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from recomputed import credits_of, shown, wilson

from perceptbench.reports.write import write_report
from perceptbench.results.store import RunStore

EPS = (0.5, 1.0, 2.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("report")


@pytest.fixture
def runs(make_record, folder: Path) -> dict[str, pd.DataFrame]:
    """Samples as they lie on disk, by metric; the report of them is written in three formats."""
    store = RunStore(folder / "runs")
    for i, (metric, certifier) in enumerate((("lipsim", "margin"), ("ssim", None), ("dists", None))):
        record = make_record(metric, run=f"{i:012x}", n=37, certifier=certifier, flip=2.0 + i, natural=0.8, eps=EPS)
        # Divided votes, a tie, and two subsets.
        share = pd.Series(range(37)).mod(3).map({0: 1.0, 1: 0.9, 2: 0.75})
        label = pd.Series(range(37)).mod(2)
        columns = {
            "label": label,
            "right_share": share.where(label == 1, 1 - share),
            "group": share.map({1.0: "one", 0.9: "one", 0.75: "two"}),
        }
        for name, column in columns.items():
            record.samples[name] = pd.concat([column] * len(EPS), ignore_index=True).astype(record.samples[name].dtype)
        d0, d1, left = record.samples["d0"], record.samples["d1"], record.samples["label"] == 0
        record.samples["d0"], record.samples["d1"] = d0.where(~left, d1), d1.where(~left, d0)
        record.samples.loc[record.samples["id"] == "t36", "d0"] = record.samples["d1"].iloc[36]
        record = replace(record, schema=1)
        if not (store.root / record.run).exists():
            with store.writer(record.run) as writer:
                writer.finish(record)
    if not (folder / "report.md").exists():
        write_report(store.select(), folder, ("md", "latex", "csv"))
    files = sorted((folder / "runs").glob("*/samples.parquet"))
    return dict(zip(("lipsim", "ssim", "dists"), map(pd.read_parquet, files), strict=True))


def test_rows_hold_score_and_interval_of_the_samples(runs, folder: Path) -> None:
    with (folder / "rows.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 3 * (1 + len(EPS)) + len(EPS)
    for row in rows:
        expected = credits_of(runs[row["metric"]])[row["kind"], float(row["eps"]) if row["eps"] else None]
        assert [float(row[name]) for name in ("score", "low", "high")] == pytest.approx(wilson(expected), abs=1e-9)
        assert int(row["n"]) == 37


def test_tables_of_csv_hold_the_same(runs, folder: Path) -> None:
    for file, kind in (("attacked_l2_photos", "attack"), ("certified_l2_photos", "certificate")):
        with (folder / "tables" / f"{file}.csv").open(newline="") as stream:
            lines = [line for line in csv.DictReader(stream) if line["quantity"] != "natural"]
        assert len(lines) == len(EPS) * {"attack": 3, "certificate": 1}[kind]
        for line in lines:
            expected = credits_of(runs[line["metric"]])[kind, float(line["quantity"].removeprefix("eps "))]
            assert [float(line[name]) for name in ("value", "low", "high")] == pytest.approx(wilson(expected), abs=1e-9)
    with (folder / "tables" / "natural_photos.csv").open(newline="") as stream:
        for line in csv.DictReader(stream):
            samples = runs[line["metric"]]
            natural = credits_of(samples)["natural", None]
            group = samples["group"][: len(natural)]
            mine = natural if line["quantity"] == "overall" else natural[(group == line["quantity"]).to_numpy()]
            assert float(line["value"]) == pytest.approx(100 * mine.mean())
            assert int(line["triplets"]) == len(mine)


def test_markdown_and_latex_print_the_same_digits(runs, folder: Path) -> None:
    document = (folder / "report.md").read_text()
    fragment = (folder / "tables" / "attacked_l2_photos.tex").read_text()
    section = document.partition("2AFC score after l2 attacks")[2].partition("##")[0]
    for metric, samples in runs.items():
        found = credits_of(samples)
        wanted = [shown(found["natural", None]), *(shown(found["attack", eps]) for eps in EPS)]
        line = next(line for line in section.splitlines() if line.startswith(f"| {metric} "))
        assert re.findall(r"[\d.]+ \[[\d.]+, [\d.]+\]", line) == wanted
        line = next(line for line in fragment.splitlines() if line.startswith(f"{metric} &"))
        assert [f"{a} {b}" for a, b in re.findall(r"([\d.]+) & \{\\scriptsize(\[.*?\])\}", line)] == wanted


def test_bounds_and_their_gap_are_those_of_the_samples(runs, folder: Path) -> None:
    with (folder / "tables" / "bounds_l2_photos.csv").open(newline="") as stream:
        lines = list(csv.DictReader(stream))
    assert len(lines) == 3 * len(EPS)
    found = credits_of(runs["lipsim"])
    for line in lines:
        eps = float(line["eps"])
        attacked, proved = found["attack", eps], found["certificate", eps]
        expected = {"at least": proved, "at most": attacked, "gap": attacked - proved}[line["quantity"]]
        assert [float(line[name]) for name in ("value", "low", "high")] == pytest.approx(wilson(expected), abs=1e-9)


def test_the_leaderboard_is_in_the_order_of_the_samples(runs, folder: Path) -> None:
    with (folder / "tables" / "leaderboard_l2_photos_37.csv").open(newline="") as stream:
        lines = [line for line in csv.DictReader(stream) if line["quantity"] == "attacked"]
    scores = {metric: 100 * credits_of(samples)["attack", 2.0].mean() for metric, samples in runs.items()}
    assert [line["metric"] for line in lines] == sorted(scores, key=lambda metric: -scores[metric])
    for line in lines:
        assert float(line["value"]) == pytest.approx(scores[line["metric"]])
        assert int(line["rank"]) == 1 + sum(score > scores[line["metric"]] for score in scores.values())
