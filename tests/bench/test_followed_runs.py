"""Runs whose images are found on other metrics: who is asked, who judges, what the id knows, and what is refused."""

import json
from pathlib import Path

import pandas as pd
import pytest
import torch

from perceptbench.bench import found_on_others
from perceptbench.bench.planner import make_plans
from perceptbench.bench.request import Request
from perceptbench.metrics.classical.ssim import SSIM

BY = "by=l2-pgd(steps=5)"


def attacked(bench, runs, *words) -> dict[str, tuple[dict, pd.DataFrame]]:
    """Record and samples by metric."""
    bench("run", *words, "--runs", runs)
    found = {}
    for path in runs.glob("*/record.json"):
        record = json.loads(path.read_text())
        found[record["spec"]["metric"]] = record, pd.read_parquet(path.with_name("samples.parquet"))
    return found


def test_images_are_those_of_the_source_and_the_judge_is_the_metric_of_the_run(bench, data, tmp_path):
    found = attacked(bench, tmp_path, "--metric", "l2,ssim", "--attack", f"transfer(source=l2,{BY})", "--data", data,
                     "--eps", "1,6", "--certifier", "none")  # fmt: skip
    (own, pixels), (other, structure) = found["l2"], found["ssim"]
    assert own["facts"]["followed"] == other["facts"]["followed"] == ["l2"]
    both = pixels.merge(structure, on=["id", "eps"], suffixes=("", "_ssim"))
    both = both[both["correct"] & both["correct_ssim"]]
    assert len(both) >= 6
    assert (both["size"] == both["size_ssim"]).all(), "one and the same image"
    assert (both["forwards"] == both["forwards_ssim"]).all()
    assert (both["d0_adv"] != both["d0_adv_ssim"]).all(), "judged by two metrics"
    for frame in (pixels, structure):
        lost = (frame["d0_adv"] > frame["d1_adv"]) != (frame["label"] == 1)
        at_once = frame[frame["eps"] == 1.0]
        assert (at_once["robust"] == (at_once["correct"] & ~lost[at_once.index])).all()
    assert not pixels[(pixels["eps"] == 6.0) & pixels["correct"]]["robust"].all(), "its own images fool it"
    assert set(pixels["broken_by"]) == {"", "transfer"}


def test_the_whole_budget_is_used_by_every_sample_certified_or_not(bench, data, tmp_path):
    words = ("--metric", "l2", "--data", data, "--eps", "0.01,9")
    followed = attacked(bench, tmp_path / "a", *words, "--attack", f"transfer(source=l2,{BY})")["l2"][1]
    direct = attacked(bench, tmp_path / "b", *words, "--attack", "l2-pgd(steps=5)")["l2"][1]
    right = followed["correct"]
    small, large = followed["eps"] == 0.01, followed["eps"] == 9.0
    # 5 steps and a look at the last image, the judgement, and once the clean image; at the second eps as many again.
    assert set(followed[right & small]["forwards"]) == {8.0}
    assert set(followed[right & large]["forwards"]) == {15.0}
    assert (followed[right & large]["size"] > 8.9).all()
    certified = direct["radius"] > direct["eps"]
    assert certified.any()
    assert (direct[certified & small]["forwards"] == 0).all()
    assert (followed[~right]["forwards"] == 0).all(), "what the judge had wrong is no evidence"


def test_images_are_found_once_for_all_judges(bench, data, tmp_path, monkeypatch):
    calls = []
    search = found_on_others._searched
    monkeypatch.setattr(found_on_others, "_searched", lambda *given: calls.append(given[5]) or search(*given))
    monkeypatch.setattr(found_on_others, "KEPT", found_on_others._Kept())
    words = ("--metric", "l2,psnr,ssim", "--data", data, "--eps", 2, "--limit", 4, "--certifier", "none")
    first = attacked(bench, tmp_path / "a", *words, "--attack", f"transfer(source=l2,{BY})")
    assert sum(len(rows) for rows in calls) <= 4
    monkeypatch.setattr(found_on_others, "_MOST_BYTES", 0)
    monkeypatch.setattr(found_on_others, "KEPT", found_on_others._Kept())
    again = attacked(bench, tmp_path / "b", *words, "--attack", f"transfer(source=l2,{BY})", "--batch-size", 1)
    for metric, (record, samples) in first.items():
        assert again[metric][0]["run"] == record["run"]
        pd.testing.assert_frame_equal(again[metric][1], samples, rtol=1e-4)


MINE = """
import torch

class Mine:
    factor = {factor}

    def __call__(self, x, y):
        return ((x - y) * self.factor).square().mean((1, 2, 3)) + 0.1 * (x - y).abs().mean((1, 2, 3))
"""


def _id(metric: str, attack: str) -> str:
    (plan,) = make_plans(
        Request(metrics=[metric], data=["photos"], attacks=[attack], eps=(1.0,), limit=2, certifiers=())
    )
    return plan.spec.id


def test_the_id_knows_the_source_its_code_and_the_attack_that_climbs(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(MINE.format(factor=1))
    mine = f'transfer(source="py:{file}:Mine")'
    ids = [_id("l2", mine), _id("l2", mine)]
    assert len(set(ids)) == 1
    file.write_text(MINE.format(factor=2))
    edited = _id("l2", mine)
    others = [
        _id("l2", "transfer:psnr"), _id("l2", "transfer:l2"), _id("l2", "transfer:ssim"), _id("l2", "transfer:l2+ssim"),
        _id("l2", "transfer(source=l2,by=l2-pgd)"), _id("l2", "transfer(source=l2,momentum=1)"),
        _id("l2", "transfer(source=l2,diversity=0.5)"), _id("ssim", "transfer:l2"),
    ]  # fmt: skip
    assert len({ids[0], edited, *others}) == 2 + len(others)


def test_weights_of_the_source_are_in_the_id(monkeypatch):
    before = _id("l2", "transfer:ssim")
    monkeypatch.setattr(SSIM, "weights", lambda self: [torch.ones(1)])
    assert _id("l2", "transfer:ssim") != before
    assert _id("l2", "l2-pgd") == _id("l2", "l2-pgd")


def test_several_sources_a_threat_by_name_and_an_endless_goal(bench, data, tmp_path):
    words = ("--data", data, "--limit", 3, "--runs", tmp_path)
    rows = bench.json("run", "--metric", "psnr", "--attack", "transfer(source=l2+ssim,by=pgd(steps=3),momentum=1)",
                      "--threat", "linf", "--eps", "8/255", "--certifier", "none", *words)  # fmt: skip
    assert [row["kind"] for row in rows] == ["natural", "attack"]
    assert rows[1]["threat"] == "linf"
    pushed = bench.json("run", "--metric", "ssim", "--attack", f"transfer(source=l2,{BY},diversity=0.5)",
                        "--goal", "push", "--eps", 2, *words)  # fmt: skip
    assert pushed[-1]["score"] > 0


def test_a_source_without_a_gradient_is_climbed_by_its_stand_in(bench, data, tmp_path):
    pytest.importorskip("imagehash", reason="the extra hashes is not installed")
    found = attacked(bench, tmp_path, "--metric", "l2", "--attack", f"transfer(source=phash,{BY})", "--data", data,
                     "--limit", 2, "--eps", 2, "--certifier", "none")  # fmt: skip
    samples = found["l2"][1]
    assert (samples[samples["correct"]]["backwards"] >= 5).all()


def test_what_cannot_be_is_said_in_a_sentence(bench, data, tmp_path):
    words = ("--eps", 1, "--runs", tmp_path, "--attack", "transfer:ssim")
    said = bench.refusal("run", "--metric", "l2", "--task", "matching", "--tau", 3, "--data", "copies", "--limit", 2,
                         *words)  # fmt: skip
    assert "follows other metrics, and --task matching fits what it needs on one" in said
    for more, why in (
        (("--threat", "l2", "--through", "jpeg"), "leave one of them out"),
        (("--threat", "universal"), "is fitted on"),
    ):
        said = bench.refusal("run", "--metric", "l2", "--data", data, "--eps", 1, "--runs", tmp_path, "--attack",
                             "transfer(source=ssim,by=pgd)", *more)  # fmt: skip
        assert why in said
    file = Path(tmp_path) / "flat.py"
    file.write_text(
        "class Flat:\n    differentiable = False\n\n"
        "    def __call__(self, x, y):\n        return (x - y).abs().mean((1, 2, 3))\n"
    )
    said = bench.refusal("run", "--metric", "l2", "--data", data, "--eps", 1, "--attack",
                         f'transfer(source="py:{file}:Flat")', "--runs", tmp_path)  # fmt: skip
    assert "has no gradient to follow; take by=l2-square" in said
