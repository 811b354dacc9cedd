"""`bench ladder`: the natural score when references were edited as people edit pictures."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from perceptbench.bench.answers import answer
from perceptbench.bench.commands.options import command
from perceptbench.bench.commands.shared import Execution
from perceptbench.core.device import DEVICE
from perceptbench.core.option import option
from perceptbench.core.printable import printable
from perceptbench.core.ref import split_list


@dataclass(frozen=True, slots=True, kw_only=True)
class LadderRequest:
    """Which metrics climb which rungs on which triplets."""

    metric: Sequence[str] = field(metadata=option("Metrics; repeat, or give a comma list.", parse=split_list))
    data: Sequence[str] = field(
        default=("photos",), metadata=option("Triplets: photos, nights:PATH[@split], bapps:PATH, csv:PATH.")
    )
    edit: Sequence[str] = field(
        default=(),
        metadata=option("An edit and its strengths from weak to strong, jpeg:95,50; repeat. Default: docs/ladder.md."),
    )
    limit: int | None = field(default=None, metadata=option("Only this many triplets (a fixed shuffle)."))
    to: Path | None = field(default=None, metadata=option("Folder for the table and the figure."))
    device: str = field(default="auto", metadata=DEVICE)


@command()
def ladder(request: LadderRequest, execution: Execution) -> None:
    """Ask again after harmless edits of the reference, by strength: the floor that robustness may not cost."""
    from perceptbench.bench.api.ladder import ladder as climbed
    from perceptbench.bench.api.runs import report
    from perceptbench.bench.output import as_json, console, footnotes, plain_table
    from perceptbench.reports.tables.ladder_scores import LadderTable, words
    from perceptbench.results.rows import table_rows

    found = climbed(
        list(request.metric), list(request.data), edit=list(request.edit), limit=request.limit, device=request.device,
        runs=execution.runs, batch_size=execution.batch_size, progress=True,
    )  # fmt: skip
    written = report(found, request.to) if request.to else []
    rows = table_rows(found.records)
    if execution.json:
        answer(as_json(rows))
        return
    out = console()
    for table in LadderTable()(found.records):
        out.print(plain_table(table.title, table.columns, [tuple(map(words, row)) for row in table.rows]))
        for note in table.notes:
            out.print(note)
    for sentence in footnotes(rows):
        out.print(sentence)
    for path in written[:1]:
        answer(printable(str(path)))
