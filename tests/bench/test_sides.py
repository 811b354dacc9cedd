"""BAPPS at the side of its publication: other runs, other words, and one sentence where a metric cannot see it."""

import numpy as np
import pytest
from PIL import Image

WORDS = ("--attack", "l2-pgd(steps=1)", "--eps", "0.5")


@pytest.fixture
def patches(tmp_path):
    rng = np.random.default_rng(0)
    for kind in ("ref", "p0", "p1", "judge"):
        (tmp_path / "val/cnn" / kind).mkdir(parents=True)
    for number in range(2):
        for kind in ("ref", "p0", "p1"):
            pixels = rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / f"val/cnn/{kind}/{number:06d}.png")
        np.save(tmp_path / f"val/cnn/judge/{number:06d}.npy", np.array([number], dtype=np.float32))
    return f"bapps:{tmp_path}"


def test_the_two_sides_are_two_runs_and_each_says_its_side(patches, tmp_path, bench):
    store = ("--runs", tmp_path / "runs")
    small = bench("run", "--metric", "l2", "--data", f"{patches}(side=64)", *WORDS, *store)
    large = bench("run", "--metric", "l2", "--data", patches, *WORDS, *store)
    assert len([path for path in (tmp_path / "runs").iterdir() if path.is_dir()]) == 2
    assert "images in [0, 1] at 64 x 64;" in " ".join(small.split())
    assert "224" not in small
    assert "images in [0, 1] at 224 x 224;" in " ".join(large.split())
    bench("report", "--runs", tmp_path / "runs", "--to", tmp_path / "report")
    report = (tmp_path / "report/report.md").read_text()
    assert "of a 64 x 64 x 3 or 224 x 224 x 3 image" in report
    assert "(side=64)" in report
    assert report.count("LipSim margin 0.2¶ (SLL, fine-tuned)") > 0


def test_a_metric_that_needs_more_pixels_says_so(patches, tmp_path, bench):
    said = bench.refusal(
        "run", "--metric", "ms-ssim", "--data", f"{patches}(side=64)", *WORDS, "--runs", tmp_path / "r"
    )
    assert "needs images of at least 161 x 161 pixels" in said
