"""`bench report`: tables and figures from finished runs."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from perceptbench.bench.commands.options import command
from perceptbench.bench.commands.shared import RUNS
from perceptbench.core.option import option
from perceptbench.core.printable import printable
from perceptbench.core.ref import split_list


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportRequest:
    """Which runs to report, and what to write where."""

    to: Path = field(metadata=option("Folder to write into."))
    runs: Path = field(default=Path("runs"), metadata=RUNS)
    format: Sequence[str] = field(
        default=("md",), metadata=option("md, latex, html, csv; a comma list.", parse=split_list)
    )


@command()
def report(request: ReportRequest) -> None:
    """Write the report of every finished run in a folder."""
    from perceptbench.bench.api.runs import report as write

    for path in write(request.runs, request.to, request.format):
        print(printable(str(path)))
