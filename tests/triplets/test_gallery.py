"""Folders that are searched: equal files, own files, labels, and what is refused."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from perceptbench.core.errors import UserError
from perceptbench.core.ref import Ref
from perceptbench.triplets.base import triplets
from perceptbench.triplets.gallery import gallery


def picture(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (20, 24, 3), dtype=np.uint8)).save(path)


def table(path: Path, rows: dict[str, str]) -> str:
    path.write_text("file,label\n" + "".join(f"{name},{label}\n" for name, label in rows.items()))
    return str(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for i in range(4):
        picture(tmp_path / "photos" / f"{i}.png", i)
    (tmp_path / "photos" / "more").mkdir()
    shutil.copy(tmp_path / "photos" / "1.png", tmp_path / "photos" / "more" / "again.png")
    return tmp_path / "photos"


def test_equal_files_are_one_image_and_every_image_is_a_query_without_its_own_file(folder):
    source = gallery(str(folder))
    assert (source.kind, len(source), len(source.gallery), source.ties) == ("queries", 4, 4, 0)
    assert sorted(source.ids) == ["0.png", "1.png", "2.png", "3.png"]
    for query in source.entries:
        assert source.gallery.names[query.own] == query.id
    assert "no recall" in source.note
    batch = source.batch(source.entries[:2])
    assert batch.reference.shape == (2, 3, 224, 224)
    assert batch.ids == source.ids[:2]
    assert source.gallery.read([3, 1]).shape == (2, 3, 224, 224)


def test_queries_of_another_folder_lose_their_own_file_by_content(folder, tmp_path):
    shutil.copy(folder / "2.png", tmp_path / "photos" / "x.tmp")
    (tmp_path / "asked").mkdir()
    shutil.copy(folder / "2.png", tmp_path / "asked" / "renamed.png")
    picture(tmp_path / "asked" / "new.png", 99)
    source = triplets.build(Ref.parse(f"gallery:{folder}(queries={tmp_path / 'asked'})"))
    own = {query.id: query.own for query in source.entries}
    assert source.gallery.names[own["renamed.png"]] == "2.png"
    assert own["new.png"] == -1


def test_labels_say_what_is_right_and_a_query_without_any_is_counted(folder, tmp_path):
    rows = {"0.png": "cat", "1.png": "cat", "more/again.png": "cat", "2.png": "dog", "3.png": ""}
    source = gallery(str(folder), labels=table(tmp_path / "labels.csv", rows))
    right = {query.id: {source.gallery.names[i] for i in query.right} for query in source.entries}
    assert right == {"0.png": {"1.png"}, "1.png": {"0.png"}}
    assert source.ties == 2
    assert "recall" not in source.note


def test_gallery_labels_and_queries_enter_the_identity_and_names_of_the_gallery_do_not(folder, tmp_path):
    plain = gallery(str(folder)).sha256
    labels = {"0.png": "a", "1.png": "a", "more/again.png": "a", "2.png": "b", "3.png": "b"}
    first = gallery(str(folder), labels=table(tmp_path / "one.csv", labels)).sha256
    other = gallery(str(folder), labels=table(tmp_path / "two.csv", labels | {"2.png": "a"})).sha256
    (tmp_path / "asked").mkdir()
    shutil.copy(folder / "2.png", tmp_path / "asked" / "q.png")
    asked = gallery(str(folder), queries=str(tmp_path / "asked"))
    content = asked.batch(asked.entries).asked
    picture(folder / "4.png", 4)
    grown = gallery(str(folder), queries=str(tmp_path / "asked"))
    assert len({plain, first, other, asked.sha256, grown.sha256}) == 5
    assert (grown.batch(grown.entries).asked != content).any(), "the same query in another gallery is another sample"
    (folder / "4.png").rename(folder / "renamed.png")
    assert gallery(str(folder), queries=str(tmp_path / "asked")).sha256 == grown.sha256
    assert asked.limited(1).gallery is asked.gallery


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ({"0.png": "a"}, "expected a row for each image, found none for '1.png' and 3 others"),
        ({"0.png": "a", "1.png": "a", "more/again.png": "b", "2.png": "b", "3.png": "b"}, "of the same image in"),
        ({"0.png": "", "1.png": "", "more/again.png": "", "2.png": "", "3.png": ""}, "no query has an image of its"),
    ],
)
def test_labels_that_leave_something_open_are_refused(folder, tmp_path, rows, sentence):
    with pytest.raises(UserError, match=sentence):
        gallery(str(folder), labels=table(tmp_path / "labels.csv", rows))


def test_folders_that_cannot_be_searched_are_refused(folder, tmp_path):
    with pytest.raises(UserError, match="expected a folder of images"):
        gallery(str(tmp_path / "none"))
    picture(tmp_path / "few" / "a.png", 1)
    with pytest.raises(UserError, match="three different images or more"):
        gallery(str(tmp_path / "few"))
    (folder / "broken.png").write_bytes(b"no image")
    with pytest.raises(UserError, match=r"broken\.png"):
        gallery(str(folder))
