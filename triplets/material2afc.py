"""Answers of a crowd on 100 rendered materials (Lagunas et al., ACM TOG 38(4), 2019, arXiv:1905.01562)."""

from dataclasses import replace
from functools import partial
from pathlib import Path

from perceptbench.core.errors import UserError
from perceptbench.triplets.base import Entry, TripletSource, checked_source, triplets
from perceptbench.triplets.csv_rows import CsvRow, check_unique, read_table
from perceptbench.triplets.images import inside, read_three
from perceptbench.triplets.inventory import digested

COLUMNS = ("id", "ref", "left", "right", "left_votes", "right_votes")


@triplets("material2afc", source="arXiv:1905.01562", licence="GPL-2.0; not shipped here")
def material2afc(path: str) -> TripletSource:
    """Which of two materials is more like a third: material2afc:PATH, 22,801 judgements of one rendered scene.

    PATH is the folder that holds triplets.csv and images/; ref, left and right name images/NAME.jpg.
    `right_share` is that of the votes; equal votes are a tie.

    Raises UserError for a faulty table, an id used twice, a row without votes, or an image that is
    missing, broken or outside the folder.
    """
    folder = Path(path)
    table = read_table(folder / "triplets.csv", COLUMNS)
    check_unique(table.rows, "id")
    entries = []
    for row in table.rows:
        names = tuple(row.text(column) for column in ("ref", "left", "right"))
        reference, left, right = (inside(folder, f"images/{name}.jpg", row.where) for name in names)
        load = partial(read_three, (reference, left, right), row.where)
        files = (reference, left, right)
        share = _right_share(row)
        entries.append(
            Entry(row.text("id"), share, load, images=names, reference=names[0], paths=files, where=row.where)
        )
    return replace(checked_source("material2afc", digested(entries), ""), people=True)


def _right_share(row: CsvRow) -> float:
    left, right = (row.number(column, 0, float("inf")) for column in ("left_votes", "right_votes"))
    if left + right == 0:
        raise UserError(f"{row.where}: expected votes, got none on either side; leave the row out")
    return right / (left + right)
