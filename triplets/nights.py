"""NIGHTS: 20,019 triplets of synthesised images with human votes (Fu et al., arXiv:2306.09344)."""

from dataclasses import replace
from functools import partial
from pathlib import Path

from perceptbench.core.errors import UserError
from perceptbench.core.files import is_there
from perceptbench.triplets.base import Entry, TripletSource, checked_source, triplets
from perceptbench.triplets.csv_rows import CsvRow, check_unique, read_table
from perceptbench.triplets.images import inside
from perceptbench.triplets.inventory import digested, split_target
from perceptbench.triplets.original import read_three

COLUMNS = ("id", "left_vote", "right_vote", "votes", "ref_path", "left_path", "right_path", "split", "is_imagenet")
SUPPLEMENT = ("id", "ref", "left", "right", "right_preferred")
SPLITS = ("train", "val", "test", "test_imagenet", "test_no_imagenet")


@triplets("nights", source="arXiv:2306.09344", licence="as its publisher states; not shipped here")
def nights(path: str, min_votes: int = 6) -> TripletSource:
    """NIGHTS, human judgements of mid-level similarity: nights:PATH or nights:PATH@SPLIT.

    PATH is the folder that holds data.csv, ref/ and distort/. SPLIT is train, val, test,
    test_imagenet or test_no_imagenet; without it all rows are taken. Rows with fewer than
    `min_votes` votes are left out, as the paper does. The group is imagenet or other.

    A folder with triplets.csv in place of data.csv holds the authors' further triplets (docs/data.md): all agreed on
    them, so votes are not stated, and they have neither splits nor groups.

    Raises UserError for an unknown or empty split, a faulty table, or an image that is missing,
    broken or outside the folder.
    """
    folder, split = split_target(path)
    if split is not None and split not in SPLITS:
        raise UserError(f"nights: expected a split among {', '.join(SPLITS)}, got {split!r}")
    if not is_there(folder / "data.csv") and is_there(folder / "triplets.csv"):
        return _supplement(folder, split)
    table = read_table(folder / "data.csv", COLUMNS)
    check_unique(table.rows, "id")
    rows = [row for row in table.rows if _in_split(row, split) and row.number("votes", 0, float("inf")) >= min_votes]
    if not rows:
        raise UserError(
            f"nights: expected rows of split {split or 'any'} with {min_votes} votes or more in {folder / 'data.csv'}, "
            "found none; choose another split or fewer votes"
        )
    entries = []
    for row in rows:
        reference, left, right = (inside(folder, row.text(f"{s}_path"), row.where) for s in ("ref", "left", "right"))
        group = "imagenet" if _is_imagenet(row) else "other"
        load = partial(read_three, (reference, left, right), row.where)
        files = (reference, left, right)
        entries.append(Entry(row.text("id"), _right_share(row), load, group, paths=files, where=row.where))
    note = f"{split or 'all splits'}, at least {min_votes} votes: {len(rows)} of {len(table.rows)} rows"
    return replace(checked_source("nights", digested(entries, original=True), "", note), people=True)


def _supplement(folder: Path, split: str | None) -> TripletSource:
    """The further triplets: one answer a row, 0 for left and 1 for right."""
    if split is not None:
        raise UserError(f"nights: expected no split, as the triplets of {folder} have none, got {split!r}")
    table = read_table(folder / "triplets.csv", SUPPLEMENT)
    check_unique(table.rows, "id")
    entries = []
    for row in table.rows:
        reference, left, right = (inside(folder, row.text(c), row.where) for c in ("ref", "left", "right"))
        files = (reference, left, right)
        load = partial(read_three, files, row.where)
        share = float(row.one_of("right_preferred", ("0", "1")))
        entries.append(Entry(row.text("id"), share, load, paths=files, where=row.where))
    note = f"supplement, unanimous, picked where metrics disagree: {len(entries)} rows"
    source = checked_source("nights", digested(entries, original=True), "", note)
    return replace(source, people=True, judges_only=True)


def _in_split(row: CsvRow, split: str | None) -> bool:
    own = row.one_of("split", ("train", "val", "test"))
    if split == "test_imagenet":
        return own == "test" and _is_imagenet(row)
    if split == "test_no_imagenet":
        return own == "test" and not _is_imagenet(row)
    return split is None or own == split


def _is_imagenet(row: CsvRow) -> bool:
    return row.one_of("is_imagenet", ("True", "False")) == "True"


def _right_share(row: CsvRow) -> float:
    left, right = (row.number(column, 0, 1) for column in ("left_vote", "right_vote"))
    if {left, right} != {0.0, 1.0}:
        raise UserError(
            f"{row.where}: expected one of left_vote and right_vote to be 1 and the other 0, got {left:g} and {right:g}"
        )
    return right
