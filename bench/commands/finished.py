"""Plan, run and print: what `bench run` and `bench certify` share."""

from pathlib import Path

from perceptbench.bench.output import as_json, console, explain, footnotes, print_tables
from perceptbench.bench.plan import make_plans
from perceptbench.bench.request import Request
from perceptbench.bench.runner import run_plans
from perceptbench.results.record import Record
from perceptbench.results.rows import table_rows


def run_and_print(request: Request, runs: Path, batch_size: int | None, *, as_json_object: bool) -> list[Record]:
    """Progress goes to standard error, the result to standard output."""
    records = run_plans(make_plans(request), runs, batch_size, request.save_images)
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
