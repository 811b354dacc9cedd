"""`bench check`: the gate. Exit status 1 where a robustness number got worse."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from perceptbench.bench.answers import answer
from perceptbench.bench.commands.options import command
from perceptbench.bench.commands.shared import JSON, RUNS
from perceptbench.core.device import DEVICE, Device
from perceptbench.core.option import option

if TYPE_CHECKING:
    from perceptbench.results.gate.baseline import Baseline, BaselineRun
    from perceptbench.results.gate.floors import Floor
    from perceptbench.results.gate.worse import Finding, ScoreComparison


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRequest:
    """What to compare with, and where the outcome is written."""

    baseline: Path = field(metadata=option("JSON of the matrix and its outcomes."))
    metric: str | None = field(
        default=None, metadata=option("Only this metric of it, or other weights: lipsim:FILE for lipsim.")
    )
    floor: Sequence[str] = field(
        default=(),
        metadata=option("Least percent of a score: natural>=80, attacked@1>=60, psnr:certified@2>=70; repeat."),
    )
    runs: Path = field(default=Path("runs"), metadata=RUNS)
    update: bool = field(default=False, metadata=option("Write the new numbers into the baseline."))
    reason: str | None = field(default=None, metadata=option("With --update: why they may change."))
    junit: Path | None = field(default=None, metadata=option("Also write JUnit XML."))
    summary: Path | None = field(default=None, metadata=option("Also write a page in Markdown."))
    json: bool = field(default=False, metadata=JSON)
    device: str = field(default="auto", metadata=DEVICE)


@command()
def check(request: CheckRequest) -> None:
    """Run the matrix of a baseline again and compare sample by sample.

    --update makes a missing baseline from the finished runs in --runs.
    """
    from dataclasses import replace

    from perceptbench.bench.gate_runs import audited, counted_alike, plans_of, rerun, restricted, specified
    from perceptbench.results.gate.baseline_file import read, write
    from perceptbench.results.gate.floors import parse_floor, under_floors
    from perceptbench.results.gate.worse import compare

    metric, baseline, update = request.metric, request.baseline, request.update
    _consistent(request)
    floors = [parse_floor(text) for text in request.floor]
    known = _new(request.runs) if update and not baseline.exists() else read(baseline)
    known = replace(known, runs=restricted(known.runs, metric))
    _refuse_unmatched(floors, known, metric)
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
        answer(f"{baseline}: {len(now)} runs")
        return
    if now:
        found += counted_alike(known.runs, now)
    comparisons = [] if _failed(found) else compare(known, now)
    _tell([*found, *under_floors(floors, comparisons)], comparisons, known, request)


def _consistent(request: CheckRequest) -> None:
    from perceptbench.core.errors import UserError

    update, reason = request.update, request.reason
    if update and request.floor:
        raise UserError("--floor is checked and nothing is checked with --update; leave one of them out")
    if update and request.metric is not None:
        raise UserError("--update renews the whole matrix; leave --metric out, and put new weights where it finds them")
    if update and not (reason or "").strip():
        raise UserError("--update wants a --reason: who reads the baseline should know why its numbers changed")
    if update and not str(reason).isprintable():
        raise UserError("--reason wants one line of text")
    if reason is not None and not update:
        raise UserError("--reason goes with --update; without it nothing is written")


def _refuse_unmatched(floors: "Sequence[Floor]", known: "Baseline", candidate: str | None) -> None:
    """Before anything is computed. The scores of other weights are named by them."""
    from dataclasses import replace

    from perceptbench.core.ref import Ref
    from perceptbench.results.gate.column import columns
    from perceptbench.results.gate.floors import refuse_unmatched

    shown = None if candidate is None else Ref.parse(candidate).shown
    asked = [replace(run, spec={**run.spec, "metric": shown or run.spec["metric"]}) for run in known.runs]
    refuse_unmatched(floors, columns(known.runs, asked))


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
    found: "Sequence[Finding]", comparisons: "Sequence[ScoreComparison]", known: "Baseline", request: CheckRequest
) -> None:  # fmt: skip
    """Write everything that a person or a CI server reads; exit with status 1 where something failed."""
    from functools import partial

    from perceptbench.core.files import write_atomically
    from perceptbench.reports.check import check_page as gate
    from perceptbench.reports.check.as_json import as_json
    from perceptbench.reports.check.junit import xml

    every = gate.findings(found, comparisons)
    page = gate.summary(every, comparisons, known)
    for path, text in ((request.junit, xml(every)), (request.summary, page)):
        if path is not None:
            write_atomically(path, partial(Path.write_text, data=text, encoding="utf-8"))
    if job := os.environ.get("GITHUB_STEP_SUMMARY"):
        with Path(job).open("a", encoding="utf-8") as stream:
            stream.write(page)
    if request.json:
        answer(as_json(every, comparisons, known))
    else:
        _print(every, comparisons, known)
    if _failed(every):
        raise typer.Exit(1)


def _print(every: "Sequence[Finding]", comparisons: "Sequence[ScoreComparison]", known: "Baseline") -> None:
    """The table, the sentences worth reading and the verdict; in a job of GitHub annotations too."""
    from perceptbench.bench.output import console, plain_table
    from perceptbench.reports.check import check_page as gate

    out = console(least=140)
    if comparisons:
        table = gate.table(comparisons, known)
        out.print(plain_table(table.title, table.columns, table.rows))
        for note in table.notes:
            out.print(note, soft_wrap=True)
    for sentence in gate.worth_saying(every, comparisons):
        out.print(sentence, soft_wrap=True)
    out.print(gate.title(every))
    if os.environ.get("GITHUB_ACTIONS") == "true":
        for line in gate.annotations(every):
            answer(line)
