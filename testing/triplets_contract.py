"""What every data set of triplets keeps to."""

from typing import Any

import pytest
import torch

from perceptbench.testing.contract import Contract, built, dense
from perceptbench.testing.said import finite
from perceptbench.triplets.base import Triplets, TripletSource


class TripletsContract(Contract):
    """Derive from it, give the data set in `made`, and pytest finds the tests. It is built twice and must be the same.

    class TestMine(TripletsContract):
        def made(self):
            return mine("a small folder")
    """

    most: int = 6
    """Of so many samples at most the images are read."""

    def made(self) -> TripletSource:
        """The data set, built anew."""
        raise NotImplementedError("give your data set: def made(self): return mine('a small folder')")

    @pytest.fixture
    def subject(self) -> TripletSource:
        """The data set under test."""
        made: TripletSource = built(self.made, TripletSource)
        return made

    @pytest.fixture
    def again(self) -> TripletSource:
        """The same, built a second time."""
        made: TripletSource = built(self.made, TripletSource)
        return made

    def test_says_what_it_is(self, subject: TripletSource) -> None:
        assert subject.name, "a data set must have the name that users write"
        assert subject.kind in ("triplets", "images"), f"kind must be triplets or images, got {subject.kind}"
        assert subject.ties >= 0, f"ties must be counted, got {subject.ties}"
        assert len(subject) == len(subject.entries) > 0, "a data set must have at least one sample"

    def test_ids_are_unique_and_ties_are_left_out(self, subject: TripletSource) -> None:
        ids = [entry.id for entry in subject.entries]
        assert all(ids), "every sample must have an id"
        assert len(set(ids)) == len(ids), "ids must be unique; raise UserError where a table has one twice"
        for entry in subject.entries:
            share = entry.right_share
            assert 0 <= share <= 1, f"the share of people who preferred right must be in [0, 1], got {share}"
            assert share != 0.5, "ties must be left out and counted; use checked_source"

    def test_a_part_is_the_same_part_every_time(self, subject: Any, again: Any) -> None:
        n = max(1, len(subject) // 2)
        part, twin = subject.limited(n), again.limited(n)
        assert len(part) == n, f"limited({n}) must have {n} samples, got {len(part)}"
        assert part.ids == twin.ids, "limited(n) must give the same samples every time"
        assert set(part.ids) <= set(subject.ids), "limited(n) must give samples of the data set"
        assert subject.limited(None).ids == subject.ids, "limited(None) must give everything"
        assert subject.limited(len(subject) + 1).ids == subject.ids, "limited(n) of a larger n must give everything"

    def test_the_same_data_have_the_same_digest(self, subject: Any, again: Any) -> None:
        assert subject.sha256, "sha256 must be over everything that decides the samples"
        assert subject.sha256 == again.sha256, "sha256 must be the same for the same data; leave time and place out"
        assert subject.ids == again.ids, "samples must come in the same order every time; sort what a folder lists"

    def test_images_and_labels_are_as_tasks_read_them(self, subject: TripletSource) -> None:
        entries = subject.entries[: self.most]
        for entry in entries:
            loaded = entry.load()
            assert isinstance(loaded, tuple) and len(loaded) == 3, (  # noqa: PT018
                f"load of {entry.id} must give reference, left and right, got {type(loaded).__name__}"
            )
            for x in loaded:
                dense(x, x, f"an image of {entry.id}")
        batch = subject.batch(entries)
        assert isinstance(batch, Triplets), f"batch must give Triplets, got {type(batch).__name__}"
        assert batch.ids == tuple(entry.id for entry in entries), "a batch must keep the order it is asked for"
        for part, x in batch.images.items():
            dense(x, torch.empty(len(entries), 3, subject.side, subject.side), part)
            finite(x, f"{part} must be finite")
            assert 0 <= x.min() <= x.max() <= 1, f"{part} must be in [0, 1]; divide bytes by 255"
        assert set(batch.label.tolist()) <= {0.0, 1.0}, f"labels must be 0 or 1, got {batch.label.tolist()}"
        assert torch.equal(batch.label == 1, batch.right_share > 0.5), "label 1 must mean that right is preferred"

    def test_an_image_does_not_depend_on_its_batch(self, subject: Any, again: Any) -> None:
        together, entries = subject.batch(subject.entries[: self.most]), again.entries[: self.most]
        for i in reversed(range(len(entries))):
            alone = again.batch(entries[i : i + 1])
            for part, x in alone.images.items():
                assert torch.equal(x[0], together.images[part][i]), (
                    f"{part} of {entries[i].id} must be the same in every batch and every time; seed what is drawn"
                )
