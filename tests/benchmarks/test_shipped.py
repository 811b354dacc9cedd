"""The star of the frontier: what the committed run says of the weights that ship."""

import json
from pathlib import Path

import pandas as pd
import pytest
from recomputed import credits_of

from benchmarks.study.shipped import RUNS, shipped


@pytest.mark.parametrize(("data", "eps"), [("nights", 108 / 255), ("nights", 1.0), ("photos", 108 / 255)])
def test_it_stands_where_the_samples_put_it(data: str, eps: float) -> None:
    for record in RUNS.glob("*/record.json"):
        spec = json.loads(record.read_text())["spec"]
        mine = (spec["metric"], spec["data"][:6], spec["norm"]) == ("lipsim", data, "l2") and spec["certifier"]
        if mine and eps in spec["eps"]:
            found = credits_of(pd.read_parquet(record.with_name("samples.parquet")))
            expected = [100 * found[key].mean() for key in (("natural", None), ("certificate", eps))]
            assert shipped(data, eps) == pytest.approx(tuple(expected))
            return
    pytest.fail(f"no run of {data} at {eps}")


def test_without_a_run_there_is_no_star(tmp_path: Path) -> None:
    assert shipped("nights", 1.0, tmp_path) is None
    assert shipped("held out", 1.0) is None
