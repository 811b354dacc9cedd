"""Photographs without answers, in pairs."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from perceptbench.core.errors import UserError
from perceptbench.core.ref import Ref
from perceptbench.triplets.base import TripletSource, triplets
from perceptbench.triplets.images import read_image


def fill(folder: Path, n: int) -> Path:
    rng = np.random.default_rng(0)
    (folder / "more").mkdir(parents=True)
    for i in range(n):
        pixels = rng.integers(0, 256, (20, 30, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(folder / ("more" if i % 2 else ".") / f"{i}.png")
    return folder


def load(folder: Path) -> TripletSource:
    return triplets.build(Ref.parse(f"images:{folder}"))


def test_every_image_once_beside_another_one(tmp_path: Path) -> None:
    folder = fill(tmp_path / "a", 5)
    (folder / "notes.txt").write_text("no image")
    (folder / "again.png").write_bytes((folder / "0.png").read_bytes())
    source = load(folder)
    assert len(source) == 5
    assert not source.answers
    batch = source.batch(source.entries)
    assert torch.equal(batch.left, batch.right)
    assert not any(torch.equal(x, y) for x, y in zip(batch.reference, batch.left, strict=True))
    assert len({tuple(y.flatten()[:50].tolist()) for y in batch.left}) == 5
    for name, image in zip(source.ids, batch.reference, strict=True):
        assert torch.equal(image, read_image(folder / name, "test"))


def test_the_pairs_and_the_fingerprint_depend_on_content_alone(tmp_path: Path) -> None:
    import shutil

    folder = fill(tmp_path / "a", 4)
    moved = shutil.copytree(folder, tmp_path / "b")
    first, second = load(folder), load(moved)
    assert first.sha256 == second.sha256
    assert first.ids == second.ids
    Image.new("RGB", (8, 8)).save(moved / "new.png")
    assert load(moved).sha256 != first.sha256


def test_what_is_no_folder_or_too_little_or_broken_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="expected a folder of images"):
        load(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="two different images or more"):
        load(tmp_path / "empty")
    folder = fill(tmp_path / "a", 3)
    (folder / "2.png").write_bytes((folder / "2.png").read_bytes()[:80])
    with pytest.raises(UserError, match="whole JPEG, PNG"):
        load(folder)


def test_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    folder = fill(tmp_path / "a", 3)
    outside = tmp_path / "outside.png"
    Image.new("RGB", (8, 8)).save(outside)
    (folder / "link.png").symlink_to(outside)
    with pytest.raises(UserError, match="got a link to"):
        load(folder)
