"""Archives that lead out of their folder, hold links, are too large or damaged."""

import errno
import io
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from perceptbench.core.errors import UserError
from perceptbench.core.fetch import unpack as module
from perceptbench.core.fetch.unpack import unpack

FILES = {"set/a.txt": b"a" * 300, "set/deep/er/b.txt": b"b", "set/empty.txt": b""}
Pack = Callable[[Path, Mapping[str, bytes]], Path]


def zipped(folder: Path, files: Mapping[str, bytes]) -> Path:
    path = folder / "set.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.mkdir("set")
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def tarred(folder: Path, files: Mapping[str, bytes]) -> Path:
    path = folder / "set.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return path


def found(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


BOTH = pytest.mark.parametrize("pack", [zipped, tarred])


@BOTH
@pytest.mark.parametrize(("strip", "prefix"), [("", "set/"), ("set", ""), ("se", "set/")])
def test_files_come_out_as_they_went_in(tmp_path: Path, pack: Pack, strip: str, prefix: str) -> None:
    unpack(pack(tmp_path, FILES), tmp_path / "out", strip=strip, members=9, size=999)
    assert found(tmp_path / "out") == {name.replace("set/", prefix): content for name, content in FILES.items()}


@BOTH
@pytest.mark.parametrize("name", ["../evil", "set/../../evil", "/evil", "set/..", "C:/evil", "set\\..\\evil"])
def test_names_that_lead_out_are_refused(tmp_path: Path, pack: Pack, name: str) -> None:
    with pytest.raises(UserError, match="expected names inside one folder, got"):
        unpack(pack(tmp_path, {"set/a.txt": b"a", name: b"evil"}), tmp_path / "in" / "out", members=9, size=999)
    assert not list(tmp_path.rglob("*evil*"))
    assert not found(tmp_path / "in")


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_links_and_devices_in_a_tar_are_refused(tmp_path: Path, kind: bytes) -> None:
    path = tmp_path / "set.tar"
    with tarfile.open(path, "w") as archive:
        entry = tarfile.TarInfo("set/link")
        entry.type, entry.linkname = kind, "/etc/passwd"
        archive.addfile(entry)
    with pytest.raises(UserError, match="files and folders only, got a link or a device 'set/link'"):
        unpack(path, tmp_path / "out", members=9, size=999)
    assert not (tmp_path / "out").exists()


def test_links_in_a_zip_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "set.zip"
    info = zipfile.ZipInfo("set/link")
    info.external_attr = 0o120777 << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(UserError, match="got a link or a device 'set/link'"):
        unpack(path, tmp_path / "out", members=9, size=999)
    assert not (tmp_path / "out").exists()


@BOTH
@pytest.mark.parametrize(("members", "size"), [(2, 999), (9, 300)])
def test_more_than_is_allowed_is_refused(tmp_path: Path, pack: Pack, members: int, size: int) -> None:
    with pytest.raises(UserError, match=f"expected at most {members} files and {size} bytes, got more"):
        unpack(pack(tmp_path, FILES), tmp_path / "out", members=members, size=size)
    assert not (tmp_path / "out").exists()


@BOTH
def test_exactly_what_is_allowed_is_taken(tmp_path: Path, pack: Pack) -> None:
    members = len(FILES) + (pack is zipped)
    unpack(pack(tmp_path, FILES), tmp_path / "out", members=members, size=301)
    assert len(found(tmp_path / "out")) == len(FILES)


def test_a_zip_that_lies_about_sizes_gives_no_more_than_it_says(tmp_path: Path) -> None:
    path = zipped(tmp_path, {"set/bomb": b"0" * 100_000})
    content = path.read_bytes()
    path.write_bytes(content.replace((100_000).to_bytes(4, "little"), (10).to_bytes(4, "little")))
    with pytest.raises(UserError, match="is damaged"):
        unpack(path, tmp_path / "out", members=9, size=999)
    assert not (tmp_path / "out").exists()


@BOTH
@pytest.mark.parametrize("damage", ["cut", "changed", "garbage", "empty"])
def test_a_damaged_archive_is_named(tmp_path: Path, pack: Pack, damage: str) -> None:
    noise = bytes(range(256)) * 40
    path = pack(tmp_path, {"set/a": noise})
    whole = path.read_bytes()
    middle = len(whole) // 2
    changed = {
        "cut": whole[:middle],
        "changed": whole[:middle] + bytes([whole[middle] ^ 255] * 20) + whole[middle + 20 :],
        "garbage": b"\x13" * 2000,
        "empty": b"",
    }
    path.write_bytes(changed[damage])
    with pytest.raises(UserError, match=r"set\.(zip|tar\.gz) is damaged .*; delete it"):
        unpack(path, tmp_path / "out", members=9, size=99_999)
    assert not (tmp_path / "out").exists(), "what came out may be wrong too"


@BOTH
def test_what_is_there_is_not_written_again_and_what_is_half_there_is(
    tmp_path: Path, pack: Pack, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    (out / "set").mkdir(parents=True)
    (out / "set" / "a.txt").write_bytes(b"x" * 300)
    (out / "set" / "deep").mkdir()
    (out / "set" / "deep" / "er").mkdir()
    (out / "set" / "deep" / "er" / "b.txt").write_bytes(b"")
    unpack(pack(tmp_path, FILES), out, members=9, size=999)
    assert found(out) == FILES | {"set/a.txt": b"x" * 300}


@BOTH
def test_a_full_disk_is_said(tmp_path: Path, pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*rest: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    path = pack(tmp_path, FILES)
    with monkeypatch.context() as patch:
        patch.setattr(module.shutil, "copyfileobj", full)
        with pytest.raises(UserError, match=r"the disk is full; .* goes on from what is there"):
            unpack(path, tmp_path / "out", members=9, size=999)
    unpack(path, tmp_path / "out", members=9, size=999)
    assert found(tmp_path / "out") == FILES
