"""`bench report`: tables and figures from finished runs."""

from pathlib import Path
from typing import Annotated

import typer

from perceptbench.bench.commands import options


def report(
    to: Annotated[Path, typer.Option("--to", help="Folder to write into.")],
    runs: options.Runs = Path("runs"),
    format: Annotated[list[str], typer.Option("--format", help="md, latex, html, csv; a comma list.")] = ["md"],  # noqa: B006 - typer reads the default
) -> None:
    """Write the report of every finished run in a folder."""
    from perceptbench.core.spec import split_list
    from perceptbench.reports.write import write_report
    from perceptbench.results.store import RunStore

    for path in write_report(RunStore(runs).select(), to, tuple(split_list(format))):
        print(path)
