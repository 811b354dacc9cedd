"""Crowd judgements on materials, from a tree in its own layout."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from perceptbench.core.errors import UserError
from perceptbench.triplets.material2afc import COLUMNS, material2afc

NAMES = ("teflon", "nylon", "chrome", "pearl")
ROWS = [
    ["a", "teflon", "nylon", "chrome", 3, 1],
    ["b", "chrome", "nylon", "pearl", 0, 4],
    ["c", "pearl", "nylon", "teflon", 2, 2],
]


def tree(trees: SimpleNamespace, folder: Path, rows: list[list[object]]) -> Path:
    for seed, name in enumerate(NAMES):
        trees.image(folder / f"images/{name}.jpg", seed)
    trees.write_csv(folder / "triplets.csv", list(COLUMNS), rows)
    return folder


def test_shares_are_those_of_the_votes_and_equal_votes_are_ties(trees: SimpleNamespace, tmp_path: Path) -> None:
    source = material2afc(str(tree(trees, tmp_path, ROWS)))
    assert [(e.id, e.right_share) for e in source.entries] == [("a", 0.25), ("b", 1.0)]
    assert source.ties == 1
    assert source.entries[1].images == ("chrome", "nylon", "pearl")
    batch = source.batch(source.entries)
    # `chrome` is right in one row and the reference of the other.
    assert torch.equal(batch.right[0], batch.reference[1])
    assert not torch.equal(batch.left[1], batch.right[1])


@pytest.mark.parametrize(
    ("row", "word"),
    [
        (["d", "teflon", "nylon", "chrome", 0, 0], "votes"),
        (["d", "../teflon", "../../nylon", "chrome", 1, 0], "inside"),
        (["d", "teflon", "nylon", "gold", 1, 0], "gold"),
        (["a", "teflon", "nylon", "pearl", 1, 0], "'a'"),
        (["d", "teflon", "nylon", "pearl", -1, 2], "left_votes"),
    ],
)
def test_faulty_rows_are_refused(trees: SimpleNamespace, tmp_path: Path, row: list[object], word: str) -> None:
    with pytest.raises(UserError, match=word):
        material2afc(str(tree(trees, tmp_path, [*ROWS, row])))


def test_the_digest_knows_images_and_table(trees: SimpleNamespace, tmp_path: Path) -> None:
    first = material2afc(str(tree(trees, tmp_path, ROWS))).sha256
    trees.image(tmp_path / "images/nylon.jpg", 77)
    second = material2afc(str(tmp_path)).sha256
    third = material2afc(str(tree(trees, tmp_path, ROWS[:1]))).sha256
    assert len({first, second, third}) == 3
