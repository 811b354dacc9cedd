"""`bench report`: tables and figures from finished runs."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from perceptbench.bench.answers import answer
from perceptbench.bench.commands.options import command
from perceptbench.bench.commands.shared import RUNS
from perceptbench.core.errors import UserError
from perceptbench.core.option import option
from perceptbench.core.printable import printable
from perceptbench.core.ref import split_list


def _formats(texts: Sequence[str]) -> tuple[str, ...]:
    """Raises UserError where a name is missing between commas: a script that lost it would get half a report."""
    names = split_list(texts)
    if any(not part.strip() for text in texts for part in text.split(",")):
        raise UserError(f"--format wants a comma list without gaps, got {','.join(texts)!r}")
    return tuple(names)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportRequest:
    """Which runs to report, and what to write where."""

    to: Path = field(metadata=option("Folder to write into."))
    runs: Path = field(default=Path("runs"), metadata=RUNS)
    format: Sequence[str] = field(
        default=("md",), metadata=option("md, latex, html, csv; a comma list.", parse=_formats)
    )


@command()
def report(request: ReportRequest) -> None:
    """Write the report of every finished run in a folder."""
    from perceptbench.bench.api.runs import report as write

    for path in write(request.runs, request.to, request.format):
        answer(printable(str(path)))
