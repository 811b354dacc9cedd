"""`pb.invert` and `bench invert`: what is written, and what is refused before anything is."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import perceptbench as pb
from perceptbench.core.errors import Notice, UserError
from perceptbench.reports.cell import Cell, Number
from perceptbench.testing.samples import random_images

X = 0.25 + 0.5 * random_images(2, 16, seed=3)


@pytest.fixture(scope="module")
def found() -> "object":
    return pb.invert(["l2", "psnr"], X, judge=["ssim", "l2"], steps=40, tv=0.0)


def test_the_table_has_means_and_lines_to_read_them_by(found) -> None:
    table = found.table
    assert table.columns == ("start", "metric", "n", "residual", "ssim to x", "l2 to x")
    lines = {row[:2]: row[2:] for row in table.rows}
    assert list(lines) == [
        ("grey", "l2"), ("noise", "l2"), ("grey", "psnr"), ("noise", "psnr"), ("", "grey"), ("", "another image"),
    ]  # fmt: skip
    assert table.rules == (4,)
    ssim, l2 = pb.metric("ssim"), pb.metric("l2")
    with torch.no_grad():
        z = found.images["psnr", "noise"]
        wanted = ssim(X, z).mean().item(), l2(X, z).mean().item()
        others = l2(X, torch.full_like(X, 0.5)).mean().item(), l2(X, X.flip(0)).mean().item()
    assert [cell.value for cell in lines["noise", "psnr"][2:]] == pytest.approx(wanted, rel=1e-4)
    assert [lines["", name][-1].value for name in ("grey", "another image")] == pytest.approx(others, rel=1e-4)
    assert all(isinstance(cell, Cell) and cell.low <= cell.value <= cell.high for cell in lines["noise", "psnr"][2:])
    # A metric that was inverted does not judge itself.
    assert lines["grey", "l2"][-1] is None


def test_one_image_has_numbers_without_intervals() -> None:
    table = pb.invert("l2", X[:1], judge="psnr", start="grey", steps=2).table
    assert [row[1] for row in table.rows] == ["l2", "grey"]
    assert all(isinstance(value, Number) for value in table.rows[0][3:])


def test_files_say_what_was_found_and_how(found, tmp_path: Path) -> None:
    written = found.save(tmp_path / "to")
    assert sorted(path for path in (tmp_path / "to").rglob("*") if path.is_file()) == sorted(written)
    record = json.loads((tmp_path / "to" / "record.json").read_text())
    assert [one["name"] for one in record["metrics"]] == ["l2", "psnr"]
    assert [one["start"] for one in record["searches"]] == ["grey", "noise"]
    assert {(one["steps"], one["tv"]) for one in record["searches"]} == {(40, 0.0)}
    assert record["provenance"]["seed"] == 0
    assert len(record["found"]) == 8
    with (tmp_path / "to" / "inversion.csv").open() as stream:
        lines = list(csv.DictReader(stream))
    for one, line in zip(record["found"], lines, strict=True):
        i = int(one["image"].removeprefix("image ")) - 1
        z = found.images[one["metric"], one["start"]][i]
        with Image.open(tmp_path / "to" / one["file"]) as opened:
            kept = np.asarray(opened)
        assert np.array_equal(kept, (z * 255).round().byte().permute(1, 2, 0).numpy())
        assert float(line["residual"]) == one["residual"]
        assert float(line["l2"]) == pytest.approx((z - X[i]).norm().item(), rel=1e-4)
    with Image.open(tmp_path / "to" / "from_noise.png") as sheet:
        assert sheet.size[0] > 100
    assert "from_grey.png" in (tmp_path / "to" / "inversion.md").read_text()
    assert "data:image/webp" in (tmp_path / "to" / "inversion.html").read_text()


def test_where_writing_fails_nothing_is_left(found, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("perceptbench.bench.inversion_files._png", full)
    with pytest.raises(UserError, match=r"cannot write to .*No space left"):
        found.save(tmp_path / "to")
    assert not (tmp_path / "to").exists()


def test_what_is_drawn_follows_from_the_image_and_the_seed() -> None:
    whole, alone, other = (
        pb.invert("l2", x, judge="psnr", start="noise", steps=3, seed=seed).images["l2", "noise"]
        for x, seed in ((X, 0), (X[1:], 0), (X[1:], 1))
    )
    torch.testing.assert_close(whole[1:], alone)
    assert not torch.allclose(alone, other, atol=1e-2)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ({"metric": lambda x, y: (x - y).abs().mean((1, 2, 3))}, "keeps no embedding"),
        ({"metric": ["l2", "l2"]}, "metric wants one name or several different ones"),
        ({"judge": []}, "judge wants one name"),
        ({"start": "white"}, "start wants grey or noise"),
        ({"start": ("grey", "grey")}, "start wants grey or noise"),
        ({"steps": 0}, "steps wants a whole number from 1"),
        ({"steps": 2.5}, "steps wants a whole number from 1"),
        ({"tv": -1.0}, "tv wants a number from 0"),
        ({"tv": "much"}, "tv wants a number, got 'much'"),
        ({"tv": float("nan")}, "tv wants a number from 0"),
        ({"seed": -1}, "seed wants a whole number from 0"),
        ({"images": "none.png"}, "none.png"),
    ],
)
def test_what_is_refused(words: dict, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        pb.invert(**{"metric": "l2", "images": X, "judge": "psnr", "steps": 1} | words)


def test_a_default_judge_whose_weights_are_nowhere_is_left_out_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what cannot be inverted is refused before any judge is looked for."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("PERCEPTBENCH_WEIGHTS", str(tmp_path))
    x = random_images(1, 32, seed=4)
    with pytest.warns(Notice, match="lpips is left out as a judge: .* weights"):
        judged = pb.invert("l2", x, steps=1).record["judges"]
    assert [one["name"] for one in judged] == ["ssim", "lipsim"]
    with pytest.raises(UserError, match="keeps no embedding"):
        pb.invert(lambda x, y: (x - y).abs().mean((1, 2, 3)), x, steps=1)


def test_the_command_writes_the_same(bench, tmp_path: Path) -> None:
    for i, x in enumerate(X):
        Image.fromarray((x * 255).byte().permute(1, 2, 0).numpy()).save(tmp_path / f"{i}.png")
    words = bench(
        "invert", tmp_path / "0.png", tmp_path / "1.png", "--metric", "l2", "--judge", "psnr", "--start", "grey",
        "--steps", 2, "--to", tmp_path / "to",
    )  # fmt: skip
    assert "another image" in words
    record = json.loads((tmp_path / "to" / "record.json").read_text())
    assert [one["name"] for one in record["images"]] == ["0.png", "1.png"]
    assert record["size"] == [224, 224]
    with pytest.raises(UserError, match="start wants grey or noise"):
        bench("invert", tmp_path / "0.png", "--metric", "l2", "--start", "white", "--to", tmp_path / "no")
    assert not (tmp_path / "no").exists()
