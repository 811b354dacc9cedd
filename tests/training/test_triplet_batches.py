"""Triplets with a known answer: each image kept once, sides and signs as in the data, mirrored together."""

import pickle

import numpy as np
import pytest
import torch

from perceptbench.core.errors import UserError
from perceptbench.training.lipsim.data.batch import Share
from perceptbench.training.lipsim.data.order_batches import Key
from perceptbench.training.lipsim.data.photographs import load_photographs
from perceptbench.training.lipsim.data.triplet_batches import StoredTriplets, TripletBatches, constructed
from perceptbench.triplets.base import Entry, TripletSource, checked_source

KEY = Key(0, "finetune 0")


def image(tone: int) -> torch.Tensor:
    """Red is the tone of the image; green rises from left to right."""
    x = torch.zeros(3, 16, 16)
    x[0], x[1] = tone / 255, torch.linspace(0, 1, 16)
    return (x * 255).round() / 255


class Loads:
    """Counts how often a triplet is read."""

    read = 0

    def __init__(self, tones: tuple[int, int, int]) -> None:
        self.tones = tones

    def __call__(self) -> tuple[torch.Tensor, ...]:
        Loads.read += 1
        return tuple(image(tone) for tone in self.tones)


@pytest.fixture
def source() -> TripletSource:
    """Tones of left and right are neighbours of the reference's; 20 triplets of 8 images, and two ties."""
    Loads.read = 0
    entries = []
    for i in range(22):
        tones = tuple(20 * ((i + j) % 8) for j in range(3))
        share = 0.5 if i in (3, 12) else (i % 4) / 3
        entries.append(Entry(f"t{i}", share, Loads(tones), images=tuple(map(str, tones))))
    return checked_source("toy", entries, "0" * 64)


def tones(images: torch.Tensor) -> list[int]:
    return (images[:, 0, 0, 0] * 255).round().int().tolist()


def test_every_image_is_kept_once_and_ties_are_left_out(source):
    stored = StoredTriplets.of(source, 16)
    assert len(stored) == 20
    assert stored.images.array.shape == (8, 3, 16, 16)
    assert Loads.read < 20
    for k, entry in enumerate(source.entries):
        kept = torch.from_numpy(np.array(stored.images.array[stored.index[k]])).float() / 255
        assert torch.equal(kept, torch.stack(entry.load()))
        assert stored.sign[k] == (1 if entry.right_share > 0.5 else -1)
    assert set(stored.sign.tolist()) == {1.0, -1.0}


def test_images_without_names_are_all_kept_and_other_sizes_brought_to_the_networks(source):
    entries = [Entry(e.id, e.right_share, e.load) for e in source.entries]
    stored = StoredTriplets.of(checked_source("toy", entries, "1" * 64), 8)
    assert stored.images.array.shape == (60, 3, 8, 8)
    kept = torch.from_numpy(np.array(stored.images.array[stored.index[5]]))
    assert tones(kept / 255) == list(source.entries[5].load.tones)


def test_the_pool_is_read_once_for_a_size_and_a_limit(source):
    first = StoredTriplets.of(source, 16)
    read = Loads.read
    assert StoredTriplets.of(source, 16).images.path == first.images.path
    assert Loads.read == read
    few = StoredTriplets.of(source, 16, limit=3)
    assert len(few) == 3
    assert len({first.images.path, few.images.path, StoredTriplets.of(source, 8).images.path}) == 3


def test_a_batch_holds_references_then_lefts_then_rights_and_follows_from_its_step(source):
    batches = TripletBatches(triplets=StoredTriplets.of(source, 16), size=25, key=KEY)
    known = {e.load.tones: e.right_share for e in source.entries}
    mirrored = []
    for step in range(10):
        batch = pickle.loads(pickle.dumps(batches))[step]
        assert batch.kind == "triplets"
        assert batch.images.shape == (24, 3, 16, 16)
        assert batch.target.shape == (8,)
        trios = zip(*(tones(part) for part in batch.images.chunk(3)), batch.target.tolist(), strict=True)
        for reference, left, right, sign in trios:
            assert sign == (1 if known[reference, left, right] > 0.5 else -1)
        rising = batch.images[:, 1, 0, 0] < batch.images[:, 1, 0, -1]
        assert torch.equal(rising[:8], rising[8:16])
        assert torch.equal(rising[:8], rising[16:])
        mirrored += (~rising[:8]).tolist()
        again = batches[step]
        assert torch.equal(again.images, batch.images)
    assert 20 < sum(mirrored) < 60
    other = TripletBatches(triplets=batches.triplets, size=25, key=Key(1, "finetune 0"))
    assert not torch.equal(other[0].images, batches[0].images)


def test_two_processes_see_together_what_one_sees(source):
    stored = StoredTriplets.of(source, 16)
    whole = TripletBatches(triplets=stored, size=24, key=KEY)[5]
    parts = [TripletBatches(triplets=stored, size=24, key=KEY, share=Share(rank, 2))[5] for rank in range(2)]
    thirds = [torch.cat([part.images.chunk(3)[role] for part in parts]) for role in range(3)]
    assert torch.equal(torch.cat(thirds), whole.images)
    assert torch.equal(torch.cat([part.target for part in parts]), whole.target)
    with pytest.raises(UserError, match="3 processes share equally, got 8"):
        TripletBatches(triplets=stored, size=24, key=KEY, share=Share(0, 3))


def test_photographs_give_triplets_of_their_own(album):
    photographs = load_photographs([album], 4)
    source = constructed(photographs, 1, 7)
    assert (
        source.sha256 != constructed(photographs, 1, 8).sha256 != constructed(photographs.select([0, 1]), 1, 7).sha256
    )
    stored = StoredTriplets.of(source, 16, limit=4)
    assert len(stored) == 4
    expected = source.limited(4).entries[2].load()[1]
    assert stored.images.array[stored.index[2, 1]].mean() / 255 == pytest.approx(expected.mean().item(), abs=0.01)


def test_images_without_answers_are_refused(source):
    silent = TripletSource("images", source.entries, 0, "2" * 64, answers=False)
    with pytest.raises(UserError, match="images without answers"):
        StoredTriplets.of(silent, 16)
