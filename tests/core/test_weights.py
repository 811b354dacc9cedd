"""Finding, checking and reading weights; nothing here leaves this machine."""

import hashlib
import json
import os
import pickle
import warnings
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from served import serve

from perceptbench.core.errors import Notice, UserError
from perceptbench.core.fetch import download, hashes, weights
from perceptbench.core.fetch.hashes import file_sha256, store
from perceptbench.core.fetch.weights import Weights, load, locate, resolve

URL = "https://example.org/models/net-v1.safetensors"
HUB = "https://huggingface.co/someone/net/resolve/main/sub/model.safetensors"
TENSORS = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.tensor([1, 2])}


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine of its own: no cache, no folder of weights, no network."""
    for name in ("PERCEPTBENCH_WEIGHTS", "TORCH_HOME", "HF_HUB_OFFLINE", *download.OFFLINE):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(hashes, "store", store)
    monkeypatch.setattr(download, "WAITS", ())
    return tmp_path


@pytest.fixture
def folder(machine: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """$PERCEPTBENCH_WEIGHTS."""
    made = machine / "mine"
    made.mkdir()
    monkeypatch.setenv("PERCEPTBENCH_WEIGHTS", str(made))
    return made


def put(path: Path, tensors: dict[str, torch.Tensor] = TENSORS) -> str:
    """Write weights; give their SHA-256."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path)
    return file_sha256(path)


def test_places_are_looked_into_in_order(folder: Path, machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = machine / "site" / "some_package"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    monkeypatch.syspath_prepend(str(package.parent))
    snapshot = machine / "hub" / "models--someone--net" / "snapshots" / "c0ffee"
    (snapshot / "sub").mkdir(parents=True)
    (snapshot.parents[1] / "refs").mkdir()
    (snapshot.parents[1] / "refs" / "main").write_text("c0ffee")
    places = [
        folder / "net.safetensors",
        folder / "other.safetensors",
        folder / "third.safetensors",
        package / "data" / "net.safetensors",
        snapshot / "sub" / "model.safetensors",
        machine / "cache" / "perceptbench" / "weights" / "net.safetensors",
    ]
    for path in places:
        put(path)
    asked = Weights(
        file="net.safetensors",
        url=HUB,
        also=("other.safetensors", "third.safetensors"),
        package="some_package:data/net.safetensors",
    )
    for path in places:
        assert locate(asked) == path
        assert load(asked).keys() == TENSORS.keys()
        path.unlink()
    assert locate(asked) is None


@pytest.mark.parametrize("home", ["", "elsewhere"])
def test_the_place_where_torch_keeps_a_file_is_looked_into(machine: Path, monkeypatch: Any, home: str) -> None:
    if home:
        monkeypatch.setenv("TORCH_HOME", str(machine / home))
    path = Path(torch.hub.get_dir()) / "checkpoints" / "net-v1.safetensors"
    own = machine / "cache" / "perceptbench" / "weights" / "mine.safetensors"
    assert path.is_relative_to(machine)
    put(path)
    put(own)
    assert locate(Weights(file="mine.safetensors", url=URL)) == path
    path.unlink()
    assert locate(Weights(file="mine.safetensors", url=URL)) == own


def test_a_package_that_is_not_installed_holds_nothing() -> None:
    assert locate(Weights(file="a.pt", url=URL, package="no_such_package_anywhere:a.pt")) is None
    assert locate(Weights(file="a.pt", url=URL, package="json:no/such/file.pt")) is None


def test_a_folder_that_is_none_is_named(monkeypatch: pytest.MonkeyPatch, machine: Path) -> None:
    monkeypatch.setenv("PERCEPTBENCH_WEIGHTS", str(machine / "typo"))
    with pytest.raises(UserError, match=r"expected a folder of weights in \$PERCEPTBENCH_WEIGHTS, got '.*typo'"):
        locate(Weights(file="a.pt", url=URL))


@pytest.mark.parametrize("name", ["../a.pt", "a/b.pt", "/a.pt", "..", ".", "", ".hidden", "a\\b.pt", "C:a.pt"])
def test_names_that_lead_elsewhere_are_refused(name: str) -> None:
    with pytest.raises(UserError, match="expected a plain file name"):
        Weights(file=name, url=URL)
    with pytest.raises(UserError, match="expected a plain file name"):
        Weights(file="a.pt", url=URL, also=("b.pt", name))


@pytest.mark.parametrize("digits", ["1234567", "ABCDEF12", "x" * 8, "0" * 65])
def test_a_hash_is_eight_hex_digits_or_more(digits: str) -> None:
    with pytest.raises(ValueError, match="hex digits"):
        Weights(file="a.pt", url=URL, sha256=digits)


@pytest.mark.parametrize("digits", [8, 64])
def test_a_stated_hash_is_checked_at_every_use(folder: Path, digits: int) -> None:
    path = folder / "net.safetensors"
    stated = put(path)[:digits]
    asked = Weights(file=path.name, url=URL, sha256=stated)
    assert torch.equal(load(asked)["a"], TENSORS["a"])
    got = put(path, {"a": torch.zeros(7)})
    with pytest.raises(UserError, match=f"expected SHA-256 {stated}, got {got}"):
        resolve(asked)
    assert path.exists(), "what a user put there is not deleted"


def test_a_copy_in_a_package_is_held_to_the_stated_hash_too(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    got = put(machine / "site" / "a_package" / "net.safetensors")
    monkeypatch.syspath_prepend(str(machine / "site"))
    (machine / "site" / "a_package" / "__init__.py").write_text("")
    for stated in (got, "0" * 64):
        asked = Weights(file="net.safetensors", url=URL, sha256=stated, package="a_package:net.safetensors")
        if stated == got:
            assert resolve(asked).parent.name == "a_package"
        else:
            with pytest.raises(UserError, match=f"expected SHA-256 {stated}, got {got}"):
                resolve(asked)


def test_what_is_got_by_hand_is_not_looked_for_among_what_others_fetched() -> None:
    put(Path(torch.hub.get_dir()) / "checkpoints" / "net-v1.safetensors")
    assert locate(Weights(file="a.safetensors", url=URL)) is not None
    assert locate(Weights(file="a.safetensors", url=URL, by_hand="take it")) is None


def test_a_hash_that_nobody_states_is_recorded_at_first_use_and_checked_from_then_on(folder: Path) -> None:
    path, other = folder / "net.safetensors", folder / "other.safetensors"
    first = put(path)
    asked = Weights(file=path.name, url=URL, also=(other.name,))
    with pytest.warns(Notice, match=f"net.safetensors: its publisher states no SHA-256, .* asked for .*: {first}"):
        assert resolve(asked) == path
    with warnings.catch_warnings(action="error"):
        assert resolve(asked) == path, "it is said once"
    assert json.loads(store().read_text())["first use"] == {URL: first}
    now = put(path, {"a": torch.zeros(2, 3), "b": TENSORS["b"]})
    with pytest.raises(UserError, match=f"was {first} at its first use and is {now} now; .*{URL}.*hashes.json"):
        resolve(asked)
    path.unlink()
    put(other, {"a": torch.ones(1)})
    assert resolve(asked) == other, "another file with the same tensors has a hash of its own"
    assert set(json.loads(store().read_text())["first use"]) == {URL, f"{URL} as {other.name}"}


def test_what_was_read_is_read_again_when_it_changed_and_only_then(folder: Path, monkeypatch: Any) -> None:
    read: list[Path] = []
    monkeypatch.setattr(hashes, "file_sha256", lambda path: (read.append(path), file_sha256(path))[1])
    path = folder / "net.safetensors"
    asked = Weights(file=path.name, url=URL, sha256=put(path))
    for _ in range(3):
        resolve(asked)
    assert len(read) == 1
    os.utime(path, ns=(1, 1))
    resolve(asked)
    assert len(read) == 2
    put(path, {"a": torch.zeros(100)})
    os.utime(path, ns=(1, 1))
    with pytest.raises(UserError, match="expected SHA-256"):
        resolve(asked)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"first use": 3, "seen": {}}', "\0"])
def test_a_damaged_record_of_hashes_is_no_fresh_start(folder: Path, text: str) -> None:
    put(folder / "net.safetensors")
    store().parent.mkdir(parents=True)
    store().write_text(text)
    with pytest.raises(UserError, match=r"hashes.json is damaged; delete it"):
        resolve(Weights(file="net.safetensors", url=URL))


def test_without_a_place_to_record_a_stated_hash_still_serves(folder: Path, monkeypatch: Any) -> None:
    path = folder / "net.safetensors"
    stated = put(path)
    blocked = folder / "a file"
    blocked.write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(blocked))
    assert resolve(Weights(file=path.name, url=URL, sha256=stated)) == path
    with pytest.raises(UserError, match=r"cannot be written .*; set XDG_CACHE_HOME"):
        resolve(Weights(file=path.name, url=URL))


def test_an_absent_file_is_fetched_once_into_our_cache(machine: Path) -> None:
    stated = put(machine / "there.safetensors")
    content = (machine / "there.safetensors").read_bytes()
    with serve(content, "there.safetensors") as served:
        asked = Weights(file="net.safetensors", url=served.url, sha256=stated[:8], size=len(content))
        for _ in range(2):
            assert torch.equal(load(asked)["a"], TENSORS["a"])
        assert len(served.asked) == 1
    assert locate(asked) == machine / "cache" / "perceptbench" / "weights" / "net.safetensors"


def test_a_fetched_file_without_a_stated_hash_is_recorded(machine: Path) -> None:
    with serve(b"one") as served:
        asked = Weights(file="net.bin", url=served.url)
        path = resolve(asked)
        path.write_bytes(b"two")
        with pytest.raises(UserError, match=f"was {hashlib.sha256(b'one').hexdigest()} at its first use"):
            resolve(asked)


def test_a_wrong_file_at_the_source_leaves_nothing(machine: Path) -> None:
    with serve(b"other") as served:
        asked = Weights(file="net.bin", url=served.url, sha256="0" * 64)
        with pytest.raises(UserError, match=f"SHA-256 {'0' * 64}, got .*{hashlib.sha256(b'other').hexdigest()}"):
            resolve(asked)
    assert locate(asked) is None


SENTENCE = (
    "the weights net.safetensors are not on this machine and {why}: get it from {url} (1234 bytes, SHA-256 {sha}) "
    "and put it into {place} or at {cache}/perceptbench/weights/net.safetensors"
)


@pytest.mark.parametrize("name", download.OFFLINE)
def test_offline_and_absent_is_one_sentence_that_says_all(machine: Path, monkeypatch: Any, name: str) -> None:
    monkeypatch.setenv(name, "1")
    monkeypatch.setattr(weights, "fetch", lambda *a, **k: pytest.fail("the network was tried"))
    asked = Weights(file="net.safetensors", url=URL, sha256="0" * 64, size=1234)
    with pytest.raises(UserError) as caught:
        resolve(asked)
    assert str(caught.value) == SENTENCE.format(
        why=f"may not be fetched, since {name} is set", url=URL, sha="0" * 64,
        place="a folder named by $PERCEPTBENCH_WEIGHTS", cache=machine / "cache")  # fmt: skip


def test_a_network_that_fails_is_the_same_sentence_with_the_reason(folder: Path, machine: Path) -> None:
    with serve(b"", status=404) as served:
        asked = Weights(file="net.safetensors", url=served.url, sha256="0" * 64, size=1234)
        with pytest.raises(UserError) as caught:
            resolve(asked)
    assert str(caught.value) == SENTENCE.format(
        why="could not be fetched (the server answers 404 Not Found)", url=served.url, sha="0" * 64,
        place=f"$PERCEPTBENCH_WEIGHTS ({folder})", cache=machine / "cache")  # fmt: skip


def test_what_is_got_by_hand_is_never_fetched(monkeypatch: Any) -> None:
    monkeypatch.setattr(weights, "fetch", lambda *a, **k: pytest.fail("the network was tried"))
    asked = Weights(file="a.pt", url="https://pypi.org/project/a/", by_hand="run pip install a, or take a.pt")
    with pytest.raises(UserError, match=r"run pip install a, or take a.pt from https.* \(size not stated, SHA-256 not"):
        resolve(asked)


class Opens:
    """What a hostile pickle would do."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


def _hostile_zip(path: Path, payload: bytes) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", payload)
        archive.writestr("archive/version", "3")


@pytest.mark.parametrize("kind", ["pickle", "torch", "zip"])
def test_a_pickle_with_code_in_it_is_refused_and_not_run(folder: Path, kind: str) -> None:
    trap, path = folder / "sprung", folder / "net.pt"
    content = {"a": Opens(trap)}
    if kind == "torch":
        torch.save(content, path)
    elif kind == "zip":
        _hostile_zip(path, pickle.dumps(content))
    else:
        path.write_bytes(pickle.dumps(content))
    with pytest.raises(UserError, match=r"net.pt is damaged, or would need code to be run"):
        load(Weights(file="net.pt", url=URL))
    assert not trap.exists()


def test_tensors_come_as_they_were_saved_wrapped_or_not(folder: Path) -> None:
    torch.save({"state_dict": TENSORS, "epoch": 3}, folder / "net.pt")
    got = load(Weights(file="net.pt", url=URL))
    assert torch.equal(got["b"], TENSORS["b"])


@pytest.mark.parametrize("content", [TENSORS["a"], [TENSORS["a"]], {}, {"lr": 0.1}, {"a": {"b": "c"}}])
def test_a_file_without_named_tensors_is_refused(folder: Path, content: object) -> None:
    torch.save(content, folder / "net.pt")
    with pytest.raises(UserError, match="expected a dictionary of tensors"):
        load(Weights(file="net.pt", url=URL))


@pytest.mark.parametrize("name", ["net.safetensors", "net.pt"])
@pytest.mark.parametrize("damage", ["cut", "garbage", "empty"])
def test_a_damaged_file_is_named(folder: Path, name: str, damage: str) -> None:
    path = folder / name
    put(path) if path.suffix == ".safetensors" else torch.save(TENSORS, path)
    whole = path.read_bytes()
    path.write_bytes({"cut": whole[: len(whole) // 2], "garbage": b"\xff" * 300, "empty": b""}[damage])
    with pytest.raises(UserError, match=f"{name} is damaged"):
        load(Weights(file=name, url=URL))


def test_a_file_that_is_too_large_is_not_read(folder: Path) -> None:
    with (folder / "net.safetensors").open("wb") as stream:
        stream.truncate(weights.MAX_BYTES + 1)
    with pytest.raises(UserError, match=r"expected weights of at most 8589934592 bytes"):
        weights.read(folder / "net.safetensors")
    with pytest.raises(UserError, match="found no file"):
        weights.read(folder / "none.safetensors")
