"""The table of agreement with people, on runs made up by hand."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from perceptbench.reports.tables.agreement_with_people import Agreement
from perceptbench.results.record import Record
from perceptbench.results.statistics.estimates import clustered_mean

MakeRecord = Callable[..., Record]


def asked(record: Record, references: int = 8) -> Record:
    """The same run on answers of people, with so many reference images."""
    names = {f"t{i}": f"r{i % references}" for i in range(record.samples["id"].nunique())}
    return replace(record, facts={**record.facts, "people": True, "references": names})


def test_shares_are_those_of_the_samples_and_references_are_drawn_together(make_record: MakeRecord) -> None:
    record = asked(make_record("lipsim", data="nights:/a/b", attack=None, eps=(0.25,)))
    (table,) = Agreement()([record])
    assert table.columns == ("data", "metric", "n", "references", "natural", "certified 0.5", "certified 1")
    ((data, metric, n, references, *cells),) = table.rows
    assert (data, metric, n, references) == ("nights:b", "lipsim", 64, 8)
    samples = record.samples
    for cell, credit in zip(cells, (samples["correct"], samples["radius"] > 0.5, samples["radius"] > 1), strict=True):
        wanted = clustered_mean(credit.to_numpy(dtype=float), list(np.arange(64) % 8), 0)
        assert cell.value == pytest.approx(100 * credit.mean())
        assert (cell.low, cell.high) == pytest.approx((100 * wanted.low, 100 * wanted.high), abs=2)


def test_lines_go_by_data_then_by_score_with_a_rule_between(make_record: MakeRecord) -> None:
    made = [
        asked(make_record(metric, run=run * 12, data=data, natural=natural, certifier=None))
        for metric, run, data, natural in (
            ("psnr", "a", "rocks30:x", 0.5), ("lipsim", "b", "rocks30:x", 0.75), ("psnr", "c", "nights:x", 0.625),
        )
    ]  # fmt: skip
    (table,) = Agreement()(made)
    assert [row[:2] for row in table.rows] == [("nights:x", "psnr"), ("rocks30:x", "lipsim"), ("rocks30:x", "psnr")]
    assert table.rules == (1,)
    assert all(row[-2:] == (None, None) for row in table.rows)


def test_only_answers_of_people_count(make_record: MakeRecord) -> None:
    constructed = make_record("lipsim")
    rounded = asked(make_record("psnr", run="b" * 12))
    rounded.spec["quantize"] = "8bit"
    assert Agreement()([constructed, rounded]) == []


def test_the_largest_set_of_triplets_counts_and_proofs_in_l2_alone(make_record: MakeRecord) -> None:
    few = asked(make_record("lipsim", run="a" * 12, n=16, time="2026-02-01T00:00:00+00:00"))
    many = asked(make_record("lipsim", run="b" * 12, n=64))
    many.spec.update(norm="linf")
    (table,) = Agreement()([few, many])
    ((_, _, n, _, _, *proved),) = table.rows
    assert (n, proved) == (64, [None, None])


def test_a_proof_that_is_none_is_no_number(make_record: MakeRecord) -> None:
    (table,) = Agreement()([asked(make_record("lipsim", sound=False))])
    assert table.rows[0][-2:] == (None, None)
