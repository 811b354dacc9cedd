"""What every data set of pairs keeps to: what those of triplets do, but for what is said of a pair."""

import pytest
import torch

from perceptbench.testing.contract import built, dense
from perceptbench.testing.said import finite
from perceptbench.testing.triplets_contract import TripletsContract
from perceptbench.triplets.pairs import Pairs, PairSource


class PairsContract(TripletsContract):
    """Derive from it, give the data set in `made`, and pytest finds the tests. It is built twice and must be the same.

    class TestMine(PairsContract):
        def made(self):
            return mine("a small folder")
    """

    def made(self) -> PairSource:  # type: ignore[override]
        """The data set, built anew."""
        raise NotImplementedError("give your data set: def made(self): return mine('a small folder')")

    @pytest.fixture
    def subject(self) -> PairSource:  # type: ignore[override]
        """The data set under test."""
        made: PairSource = built(self.made, PairSource)
        return made

    @pytest.fixture
    def again(self) -> PairSource:  # type: ignore[override]
        """The same, built a second time."""
        made: PairSource = built(self.made, PairSource)
        return made

    def test_says_what_it_is(self, subject: PairSource) -> None:  # type: ignore[override]
        assert subject.name, "a data set must have the name that users write"
        assert subject.kind == "pairs", f"kind must be pairs, got {subject.kind}"
        assert len(subject) == len(subject.entries) > 0, "a data set must have at least one sample"

    def test_ids_are_unique_and_ties_are_left_out(self, subject: PairSource) -> None:  # type: ignore[override]
        ids = [entry.id for entry in subject.entries]
        assert all(ids), "every sample must have an id"
        assert len(set(ids)) == len(ids), "ids must be unique; use pair_source"
        assert {entry.same for entry in subject.entries} == {True, False}, "there must be pairs of both kinds"
        for entry in subject.entries:
            assert entry.reference, f"{entry.id} must name the photograph of its query; intervals draw photographs"
            assert entry.other, f"{entry.id} must name the photograph that its query is compared with"

    def test_images_and_labels_are_as_tasks_read_them(self, subject: PairSource) -> None:  # type: ignore[override]
        entries = subject.entries[: self.most]
        for entry in entries:
            loaded = entry.load()
            assert isinstance(loaded, tuple) and len(loaded) == 2, (  # noqa: PT018
                f"load of {entry.id} must give reference and other, got {type(loaded).__name__}"
            )
        batch = subject.batch(entries)
        assert isinstance(batch, Pairs), f"batch must give Pairs, got {type(batch).__name__}"
        assert batch.ids == tuple(entry.id for entry in entries), "a batch must keep the order it is asked for"
        assert batch.same.tolist() == [entry.same for entry in entries], "same must be that of the entries"
        for part, x in batch.images.items():
            dense(x, torch.empty(len(entries), 3, subject.side, subject.side), part)
            finite(x, f"{part} must be finite")
            assert 0 <= x.min() <= x.max() <= 1, f"{part} must be in [0, 1]; divide bytes by 255"
