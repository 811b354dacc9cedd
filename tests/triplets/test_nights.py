"""NIGHTS: rows, splits and votes from a tree in its own layout."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from perceptbench.core.errors import UserError
from perceptbench.core.ref import Ref
from perceptbench.triplets.base import triplets
from perceptbench.triplets.nights import nights

DEV = Path(__file__).parents[2].parent / "shared" / "data" / "nights_dev"


def test_rows_with_few_votes_are_left_out(tmp_path, trees):
    trees.nights_tree(tmp_path)
    assert nights(str(tmp_path)).ids == ("0", "1", "2", "3", "4")
    assert nights(str(tmp_path), min_votes=7).ids == ("0", "1", "3", "4")
    assert len(nights(str(tmp_path), min_votes=0)) == 6


@pytest.mark.parametrize(
    ("split", "ids"),
    [
        ("train", "0"),
        ("val", "1"),
        ("test", "234"),
        ("test_imagenet", "23"),
        ("test_no_imagenet", "4"),
    ],
)
def test_splits(tmp_path, trees, split, ids):
    trees.nights_tree(tmp_path)
    assert nights(f"{tmp_path}@{split}").ids == tuple(ids)


def test_entries_hold_label_group_and_the_right_images(tmp_path, trees):
    trees.nights_tree(tmp_path)
    source = triplets.build(Ref.parse(f"nights:{tmp_path}"))
    batch = source.batch(source.entries)
    assert batch.label.tolist() == [0, 1, 0, 1, 0]
    assert [entry.group for entry in source.entries] == ["imagenet"] * 4 + ["other"]
    for i, images in enumerate((batch.reference, batch.left, batch.right)):
        name = ("ref/3.png", "distort/3_0.png", "distort/3_1.png")[i]
        own = Image.open(tmp_path / name).resize((224, 224), Image.Resampling.BICUBIC)
        assert torch.equal(images[3], torch.from_numpy(np.array(own)).permute(2, 0, 1).float() / 255)


def test_fingerprint_follows_content_and_selection_but_not_the_place(tmp_path, trees):
    first, second = trees.nights_tree(tmp_path / "a"), trees.nights_tree(tmp_path / "b")
    digest = nights(str(first)).sha256
    assert nights(str(second)).sha256 == digest
    assert len({digest, nights(f"{first}@test").sha256, nights(str(first), min_votes=7).sha256}) == 3
    trees.image(second / "ref/3.png", 99)
    assert nights(str(second)).sha256 != digest


def test_fingerprint_tells_rows_of_the_same_images_apart(tmp_path, trees):
    rows = trees.nights_rows()
    rows[1][4:7] = rows[0][4:7]
    trees.nights_tree(tmp_path, rows)
    assert nights(f"{tmp_path}@train").sha256 != nights(f"{tmp_path}@val").sha256


@pytest.mark.parametrize(
    ("target", "said"),
    [("@tset", "expected a split among train"), ("@val", "found none"), ("@", "expected a split behind the @")],
)
def test_unknown_or_empty_split(tmp_path, trees, target, said):
    trees.nights_tree(tmp_path, trees.nights_rows()[2:])
    with pytest.raises(UserError, match=said):
        nights(f"{tmp_path}{target}")


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        (2, 0.5, "data.csv row 4: expected one of left_vote and right_vote"),
        (2, "yes", "data.csv row 4: expected a number in column 'right_vote', got 'yes'"),
        (2, 7, "data.csv row 4: expected 'right_vote' between 0 and 1"),
        (3, "nan", "data.csv row 4: expected a number in column 'votes', got 'nan'"),
        (7, "tst", "data.csv row 4: expected 'split' to be one of train, val, test, got 'tst'"),
        (8, "maybe", "data.csv row 4: expected 'is_imagenet'"),
        (0, 1, "data.csv row 4: expected a new id, got '1' as in data.csv row 3"),
        (4, "../outside.png", "data.csv row 4: expected a path inside"),
        (5, "distort/none.png", "data.csv row 4: expected a file at .*none.png, found none"),
    ],
)
def test_a_faulty_row_is_named(tmp_path, trees, column, value, said):
    rows = trees.nights_rows()
    rows[2][column] = value
    with pytest.raises(UserError, match=said):
        nights(str(trees.nights_tree(tmp_path, rows)))


def test_missing_column_and_missing_table(tmp_path, trees):
    columns = [
        "id",
        "left_vote",
        "right_vote",
        "Votes",
        "ref_path",
        "left_path",
        "right_path",
        "split",
        "is_imagenet",
        "prompt",
    ]
    trees.nights_tree(tmp_path, columns=columns)
    with pytest.raises(UserError, match=r"data.csv: expected the column votes, got only id, left_vote, .*Votes"):
        nights(str(tmp_path))
    with pytest.raises(UserError, match=r"expected a file at .*elsewhere/data.csv"):
        nights(str(tmp_path / "elsewhere"))


@pytest.mark.skipif(not DEV.is_dir(), reason="the genuine NIGHTS triplets are not beside this checkout")
def test_genuine_triplets():
    source = nights(str(DEV))
    assert (len(source), source.ties) == (44, 0)
    batch = source.batch(source.entries)
    d0, d1 = (((batch.reference - y) ** 2).sum((1, 2, 3)) for y in (batch.left, batch.right))
    # Counted beforehand by another program: pixel l2 answers half of them right.
    assert ((d1 < d0).float() == batch.label).sum() == 22
