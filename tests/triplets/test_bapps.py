"""BAPPS: subsets, shares and ties from a tree in its own layout."""

import os

import numpy as np
import pytest
from PIL import Image

from perceptbench.core.errors import UserError
from perceptbench.triplets.bapps import bapps

SHARES = {"val/cnn": [0.0, 0.6, 1.0], "val/color": [0.5, 0.25], "train/cnn": [1.0]}


def test_subsets_shares_and_ties(tmp_path, trees):
    trees.bapps_tree(tmp_path, SHARES)
    source = bapps(str(tmp_path))
    assert source.ids == ("val/cnn/000000", "val/cnn/000001", "val/cnn/000002", "val/color/000001")
    assert [entry.group for entry in source.entries] == ["cnn", "cnn", "cnn", "color"]
    assert [entry.right_share for entry in source.entries] == pytest.approx([0, 0.6, 1, 0.25])
    assert source.ties == 1
    assert bapps(f"{tmp_path}@val").ids == source.ids
    assert bapps(f"{tmp_path}@val/color").ids == ("val/color/000001",)
    assert bapps(f"{tmp_path}@train").ids == ("train/cnn/000000",)


def test_left_is_p0_and_right_is_p1(tmp_path, trees):
    trees.bapps_tree(tmp_path, {"val/cnn": [1.0]})
    same = tmp_path / "val/cnn/ref/000000.png"
    (tmp_path / "val/cnn/p1/000000.png").write_bytes(same.read_bytes())
    batch = bapps(str(tmp_path)).batch(bapps(str(tmp_path)).entries)
    assert batch.label.tolist() == [1]
    assert batch.reference.equal(batch.right)
    assert not batch.reference.equal(batch.left)


def test_fingerprint_follows_the_judges(tmp_path, trees):
    digest = bapps(str(trees.bapps_tree(tmp_path, SHARES))).sha256
    assert bapps(str(trees.bapps_tree(tmp_path, SHARES))).sha256 == digest
    assert bapps(str(trees.bapps_tree(tmp_path, SHARES | {"val/color": [0.5, 0.75]}))).sha256 != digest


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("@test", "expected a split among val, train, got 'test'"),
        ("@val/cnnn", "expected a subset among cnn, color, got 'cnnn'"),
        ("@val/..", "expected a subset among cnn, color"),
    ],
)
def test_unknown_split(tmp_path, trees, target, said):
    trees.bapps_tree(tmp_path, SHARES)
    with pytest.raises(UserError, match=said):
        bapps(f"{tmp_path}{target}")


def test_empty_split(tmp_path, trees):
    trees.bapps_tree(tmp_path, {"val/cnn": [0.0]})
    with pytest.raises(UserError, match=r"expected a folder with subsets at .*train"):
        bapps(f"{tmp_path}@train")


@pytest.mark.parametrize("value", [np.array([1.5]), np.array([np.nan]), np.array([0.0, 1.0]), np.array(["x"])])
def test_a_judge_that_is_no_share(tmp_path, trees, value):
    trees.bapps_tree(tmp_path, SHARES)
    np.save(tmp_path / "val/cnn/judge/000001.npy", value)
    with pytest.raises(UserError, match="bapps val/cnn triplet 000001: expected"):
        bapps(str(tmp_path))


def test_a_judge_that_would_run_code_is_refused(tmp_path, trees):
    class Payload:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "ran"),)

    trees.bapps_tree(tmp_path, SHARES)
    np.save(tmp_path / "val/cnn/judge/000001.npy", np.array([Payload()], dtype=object), allow_pickle=True)
    with pytest.raises(UserError, match="bapps val/cnn triplet 000001: expected one number"):
        bapps(str(tmp_path))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("missing", ["ref/000001.png", "p0/000001.png", "p1/000001.png", "judge/000001.npy"])
def test_a_missing_file(tmp_path, trees, missing):
    trees.bapps_tree(tmp_path, SHARES)
    (tmp_path / "val/cnn" / missing).unlink()
    with pytest.raises(UserError, match=f"bapps val/cnn triplet 000001: expected a file at .*{missing}"):
        bapps(str(tmp_path))


def test_a_truncated_image(tmp_path, trees):
    trees.bapps_tree(tmp_path, SHARES)
    trees.truncate(tmp_path / "val/cnn/p1/000002.png")
    with pytest.raises(UserError, match=r"bapps val/cnn triplet 000002: expected a whole .*p1/000002.png"):
        bapps(str(tmp_path))


def test_side_64_gives_the_patches_as_they_were_published(tmp_path, trees):
    """Pixel by pixel; at 224 the same patches are enlarged, and the two are not taken for one another."""
    for kind, seed in (("ref", 0), ("p0", 1), ("p1", 2)):
        trees.image(tmp_path / f"val/cnn/{kind}/000000.png", seed, side=64)
    (tmp_path / "val/cnn/judge").mkdir()
    np.save(tmp_path / "val/cnn/judge/000000.npy", np.array([1.0], dtype=np.float32))
    small, large = bapps(str(tmp_path), side=64), bapps(str(tmp_path))
    assert small.batch(small.entries).reference.shape == (1, 3, 64, 64)
    stored = np.asarray(Image.open(tmp_path / "val/cnn/ref/000000.png"))
    np.testing.assert_array_equal(small.batch(small.entries).reference[0].permute(1, 2, 0).mul(255).round(), stored)
    assert (small.side, large.side) == (64, 224)
    assert small.sha256 != large.sha256 == bapps(str(tmp_path), side=224).sha256
    assert "at 64 x 64 pixels (as published)" in small.note
    assert "at 224 x 224 pixels (published at 64 x 64)" in large.note
    with pytest.raises(UserError, match="expected side=64, as published, or side=224, got side=65"):
        bapps(str(tmp_path), side=65)
