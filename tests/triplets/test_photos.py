"""The embedded set: balance, licences, labels that can be checked, and images that never change."""

import csv
from collections import Counter

import numpy as np
import pytest
import torch
from PIL import Image

from perceptbench.bench.run_facts import repeated_references
from perceptbench.core.errors import UserError
from perceptbench.triplets import photos as module
from perceptbench.triplets.base import Triplets
from perceptbench.triplets.constructed.construct import construct
from perceptbench.triplets.constructed.families import FAMILIES
from perceptbench.triplets.photos import FOLDER, photos

LADDERS = ("blur", "jpeg", "noise", "shift", "rotation", "scale", "occlusion", "texture")

# Mean and deviation of left and right, written down when the set was first built.
PINNED = {
    "blur-004-aitzgorri_by_aitzol_berasategi": (0.4563, 0.1559, 0.4563, 0.1503),
    "jpeg-004-rocket": (0.3194, 0.1234, 0.3206, 0.1277),
    "noise-004-friends_by_aitzol_berasategi": (0.4905, 0.2080, 0.4914, 0.2400),
    "colour-004-friends_by_aitzol_berasategi": (0.4646, 0.1460, 0.4646, 0.0426),
    "rotation-004-coffee": (0.3474, 0.3002, 0.3549, 0.3029),
    "texture-004-picosdeeuropa_by_aitzol_berasategi": (0.4304, 0.2245, 0.4175, 0.2018),
    "crops-004-picture_1a_by_freespace": (0.4948, 0.3104, 0.4222, 0.3085),
    "moved-or-grainy-004-aitzgorri_by_aitzol_berasategi": (0.4541, 0.1593, 0.4641, 0.2021),
    "moved-or-covered-004-life_by_aitzol_berasategi": (0.4008, 0.2129, 0.4231, 0.2039),
    "lit-or-retextured-004-rocket": (0.3314, 0.1462, 0.2692, 0.1373),
}


@pytest.fixture(scope="module")
def whole() -> Triplets:
    source = photos()
    return source.batch(source.entries)


def right_is_nearer_in_pixels(batch: Triplets) -> torch.Tensor:
    d0, d1 = (((batch.reference - y) ** 2).sum((1, 2, 3)) for y in (batch.left, batch.right))
    return (d1 < d0).float()


def test_size_and_families():
    source = photos()
    counts = Counter(entry.group for entry in source.entries)
    assert len(source) >= 200
    assert set(counts) == set(FAMILIES)
    assert min(counts.values()) >= 15
    assert source.ties == 0
    assert all(entry.id.startswith(entry.group) for entry in source.entries)


def test_sides_are_balanced_in_every_family_and_in_small_parts():
    source = photos()
    for family in FAMILIES:
        shares = [entry.right_share for entry in source.entries if entry.group == family]
        assert 0.45 <= np.mean(shares) <= 0.55
        # Not in turns either: a metric that answers left, right, left, right must not score.
        assert set(shares) == {0.0, 1.0}
    starts = [entry.right_share for entry in source.entries[::2]]
    assert 0.35 <= np.mean(starts) <= 0.65


def test_every_photograph_is_used_equally_often():
    source = photos()
    counts = Counter(entry.id.split("-")[-1] for entry in source.entries)
    assert len(counts) == len(list(FOLDER.glob("*.jpg")))
    assert max(counts.values()) <= 1.5 * min(counts.values())


def test_triplets_of_one_photograph_say_that_they_share_it():
    source = photos()
    names = {entry.reference for entry in source.entries}
    assert names == {file.stem for file in FOLDER.glob("*.jpg")}
    assert len(names) == 13
    assert all(entry.id.endswith(f"-{entry.reference}") for entry in source.entries)
    shared = repeated_references(source.entries)
    assert len(shared) == len(source) == 342
    assert len(set(shared.values())) == 13


def test_images_are_well_formed_and_distinct(whole):
    assert whole.reference.shape == whole.left.shape == whole.right.shape == (len(whole.ids), 3, 224, 224)
    for images in (whole.reference, whole.left, whole.right):
        assert images.dtype == torch.float32
        assert images.min() >= 0
        assert images.max() <= 1
    for x, y in ((whole.reference, whole.left), (whole.reference, whole.right), (whole.left, whole.right)):
        assert ((x - y).abs().amax((1, 2, 3)) > 0.02).all()


def test_raw_pixels_do_not_solve_the_set(whole):
    score = (right_is_nearer_in_pixels(whole) == whole.label).float().mean()
    assert 0.5 <= score <= 0.70


def test_labels_say_which_side_got_the_weaker_of_two_like_distortions(whole):
    ladders = [i for i, name in enumerate(whole.ids) if name.rsplit("-", 2)[0] in LADDERS]
    agrees = right_is_nearer_in_pixels(whole) == whole.label
    wrong = [whole.ids[i] for i in ladders if not agrees[i]]
    assert len(ladders) >= 15 * len(LADDERS)
    assert wrong == []


def test_two_builds_are_equal_and_order_does_not_matter(whole):
    module._photo.cache_clear()
    source = photos()
    for index in (300, 7, 120):
        for images, again in zip((whole.reference, whole.left, whole.right), source.entries[index].load(), strict=True):
            assert torch.equal(images[index], again)
    assert source.sha256 == photos().sha256


def test_images_have_not_drifted(whole):
    for name, expected in PINNED.items():
        i = whole.ids.index(name)
        left, right = whole.left[i], whole.right[i]
        found = [left.mean(), left.std(), right.mean(), right.std()]
        assert [float(value) for value in found] == pytest.approx(expected, abs=0.002), name


def test_fingerprint_follows_a_photograph(tmp_path, monkeypatch):
    digest = photos().sha256
    for file in FOLDER.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    monkeypatch.setattr(module, "FOLDER", tmp_path)
    assert photos().sha256 == digest
    (tmp_path / "coffee.jpg").write_bytes((FOLDER / "chelsea.jpg").read_bytes())
    assert photos().sha256 != digest


def test_every_photograph_is_free_small_and_attributed():
    with (FOLDER / "images.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    attribution = (FOLDER / "ATTRIBUTION.md").read_text()
    assert {row["file"] for row in rows} == {file.name for file in FOLDER.glob("*.jpg")}
    for row in rows:
        assert row["licence"] in {"CC0-1.0", "CC-BY-4.0", "public domain"}
        assert row["licence_url"].startswith("https://")
        assert row["source"]
        with Image.open(FOLDER / row["file"]) as image:
            assert max(image.size) <= 512
        assert f"| {row['file']} | {row['author']} | [{row['licence']}]" in attribution


class Counting(list):
    """Photographs that count how often one is asked for."""

    asked = 0

    def __getitem__(self, index):
        self.asked += 1
        return super().__getitem__(index)


def small_photographs() -> Counting:
    """Smooth blobs, no larger than a triplet: the least that training code may hand over."""
    rng = np.random.default_rng(0)
    coarse = [Image.fromarray(rng.integers(0, 256, (12, 12, 3), dtype=np.uint8)) for _ in range(4)]
    return Counting(np.asarray(image.resize((224 + 40 * i, 224))) for i, image in enumerate(coarse))


def test_any_photographs_will_do_and_are_read_late():
    other = small_photographs()
    entries = construct(other, "abcd", per_family=4, seed=3)
    assert other.asked == 0
    assert len({entry.id for entry in entries}) == 4 * len(FAMILIES)
    for entry in entries:
        assert [tuple(x.shape) for x in entry.load()] == [(3, 224, 224)] * 3
    assert 0 < other.asked <= 2 * len(entries)


def test_the_seed_decides():
    other = small_photographs()
    first, same, second = (construct(other, "abcd", 2, seed)[0].load() for seed in (0, 0, 1))
    assert torch.equal(first[1], same[1])
    assert not torch.equal(first[1], second[1])


def test_one_photograph_is_too_few():
    with pytest.raises(UserError, match="two photographs or more and a name for each, got 1 and 1"):
        construct(small_photographs()[:1], "a", 1)
