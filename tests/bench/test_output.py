"""What a terminal shows of rows that are at hand: each task and threat in its own words."""

import io
import json
from dataclasses import replace

from made_up_task import pairs_record, registered
from rich.console import Console

from perceptbench.bench.output import as_json, explain, print_tables
from perceptbench.results.rows import Row, table_rows


def _row(**values: object) -> Row:
    base = {"metric": "psnr", "data": "photos", "n": 4, "low": 0.0, "high": 100.0, "run": "a" * 12}
    return Row(**base | values)  # type: ignore[arg-type]


def _lp_rows() -> list[Row]:
    ball = {"norm": "l2", "threat": "l2", "eps": 1.0, "eps_unit": "l2 norm"}
    return [
        _row(kind="natural", method=None, norm=None, eps=None, score=75.0),
        _row(kind="attack", method="l2-aa", score=50.0, **ball),
    ]


def _pair_rows() -> list[Row]:
    with registered():
        return table_rows([pairs_record()])


def _printed(rows: list[Row]) -> str:
    out = io.StringIO()
    print_tables(rows, Console(file=out, width=118))
    return out.getvalue()


def test_the_object_for_programs_keeps_its_own_schema_and_adds_keys() -> None:
    content = json.loads(as_json([*_lp_rows(), *_pair_rows()]))
    assert content["schema"] == 1
    attacked = [(row["task"], row["threat"], row["norm"], row["eps_unit"]) for row in content["rows"] if row["eps"]]
    assert attacked[0] == ("preference", "l2", "l2", "l2 norm")
    assert set(attacked[1:]) == {("made-up(tau=0.3)", "shift(step=1)", None, "pixels")}


def test_each_task_has_a_table_with_its_threat_and_unit() -> None:
    lp, pairs = _printed(_lp_rows()), _printed(_pair_rows())
    assert "2AFC score, %" in lp
    assert " norm " in lp
    assert "eps: norm over all pixels and channels" in lp
    assert "made-up(tau=0.3) score, %" in pairs
    assert "threat" in pairs
    assert "shift(step=1)" in pairs
    assert "of shift(step=1): pixels" in pairs
    assert "norm" not in pairs
    both = _printed([*_lp_rows(), *_pair_rows()])
    assert both.count("[95 % interval]") == 2


def test_the_sentence_of_a_task_names_it_and_the_unit() -> None:
    assert explain(_lp_rows()) == [
        "psnr gives the expected answer on 75 % of the triplets of photos, and on 50 % once l2-aa may change "
        "the reference by l2 1."
    ]
    assert explain(_pair_rows()) == [
        "phash on pairs:few.csv: made-up(tau=0.3) score 75 %, and 50 % once grid may change what moves by "
        "shift(step=1) 2 (pixels), and it is proved that no such change pushes it below 25 %."
    ]


def test_a_bound_that_everything_keeps_to_is_no_proof() -> None:
    trivial = [replace(row, score=0.0) if row.kind == "certificate" else row for row in _pair_rows()]
    assert explain(trivial)[0].endswith("by shift(step=1) 2 (pixels); nothing is proved against such changes.")
    hidden = [replace(row, better="smaller", score=100.0 if row.kind == "certificate" else 5.0) for row in _pair_rows()]
    assert explain(hidden)[0].endswith("; nothing is proved against such changes.")
