"""Photographs in folders and tar files: the same wherever they lie, and refused with their name when damaged."""

import gzip
import hashlib
import os
import pickle
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from perceptbench.core.errors import UserError
from perceptbench.training.hold_out import split_by_name
from perceptbench.training.lipsim.data import digests
from perceptbench.training.lipsim.data.photographs import load_photographs


def tarred(folder: Path, to: Path) -> Path:
    with tarfile.open(to, "w") as archive:
        for file in sorted(folder.rglob("*.png"), reverse=True):
            archive.add(file, file.relative_to(folder).as_posix())
    return to


def test_a_tar_file_and_a_folder_hold_the_same(album, tmp_path):
    one, other = load_photographs([album]), load_photographs([tarred(album, tmp_path / "a.tar")])
    assert len(one) == 30
    assert (one.names, one.digests, one.sha256) == (other.names, other.digests, other.sha256)
    for i in (0, 13, 29):
        expected = np.asarray(Image.open(album / one.names[i]))
        assert np.array_equal(one[i], expected)
        assert np.array_equal(other[i], expected)
        assert one.digests[i] == hashlib.sha256((album / one.names[i]).read_bytes()).digest()


def test_several_sources_are_one_bank_and_equal_files_are_kept_once(album, tmp_path):
    (tmp_path / "more").mkdir()
    Image.new("RGB", (20, 20), (1, 2, 3)).save(tmp_path / "more" / "new.png")
    shutil.copy(album / "class0" / "00.png", tmp_path / "more" / "another name.png")
    photographs = load_photographs([album, tmp_path / "more"])
    assert len(photographs) == 31
    assert photographs.names[-1] == "new.png"
    assert photographs.sha256 != load_photographs([album]).sha256


def test_a_limit_takes_a_fair_part_that_stays_the_same(album):
    part = load_photographs([album], 10)
    assert len(part) == 10
    assert len({name.split("/")[0] for name in part.names}) == 3
    assert set(part.names) <= set(load_photographs([album], 11).names)
    assert list(part.names) == sorted(part.names)


def test_files_are_hashed_once_as_long_as_they_stay(album, tmp_path, monkeypatch):
    folder = tmp_path / "album"
    shutil.copytree(album, folder)
    before = load_photographs([folder]).sha256
    with monkeypatch.context() as patch:
        patch.setattr(digests, "_digest", lambda place: pytest.fail("read again"))
        assert load_photographs([folder]).sha256 == before
    file = folder / "class0" / "00.png"
    status = file.stat()
    file.write_bytes(file.read_bytes()[::-1])  # the same size
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    assert load_photographs([folder]).sha256 != before


def test_it_travels_to_another_process_without_its_pixels(album, tmp_path):
    photographs = load_photographs([tarred(album, tmp_path / "a.tar")])
    packed = pickle.dumps(photographs)
    assert len(packed) < 10_000
    assert np.array_equal(pickle.loads(packed)[5], photographs[5])


def test_what_is_no_photograph_is_refused_with_its_name(album, tmp_path, monkeypatch):
    broken = tmp_path / "broken"
    broken.mkdir()
    with pytest.raises(UserError, match="found none"):
        load_photographs([broken])
    with pytest.raises(UserError, match=r"folder of images or a tar file, got .*absent"):
        load_photographs([tmp_path / "absent"])
    whole = (album / "class0" / "00.png").read_bytes()
    (broken / "a.png").write_bytes(whole[: len(whole) // 2])
    (broken / "b.png").write_bytes(b"no image")
    photographs = load_photographs([broken])
    for i, name in enumerate(("a.png", "b.png")):
        with pytest.raises(UserError, match=name):
            photographs.photo(i)
    sound = load_photographs([album])
    monkeypatch.setattr("perceptbench.triplets.shown.MAX_PIXELS", 7)
    with pytest.raises(UserError, match=r"00\.png: expected at most .* megapixels"):
        sound.photo(0)
    monkeypatch.setattr("perceptbench.training.lipsim.data.photographs.MAX_BYTES", 7)
    with pytest.raises(UserError, match=r"a\.png: expected an image of at most"):
        load_photographs([broken])


def test_damaged_and_compressed_tar_files_are_refused(album, tmp_path):
    content = tarred(album, tmp_path / "a.tar").read_bytes()
    (tmp_path / "cut.tar").write_bytes(content[:5000])
    (tmp_path / "packed.tar").write_bytes(gzip.compress(content))
    for name in ("cut.tar", "packed.tar"):
        with pytest.raises(UserError, match=f"{name} is a damaged or compressed tar file"):
            load_photographs([tmp_path / name])
    photographs = load_photographs([tmp_path / "a.tar"])
    (tmp_path / "a.tar").write_bytes(content[:600])
    with pytest.raises(UserError, match="became shorter"):
        photographs.photo(29)


def test_a_selection_is_another_bank(album):
    photographs = load_photographs([album])
    part = photographs.select([4, 2])
    assert part.names == (photographs.names[4], photographs.names[2])
    assert np.array_equal(part[1], photographs[2])
    assert len({photographs.sha256, part.sha256, photographs.select([2, 4]).sha256}) == 3


def test_holding_out_goes_by_the_name_alone():
    names = [f"n{i % 7}/{i}.jpg" for i in range(4000)]
    learn, held = split_by_name(names, 20)
    assert 150 < len(held) < 250
    assert sorted([*learn, *held]) == list(range(4000))
    kept = {names[i] for i in held}
    more = ["new", *names[::-1]]
    assert {more[i] for i in split_by_name(more, 20)[1]} - {"new"} == kept
    with pytest.raises(UserError, match="three photographs to learn from and three held out, got 3 and 0 of 3"):
        split_by_name(["a", "b", "c"], 10**9)
