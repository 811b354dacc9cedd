"""`bench attacks`: how near attacks come to the smallest success that there is, and what they spend."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from perceptbench.bench.answers import answer
from perceptbench.bench.commands.options import command
from perceptbench.bench.commands.shared import JSON, SEED
from perceptbench.core.number import number
from perceptbench.core.option import option
from perceptbench.core.plain_json import json_line
from perceptbench.core.printable import printable
from perceptbench.core.ref import split_list


def _efforts(texts: Sequence[str]) -> tuple[float, ...]:
    """Raises UserError for what is no number from 0.001 to 1000."""
    from perceptbench.core.errors import UserError

    try:
        found = tuple(number(one) for one in split_list(texts))
        if not all(0.001 <= one <= 1000 for one in found):
            raise ValueError(found)
    except ValueError:
        wanted = "--effort wants numbers from 0.001 to 1000, such as 0.1,0.3,1"
        raise UserError(f"{wanted}, got {','.join(texts)[:80]!r}") from None
    return found


_WIDTH = 150
"""Names with every number need room."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttacksRequest:
    """Which attacks to measure, and how much they may work."""

    attack: Sequence[str] = field(
        default=(),
        metadata=option("Attacks; repeat, or give a comma list. Default: every one of ours.", parse=split_list),
    )
    norm: Sequence[str] = field(default=("l2", "linf"), metadata=option("l2, linf, or both.", parse=split_list))
    effort: tuple[float, ...] = field(
        default=(0.1, 0.3, 1.0),
        metadata=option("What default numbers of steps and queries are multiplied by.", parse=_efforts),
    )
    limit: int = field(default=8, metadata=option("Images of each victim.", min=1, max=256))
    seed: int = field(default=0, metadata=SEED)
    to: Path | None = field(default=None, metadata=option("Folder for the tables, the numbers and the figure."))
    json: bool = field(default=False, metadata=JSON)


@command()
def attacks(request: AttacksRequest) -> None:
    """Measure how near attacks come to the smallest success that there is, and what they spend."""
    from perceptbench.bench.api.attacks import attack_strengths as measure
    from perceptbench.bench.output import console, plain_table
    from perceptbench.reports.base import Table

    found = measure(
        list(request.attack), norm=list(request.norm), effort=request.effort, limit=request.limit, seed=request.seed
    )
    if request.json:
        answer(json_line({"schema": 1, "victims": list(found.victims), "rows": [asdict(row) for row in found.rows]}))
    else:
        for block in found.document.blocks:
            if isinstance(block, Table):
                rows = [tuple("" if value is None else str(value) for value in row) for row in block.rows]
                console(_WIDTH).print(plain_table(block.title, block.columns, rows))
    if request.to is not None:
        for path in found.save(request.to):
            if not request.json:
                answer(printable(str(path)))
