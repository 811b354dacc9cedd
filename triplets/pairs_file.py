"""Pairs of your own: one CSV file with paths of two images, and whether they show the same picture."""

from functools import partial
from pathlib import Path

from torch import Tensor

from perceptbench.triplets.base import triplets
from perceptbench.triplets.csv_rows import check_unique, read_table
from perceptbench.triplets.images import inside, read_image
from perceptbench.triplets.inventory import inspected
from perceptbench.triplets.pairs import PairEntry, PairSource, pair_source

COLUMNS = ("id", "a", "b", "same")


@triplets("pairs", source="a table of your own", licence="yours")
def pairs_table(path: str) -> PairSource:
    """Your own pairs from a table: pairs:FILE.csv, columns id, a, b, same, and maybe group.

    `a` is the query, such as an upload, and `b` the image it is compared with. Their paths are relative to the folder
    of the file and stay inside it. `same` is 1 where both show one picture, else 0. `group` names a subset, such as an
    edit.

    Raises UserError for a faulty table, an id used twice, or an image that is missing, broken or outside the folder.
    """
    file = Path(path)
    table = read_table(file, COLUMNS)
    check_unique(table.rows, "id")
    paths = [tuple(inside(file.parent, row.text(c), row.where) for c in ("a", "b")) for row in table.rows]
    same = [row.one_of("same", ("0", "1")) == "1" for row in table.rows]
    known = inspected((one, row.where) for row, both in zip(table.rows, paths, strict=True) for one in both)
    first: dict[str, str] = {}
    entries = []
    for row, (a, b), alike in zip(table.rows, paths, same, strict=True):
        # `a.png`, `./a.png`, a link to it and a copy of it are one photograph.
        names = [first.setdefault(known[one].sha256, row.text(c)) for one, c in ((a, "a"), (b, "b"))]
        entries.append(
            PairEntry(
                row.text("id"),
                alike,
                partial(_read_two, a, b, row.where),
                reference=names[0],
                other=names[1],
                group=row.values.get("group", "").strip(),
                files=f"{known[a].sha256} {known[b].sha256}",
                converted=tuple((str(one), kind) for one in (a, b) for kind in known[one].converted),
            )
        )
    return pair_source("pairs", entries, "", f"{len(entries)} rows")


def _read_two(a: Path, b: Path, where: str) -> tuple[Tensor, Tensor]:
    return read_image(a, where), read_image(b, where)
