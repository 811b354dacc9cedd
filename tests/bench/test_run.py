"""`bench run` end to end on the metric whose answers are known in closed form."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from perceptbench.core.ref import Ref
from perceptbench.triplets.base import triplets

FAST = "l2-apgd-ce(steps=40)"
EPS = (0.5, 1.0, 2.0, 4.0)
WORDS = ("run", "--metric", "l2", "--attack", FAST, "--eps", ",".join(map(str, EPS)))


def exact_radii(data: str) -> dict[str, float]:
    """Distance of the reference from the bisector of left and right, negative on the wrong side."""
    source = triplets.build(Ref.parse(data))
    batch = source.batch(source.entries)
    left, right, reference = (x.double().flatten(1) for x in (batch.left, batch.right, batch.reference))
    to_left, to_right = (reference - left).norm(dim=1), (reference - right).norm(dim=1)
    signed = (to_left**2 - to_right**2) / (2 * (left - right).norm(dim=1)) * (2 * batch.label - 1)
    return dict(zip(batch.ids, signed.tolist(), strict=True))


def samples_of(runs: Path) -> pd.DataFrame:
    """The samples of the only run in a folder."""
    (path,) = runs.glob("*/samples.parquet")
    return pd.read_parquet(path)


def test_every_number_agrees_with_the_closed_form(bench, data, tmp_path):
    rows = bench.json(*WORDS, "--data", data, "--runs", tmp_path)
    radii, samples = exact_radii(data), samples_of(tmp_path)
    assert set(samples["id"]) == set(radii)
    for row in samples.itertuples():
        exact = radii[row.id]
        assert row.correct == (exact > 0)
        assert row.radius == pytest.approx(max(exact, 0), rel=1e-2)
        assert row.radius <= max(exact, 0)
        assert row.robust == (exact > row.eps), (row.id, row.eps, exact)
        assert row.size <= row.eps
        if row.broken_by:
            assert exact <= row.size
            assert (row.d0_adv < row.d1_adv) != (row.d0 < row.d1)
    share = {eps: 100 * sum(r > eps for r in radii.values()) / len(radii) for eps in EPS}
    for row in rows:
        if row["kind"] != "natural":
            assert row["score"] == pytest.approx(share[row["eps"]])
            assert row["low"] < row["score"] < row["high"]
    assert len(set(share.values())) > 1, "the budgets tell nothing apart"


def test_linf_radii_are_the_l2_ones_over_the_root_of_the_number_of_values(bench, data, tmp_path):
    rows = bench.json("run", "--metric", "l2", "--attack", "linf-pgd(steps=10)", "--eps", "0.001,0.01", "--data", data,
                      "--runs", tmp_path)  # fmt: skip
    radii, samples = exact_radii(data), samples_of(tmp_path)
    for row in samples.itertuples():
        assert row.radius == pytest.approx(max(radii[row.id], 0) / (3 * 224 * 224) ** 0.5, rel=1e-2)
        assert row.size <= row.eps
    scores = {(row["kind"], row["eps"]): row["score"] for row in rows}
    for eps in (0.001, 0.01):
        assert scores["certificate", eps] <= scores["attack", eps] <= scores["natural", None]


def test_rows_have_the_public_fields(bench, data, tmp_path):
    rows = bench.json(*WORDS, "--data", data, "--runs", tmp_path)
    public = {"metric", "data", "kind", "method", "norm", "eps", "n", "score", "low", "high", "seconds", "run", "unit"}
    assert all(public <= set(row) for row in rows)
    natural = [row for row in rows if row["kind"] == "natural"]
    assert len(natural) == 1
    assert (natural[0]["method"], natural[0]["norm"], natural[0]["eps"]) == (None, None, None)
    assert [row["eps"] for row in rows if row["kind"] == "attack"] == list(EPS)
    assert {row["method"] for row in rows if row["kind"] == "certificate"} == {"margin"}
    assert {row["parts"] for row in rows if row["kind"] == "attack"} == {"l2-apgd-ce: starts 1, steps 40"}


def test_the_same_command_answers_from_the_store(bench, data, tmp_path, monkeypatch):
    first = bench.json(*WORDS, "--data", data, "--runs", tmp_path)
    monkeypatch.setattr("perceptbench.bench.engines.local.evaluate", None)
    assert bench.json(*WORDS, "--data", data, "--runs", tmp_path) == first


def test_another_spec_is_another_run(bench, data, tmp_path):
    words = ("run", "--metric", "l2", "--attack", FAST, "--eps", "1", "--data", data, "--runs", tmp_path)
    runs = {bench.json(*words)[0]["run"]}
    for change in (("--seed", 1), ("--limit", 4), ("--no-skip-certified",), ("--certifier", "none")):
        run = bench.json(*words, *change)[0]["run"]
        assert run not in runs, change
        runs.add(run)


def test_moved_data_is_the_same_run_and_changed_data_another(bench, data, tmp_path):
    import shutil

    folder = Path(data.removeprefix("csv:")).parent
    words = ("run", "--metric", "l2", "--attack", FAST, "--eps", "1", "--runs", tmp_path / "runs", "--data")
    run = bench.json(*words, data)[0]["run"]
    moved = shutil.copytree(folder, tmp_path / "moved")
    assert bench.json(*words, f"csv:{moved / 'data.csv'}")[0]["run"] == run
    shutil.copy(moved / "1_left.png", moved / "2_left.png")
    assert bench.json(*words, f"csv:{moved / 'data.csv'}")[0]["run"] != run


@pytest.mark.parametrize("batch_size", [1, 3, 8])
def test_the_batch_size_changes_no_verdict(bench, data, tmp_path, batch_size):
    words = (*WORDS, "--data", data, "--batch-size")
    bench(*words, 5, "--runs", tmp_path / "five")
    bench(*words, batch_size, "--runs", tmp_path / "other")
    five, other = samples_of(tmp_path / "five"), samples_of(tmp_path / "other")
    pd.testing.assert_frame_equal(five, other, rtol=1e-3)


def test_certified_triplets_are_attacked_only_on_request(bench, data, tmp_path):
    bench(*WORDS, "--data", data, "--runs", tmp_path / "skip")
    bench(*WORDS, "--data", data, "--runs", tmp_path / "all", "--no-skip-certified")
    skipped, attacked = samples_of(tmp_path / "skip"), samples_of(tmp_path / "all")
    proved = skipped["radius"] > skipped["eps"]
    smallest = skipped["eps"] == EPS[0]
    assert (skipped.loc[proved & smallest, "forwards"] == 0).all()
    assert (attacked.loc[proved & smallest, "forwards"] > 0).all()
    assert (skipped["robust"] == attacked["robust"]).all()


def test_an_unsound_radius_stops_the_run_and_keeps_the_counter_example(bench, data, tmp_path, monkeypatch):
    from perceptbench.core.errors import UnsoundError
    from perceptbench.metrics.classical.pixel import PixelL2

    monkeypatch.setattr(PixelL2, "lipschitz", 0.5)
    with pytest.raises(UnsoundError, match="inside its certified radius"):
        bench(*WORDS, "--data", data, "--runs", tmp_path, "--no-skip-certified")
    assert not list(tmp_path.glob("*/record.json"))
    (kept,) = tmp_path.glob("*/counterexample.safetensors")
    from safetensors.torch import load_file

    images = load_file(kept)
    assert set(images) == {"reference", "adversarial", "left", "right"}
    before, after = (
        (images[k] - images["left"]).norm() < (images[k] - images["right"]).norm() for k in ("reference", "adversarial")
    )
    assert before != after


def test_killed_half_way_it_ends_with_the_same_numbers(data, bench, tmp_path):
    words = (*WORDS, "--data", data, "--batch-size", 1)
    bench(*words, "--runs", tmp_path / "whole")
    killed = tmp_path / "killed"
    command = [str(Path(sys.executable).with_name("bench")), *map(str, words), "--runs", str(killed)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not list(killed.glob("*/shards/*.parquet")) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert list(killed.glob("*/shards/*.parquet")), "killed before the first shard"
    assert not list(killed.glob("*/record.json")), "it had ended before it was killed"
    bench(*words, "--runs", killed)
    pd.testing.assert_frame_equal(samples_of(tmp_path / "whole"), samples_of(killed), rtol=1e-3)
    record = json.loads(next(killed.glob("*/record.json")).read_text())
    assert 0 < record["facts"]["resumed"] < 8


def test_a_flip_that_one_judge_saw_stays_lost_at_larger_eps(bench, data, tmp_path, monkeypatch):
    """Judged again in another batch, round-off may take a flip back: the score must not rise for it."""
    from dataclasses import replace

    import torch

    from perceptbench.attacks.running import sweep as runner

    def forgetful(*words):
        for k, outcome in enumerate(runner.run_attack(*words)):
            seen = torch.full_like(outcome.broken, k == 0)
            yield replace(outcome, broken=seen, adversarial=words[3])

    monkeypatch.setattr("perceptbench.bench.evaluate.run_attack", forgetful)
    rows = bench.json(*WORDS, "--data", data, "--runs", tmp_path, "--certifier", "none")
    assert [row["score"] for row in rows if row["kind"] == "attack"] == [0.0] * len(EPS)


def test_mse_rows_are_distances_that_do_not_fall(bench, data, tmp_path):
    words = (
        "run",
        "--metric",
        "l2",
        "--attack",
        "l2-mse(steps=20)",
        "--eps",
        "1,2",
        "--data",
        data,
        "--runs",
        tmp_path,
    )
    rows = [row for row in bench.json(*words) if row["kind"] == "attack"]
    assert {row["unit"] for row in rows} == {"distance"}
    # Under pixel l2 the farthest embedding within eps is eps away.
    assert [row["score"] for row in rows] == pytest.approx([1, 2], rel=1e-2)
