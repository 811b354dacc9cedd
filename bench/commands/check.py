"""`bench check`: the gate. Exit status 1 where a robustness number got significantly worse."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from perceptbench.bench.commands.options import command
from perceptbench.bench.commands.shared import RUNS
from perceptbench.core.device import DEVICE, Device
from perceptbench.core.option import option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perceptbench.results.gate.baseline import Baseline, BaselineRun
    from perceptbench.results.gate.worse import Finding, ScoreComparison


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRequest:
    """What to compare with, and where the outcome is written."""

    baseline: Path = field(metadata=option("JSON of the matrix and its outcomes."))
    metric: str | None = field(
        default=None, metadata=option("Only this metric of it, or other weights: lipsim:FILE for lipsim.")
    )
    runs: Path = field(default=Path("runs"), metadata=RUNS)
    update: bool = field(default=False, metadata=option("Write the new numbers into the baseline."))
    reason: str | None = field(default=None, metadata=option("With --update: why they may change."))
    junit: Path | None = field(default=None, metadata=option("Also write JUnit XML."))
    summary: Path | None = field(default=None, metadata=option("Also write a page in Markdown."))
    device: str = field(default="auto", metadata=DEVICE)


@command()
def check(request: CheckRequest) -> None:
    """Run the matrix of a baseline again and compare triplet by triplet.

    --update makes a missing baseline from the finished runs in --runs.
    """
    from dataclasses import replace

    from perceptbench.bench.gate_runs import audited, plans_of, rerun, restricted, specified
    from perceptbench.results.gate.baseline import read, write
    from perceptbench.results.gate.worse import compare

    metric, baseline, update = request.metric, request.baseline, request.update
    _consistent(metric, update, request.reason)
    known = _new(request.runs) if update and not baseline.exists() else read(baseline)
    known = replace(known, runs=restricted(known.runs, metric))
    plans = plans_of(known.runs, metric, where := Device(request.device).resolve())
    found = [] if update else specified(known.runs, plans, metric)
    now: list[BaselineRun] = []
    if not _failed(found):
        found += audited(plans, known.audit_images, where)
    if not _failed(found):
        broken, now = rerun(plans, request.runs)
        found += broken
    if update and now:
        write(replace(known, runs=tuple(now), updated=_today(), reason=str(request.reason)), baseline)
        print(f"{baseline}: {len(now)} runs")
        return
    _tell(found, compare(known, now) if now else [], known, request.junit, request.summary)


def _consistent(metric: str | None, update: bool, reason: str | None) -> None:
    from perceptbench.core.errors import UserError

    if update and metric is not None:
        raise UserError("--update renews the whole matrix; leave --metric out, and put new weights where it finds them")
    if update and not (reason or "").strip():
        raise UserError("--update wants a --reason: who reads the baseline should know why its numbers changed")
    if update and not str(reason).isprintable():
        raise UserError("--reason wants one line of text")
    if reason is not None and not update:
        raise UserError("--reason goes with --update; without it nothing is written")


def _new(runs: Path) -> "Baseline":
    """A matrix of the finished runs in a folder; where newer ones replace some, of the newer."""
    from perceptbench.reports.newest import newest_runs
    from perceptbench.results.gate.baseline import Baseline, of_records
    from perceptbench.results.store import RunStore

    kept, _ = newest_runs(RunStore(runs).select())
    kept.sort(key=lambda record: (str(record.provenance.get("time", "")), record.run))
    return Baseline(updated=_today(), reason="new", runs=of_records(kept))


def _today() -> str:
    from datetime import UTC, datetime

    return datetime.now(UTC).date().isoformat()


def _failed(found: "Sequence[Finding]") -> bool:
    return any(one.failed for one in found)


def _tell(
    found: "Sequence[Finding]", comparisons: "Sequence[ScoreComparison]", known: "Baseline",
    junit: Path | None, summary: Path | None,
) -> None:  # fmt: skip
    """Write everything that a person or a CI server reads; exit with status 1 where something failed."""
    from functools import partial

    from perceptbench.bench.output import console, plain_table
    from perceptbench.core.files import write_atomically
    from perceptbench.reports.check import check_page as gate
    from perceptbench.reports.check.junit import xml

    every = gate.findings(found, comparisons)
    page = gate.summary(every, comparisons, known)
    for path, text in ((junit, xml(every)), (summary, page)):
        if path is not None:
            write_atomically(path, partial(Path.write_text, data=text, encoding="utf-8"))
    if job := os.environ.get("GITHUB_STEP_SUMMARY"):
        with Path(job).open("a", encoding="utf-8") as stream:
            stream.write(page)
    out = console()
    if comparisons:
        table = gate.table(comparisons, known)
        out.print(plain_table(table.title, table.columns, table.rows))
        for note in table.notes:
            out.print(note)
    for sentence in gate.worth_saying(every, comparisons):
        out.print(sentence, soft_wrap=True)
    out.print(gate.title(every))
    if os.environ.get("GITHUB_ACTIONS") == "true":
        for line in gate.annotations(every):
            print(line)
    if _failed(every):
        raise typer.Exit(1)
