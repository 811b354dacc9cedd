"""`bench distance --tau`: how long two images stay copies, or stay none."""

import json
from pathlib import Path

import pytest
import torch


@pytest.fixture
def pair(data: str) -> tuple[Path, Path]:
    folder = Path(data.removeprefix("csv:")).parent
    return folder / "3_ref.png", folder / "3_left.png"


def test_the_radius_of_the_decision(bench, pair):
    d = json.loads(bench("distance", *pair, "--metric", "l2", "--json"))["distance"]
    for tau, within in ((0.4 * d, False), (1.5 * d, True)):
        answer = json.loads(bench("distance", *pair, "--metric", "l2", "--tau", tau, "--json"))
        assert answer["within"] is within
        assert answer["radius"] == pytest.approx(abs(d - tau), rel=1e-4)
        assert answer["radius"] < abs(d - tau)
        assert "low" not in answer
        assert answer["norm"] == "l2"
    printed = bench("distance", *pair, "--metric", "l2", "--tau", 1.5 * d)
    assert f"at most {1.5 * d:g} for every change of 3_ref.png of l2 norm below" in printed


def test_nothing_is_claimed_at_the_threshold_itself(bench, pair):
    d = json.loads(bench("distance", *pair, "--metric", "l2", "--json"))["distance"]
    for tau in (d, d * (1 + 1e-7)):
        assert json.loads(bench("distance", *pair, "--metric", "l2", "--tau", tau, "--json"))["radius"] == 0


def test_decibels(bench, pair):
    """PSNR orders as l2: the same radius for the same threshold in its own unit."""
    d = json.loads(bench("distance", *pair, "--metric", "l2", "--json"))["distance"]
    tau = 20 * torch.log10(torch.tensor(0.5 * d / (3 * 224 * 224) ** 0.5)).item()
    answer = json.loads(bench("distance", *pair, "--metric", "psnr", "--tau", tau, "--json"))
    assert answer["radius"] == pytest.approx(0.5 * d, rel=1e-3)


@pytest.mark.parametrize("lift", ["", "(lift=true)"])
def test_lipsim(bench, pair, lift):
    answer = json.loads(bench("distance", *pair, "--metric", f"lipsim{lift}", "--tau", 0.5, "--eps", 0.1, "--json"))
    assert 0 < answer["radius"] <= (3 * 224 * 224) ** 0.5
    assert answer["low"] < answer["distance"] < answer["high"]


@pytest.mark.parametrize(("metric", "tau"), [("lipsim", "2"), ("lipsim", "-0.1"), ("l2", "-1"), ("psnr", "-201")])
def test_a_threshold_that_is_no_distance(bench, pair, metric, tau):
    assert f"--tau wants a distance of {metric}, which lies in [" in bench.refusal(
        "distance", *pair, "--metric", metric, "--tau", tau
    )


def test_a_metric_without_proof(bench, pair):
    assert "nothing can be proved of ssim" in bench.refusal("distance", *pair, "--metric", "ssim", "--tau", 0.1)
