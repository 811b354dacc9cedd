"""The committed reference run: its report is what is committed, and what README says of it is what it holds."""

import csv
import json
import re
from pathlib import Path

import pandas as pd
import pytest
from recomputed import credits_of, over_references, shown, wilson

from perceptbench.reports.write import write_report
from perceptbench.results.store import RunStore

ROOT = Path(__file__).parents[2]
RUNS, COMMITTED = ROOT / "results/reference", ROOT / "reports/reference"
TEXT = {".md", ".tex"}
KEPT = {*TEXT, ".png", ".pdf"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    to = tmp_path_factory.mktemp("reference")
    write_report(RunStore(RUNS).select(), to, ("md", "latex", "html", "csv"))
    return to


@pytest.fixture(scope="module")
def runs() -> dict[str, tuple[dict, dict]]:
    """The specification and the recomputed credits of each run."""
    found = {}
    for folder in sorted(RUNS.iterdir()):
        spec = json.loads((folder / "record.json").read_text())["spec"]
        found[folder.name] = spec, credits_of(pd.read_parquet(folder / "samples.parquet"))
    return found


def test_the_report_of_the_run_is_the_committed_one(made: Path) -> None:
    there = {path.relative_to(COMMITTED) for path in COMMITTED.rglob("*") if path.is_file()}
    now = {
        path.relative_to(made) for path in made.rglob("*") if path.is_file() and path.suffix not in (".csv", ".html")
    }
    assert there == now, "run `make reference-report`"
    for path in (path for path in there if path.suffix in TEXT):
        assert (made / path).read_text() == (COMMITTED / path).read_text(), f"{path}: run `make reference-report`"


def test_every_row_agrees_with_the_samples(made: Path, runs) -> None:
    """Each score and interval of each run, by a formula of its own; none is missing.

    Draws of references have an error of a point.
    """
    expected = {}
    for run, (spec, found) in runs.items():
        # Attacks that push give distances.
        kinds = {"natural", "attack", "certificate"} if "mse" not in (spec["attack"] or "") else {"natural"}
        for (kind, eps), credits in found.items():
            if kind in kinds and (kind == "natural" or spec["attack" if kind == "attack" else "certifier"]):
                expected[run, kind, eps] = credits
    with (made / "rows.csv").open(newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["unit"] == "percent"]
    seen = {(row["run"], row["kind"], float(row["eps"]) if row["eps"] else None): row for row in rows}
    # A score that several runs give is listed once.
    assert set(seen) <= set(expected)
    listed = {(row["metric"], row["data"], row["kind"], row["norm"], row["eps"]) for row in rows}
    for (run, kind, eps), credits in expected.items():
        spec = runs[run][0]
        norm = "" if kind == "natural" else spec["norm"]
        assert (spec["metric"], spec["data"], kind, norm, "" if eps is None else str(eps)) in listed
        if (run, kind, eps) in seen:
            row = seen[run, kind, eps]
            ids, names = _references(run)
            again = over_references(credits, ids, names) if names else wilson(credits)
            assert float(row["score"]) == pytest.approx(again[0], abs=1e-9)
            error = 1.0 if names else 1e-9
            assert [float(row["low"]), float(row["high"])] == pytest.approx(again[1:], abs=error)
            assert int(row["n"]) == len(credits)


def _references(run: str) -> tuple[pd.Series, dict[str, str]]:
    """Ids of the samples, and the references of those that share one."""
    samples = pd.read_parquet(RUNS / run / "samples.parquet")
    return samples["id"].drop_duplicates(), json.loads((RUNS / run / "record.json").read_text())["facts"]["references"]


def test_every_format_prints_the_scores_after_attacks_beside_their_metric(made: Path, runs) -> None:
    """In a line of the metric, with its interval: Markdown, LaTeX and the page."""
    page = [
        " ".join(re.sub("<[^>]+>", " ", row).split()) for row in re.findall("<tr.*?</tr>", _read(made, "html"), re.S)
    ]
    fragments = "\n".join(path.read_text() for path in sorted((made / "tables").glob("attacked_*.tex")))
    latex = re.sub(r" & \{\\scriptsize(\[.*?\])\}", r" \1", fragments).splitlines()
    lines = {"| {} ": _read(made, "md").splitlines(), "{} &": latex, "{} ": page}
    for run, (spec, found) in runs.items():
        if spec["attack"] in ("l2-aa", "linf-aa") and not _references(run)[1]:
            for score in (shown(found["attack", eps]) for eps in spec["eps"]):
                for start, printed in lines.items():
                    assert any(one.startswith(start.format(spec["metric"])) and score in one for one in printed), score


def _read(made: Path, suffix: str) -> str:
    return (made / f"report.{suffix}").read_text()


def test_readme_quotes_the_run(runs) -> None:
    """Its table about NIGHTS: a line a metric, and one of what is proved of it."""
    readme = (ROOT / "README.md").read_text()
    head, *lines = re.search(r"\| metric \| natural \| after l2-aa.*?\n\n", readme, re.S)[0].strip().splitlines()
    budgets = [float(eps) for eps in re.findall(r"(?<=\| )(?:after l2-aa, eps )?([\d.]+)(?= \|)", head)]
    assert len(budgets) == 4
    asked = {spec["metric"]: found for spec, found in runs.values()
             if spec["attack"] == "l2-aa" and spec["data"].startswith("nights") and spec["eps"] == budgets}  # fmt: skip
    quoted = set()
    for line in lines[1:]:
        name, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        metric, _, proved = name.partition(", ")
        found, kind = asked[metric], "certificate" if proved else "attack"
        expected = [shown(found[kind, eps]) for eps in budgets]
        assert cells == ["" if proved else shown(found["natural", None]), *expected]
        quoted.add(metric)
    assert quoted == set(asked)
