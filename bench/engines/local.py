"""Runs one after the other in this process."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from perceptbench.bench.output import as_json, console, explain, footnotes, print_tables
from perceptbench.bench.plan import Plan, make_plans
from perceptbench.bench.request import Request
from perceptbench.bench.runner import run
from perceptbench.results.record import Record
from perceptbench.results.rows import table_rows
from perceptbench.results.store import RunStore


def run_all(request: Request, runs: Path, batch_size: int | None, *, as_json_object: bool) -> list[Record]:
    """Plan, run and print. Progress goes to standard error, the result to standard output."""
    records = run_plans(make_plans(request), runs, batch_size, request.where, request.save_images)
    rows = table_rows(records)
    if as_json_object:
        print(as_json(rows))
        return records
    output = console()
    print_tables(rows, output)
    for sentence in (*explain(rows), *footnotes(rows)):
        output.print(sentence)
    output.print(f"Next: bench report --runs {runs} --to report, for tables, curves and every method's details.")
    return records


def run_plans(plans: Sequence[Plan], runs: Path, batch_size: int | None, device: str, images: int = 0) -> list[Record]:
    """The records of some plans, with progress on standard error; the images of so many triplets stay with each."""
    errors = Console(stderr=True, markup=False)
    store = RunStore(runs)
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
    records = []
    with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=errors) as progress:
        for plan in plans:
            task = progress.add_task(str(plan.spec.metric), total=len(plan.source))
            try:
                record = run(
                    plan, store, device=device, batch_size=batch_size, images=images, progress=progress, task=task
                )
            except KeyboardInterrupt:
                errors.print("stopped; the same command goes on from here")
                raise
            records.append(record)
    return records
