"""`bench invert`: images from what metrics keep of others."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from perceptbench.bench.answers import answer
from perceptbench.bench.commands.options import command
from perceptbench.bench.commands.shared import SEED
from perceptbench.core.device import DEVICE
from perceptbench.core.option import option
from perceptbench.core.printable import printable
from perceptbench.core.ref import split_list

if TYPE_CHECKING:
    from perceptbench.reports.cell import Value


@dataclass(frozen=True, slots=True, kw_only=True)
class InvertRequest:
    """Which metrics to invert on which images, and what judges the result."""

    images: tuple[Path, ...] = field(metadata=option("Images.", positional=True))
    metric: Sequence[str] = field(
        metadata=option("Metrics with an embedding or features; repeat, or give a comma list.", parse=split_list)
    )
    to: Path = field(metadata=option("Folder to write into."))
    judge: Sequence[str] = field(
        default=(),
        metadata=option(
            "Metrics that say how like its image each result is; a comma list. Default: lpips, ssim, lipsim, "
            "of these what is here.",
            parse=split_list,
        ),
    )
    start: Sequence[str] = field(
        default=("grey", "noise"), metadata=option("grey, noise, or both; a comma list.", parse=split_list)
    )
    steps: int = field(default=200, metadata=option("Optimiser steps.", min=1, max=100_000))
    tv: float = field(default=2.0, metadata=option("Weight of the total variation.", min=0, max=100_000))
    seed: int = field(default=0, metadata=SEED)
    device: str = field(default="auto", metadata=DEVICE)


@command()
def invert(request: InvertRequest) -> None:
    """Find an image from what a metric keeps of another alone, and show how like that one it is."""
    from perceptbench.bench.api.invert import invert as search
    from perceptbench.bench.output import console, plain_table

    found = search(
        list(request.metric),
        list(request.images),
        judge=list(request.judge) or None,
        start=list(request.start),
        steps=request.steps,
        tv=request.tv,
        seed=request.seed,
        device=request.device,
    )
    table, written = found.table, found.save(request.to)
    console().print(plain_table(table.title, table.columns, [tuple(map(_words, row)) for row in table.rows]))
    for path in written[:4]:
        answer(printable(str(path)))


def _words(value: "Value") -> str:
    """A cell of the table in a terminal."""
    from perceptbench.reports.cell import Cell

    number, *_ = value.words if isinstance(value, Cell) else ("" if value is None else str(value),)
    return number
