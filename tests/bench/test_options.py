"""What the options of `bench run` beyond the plain attack do, on metrics whose answers are known."""

import json
from pathlib import Path

import pandas as pd
import pytest

FAST = "l2-apgd-ce(steps=12)"
COSINE = """
from perceptbench.metrics.base import CosineLipschitzMetric

class Cosine(CosineLipschitzMetric):
    def embed(self, x):
        return 2 * (x.flatten(1) - 0.5)

    lipschitz = 2.0

    def double(self):
        return self
"""


def run(bench, data, runs, *words, metric="l2", attack=FAST, eps="1,4"):
    return bench.json("run", "--metric", metric, "--attack", attack, "--eps", eps, "--data", data, "--runs", runs,
                      *words)  # fmt: skip


def samples_of(runs: Path) -> pd.DataFrame:
    (path,) = runs.glob("*/samples.parquet")
    return pd.read_parquet(path)


def scores(rows, kind):
    return [row["score"] for row in rows if row["kind"] == kind]


@pytest.mark.parametrize(
    "move", [("--move", "left"), ("--move", "right"), ("--move", "all"),
             ("--move", "all", "--eps-left", "0.5", "--eps-right", "255/255")],
)  # fmt: skip
def test_whoever_moves_is_certified_and_attacked_within_one_threat(bench, data, tmp_path, move):
    rows = run(bench, data, tmp_path, *move, "--no-skip-certified", eps="1,24")
    certified, attacked = scores(rows, "certificate"), scores(rows, "attack")
    assert all(low <= high for low, high in zip(certified, attacked, strict=True))
    assert certified[0] > certified[1]
    assert {row["method"] for row in rows if row["kind"] == "attack"} == {
        f"{FAST} {' '.join(move)}".replace("255/255", "1.0")
    }
    samples = samples_of(tmp_path)
    assert (samples["size"] <= samples["eps"]).all()
    assert not (samples["correct"] & ~samples["robust"] & (samples["radius"] > samples["size"])).any()
    assert (samples["d_self"] >= 0).all()


def test_all_three_fall_earlier_than_the_reference_alone(bench, data, tmp_path):
    alone = scores(run(bench, data, tmp_path), "attack")
    together = scores(run(bench, data, tmp_path, "--move", "all"), "attack")
    assert all(b <= a for a, b in zip(alone, together, strict=True))


def test_rows_of_another_threat_stay_out_of_the_bounds(bench, data, tmp_path):
    run(bench, data, tmp_path)
    run(bench, data, tmp_path, "--move", "all")
    bench("report", "--runs", tmp_path, "--to", tmp_path / "report")
    text = (tmp_path / "report" / "report.md").read_text()
    bounds = text[text.index("Bounds of the robust score") :].partition("##")[0]
    assert "--move all" in text
    assert "--move all" not in bounds


def test_quantized_images_are_judged_and_named(bench, data, tmp_path):
    rows = run(bench, data, tmp_path, "--quantize", "8bit", eps="4")
    assert {row["method"] for row in rows if row["kind"] == "attack"} == {f"{FAST} --quantize 8bit"}
    plain = scores(run(bench, data, tmp_path / "plain", eps="4"), "attack")
    assert scores(rows, "attack")[0] >= plain[0]
    assert (samples_of(tmp_path / "plain")["size"] <= 4).all()


def test_restarts_are_more_starts(bench, data, tmp_path):
    rows = run(bench, data, tmp_path, "--restarts", 3, "--no-skip-certified", eps="0.5")
    assert {row["parts"] for row in rows if row["kind"] == "attack"} == {"l2-apgd-ce: starts 3, steps 12"}
    once = run(bench, data, tmp_path / "once", "--no-skip-certified", eps="0.5")
    few, many = (
        json.loads(next(folder.glob("*/record.json")).read_text())["facts"]["forwards"]
        for folder in (tmp_path / "once", tmp_path)
    )
    assert many > 2 * few > 0
    assert scores(rows, "attack") <= scores(once, "attack")


@pytest.fixture
def folder(tmp_path, data):
    import shutil

    target = tmp_path / "images"
    (target / "more").mkdir(parents=True)
    source = Path(data.removeprefix("csv:")).parent
    for i in range(4):
        shutil.copy(source / f"{i}_ref.png", target / ("more" if i % 2 else ".") / f"{i}.png")
    shutil.copy(source / "0_ref.png", target / "twice.png")
    return f"images:{target}"


@pytest.mark.parametrize("attack", ["l2-pgd(steps=10)", "l2-mse(steps=10)", "linf-pgd(steps=10)"])
def test_images_are_pushed_and_pulled_by_the_whole_budget(bench, folder, tmp_path, attack):
    """Under pixel l2: from 0 to eps, or from the distance of two images to eps less; equal files count once."""
    eps, reach = (2.0, 2.0) if attack.startswith("l2") else (0.01, 0.01 * (3 * 224 * 224) ** 0.5)
    pushed = run(bench, folder, tmp_path / "push", "--goal", "push", attack=attack, eps=eps)
    natural, attacked = pushed
    assert natural["unit"] == attacked["unit"] == "distance"
    assert natural["n"] == attacked["n"] == 4
    assert attacked["score"] == pytest.approx(reach, rel=2e-2)
    pulled = run(bench, folder, tmp_path / "pull", "--goal", "pull", attack=attack, eps=eps)
    assert pulled[0]["score"] == pytest.approx(natural["score"])
    assert pulled[1]["score"] < natural["score"]
    if attack.startswith("l2"):
        assert pulled[1]["score"] == pytest.approx(natural["score"] - reach, rel=2e-2)
    bench("report", "--runs", tmp_path / "pull", "--to", tmp_path / "report")


def test_images_have_no_answers(bench, folder, tmp_path):
    assert "use bench run --goal push or --goal pull" in bench.refusal(
        "run", "--metric", "l2", "--attack", FAST, "--eps", "1", "--data", folder, "--runs", tmp_path)  # fmt: skip
    assert "expected a folder of images" in bench.refusal(
        "run", "--metric", "l2", "--attack", FAST, "--goal", "push", "--eps", "1", "--data", "images:no")  # fmt: skip


def test_the_papers_protocol_attacks_its_own_output_and_keeps_the_last_image(bench, data, tmp_path):
    rows = run(bench, data, tmp_path, "--protocol", "paper", "--limit", 3, attack="linf-pgd", eps="0.05", metric="ssim")
    (attacked,) = [row for row in rows if row["kind"] == "attack"]
    assert attacked["method"] == "linf-pgd --protocol paper"
    assert attacked["parts"] == "linf-pgd: starts 1, steps 50, step_size 0.01"
    samples = samples_of(tmp_path)
    sign = 2 * samples["label"] - 1
    assert (samples["robust"] == (sign * (samples["d0_adv"] - samples["d1_adv"]) > 0)).all()
    assert (samples["forwards"] > 0).all(), "wrong answers are attacked as well"


def test_a_smoothed_vote_is_no_promise_about_the_metric(bench, data, tmp_path):
    rows = bench.json("certify", "--metric", "ssim", "--certifier", "smoothing(n=40,n0=8,sigma=0.1)", "--eps", "0.05",
                      "--data", data, "--limit", 2, "--runs", tmp_path)  # fmt: skip
    (proof,) = [row for row in rows if row["kind"] == "certificate"]
    assert proof["sound"] is False
    assert "with probability 0.999" in proof["promise"]
    bench("report", "--runs", tmp_path, "--to", tmp_path / "report")
    text = (tmp_path / "report" / "report.md").read_text()
    assert "‡" in text
    assert "†" not in text


def test_certify_prints_how_much_is_gained(bench, data, tmp_path):
    metric = tmp_path / "cosine.py"
    metric.write_text(COSINE)
    told = bench("certify", "--metric", f"py:{metric}:Cosine", "--certifier", "margin,paper,tsuzuku", "--eps", "0.1",
                 "--data", data, "--runs", tmp_path)  # fmt: skip
    told = " ".join(told.split())  # lines end where the terminal does
    assert "radii of margin are" in told
    assert "times those of paper (median, n = " in told
    assert "times those of tsuzuku" in told
