"""What flags of distrust say below tables and pictures, whichever report made them."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from perceptbench.reports.axes import Bars, HeatMap, Panel
from perceptbench.reports.base import Block, Chart, Sheet, Table
from perceptbench.reports.cell import FLAGGED, Cell


def with_doubts(block: Block) -> Block:
    """The same table or chart with a note for each thing that was seen against one of its numbers."""
    if isinstance(block, Sheet):
        return block
    found = doubt_notes(doubt for cell in _cells(block) for doubt in cell.doubts)
    return replace(block, notes=(*block.notes, *found)) if found else block


def doubt_notes(doubts: Iterable[str]) -> list[str]:
    """The notes that explain the dagger, one for each thing that was seen."""
    return [f"{FLAGGED} {doubt}; see docs/flags.md." for doubt in dict.fromkeys(doubts)]


def _cells(block: Table | Chart) -> Iterator[Cell]:
    if isinstance(block, Table):
        yield from (value for row in block.rows for value in row if isinstance(value, Cell))
        return
    for panel in block.panels:
        if isinstance(panel, Bars | HeatMap):
            yield from (cell for line in panel.cells for cell in line if cell is not None)
        elif isinstance(panel, Panel):
            yield from (cell for curve in panel.curves for _, cell in curve.points)
