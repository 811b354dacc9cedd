"""Hundreds of spoilt files of weights: each loads as whole tensors or gets one sentence, in little memory."""

import io
import json
import resource
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
from safetensors.torch import save
from torch import Tensor

from perceptbench.core.errors import UserError
from perceptbench.core.fetch.weights import read
from perceptbench.metrics.embeddings.lora import Adapter
from perceptbench.metrics.embeddings.open_clip import image_tower
from perceptbench.metrics.embeddings.vit import ViT
from perceptbench.metrics.features.lpips_file import FORMAT, load_lpips
from perceptbench.metrics.lipsim.checkpoint import load_network, save_network
from perceptbench.metrics.lipsim.lipsim import lipsim
from perceptbench.metrics.lipsim.network import untrained
from perceptbench.metrics.lipsim.shape import LipSimConfig
from perceptbench.training.lipsim.checkpoints import read_checkpoint, save_checkpoint

STATE = {"conv.weight": torch.arange(24.0).reshape(2, 3, 2, 2), "conv.bias": torch.ones(2), "seen": torch.tensor(7)}
SHAPE = LipSimConfig(size=16, stem=2, depths=(1, 1), inners=(6, 5), linears=1, linear_inner=7, spectrum=True)
MEGABYTES = 400
"""All files here are of some kilobytes; this much may be taken for anything."""


@pytest.fixture(autouse=True)
def little_memory() -> Iterator[None]:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024 < MEGABYTES


def saved(content: object, **how: Any) -> bytes:
    stream = io.BytesIO()
    torch.save(content, stream, **how)
    return stream.getvalue()


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("lipsim") / "a.safetensors"
    save_network(untrained(SHAPE, 0), path)
    return path.read_bytes()


def outcome(load: Callable[[Path], object], path: Path) -> object:
    """What is loaded, None where a sentence came. Every other exception fails the test."""
    try:
        return load(path)
    except UserError as error:
        said = str(error)
    assert said.isprintable()
    assert len(said) < 1000
    return None


def spoilt(content: bytes, random: Random) -> bytes:
    """Cut, lengthened, or with some bytes changed, most often near its beginning or its end."""
    changed = bytearray(content)
    kind = random.randrange(4)
    if kind == 0:
        return bytes(changed[: random.randrange(len(changed))])
    if kind == 1:
        return bytes(changed) + random.randbytes(random.randrange(1, 64))
    for _ in range(random.choice((1, 1, 4, 64))):
        near = random.choice((16, 400, len(changed)))
        at = random.randrange(min(near, len(changed)))
        changed[-1 - at if kind == 2 else at] = random.randrange(256)
    return bytes(changed)


FILES = {
    "a.safetensors": save(STATE, {"a": "b"}),
    "a.pth": saved(STATE),
    "old.pth": saved(STATE, _use_new_zipfile_serialization=False),
}


@pytest.mark.parametrize("name", FILES)
def test_bytes_that_were_changed(name: str, tmp_path: Path) -> None:
    random, loaded = Random(name), 0
    for _ in range(120):
        (tmp_path / name).write_bytes(spoilt(FILES[name], random))
        found = outcome(read, tmp_path / name)
        if found is not None:
            loaded += 1
            assert all(type(key) is str and type(value) is Tensor for key, value in found.items())  # type: ignore[attr-defined]
    assert 0 < loaded < 100


def with_header(content: bytes, change: Callable[[dict[str, Any]], object]) -> bytes:
    """Safetensors with another header."""
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    text = json.dumps(change(header) or header).encode()
    return len(text).to_bytes(8, "little") + text + content[8 + length :]


def headers() -> Iterator[Callable[[dict[str, Any]], object]]:
    """Changes of a header: of the shape, type and place of a tensor, of names, of what is said beside them."""
    entry = "conv.weight"
    for shape in ([], [0], [-24], [24.0], ["24"], [2**40], [2**63], [2**64, 2**64], [1] * 70, None, [12, 2], 24):
        yield lambda header, shape=shape: header[entry].update(shape=shape)  # type: ignore[misc]
    for kind in ("F64", "F16", "BF16", "I64", "BOOL", "U8", "F8_E4M3", "F4", "C64", "X", None, 3):
        yield lambda header, kind=kind: header[entry].update(dtype=kind)  # type: ignore[misc]
    for offsets in ([0, 0], [96, 0], [-1, 95], [0, 2**62], [8, 104], [0, 96.5], [], None, [0, 96, 96]):
        yield lambda header, offsets=offsets: header[entry].update(data_offsets=offsets)  # type: ignore[misc]
    for name in ("", "x" * 100_000, "\0", "conv.bias", "__metadata__", "module.conv.bias"):
        yield lambda header, name=name: header.update({name: header.pop(entry)})  # type: ignore[misc]
    for said in (None, 3, "a", [], {"a": 3}, {"a": {"b": "c"}}, {"a": None}):
        yield lambda header, said=said: header.update(__metadata__=said)  # type: ignore[misc]
    for whole in ([], list(range(9)), {"a": {}}, {"a": []}, {"a": "b"}, "text", 3):
        yield lambda header, whole=whole: whole or [[]]  # type: ignore[misc]


def test_headers_of_safetensors(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    for change in headers():
        path.write_bytes(with_header(FILES["a.safetensors"], change))
        found = outcome(read, path)
        assert found is None or sum(t.numel() for t in found.values()) <= 200  # type: ignore[attr-defined]
    for length in (0, 1, 2**25, 2**40, 2**63, 2**64 - 1):
        path.write_bytes(length.to_bytes(8, "little") + FILES["a.safetensors"][8:])
        assert outcome(read, path) is None


def looped() -> dict[str, Any]:
    """It holds itself."""
    made: dict[str, Any] = {}
    made["state_dict"] = made
    return made


STRANGE: dict[str, object] = {
    "whole number as a name": {3: torch.ones(1)},
    "no name": {None: torch.ones(1)},
    "names of two parts": {("a", "b"): torch.ones(1)},
    "text": {"a": "weights", "b": torch.ones(1)},
    "numbers": {"a": 3, "b": torch.ones(1)},
    "a list": {"a": [torch.ones(1)]},
    "a tensor": torch.ones(3),
    "a text": "state_dict",
    "nothing": None,
    "empty": {},
    "wrapped: nothing": {"state_dict": None},
    "wrapped: text": {"state_dict": "a.pth"},
    "wrapped: whole number as a name": {"model": {3: torch.ones(1)}},
    "several": {"model": {"a": torch.ones(1)}, "ema": {"a": torch.zeros(1)}},
    "one name twice": {"module.a": torch.ones(1), "a": torch.zeros(1)},
    "deep": {"state_dict": {"model": {"net": {"params": {"ema": {"a": torch.ones(1)}}}}}},
    "looped": looped(),
    "sparse": {"a": torch.eye(3).to_sparse()},
    "sparse by rows": lambda: {"a": torch.eye(3).to_sparse_csr()},
    "quantised": lambda: {"a": torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8)},
    "complex": {"a": torch.ones(2, dtype=torch.complex64)},
    "eight bits": {"a": torch.ones(2).to(torch.float8_e4m3fn)},
    "without values": {"a": torch.ones(3, device="meta")},
    "one number shown often": {"a": torch.zeros(1).expand(10**12)},
    "rows shown often": {"a": torch.zeros(1, 1000).expand(10**9, 1000)},
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("which", STRANGE)
def test_content_that_is_no_state_dict(which: str, old: bool, tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    content = STRANGE[which]
    path.write_bytes(saved(content() if callable(content) else content, _use_new_zipfile_serialization=not old))
    assert outcome(read, path) is None


@pytest.mark.parametrize("wrapper", ["state_dict", "model_state_dict", "model", "ema", "net"])
@pytest.mark.parametrize("prefix", ["", "module.", "model.", "module.model.", "_orig_mod.module."])
def test_one_unwrapping_serves_every_program(wrapper: str, prefix: str, tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    content = {wrapper: {prefix + name: t.double() if t.dim() else t for name, t in STATE.items()}, "epoch": 3}
    path.write_bytes(saved(content))
    found = read(path)
    assert found.keys() == STATE.keys()
    for name, tensor in STATE.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor)


def test_an_archive_larger_than_itself_is_refused(tmp_path: Path) -> None:
    """Compressed zeros, a thousand times smaller than what they become; and a record shorter than its tensor."""
    zeros, path = saved({"a": torch.zeros(1 << 20)}), tmp_path / "a.pth"
    with zipfile.ZipFile(io.BytesIO(zeros)) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in members.items():
            packed.writestr(name, content)
    with pytest.raises(UserError, match="members are larger than the file"):
        read(path)
    with zipfile.ZipFile(path, "w") as short:
        for name, content in members.items():
            short.writestr(name, content[:16] if name.endswith("data/0") else content)
    assert outcome(read, path) is None


def spoilt_shapes() -> Iterator[dict[str, Any]]:
    """Every field of a shape with values that do not fit it, or that fit and are far too large."""
    values = (
        -1,
        0,
        3,
        4096,
        4097,
        2**40,
        1.5,
        "x",
        None,
        True,
        [],
        [1],
        [4096] * 2,
        [4096] * 5000,
        {},
        "window",
        "cayley",
    )
    for field in asdict(SHAPE):
        for value in values:
            yield {field: value}
    yield {"size": 4096, "stem": 1, "width": 4096}
    yield {"size": 4096, "depths": [1] * 9, "inners": [4096] * 9, "linear_inner": 4096}
    yield {"depths": [4096] * 4, "inners": [1] * 4}
    yield {"family": "window", "widths": [4096, 4096], "stem": 64, "size": 4096, "inners": [4096, 4096]}
    yield {"family": "cayley", "width": 4096, "linears": 0}
    yield {"unknown": 1}


def test_headers_of_lipsim(network: bytes, tmp_path: Path) -> None:
    """None but the one they were written with may fit the tensors, however large the network that they describe."""
    path, fitted = tmp_path / "a.safetensors", []
    for change in spoilt_shapes():
        config = json.dumps({**asdict(SHAPE), **change})
        path.write_bytes(with_header(network, lambda header, text=config: header["__metadata__"].update(config=text)))  # type: ignore[misc]
        if outcome(load_network, path) is not None:
            fitted.append(change)
    assert all(len(change) == 1 and {**asdict(SHAPE), **change}.keys() == asdict(SHAPE).keys() for change in fitted)
    assert len(fitted) < 8, fitted
    for text in ("", "[]", "3", "null", "{", "[" * 100_000, '{"size": ' + "9" * 5000 + "}"):
        path.write_bytes(with_header(network, lambda header, text=text: header["__metadata__"].update(config=text)))  # type: ignore[misc]
        assert outcome(load_network, path) is None


def test_bytes_of_lipsim_that_were_changed(network: bytes, tmp_path: Path) -> None:
    random, path = Random(1), tmp_path / "a.safetensors"
    for _ in range(80):
        path.write_bytes(spoilt(network, random))
        made = outcome(lambda path: lipsim(str(path)), path)
        assert made is None or all(bool(t.isfinite().all()) for t in made.weights())  # type: ignore[attr-defined]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 60000.0])
def test_values_of_which_no_network_follows(value: float, tmp_path: Path) -> None:
    """Also finite ones, where what is derived of them has no finite value: the weights q of SLL are exponentials."""
    net, path = untrained(SHAPE, 0), tmp_path / "a.safetensors"
    with torch.no_grad():
        net.stages[0][0].log_q[0] = value  # type: ignore[index, union-attr, operator]
    save_network(net, path)
    with pytest.raises(UserError, match="not finite"):
        lipsim(str(path))


@pytest.mark.parametrize("said", ["{}", "[]", "3", '{"net": []}', '{"net": {}}', '{"net": "resnet"}', "[" * 100_000])
def test_headers_of_lpips(said: str, tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(save({"lin0": torch.ones(64)}, {"format": FORMAT, "config": said}))
    with pytest.raises(UserError, match="as net in the header"):
        load_lpips(path)
    path.write_bytes(save({"lin0": torch.ones(64)}, {"format": FORMAT, "config": '{"net": "alex"}'}))
    with pytest.raises(UserError, match="got other tensors"):
        load_lpips(path)


def tower(**changes: Tensor) -> dict[str, Tensor]:
    width = 64
    return {
        "visual.conv1.weight": torch.zeros(width, 3, 16, 16),
        "visual.positional_embedding": torch.zeros(5, width),
        "visual.transformer.resblocks.0.ln_1.weight": torch.zeros(width),
        "visual.proj": torch.zeros(width, 8),
    } | {name.replace("__", "."): value for name, value in changes.items()}


@pytest.mark.parametrize(
    "state",
    [
        tower(),
        tower(**{"visual.transformer.resblocks.999999999.ln_1.weight": torch.zeros(1)}),
        tower(**{"visual.transformer.resblocks." + "9" * 5000 + ".": torch.zeros(1)}),
        tower(visual__positional_embedding=torch.tensor(1.0)),
        tower(visual__positional_embedding=torch.zeros(0, 64)),
        tower(visual__positional_embedding=torch.zeros(1).expand(10**8)),
        tower(visual__proj=torch.tensor(1.0)),
        tower(visual__conv1__weight=torch.zeros(0, 0, 0, 0)),
        tower(visual__conv1__weight=torch.zeros(3)),
        {"visual.trunk.stem.0.weight": torch.zeros(1)},
        {"a": torch.zeros(1)},
    ],
)
def test_towers_of_any_shape(state: dict[str, Tensor]) -> None:
    with pytest.raises(UserError):
        image_tower(state)


def test_a_vision_transformer_has_a_bounded_cost() -> None:
    ViT(14, 1024, 24, 336)
    for shape in ((16, 64, 65, 224), (16, 64, 0, 224), (1, 1024, 64, 4096), (0, 64, 1, 16), (32, 64, 1, 16)):
        with pytest.raises(UserError):
            ViT(*shape)


@pytest.mark.parametrize(
    "config", [b"", b"[]", b"3", b"{}", b'{"lora_alpha": NaN, "r": 1}', b'{"lora_alpha": 1, "r": 0}', b"[" * 100_000]
)
def test_adapters_that_say_nothing(config: bytes) -> None:
    with pytest.raises(UserError):
        Adapter.read(config, {})
    for one, other in ((torch.ones(2), torch.ones(2)), (torch.ones(2, 3), torch.ones(3, 1)), (torch.ones(()),) * 2):
        with pytest.raises(UserError, match="matrices"):
            Adapter.read(b'{"lora_alpha": 1, "r": 1}', {"a.lora_A.weight": one, "a.lora_B.weight": other})


def test_the_state_of_a_training_that_was_changed(tmp_path: Path) -> None:
    path, cpu = tmp_path / "a.state", torch.device("cpu")
    whole: dict[str, Any] = {name: {} for name in ("net", "average", "optimiser", "done", "best", "chosen", "before")}
    whole |= {"curve": [], "seconds": 1.0}
    save_checkpoint(path, "me", whole)
    assert read_checkpoint(path, "me", cpu) is not None
    for change in (*({name: None} for name in whole), {"seconds": float("nan")}, {"identity": torch.ones(2)}):
        torch.save({**whole, "identity": "me", **change}, path)
        with pytest.raises(UserError, match="delete it"):
            read_checkpoint(path, "me", cpu)
