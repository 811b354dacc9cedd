"""A triplet's result is its own: whatever the batch, the order, the neighbours or an interruption."""

import csv
from pathlib import Path

import pandas as pd
import pytest

from perceptbench.bench.engines import local as runner

ATTACK = "l2-aa(starts=2,steps=3,fmn_steps=5,fab_steps=6,queries=8)"
VERDICT = ["correct", "robust", "radius", "d0", "d1"]
SMALL = """
import torch

class Small:
    def __init__(self):
        self.weight = torch.randn(16, 147, generator=torch.Generator().manual_seed(0)) / 12

    def embed(self, x):
        return torch.tanh((torch.nn.functional.avg_pool2d(x, 32) - 0.5).flatten(1) @ self.weight.T * 8)
"""


def words(data, runs, *more):
    metric = Path(data.removeprefix("csv:")).with_name("small.py")
    metric.write_text(SMALL)
    return (
        "run", "--metric", f"py:{metric}:Small", "--attack", ATTACK, "--eps", "0.5,2", "--data", data,
        "--runs", runs, *more,
    )  # fmt: skip


def samples(runs: Path) -> pd.DataFrame:
    (path,) = runs.glob("*/samples.parquet")
    return pd.read_parquet(path).sort_values(["eps", "id"]).reset_index(drop=True)


@pytest.fixture(scope="module")
def alone(bench, many, tmp_path_factory):
    """Every triplet in a batch of its own."""
    runs = tmp_path_factory.mktemp("alone")
    bench(*words(many, runs, "--batch-size", 1))
    return samples(runs)


def same(found: pd.DataFrame, alone: pd.DataFrame) -> None:
    assert 0.1 < alone["robust"].mean() < 0.9, "the budgets tell nothing apart"
    assert alone["broken_by"].nunique() >= 2
    pd.testing.assert_frame_equal(found[["id", *VERDICT]], alone[["id", *VERDICT]], rtol=1e-4)
    pd.testing.assert_frame_equal(found[["broken_by", "size"]], alone[["broken_by", "size"]], rtol=1e-2)


@pytest.mark.parametrize("batch_size", [7, 32])
def test_batches_of_any_size(bench, many, alone, tmp_path, batch_size):
    bench(*words(many, tmp_path, "--batch-size", batch_size))
    same(samples(tmp_path), alone)


def test_any_order(bench, many, alone, tmp_path):
    table = Path(many.removeprefix("csv:"))
    with table.open() as stream:
        rows = list(csv.DictReader(stream))
    shuffled = table.with_name("shuffled.csv")
    with shuffled.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(sorted(rows, key=lambda row: row["ref"][::-1]))
    bench(*words(f"csv:{shuffled}", tmp_path, "--batch-size", 7))
    same(samples(tmp_path), alone)


def test_an_interruption(bench, many, alone, tmp_path, monkeypatch):
    calls = 0

    def stops(*arguments):
        nonlocal calls
        calls += 1
        if calls == 3:
            raise KeyboardInterrupt
        return evaluate(*arguments)

    evaluate = runner.evaluate
    with monkeypatch.context() as patch:
        patch.setattr("perceptbench.bench.engines.local.evaluate", stops)
        with pytest.raises((KeyboardInterrupt, SystemExit, AssertionError)):
            bench(*words(many, tmp_path, "--batch-size", 7))
    assert not list(tmp_path.glob("*/record.json"))
    # Another batch size from here on: what is left is cut differently.
    bench(*words(many, tmp_path, "--batch-size", 5))
    same(samples(tmp_path), alone)
