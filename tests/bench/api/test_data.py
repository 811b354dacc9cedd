"""Triplets of a user's own: as paths, arrays and tables."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

import perceptbench as pb

ATTACK = "l2-pgd(steps=2)"


@pytest.fixture
def table(data):
    """The rows of the csv data set, and its folder."""
    file = Path(data.removeprefix("csv:"))
    return pd.read_csv(file), file.parent


def triplets(table, read=lambda path: path):
    frame, folder = table
    return [
        (*(read(folder / row[name]) for name in ("ref", "left", "right")), row["right_preferred"])
        for row in frame.to_dict("records")
    ]


def scores(data):
    return pb.run("l2", ATTACK, [0.5, 2], data).frame()["score"].tolist()


def test_paths_arrays_and_frames_give_the_scores_of_the_csv_file(table, data):
    frame, folder = table
    expected = scores(data)
    arrays = triplets(table, lambda path: np.asarray(Image.open(path)))
    floats = triplets(table, lambda path: np.asarray(Image.open(path)).transpose(2, 0, 1) / 255)
    ways = (triplets(table), triplets(table, str), arrays, floats, pb.data(frame, folder=folder))
    assert len(set(map(tuple, map(scores, ways)))) == 1
    assert scores(ways[0]) == expected


def test_bytes_of_another_size_are_resized_as_a_file_is(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    (one,) = (pb.data([(pixels, tmp_path / "a.png", pixels / 255, 1)])[0:1],)
    torch.testing.assert_close(one.reference, one.left, rtol=0, atol=0)
    torch.testing.assert_close(one.right, one.left, rtol=0, atol=0)
    half = pb.data([(np.full((9, 9, 3), 0.3), np.full((9, 9, 3), 0.1234), pixels, 1)])[0]
    torch.testing.assert_close(half.left, torch.full((1, 3, 224, 224), 0.1234), rtol=0, atol=1e-6)


def test_the_hash_is_over_the_contents(table):
    rows = triplets(table, lambda path: np.asarray(Image.open(path)))
    digest = pb.data(rows).sha256
    assert pb.data([tuple(row) for row in rows], name="other").sha256 == digest
    changed = rows[0][0].copy()
    changed[0, 0, 0] ^= 1
    others = (
        [(changed, *rows[0][1:]), *rows[1:]],
        [(*rows[0][:3], 1 - rows[0][3]), *rows[1:]],
        rows[1:],
        [rows[1], rows[0], *rows[2:]],
    )
    assert len({digest, *(pb.data(other).sha256 for other in others)}) == 5


def test_arrays_are_taken_as_they_were(table):
    rows = triplets(table, lambda path: np.array(Image.open(path)))
    made = pb.data(rows)
    before = made[0].reference.clone()
    rows[0][0][:] = 0
    torch.testing.assert_close(made[0].reference, before, rtol=0, atol=0)
    x = torch.full((3, 224, 224), 0.1234)
    made = pb.data([(x, x, x, 1)])
    x.zero_()
    assert (made[0].left == 0.1234).all()


def test_ties_are_left_out_and_votes_are_asked_for():
    x, y = np.zeros((4, 4, 3), np.uint8), np.ones((4, 4, 3), np.uint8)
    made = pb.data([(x, x, y, 0.2), (x, x, y, 0.5), {"id": "c", "ref": x, "left": y, "right": x, "right_preferred": 1}])
    assert (len(made), made.ties, made.ids) == (2, 1, ("0", "c"))
    batch = made[:]
    assert isinstance(batch, pb.Triplets)
    assert batch.label.tolist() == [0, 1]
    torch.testing.assert_close(batch.right_share, torch.tensor([0.2, 1.0]))
    few = pb.data([(x, x, y, 0, 3), (x, y, x, 1, 8)], min_votes=6)
    assert few.ids == ("1",)


def test_a_reference_in_several_triplets_is_known():
    x, y = np.zeros((4, 4, 3), np.uint8), np.ones((4, 4, 3), np.uint8)
    (record,) = pb.run("l2", ATTACK, 1, [(x, x, y, 0), (x.copy(), y, x, 1), (y, x, y, 1)])
    assert set(record.facts["references"]) == {"0", "1"}
    assert len(set(record.facts["references"].values())) == 1


def test_triplets_without_answers_serve_push_alone():
    x, y = np.zeros((4, 4, 3), np.uint8), np.full((4, 4, 3), 9, np.uint8)
    made = pb.data([(x, x, y), (y, x, y)])
    frame = pb.run("l2", ATTACK, 1, made, goal="push").frame()
    assert set(frame["unit"]) == {"distance"}
    with pytest.raises(pb.UserError, match="no triplets to answer"):
        pb.run("l2", ATTACK, 1, made)


X = np.zeros((4, 4, 3), np.uint8)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("photso", "unknown data set 'photso'; did you mean 'photos'"),
        (3, "got int"),
        ([], "got none"),
        ([X], r"triplet 0: expected \(reference, left, right, right_preferred\), got ndarray"),
        ([(X, X)], "got 2 values"),
        ([(X, X, X, 0), (X, X[0], X, 0)], "triplet 1, left: expected the shape"),
        ([(X, X, [X, X], 0)], "triplet 0, right: expected one image"),
        ([(X, X, "no.png", 0)], "triplet 0, right: expected a file at"),
        ([(X, X, X, 2)], r"triplet 0: expected a share in \[0, 1\] for right_preferred, got 2"),
        ([(X, X, X, "left")], "got 'left'"),
        ([(X, X, X, None)], "all 1 triplets are ties"),
        ([{"id": 1, "ref": X, "left": X, "right": X, "right_preferred": 1}] * 2, "unique ids, got '1' twice"),
        (pd.DataFrame({"ref": ["a"], "left": ["b"]}), "expected the column right, got only ref, left"),
    ],
)
def test_what_is_refused_is_named(given, words):
    with pytest.raises(pb.UserError, match=words):
        pb.data(given)


def test_a_registered_data_set_keeps_its_name():
    with pytest.raises(pb.UserError, match="say its options in the name"):
        pb.data("photos", name="mine")
    with pytest.raises(pb.UserError, match="is the name of a registered data set"):
        pb.run("l2", ATTACK, 1, pb.data([(X, X, X + 1, 0)], name="photos"))
