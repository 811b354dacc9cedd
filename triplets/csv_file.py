"""Triplets of your own: one CSV file with paths of images and a label."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from perceptbench.core.errors import UserError
from perceptbench.triplets.base import Entry, TripletSource, checked_source, triplets
from perceptbench.triplets.csv_rows import check_unique, read_table
from perceptbench.triplets.images import inside, read_three
from perceptbench.triplets.inventory import digested

COLUMNS = ("id", "ref", "left", "right", "right_preferred")


@triplets("csv", source="a table of your own", licence="yours")
def csv_table(path: str, min_votes: int = 0) -> TripletSource:
    """Your own triplets from a table: csv:FILE.csv, columns id, ref, left, right, right_preferred.

    Image paths are relative to the folder of the file and stay inside it. `right_preferred` is the
    share of people, in [0, 1], who found `right` more like `ref`; blank or 0.5 is a tie. With
    `min_votes`, rows whose column votes is smaller are left out. A column `group`, where there is one, names subsets
    that are reported on their own.

    Raises UserError for a faulty table, an id used twice, or an image that is missing, broken or
    outside the folder.
    """
    return read_triplets("csv", Path(path), min_votes)


def read_triplets(name: str, file: Path, min_votes: int = 0) -> TripletSource:
    """The data set `name` from a table as `csv` reads it, with references as clusters; see there for what it raises."""
    table = read_table(file, (*COLUMNS, "votes") if min_votes else COLUMNS)
    check_unique(table.rows, "id")
    rows = [row for row in table.rows if not min_votes or row.number("votes", 0, float("inf")) >= min_votes]
    if not rows:
        raise UserError(f"{file.name}: expected at least one row with {min_votes} votes or more, found none in {file}")
    entries = []
    for row in rows:
        reference, left, right = (inside(file.parent, row.text(c), row.where) for c in ("ref", "left", "right"))
        share = row.number("right_preferred", 0, 1, blank=0.5)
        load = partial(read_three, (reference, left, right), row.where)
        files, group = (reference, left, right), row.values.get("group", "").strip()
        entries.append(
            Entry(row.text("id"), share, load, group, reference=row.text("ref"), paths=files, where=row.where)
        )
    known = _by_reference(digested(entries))
    source = checked_source(name, known, "", f"{len(rows)} of {len(table.rows)} rows")
    return replace(source, people=True)


def judgements(name: str, folder: str, note: str) -> TripletSource:
    """What people answered, from `triplets.csv` of a folder; nothing may be fitted to it.

    Raises UserError as `csv_table` does.
    """
    source = read_triplets(name, Path(folder) / "triplets.csv")
    return replace(source, note=f"{note}: {source.note}", judges_only=True)


def _by_reference(entries: Sequence[Entry]) -> list[Entry]:
    """The same entries, where `a.png`, `./a.png`, a link to it and a copy of it have one name."""
    first: dict[str, str] = {}
    return [
        replace(entry, reference=first.setdefault(entry.files.partition(" ")[0], entry.reference)) for entry in entries
    ]
