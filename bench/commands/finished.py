"""Run and print: what `bench run` and `bench certify` share."""

from rich.console import Console

from perceptbench.bench.answers import answer
from perceptbench.bench.api.keywords import options_of
from perceptbench.bench.api.run import run
from perceptbench.bench.api.runs import Runs
from perceptbench.bench.commands.shared import Execution
from perceptbench.bench.output import as_json, console, explain, footnotes, print_tables, proved_sizes
from perceptbench.bench.request import Request
from perceptbench.results.rows import table_rows


def run_and_print(request: Request, execution: Execution) -> Runs:
    """Progress goes to standard error, the result to standard output."""
    options = options_of(request)
    metrics = options.pop("metric")
    try:
        found = run(metrics, **options, runs=execution.runs, batch_size=execution.batch_size, progress=True)
    except KeyboardInterrupt:
        Console(stderr=True, markup=False).print("stopped; the same command goes on from here")
        raise
    rows = table_rows(found.records)
    if execution.json:
        answer(as_json(rows))
        return found
    output = console()
    print_tables(rows, output)
    for sentence in (*explain(rows), *proved_sizes(found.records), *footnotes(rows)):
        output.print(sentence)
    output.print(
        f"Next: bench report --runs {execution.runs} --to report, for tables, curves and every method's details."
    )
    return found
