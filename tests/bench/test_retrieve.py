"""`bench retrieve`: rows, mAP, resumed and stored runs, the sheet, and the pairs of a folder."""

import csv
import json
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import perceptbench as pb
from perceptbench.core.errors import Notice
from perceptbench.triplets.images import read_image

GREY = 128


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("PERCEPTBENCH_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def folder(tmp_path):
    """Six images in three classes; two of a class differ little."""
    place = tmp_path / "photos"
    place.mkdir()
    rng = np.random.default_rng(0)
    rows = []
    for i in range(3):
        base = rng.integers(100, 156, (16, 16, 3))
        for j in range(2):
            pixels = np.clip(base + rng.integers(-6, 7, base.shape), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).resize((224, 224), Image.Resampling.NEAREST).save(place / f"{i}{j}.png")
            rows.append((f"{i}{j}.png", f"class {i}"))
    with (tmp_path / "labels.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([("file", "label"), *rows])
    return place


def test_recall_and_precision_with_labels(bench, folder, tmp_path):
    words = ("retrieve", "--metric", "l2", "--images", folder, "--labels", tmp_path / "labels.csv", "--attack",
             "l2-pgd(steps=8)", "--eps", "0.5,100", "--top", "1,2", "--runs", tmp_path / "runs")  # fmt: skip
    answer = json.loads(bench(*words, "--json"))
    rows = answer["rows"]
    assert {row["task"] for row in rows} == {"retrieval(top=1)", "retrieval(top=2)"}
    score = {(row["task"], row["kind"], row["eps"]): row["score"] for row in rows}
    assert score["retrieval(top=1)", "natural", None] == 100
    assert score["retrieval(top=1)", "certificate", 0.5] == score["retrieval(top=1)", "attack", 0.5] == 100
    assert score["retrieval(top=1)", "attack", 100] == 0
    assert [(mean["score"], mean["n"]) for mean in answer["mean_average_precision"]] == [(100, 6), (100, 6)]
    text = bench(*words)
    assert "mAP 100.0" in text
    pb.report(tmp_path / "runs", tmp_path / "report")
    assert "Mean average precision on gallery:photos" in (tmp_path / "report" / "report.md").read_text()
    assert "6 images in the gallery" in text
    assert len(list((tmp_path / "runs").glob("*/record.json"))) == 2
    assert len(list((tmp_path / "cache" / "galleries").iterdir())) == 1, "both runs share one gallery"


def test_without_labels_it_is_not_called_recall_and_a_changed_gallery_is_another_run(bench, folder, tmp_path):
    words = (
        "retrieve",
        "--metric",
        "l2",
        "--images",
        folder,
        "--eps",
        "0.5",
        "--limit",
        3,
        "--runs",
        tmp_path / "runs",
    )
    answer = json.loads(bench(*words, "--json"))
    assert answer["mean_average_precision"] == []
    assert {row["kind"] for row in answer["rows"]} == {"natural", "certificate"}
    assert all("that is no recall" in row["note"] for row in answer["rows"])
    again = json.loads(bench(*words, "--json"))
    assert {row["run"] for row in again["rows"]} == {row["run"] for row in answer["rows"]}
    (folder / "00.png").unlink()
    other = json.loads(bench(*words, "--json"))
    assert not {row["run"] for row in other["rows"]} & {row["run"] for row in answer["rows"]}


def test_the_sheet_shows_what_is_found_before_and_after(bench, folder, tmp_path):
    runs = tmp_path / "runs"
    bench("retrieve", "--metric", "l2", "--images", folder, "--attack", "l2-pgd(steps=8)", "--eps", "100", "--limit", 3,
          "--save-images", 2, "--runs", runs, "--no-skip-certified")  # fmt: skip
    samples = pb.load(runs).samples().set_index("id")
    assert (samples["nearest"] != samples["nearest_adv"]).all()
    from perceptbench.reports.figures.retrieved import Retrieved
    from perceptbench.results.saved_images import saved

    (record,) = pb.load(runs)
    for one in saved(runs, record.run):
        for part, name in (("left", "nearest"), ("right", "nearest_adv")):
            path = folder / samples.loc[one.id, name]
            assert np.array_equal(getattr(one, part), read_image(path, "").numpy())
    (sheet,) = Retrieved()([record])
    assert len(sheet.rows) == 2
    assert sheet.line == "search", "one query by one metric"
    assert "target now in place" in sheet.rows[0][3].caption
    written = pb.report(runs, tmp_path / "report", ["md", "html"])
    assert {path.suffix for path in written} >= {".html", ".pdf", ".png"}
    page = (tmp_path / "report" / "report.html").read_text()
    assert "Search in gallery:photos, before and after l2-pgd" in page
    assert 'data-viewer="search"' in page


def test_the_images_of_a_finished_run_may_be_asked_for_later_and_verified(bench, folder, tmp_path):
    words = ("retrieve", "--metric", "l2", "--images", folder, "--attack", "l2-pgd(steps=8)", "--eps", "100", "--limit",
             2, "--runs", tmp_path / "runs")  # fmt: skip
    bench(*words)
    bench(*words, "--save-images", 2)
    (record,) = pb.load(tmp_path / "runs")
    assert len(list((tmp_path / "runs" / record.run / "images").iterdir())) == 2
    found = pb.verify(tmp_path / "runs" / record.run)
    assert not found.refuted


def test_pairs_below_are_all_pairs_and_nothing_else(bench, folder, tmp_path):
    table = tmp_path / "pairs.csv"
    names = sorted(path.name for path in folder.iterdir())
    images = {name: read_image(folder / name, "") for name in names}
    for metric in ("l2", "ssim"):
        made = pb.metric(metric)
        expected = {
            frozenset((a, b)): float(made(images[a], images[b])) for a, b in combinations(names, 2)
        }  # fmt: skip
        tau = sorted(expected.values())[3]
        text = bench("retrieve", "--metric", metric, "--images", folder, "--below", tau + 1e-6, "--to", table)
        assert "4 pairs at most" in text
        with table.open(newline="") as stream:
            rows = list(csv.DictReader(stream))
        assert list(rows[0]) == ["id", "a", "b", "same", "distance"]
        found = {frozenset((Path(row["a"]).name, Path(row["b"]).name)): float(row["distance"]) for row in rows}
        assert found == pytest.approx({pair: d for pair, d in expected.items() if d <= tau + 1e-6}, rel=1e-5)
        assert all(row["a"].startswith("photos/") and row["same"] == "" for row in rows)
    with pytest.warns(Notice, match="relative to"):
        assert pb.pairs_below("l2", folder, 0.0, tmp_path / "elsewhere" / "pairs.csv") == 0


def test_blocks_of_pairs_give_the_same_pairs(folder, tmp_path, monkeypatch):
    from perceptbench.bench.api import pairs_below as module

    pb.pairs_below("l2", folder, 1e6, tmp_path / "whole.csv")
    monkeypatch.setattr(module, "_PAIRS", 12)
    assert pb.pairs_below("l2", folder, 1e6, tmp_path / "blocks.csv") == 15
    assert sorted((tmp_path / "whole.csv").read_text().split()) != []
    rows = [
        {tuple(row.split(",")[1:]) for row in (tmp_path / name).read_text().split()}
        for name in ("whole.csv", "blocks.csv")
    ]
    assert rows[0] == rows[1]


def test_what_is_wrong_is_said_in_a_sentence(bench, folder, tmp_path):
    start = ("retrieve", "--metric", "l2", "--images", folder)
    assert "name at least one budget" in bench.refusal(*start)
    assert "--below and --to go together" in bench.refusal(*start, "--below", 1)
    assert "got --attack; leave it out" in bench.refusal(
        *start, "--below", 1, "--to", tmp_path / "p.csv", "--attack", "l2-pgd")  # fmt: skip
    assert "ending in .csv" in bench.refusal(*start, "--below", 1, "--to", tmp_path / "p.txt")
    assert "wants one of" in bench.refusal(*start, "--eps", 1, "--attack", "l2-pgd", "--goal", "nosuch")
    assert "--task retrieval" in bench.refusal(
        "run", "--metric", "l2", "--data", "photos", "--task", "retrieval", "--attack", "l2-pgd", "--eps", 1,
        "--runs", tmp_path)  # fmt: skip
    with pytest.raises(pb.UserError, match="has no option task"):
        pb.retrieve("l2", folder, eps=1, task="preference")
    assert not (tmp_path / "p.csv").exists()


def test_a_metric_in_memory_is_searched_with(folder):
    def mean(x, y):
        return (x - y).abs().mean((1, 2, 3))

    with pytest.warns(Notice, match="has no embedding"):
        found = pb.retrieve(pb.metric(mean, name="mean difference"), folder, "l2-pgd(steps=2)", 50, limit=2, top=1)
    frame = found.frame()
    assert list(frame["kind"]) == ["natural", "attack"]
    assert torch.isfinite(torch.tensor(found.samples()["d_target"].tolist())).all()
