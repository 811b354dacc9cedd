"""Pairs of one's own and edited copies: what is read, what is named, and every way in which a table can be broken."""

import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from perceptbench.bench.planner import make_plans
from perceptbench.bench.request import Request
from perceptbench.core.errors import UserError
from perceptbench.core.ref import Ref
from perceptbench.triplets.base import triplets
from perceptbench.triplets.copies import copies
from perceptbench.triplets.images import read_image
from perceptbench.triplets.pairs import calibrates
from perceptbench.triplets.pairs_file import pairs_table

COLUMNS = ["id", "a", "b", "same"]
ROWS = [["p", "0.png", "1.png", 1], ["q", "0.png", "2.png", 0], ["r", "2.png", "./1.png", 0]]


def table(folder: Path, trees, rows=ROWS, columns=COLUMNS) -> Path:
    for i in range(3):
        trees.image(folder / f"{i}.png", i)
    return trees.write_csv(folder / "pairs.csv", columns, rows)


def test_a_table_of_pairs(tmp_path, trees) -> None:
    file = table(tmp_path, trees)
    source = triplets.build(Ref.parse(f"pairs:{file}"))
    assert (source.kind, source.ids) == ("pairs", ("p", "q", "r"))
    assert [one.same for one in source.entries] == [True, False, False]
    assert source.note == "1 same and 2 different pairs (2 to 1); 3 rows"
    batch = source.batch(source.entries[:2])
    assert batch.same.tolist() == [True, False]
    assert torch.equal(batch.reference[0], read_image(tmp_path / "0.png", ""))
    assert torch.equal(batch.other[1], read_image(tmp_path / "2.png", ""))
    assert len(source.limited(2)) == 2
    assert source.limited(1).note.startswith(("1 same and 0 different", "0 same and 1 different pairs; 3 rows"))


def test_a_photograph_has_one_name_whatever_its_path(tmp_path, trees) -> None:
    rows = [["p", "0.png", "1.png", 1], ["q", "copy.png", "./1.png", 0], ["r", "1.png", "2.png", 0]]
    table(tmp_path, trees)
    shutil.copy(tmp_path / "0.png", tmp_path / "copy.png")
    source = pairs_table(str(trees.write_csv(tmp_path / "more.csv", COLUMNS, rows)))
    assert [(one.reference, one.other) for one in source.entries] == [
        ("0.png", "1.png"), ("0.png", "1.png"), ("1.png", "2.png")
    ]  # fmt: skip


def test_groups_are_kept(tmp_path, trees) -> None:
    rows = [[*row, "crop 5" if row[0] == "p" else ""] for row in ROWS]
    source = pairs_table(str(table(tmp_path, trees, rows, [*COLUMNS, "group"])))
    assert [one.group for one in source.entries] == ["crop 5", "", ""]


def test_the_digest_follows_images_answers_and_names(tmp_path, trees) -> None:
    """The image that pairs are compared with counts as the query does: only q and r show 2.png, and r asks for it."""
    digests = {pairs_table(str(table(tmp_path, trees))).sha256}
    trees.image(tmp_path / "2.png", 9)
    digests.add(pairs_table(str(tmp_path / "pairs.csv")).sha256)
    first, second = (pairs_table(str(table(tmp_path / str(seed), trees))) for seed in (1, 2))
    assert first.sha256 == second.sha256
    trees.image(tmp_path / "2" / "2.png", 9)
    moved = pairs_table(str(tmp_path / "2" / "pairs.csv"))
    lines = [{one.id: one.line for one in source.entries} for source in (first, moved)]
    assert [name for name in "pqr" if lines[0][name] != lines[1][name]] == ["q", "r"]
    other = [["p", "0.png", "1.png", 1], ["q", "0.png", "2.png", 1], ["r", "2.png", "1.png", 0]]
    digests.add(pairs_table(str(trees.write_csv(tmp_path / "pairs.csv", COLUMNS, other))).sha256)
    assert len(digests) == 3
    shuffled = trees.write_csv(tmp_path / "pairs.csv", COLUMNS, other[::-1])
    assert pairs_table(str(shuffled)).sha256 in digests


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([["p", "0.png", "1.png", 2]], "row 2: expected 'same' to be one of 0, 1, got '2'"),
        ([["p", "0.png", "1.png", ""]], "expected a value in column 'same'"),
        ([["p", "0.png", "1.png", "1.0"]], "expected 'same' to be one of"),
        ([["p", "../x.png", "1.png", 1]], "expected a path inside the data folder"),
        ([["p", "9.png", "1.png", 1]], "expected a file at"),
        ([["", "0.png", "1.png", 1]], "expected a value in column 'id'"),
        ([["p", "0.png", "1.png", 1], ["p", "0.png", "2.png", 0]], "expected a new id, got 'p'"),
        ([["p", "0.png", "1.png", 1]], "expected pairs that are the same and pairs that are different, got 1 and 0"),
        ([], "expected pairs that are the same and pairs that are different, got 0 and 0"),
    ],
)
def test_a_broken_table_is_refused(tmp_path, trees, rows, said) -> None:
    with pytest.raises(UserError, match=said):
        pairs_table(str(table(tmp_path, trees, rows)))


def test_a_table_without_a_column_and_a_broken_image_are_refused(tmp_path, trees) -> None:
    with pytest.raises(UserError, match="expected the column same"):
        pairs_table(str(table(tmp_path, trees, [["p", "0.png", "1.png"]], COLUMNS[:3])))
    file = table(tmp_path, trees)
    trees.truncate(tmp_path / "1.png")
    with pytest.raises(UserError, match="row 2: expected a whole"):
        pairs_table(str(file))


@pytest.fixture
def photographs(tmp_path, trees) -> Path:
    """Six, one of them twice."""
    for i in range(6):
        trees.image(tmp_path / "photos" / f"{i}.png", i)
    shutil.copy(tmp_path / "photos" / "0.png", tmp_path / "photos" / "again.png")
    return tmp_path / "photos"


def test_copies_are_compared_with_their_photograph_and_with_others(photographs) -> None:
    source = copies(str(photographs), "flip:1 jpeg:30", others=2)
    assert len(source) == 6 * 2 * 3
    assert source.note == "12 same and 24 different pairs (2 to 1); 6 photographs under 2 edits, constructed"
    assert Counter(one.group for one in source.entries) == {"flip 1": 18, "jpeg 30": 18}
    for one in source.entries:
        assert one.same == (one.reference == one.other)
    flips = [one for one in source.entries if one.group == "flip 1"]
    batch = source.batch(flips)
    for i, one in enumerate(flips):
        assert torch.equal(batch.reference[i].flip(2), read_image(photographs / one.reference, ""))
        assert torch.equal(batch.other[i], read_image(photographs / one.other, ""))


def test_a_copy_is_edited_alike_whatever_it_is_compared_with(photographs) -> None:
    source = copies(str(photographs), "noise:30 rotate:15", others=3)
    images: dict[tuple[str, str], bytes] = {}
    for one in source.entries:
        content = one.load()[0].numpy().tobytes()
        assert images.setdefault((one.reference, one.group), content) == content
    other_seed = copies(str(photographs), "noise:30 rotate:15", others=3, seed=1)
    assert other_seed.sha256 != source.sha256
    assert other_seed.entries[0].load()[0].numpy().tobytes() != source.entries[0].load()[0].numpy().tobytes()


def noises(folder: Path, edits: str, **more: object) -> dict[tuple[str, str], np.ndarray]:
    """What was added to each photograph, by photograph and edit, where neither black nor white cuts it off."""
    found = {}
    for one in copies(str(folder), edits, **more).entries:  # type: ignore[arg-type]
        query = one.load()[0].numpy()
        added = query - read_image(folder / one.reference, "").numpy()
        found[one.reference, one.group] = np.where((query > 0.02) & (query < 0.98), added, np.nan)
    return found


def alike(one: np.ndarray, other: np.ndarray) -> float:
    both = np.isfinite(one) & np.isfinite(other)
    return float(np.corrcoef(one[both], other[both])[0, 1])


def test_each_photograph_and_edit_has_draws_of_its_own_and_the_strength_that_was_asked(photographs) -> None:
    """Noise of 5 and of 20 grey levels: no two copies have the same one, and each has the size of its strength."""
    found = noises(photographs, "noise:5,20")
    names = sorted(found)
    assert len(names) == 12
    for i, one in enumerate(names):
        assert np.nanstd(found[one]) * 255 == pytest.approx(float(one[1].split()[1]), rel=0.25)
        for other in names[:i]:
            assert abs(alike(found[one], found[other])) < 0.1


def test_the_seed_of_copies_decides_what_is_drawn(photographs) -> None:
    first, second = noises(photographs, "noise:20"), noises(photographs, "noise:20", seed=1)
    assert all(abs(alike(first[one], second[one])) < 0.1 for one in first)


def test_other_photographs_are_chosen_anew_for_each_edit(photographs) -> None:
    source = copies(str(photographs), "flip:1,2,3 jpeg:30,75 blur:1 crop:5")
    chosen = {(one.reference, one.other) for one in source.entries if not one.same}
    assert len(chosen) > 6


def test_others_are_of_the_same_half_while_there_are_any() -> None:
    source = copies(edits="flip:1", others=5)
    apart = [one for one in source.entries if calibrates(one.reference) != calibrates(one.other)]
    assert apart == []
    assert 5 <= len({one.reference for one in source.entries if calibrates(one.reference)}) <= 8
    more = copies(edits="flip:1", others=12)
    assert any(calibrates(one.reference) != calibrates(one.other) for one in more.entries)
    assert len({one.id for one in more.entries}) == 13 * 13


def test_embedded_copies_have_every_edit() -> None:
    source = triplets.build(Ref.parse("copies"))
    assert len(source) == 13 * 48 * 2
    assert len({one.group for one in source.entries}) == 48
    batch = source.batch(source.entries[:3])
    assert batch.reference.shape == (3, 3, 224, 224)
    assert np.isclose((batch.reference * 255).round() / 255, batch.reference, atol=1e-7).all()


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"others": 0}, "wants others from 1 to 5"),
        ({"others": 6}, "wants others from 1 to 5, as there are 6 different photographs, got 6"),
        ({"edits": "jpg"}, "did you mean 'jpeg'"),
    ],
)
def test_copies_that_cannot_be_made_are_refused(photographs, asked, said) -> None:
    with pytest.raises(UserError, match=said):
        copies(str(photographs), **asked)


def test_folders_without_two_photographs_are_refused(tmp_path, trees) -> None:
    with pytest.raises(UserError, match="expected a folder of images"):
        copies(str(tmp_path / "none"))
    trees.image(tmp_path / "one" / "a.png", 1)
    shutil.copy(tmp_path / "one" / "a.png", tmp_path / "one" / "b.png")
    with pytest.raises(UserError, match="expected two different images or more"):
        copies(str(tmp_path / "one"))


def planned(data: str, **more: object):
    return make_plans(
        Request(metrics=["l2"], data=[data], attacks=["l2-fmn"], eps=(1.0,), task="matching(tau=9.0)", **more)
    )


def test_the_option_edit_is_part_of_the_name_of_the_data() -> None:
    (plan,) = planned("copies", edit=["jpeg:30", "crop"])
    assert str(plan.spec.data) == "copies(edits=jpeg:30 crop)"
    assert len(plan.source) == 13 * 4 * 2
    (typed,) = planned("copies(edits=jpeg:30 crop)")
    assert typed.spec.id == plan.spec.id
    # As a worker elsewhere plans it again.
    assert plan.request.edit == ()
    for data, said in (("photos", "photos has none"), ("copies(edits=flip)", "got edits twice")):
        with pytest.raises(UserError, match=said):
            planned(data, edit=["jpeg"])
