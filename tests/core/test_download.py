"""Fetching a file, from a server on this machine that cuts, changes and lies."""

import errno
import hashlib
import io
import shutil
from pathlib import Path
from typing import Any

import pytest
from served import serve

from perceptbench.core.errors import UserError
from perceptbench.core.fetch import download, partial
from perceptbench.core.fetch.download import fetch
from perceptbench.core.fetch.partial import Unreachable

CONTENT = bytes(range(256)) * 400
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "WAITS", (0.0, 0.0, 0.0))
    monkeypatch.setattr(partial, "CHUNK", 1000)


@pytest.fixture
def to(tmp_path: Path) -> Path:
    return tmp_path / "place" / "file.bin"


def left_over(to: Path) -> set[str]:
    """What else is in the folder, the lock excepted."""
    return {path.name for path in to.parent.iterdir()} - {to.name, f".{to.name}.lock"}


def test_a_file_comes_whole_and_leaves_nothing_beside_it(to: Path) -> None:
    with serve(CONTENT) as served:
        assert fetch(served.url, to, SHA256, len(CONTENT)) == SHA256
    assert to.read_bytes() == CONTENT
    assert not left_over(to)


def test_what_is_there_is_not_fetched_again(to: Path) -> None:
    to.parent.mkdir()
    to.write_bytes(b"mine")
    with serve(CONTENT) as served:
        assert fetch(served.url, to) == hashlib.sha256(b"mine").hexdigest()
        assert not served.asked


def test_a_cut_connection_is_resumed_and_no_byte_comes_twice(to: Path) -> None:
    with serve(CONTENT, cut=30_000) as served:
        assert fetch(served.url, to) == SHA256
        assert [asked["Range"] for asked in served.asked] == [
            "", "bytes=30000-", "bytes=60000-", "bytes=90000-"]  # fmt: skip
        assert served.sent == len(CONTENT)
    assert not left_over(to)


def test_a_later_call_goes_on_from_what_an_earlier_one_left(to: Path) -> None:
    with serve(CONTENT, cut=40_000) as served:
        to.parent.mkdir()
        part = partial.Part(to.with_name("file.bin.part"), served.url, 1 << 20)
        with pytest.raises(partial.Cut):
            download._connect(part, lambda have, total: None)
        assert left_over(to) == {"file.bin.part", "file.bin.part.version"}
        served.cut = None
        fetch(served.url, to, SHA256)
        assert served.asked[-1] == {"Range": "bytes=40000-", "If-Range": '"one"'}
        assert served.sent == len(CONTENT)


def partly(to: Path, content: bytes, version: str = '"one"') -> None:
    to.parent.mkdir()
    to.with_name("file.bin.part").write_bytes(content)
    to.with_name("file.bin.part.version").write_text(version)


@pytest.mark.parametrize("ranges", [True, "forced"])
def test_a_file_that_changed_is_not_glued_to_the_part_of_the_old_one(to: Path, ranges: object) -> None:
    partly(to, b"old" * 1000)
    with serve(CONTENT, tag='"two"', ranges=ranges) as served:
        assert fetch(served.url, to) == SHA256
    assert to.read_bytes() == CONTENT


def test_a_server_without_ranges_starts_again(to: Path) -> None:
    partly(to, CONTENT[:5000])
    with serve(CONTENT, ranges=False) as served:
        assert fetch(served.url, to) == SHA256
        assert served.sent == len(CONTENT)


def test_a_server_that_names_no_version_starts_again(to: Path) -> None:
    partly(to, b"another file", version="")
    with serve(CONTENT, tag="") as served:
        assert fetch(served.url, to) == SHA256
        assert served.asked == [{"Range": "", "If-Range": ""}]


def test_a_part_longer_than_the_file_starts_again(to: Path) -> None:
    partly(to, CONTENT + b"more")
    with serve(CONTENT) as served:
        assert fetch(served.url, to) == SHA256


def test_a_connection_that_always_ends_at_once_is_given_up(to: Path) -> None:
    with serve(CONTENT, cut=0) as served:
        with pytest.raises(Unreachable, match=f"ended after 0 of {len(CONTENT)} bytes"):
            fetch(served.url, to)
        assert len(served.asked) == 4
    assert not to.exists()


def test_a_server_without_versions_that_always_cuts_is_given_up(to: Path) -> None:
    with serve(CONTENT, cut=3000, tag="") as served:
        with pytest.raises(Unreachable, match=f"ended after 3000 of {len(CONTENT)} bytes"):
            fetch(served.url, to)
        assert len(served.asked) == 5


def test_progress_that_is_lost_again_is_none(to: Path) -> None:
    """Without versions each try starts afresh: 3000 bytes after 2000 are no more than 3000 before."""
    with serve(CONTENT, cut=iter([3000, 2000] * 10), tag="") as served:
        with pytest.raises(Unreachable):
            fetch(served.url, to)
        assert len(served.asked) == 5


def test_a_wrong_hash_is_refused_with_both_hashes_and_deleted(to: Path) -> None:
    with serve(CONTENT) as served, pytest.raises(UserError, match=f"expected .*SHA-256 {'0' * 64}, got .*{SHA256}"):
        fetch(served.url, to, "0" * 64)
    assert not to.exists()
    assert not left_over(to)


@pytest.mark.parametrize("digits", [8, 20, 64])
def test_the_first_digits_of_a_hash_serve(to: Path, digits: int) -> None:
    with serve(CONTENT) as served:
        assert fetch(served.url, to, SHA256[:digits]) == SHA256


@pytest.mark.parametrize("size", [len(CONTENT) - 1, len(CONTENT) + 1])
def test_another_size_is_refused_and_deleted(to: Path, size: int) -> None:
    with serve(CONTENT) as served, pytest.raises(UserError, match=f"expected .*{size} bytes.*, got {len(CONTENT)}"):
        fetch(served.url, to, size=size)
    assert not to.exists()
    assert not left_over(to)


@pytest.mark.parametrize("length", [True, "chunked"])
def test_no_more_is_written_than_allowed_whether_the_server_says_how_much_comes(to: Path, length: object) -> None:
    with serve(CONTENT, length=length) as served, pytest.raises(UserError, match="expected at most 2500 bytes"):
        fetch(served.url, to, limit=2500)
    assert not to.exists()
    assert not left_over(to)


def test_a_file_that_is_said_to_be_too_large_is_not_begun(to: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partial.Part, "_copy", lambda *rest: pytest.fail("it was begun"))
    with serve(CONTENT) as served, pytest.raises(UserError, match=f"at most 2500 bytes, got {len(CONTENT)} or more"):
        fetch(served.url, to, limit=2500)


def test_a_file_in_chunks_ends_with_its_last_chunk_and_not_with_the_connection(to: Path) -> None:
    with serve(CONTENT, length="chunked", cut=50) as served:
        assert fetch(served.url, to) == SHA256
        assert [asked["Range"] for asked in served.asked] == ["", "bytes=50000-", "bytes=100000-"]


def test_a_length_that_is_not_said_is_no_end(to: Path) -> None:
    with serve(CONTENT, length=False) as served, pytest.raises(Unreachable, match="does not say how long"):
        fetch(served.url, to)
    assert not to.exists()


def test_a_disk_without_room_is_seen_before_anything_is_written(to: Path, monkeypatch: Any) -> None:
    usage = shutil.disk_usage(to.parents[1])._replace(free=100)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with serve(CONTENT) as served, pytest.raises(UserError, match=f"{len(CONTENT)} bytes are to come, .* 100 left"):
        fetch(served.url, to)
    assert left_over(to) <= {"file.bin.part.version"}


def test_a_disk_that_fills_up_keeps_the_part_and_the_next_call_goes_on(to: Path, monkeypatch: Any) -> None:
    class Full(io.BufferedWriter):
        def write(self, chunk: Any) -> int:
            if self.tell() >= 20_000:
                raise OSError(errno.ENOSPC, "No space left on device")
            return super().write(chunk)

    opened = Path.open

    def opens(path: Path, mode: str = "r", *rest: Any, **named: Any) -> Any:
        return Full(io.FileIO(path, mode)) if mode == "ab" else opened(path, mode, *rest, **named)

    with serve(CONTENT) as served:
        with monkeypatch.context() as full:
            full.setattr(Path, "open", opens)
            with pytest.raises(UserError, match=r"the disk is full after \d+ bytes; .* goes on from what is there"):
                fetch(served.url, to)
        assert not to.exists()
        kept = to.with_name("file.bin.part").stat().st_size
        assert 20_000 <= kept <= 21_000
        fetch(served.url, to, SHA256)
        assert served.asked[-1]["Range"] == f"bytes={kept}-"


@pytest.mark.parametrize(
    "url", ["http://example.com/a", "ftp://127.0.0.1/a", "file:///etc/hosts", "http://127.0.0.2/a"]
)
def test_plain_connections_are_refused(to: Path, url: str) -> None:
    with pytest.raises(UserError, match="expected an https address"):
        fetch(url, to)
    assert not to.parent.exists()


@pytest.mark.parametrize("location", ["http://example.com/a", "file:///etc/hosts", "ftp://example.com/a"])
def test_redirects_to_plain_connections_are_refused(to: Path, location: str) -> None:
    with serve(CONTENT, location=location) as served, pytest.raises(UserError, match=r"an https address|not allowed"):
        fetch(served.url, to)
    assert not to.exists()


def test_https_is_not_redirected_to_this_machine() -> None:
    request = download.urllib.request.Request("https://example.com/a")
    with pytest.raises(UserError, match="expected an https address"):
        download._Redirects().redirect_request(request, io.BytesIO(), 302, "", {}, "http://127.0.0.1/a")


def test_redirects_are_followed(to: Path) -> None:
    with serve(CONTENT) as there, serve(b"", location=there.url) as here:
        assert fetch(here.url, to) == SHA256


@pytest.mark.parametrize(("status", "tries"), [(404, 1), (403, 1), (503, 4), (429, 4)])
def test_what_cannot_be_had_is_tried_again_only_where_that_can_help(to: Path, status: int, tries: int) -> None:
    with serve(CONTENT, status=status) as served:
        with pytest.raises(Unreachable, match=f"the server answers {status}"):
            fetch(served.url, to)
        assert len(served.asked) == tries


def test_nobody_listens(to: Path) -> None:
    with serve(CONTENT) as served:
        url = served.url
    with pytest.raises(Unreachable, match="refused"):
        fetch(url, to)


@pytest.mark.parametrize(("value", "said"), [("1", "HF_HUB_OFFLINE"), ("TRUE", "HF_HUB_OFFLINE"), ("0", ""), ("", "")])
def test_offline_is_what_the_hub_means_by_it(monkeypatch: pytest.MonkeyPatch, value: str, said: str) -> None:
    monkeypatch.delenv("PERCEPTBENCH_OFFLINE", raising=False)
    monkeypatch.setenv("HF_HUB_OFFLINE", value)
    assert download.offline() == said
