"""Bringing a published data set here: fetched from this machine, checked, unpacked, read."""

import hashlib
import io
import shutil
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from served import Served, serve

from perceptbench.core.errors import UserError
from perceptbench.core.fetch import download, hashes
from perceptbench.triplets import prepare as published
from perceptbench.triplets.bapps import bapps
from perceptbench.triplets.nights import nights
from perceptbench.triplets.prepare import PUBLISHED, prepare


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in download.OFFLINE:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(hashes, "store", lambda: tmp_path / "cache" / "hashes.json")
    monkeypatch.setattr(download, "WAITS", (0.0, 0.0, 0.0))


@pytest.fixture
def packed(tmp_path: Path, trees: Any) -> bytes:
    """NIGHTS as it is published, small."""
    tree = trees.nights_tree(tmp_path / "made")
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for path in sorted(tree.rglob("*")):
            archive.write(path, Path("nights") / path.relative_to(tree))
    return stream.getvalue()


@pytest.fixture
def server(packed: bytes, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    with serve(packed, "nights.zip") as served:
        (archive,) = PUBLISHED["nights"]
        monkeypatch.setitem(PUBLISHED, "nights", (replace(archive, url=served.url),))
        yield served


def bring(to: Path, **change: Any) -> Path:
    return prepare(replace(PUBLISHED["nights"][0], **change), to)


def test_nights_is_brought_and_read(server: Served, tmp_path: Path) -> None:
    to = tmp_path / "to"
    assert bring(to) == to / "nights"
    assert len(nights(str(to / "nights"))) == 5
    assert {path.name for path in to.iterdir()} <= {"nights", ".nights.zip.lock"}
    bring(to)
    assert len(server.asked) == 1, "what is there is not fetched again"


def test_a_cut_connection_is_resumed(server: Served, packed: bytes, tmp_path: Path) -> None:
    server.cut = len(packed) // 3
    bring(tmp_path / "to")
    assert len(server.asked) == -(-len(packed) // server.cut)
    assert server.sent == len(packed)


def test_a_wrong_hash_is_refused_and_nothing_is_unpacked(server: Served, packed: bytes, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"SHA-256 {'0' * 64}, got .*{hashlib.sha256(packed).hexdigest()}"):
        bring(tmp_path / "to", sha256="0" * 64)
    assert not (tmp_path / "to" / "nights").exists()
    assert not (tmp_path / "to" / "nights.zip").exists()


def test_a_hash_that_nobody_states_is_that_of_the_first_use(server: Served, packed: bytes, tmp_path: Path) -> None:
    bring(tmp_path / "first")
    server.content = packed + b"more"
    with pytest.raises(UserError, match=f"was {hashlib.sha256(packed).hexdigest()} at its first use"):
        bring(tmp_path / "second")
    assert not (tmp_path / "second" / "nights").exists()


def test_a_full_disk_is_said_before_anything_is_fetched(server: Served, tmp_path: Path, monkeypatch: Any) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=5)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda path: usage)
        with pytest.raises(UserError, match="the disk has 5 left"):
            bring(tmp_path / "to")
    assert not (tmp_path / "to" / "nights.zip.part").exists()
    bring(tmp_path / "to")


def test_an_interrupted_unpacking_goes_on_without_fetching_again(
    server: Served, tmp_path: Path, monkeypatch: Any
) -> None:
    def interrupted(*rest: Any, **named: Any) -> None:
        whole(*rest, **named)
        raise KeyboardInterrupt

    whole = published.unpack
    with monkeypatch.context() as patch:
        patch.setattr(published, "unpack", interrupted)
        with pytest.raises(KeyboardInterrupt):
            bring(tmp_path / "to")
    assert not (tmp_path / "to" / "nights").exists()
    bring(tmp_path / "to")
    assert len(server.asked) == 1
    assert len(nights(str(tmp_path / "to" / "nights"))) == 5


def test_an_archive_of_something_else_is_refused(tmp_path: Path) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("nights/readme.txt", "moved")
    refused = pytest.raises(UserError, match=r"expected data.csv, ref, distort in it, found none")
    with serve(stream.getvalue(), "nights.zip") as served, refused:
        bring(tmp_path / "to", url=served.url)
    assert not (tmp_path / "to" / "nights").exists()


@pytest.mark.parametrize("evil", ["../evil", "link"])
def test_an_archive_that_leads_out_is_refused(tmp_path: Path, evil: str) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        entry = tarfile.TarInfo(f"val/{evil}")
        if evil == "link":
            entry.type, entry.linkname = tarfile.SYMTYPE, "../../.."
        else:
            entry.name = "val/../../../evil"
        archive.addfile(entry, io.BytesIO(b""))
    with serve(stream.getvalue(), "twoafc_val.tar.gz") as served:
        archive_of_bapps = replace(PUBLISHED["bapps@val"][0], url=served.url)
        with pytest.raises(UserError, match=r"names inside one folder|a link or a device"):
            prepare(archive_of_bapps, tmp_path / "to")
    assert not list(tmp_path.rglob("evil"))
    assert not (tmp_path / "to" / "bapps").exists()


def test_offline_it_is_said_what_to_do_by_hand_and_that_works(
    server: Served, packed: bytes, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setenv("PERCEPTBENCH_OFFLINE", "1")
    to = tmp_path / "to"
    with pytest.raises(UserError) as caught:
        bring(to)
    assert str(caught.value) == (
        f"nights.zip may not be fetched, since PERCEPTBENCH_OFFLINE is set: get it from {server.url} "
        f"(SHA-256 not stated), put it at {to}/nights.zip, and run the same command again, which unpacks it"
    )
    assert not server.asked
    to.mkdir()
    (to / "nights.zip").write_bytes(packed)
    assert bring(to) == to / "nights"
    assert not server.asked


def test_a_server_that_has_it_no_more_is_the_same_sentence(server: Served, tmp_path: Path) -> None:
    server.status = 404
    with pytest.raises(UserError, match=r"could not be fetched \(the server answers 404 Not Found\): get it from http"):
        bring(tmp_path / "to")


def test_bapps_is_brought_in_two_parts_side_by_side(tmp_path: Path, trees: Any) -> None:
    for split in ("val", "train"):
        stream, tree = io.BytesIO(), tmp_path / "made" / split
        for subset in ("cnn", "traditional"):
            for kind in ("ref", "p0", "p1"):
                trees.image(tree / subset / kind / "000000.png", 1)
            (tree / subset / "judge").mkdir()
            np.save(tree / subset / "judge" / "000000.npy", np.array([0.8]))
        with tarfile.open(fileobj=stream, mode="w:gz") as archive:
            archive.add(tree, split)
        with serve(stream.getvalue(), f"twoafc_{split}.tar.gz") as served:
            prepare(replace(PUBLISHED[f"bapps@{split}"][0], url=served.url), tmp_path / "to")
    for split in ("val", "train"):
        assert len(bapps(f"{tmp_path / 'to' / 'bapps'}@{split}")) == 2


def test_the_command_says_how_to_use_what_it_brought(server: Served, tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from perceptbench.bench.cli import app

    done = CliRunner().invoke(app, ["data", "prepare", "nights", "--to", str(tmp_path / "to")], catch_exceptions=False)
    assert done.stdout.startswith(f"nights:{tmp_path}/to/nights\n")
    for name, sentence in (("nigths", "got 'nigths'"), ("photos", "photos needs nothing fetched")):
        with pytest.raises(UserError, match=f"among nights, bapps@val, bapps@train, bapps; {sentence}"):
            CliRunner().invoke(app, ["data", "prepare", name, "--to", str(tmp_path)], catch_exceptions=False)


def test_every_source_is_official_and_bounded() -> None:
    for archives in PUBLISHED.values():
        for archive in archives:
            assert archive.url.startswith("https://")
            assert archive.members > 0
            assert archive.gigabytes > 0
