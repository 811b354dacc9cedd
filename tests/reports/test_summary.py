"""One number a curve: areas and medians by hand, and what must not stand among them."""

import csv
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from perceptbench.reports.base import Table
from perceptbench.reports.cell import Cell
from perceptbench.reports.tables.summary import Summary
from perceptbench.reports.write import write_report
from perceptbench.results.record import Record


def _lines(table: Table) -> list[dict[str, object]]:
    return [dict(zip(table.columns, row, strict=True)) for row in table.rows]


def _falling(make_record, norms: Sequence[float], eps: tuple[float, ...], minimal: bool, **options: object) -> Record:
    """A run whose triplets fall at these norms; 0 is wrong from the start."""
    record = make_record(certifier=None, n=len(norms), eps=eps, **options)
    norm = np.tile(norms, len(eps))
    samples = record.samples.assign(correct=norm > 0, robust=norm > record.samples["eps"], size=norm)
    samples["size"] = samples["size"].clip(upper=samples["eps"])
    return replace(record, samples=samples, facts={**record.facts, "minimal": minimal})


def test_the_area_of_a_sweep_is_that_of_the_trapezium_rule(make_record) -> None:
    # Scores .75 at 0, .5 at 1 and .25 at 3: (.625 * 1 + .375 * 2) / 3.
    (table,) = Summary()([_falling(make_record, [0, 0.5, 2.0, 9.0], (1.0, 3.0), minimal=False)])
    (line,) = _lines(table)
    assert (line["metric"], line["n"], line["attack"], line["eps"]) == ("lipsim", 4, "l2-aa", "1, 3")
    assert line["area"].value == pytest.approx(100 * (0.625 + 0.75) / 3)
    assert line["area"].low < line["area"].value < line["area"].high
    assert table.columns == ("metric", "n", "attack", "eps", "area")


def test_attacks_for_the_smallest_flip_have_an_exact_area_and_a_median(make_record) -> None:
    norms = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.2, 1.4, 9.0, 9.0, 9.0]
    (table,) = Summary()([_falling(make_record, norms, (1.0, 3.0), minimal=True, attack="l2-fmn")])
    (line,) = _lines(table)
    assert line["area"].value == pytest.approx(100 * (5.6 + 3 * 3) / 11 / 3)
    # The sixth of eleven; P(Bin(11, 1/2) <= 1) = 12 / 2048 < .025 < P(Bin <= 2), so the ends are the second and tenth.
    median = line["median l2 norm"]
    assert (median.value, median.low, median.high, median.unit) == (1.0, 0.2, np.inf, "norm")


def test_a_median_that_was_not_reached_says_so(make_record) -> None:
    most = _falling(make_record, [0.5] * 5 + [9.0] * 15, (3.0,), minimal=True)
    some = _falling(make_record, [0.5] * 9 + [9.0] * 11, (3.0,), minimal=True)
    for record, words in ((most, "> 3"), (some, "> 3 [0.5, inf]")):
        assert _lines(*Summary()([record]))[0]["median l2 norm"] == words


def test_most_triplets_come_first_and_then_equal_eps_by_area(make_record) -> None:
    runs = [
        _falling(make_record, [1.0] * n, eps, False, metric=metric, run=f"{i:012x}")
        for i, (metric, n, eps) in enumerate(
            [("few", 3, (2.0,)), ("weak", 8, (2.0,)), ("other", 8, (0.5,)), ("strong", 8, (2.0,))]
        )
    ]
    runs[3].samples["robust"] = True
    (table,) = Summary()(runs)
    assert [row[0] for row in table.rows] == ["other", "strong", "weak", "few"]
    assert "seed" not in str(table.rows)
    (table,) = Summary()([runs[0], replace(runs[1], spec={**runs[1].spec, "seed": 7})])
    assert [row[2] for row in table.rows] == ["l2-aa, seed 7", "l2-aa, seed 0"]


@pytest.mark.parametrize("n", [1, 2, 6])
def test_an_area_that_is_the_same_for_all_has_an_interval_too(make_record, n: int) -> None:
    for norm in (0.0, 9.0):
        (line,) = _lines(*Summary()([_falling(make_record, [norm] * n, (1.0, 2.0), minimal=False)]))
        # Wilson (1927) for none of n: up to z^2 / (n + z^2).
        width = 100 * 1.959964**2 / (n + 1.959964**2)
        low, high = (0, width) if norm == 0 else (100 - width, 100)
        assert (line["area"].low, line["area"].high) == pytest.approx((low, high), abs=1e-4)


def test_only_attacks_on_the_reference_that_ask_for_answers(make_record) -> None:
    record = make_record()
    for option in ({"move": "all"}, {"quantize": "8bit"}, {"protocol": "paper"}):
        assert Summary()([replace(record, spec={**record.spec, **option})]) == []
    assert Summary()([make_record(attack=None), make_record(attack="l2-mse", unit="distance")]) == []


def test_norms_and_data_sets_have_tables_of_their_own(make_record) -> None:
    runs = [
        make_record(),
        make_record(norm="linf", attack="linf-aa", run="1" * 12),
        make_record(data="x", run="2" * 12),
    ]
    assert [table.name for table in Summary()(runs)] == ["summary_l2_photos", "summary_linf_photos", "summary_l2_x"]


def test_the_ceiling_stands_where_people_were_divided(make_record) -> None:
    record = make_record(n=10)
    assert "majority" not in Summary()([record])[0].columns
    divided = replace(record, samples=record.samples.assign(right_share=np.tile([0.8, 0.2], 20)))
    (table,) = Summary()([divided])
    (line,) = _lines(table)
    # Zhang et al. 2018: of four in five, the majority scores .8 and a person .8^2 + .2^2.
    assert (line["majority"].value, line["one person"].value) == pytest.approx((80, 68))
    assert "Majority" in table.notes[-1]
    shared = {f"t{i}": "one" for i in range(9)}
    (clustered,) = Summary()([replace(divided, facts={**divided.facts, "references": shared})])
    wide = _lines(clustered)[0]["majority"]
    assert isinstance(wide, Cell)
    assert wide.high - wide.low > line["majority"].high - line["majority"].low


def test_every_format_shows_the_table(make_record, tmp_path) -> None:
    norms = np.linspace(0, 4, 20)
    runs = [
        _falling(make_record, norms, (3.0,), True, metric="half", attack="l2-fmn"),
        _falling(make_record, norms + 1.5, (3.0,), True, metric="m|<b>", attack="l2-fmn", run="1" * 12),
    ]
    write_report(runs, tmp_path, ("md", "latex", "html", "csv"))
    section = (tmp_path / "report.md").read_text().partition("Area under the curve")[2].partition("\n## ")[0]
    assert r"| m\|\<b\> | 20 | l2-fmn | 3 |" in section
    assert r"| \> 3 [2.553, inf] |" in section
    table = (tmp_path / "tables/summary_l2_photos.tex").read_text()
    assert r"{\scriptsize[1.053, 2.947]}" in table
    assert "[2.553, inf]" in table
    page = (tmp_path / "report.html").read_text()
    assert "&gt; 3 [2.553, inf]" in page
    assert "m|<b>" not in page
    with (tmp_path / "tables/summary_l2_photos.csv").open(newline="") as stream:
        found = {(line["metric"], line["quantity"]): line for line in csv.DictReader(stream)}
    assert (found["half", "median l2 norm"]["value"], found["half", "median l2 norm"]["unit"]) == (
        str(norms[9]),
        "norm",
    )
    assert found["m|<b>", "median l2 norm"]["value"] == "> 3 [2.553, inf]"
