"""Files of weights: safetensors with their header edited, and what torch saves with members of its archive edited."""

import io
import json
import struct
import zipfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from hypothesis import strategies as st

from benchmarks.fuzz.edits import NUMBERS, Bytes, damaged, edited, edited_value
from benchmarks.fuzz.oracle import WrongError
from benchmarks.fuzz.surface import Surface
from perceptbench.core.fetch import weights
from perceptbench.metrics.lipsim.checkpoint import load_network, save_network
from perceptbench.metrics.lipsim.lipsim_paper import read_checkpoint
from perceptbench.metrics.lipsim.network import freeze, untrained
from perceptbench.metrics.lipsim.shape import LipSimConfig

CONFIG = LipSimConfig(size=16, stem=4, depths=(1,), inners=(4,), linears=1, linear_inner=4)


@cache
def network() -> bytes:
    """A small lipsim file."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "net.safetensors"
        save_network(untrained(CONFIG, 0), path)
        return path.read_bytes()


def taken_apart(content: bytes) -> tuple[Any, bytes]:
    """The header of a safetensors file, and its data."""
    (length,) = struct.unpack("<Q", content[:8])
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def put_together(header: Any, data: bytes) -> bytes:
    """A safetensors file with this header, its length as it should be."""
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def safetensors() -> Bytes:
    """Files near a small lipsim file: header or shape of the network edited, the length a lie, bytes damaged."""
    header, data = taken_apart(network())
    config = json.loads(header["__metadata__"]["config"])
    shaped = edited_value(config).map(
        lambda value: put_together(
            {**header, "__metadata__": {**header["__metadata__"], "config": json.dumps(value)}}, data
        )
    )
    large = st.builds(lambda key, n: {**config, key: n}, st.sampled_from(sorted(config)), st.sampled_from(NUMBERS)).map(
        lambda value: put_together(
            {**header, "__metadata__": {**header["__metadata__"], "config": json.dumps(value)}}, data
        )
    )
    lies = st.sampled_from(NUMBERS).map(lambda n: struct.pack("<Q", n) + network()[8:])
    edits = edited_value(header).map(lambda value: put_together(value, data))
    return st.one_of(edits, edits, shaped, large, lies, damaged(network()))


@torch.no_grad()
def judge_safetensors(case: bytes, folder: Path) -> None:
    """What is read embeds an image, in finite numbers."""
    path = folder / "case.safetensors"
    path.write_bytes(case)
    net = load_network(path)
    side = net.config.size
    if not bool(freeze(net)(torch.full((1, 3, side, side), 0.5)).isfinite().all()):
        raise WrongError("weights that were taken and give an embedding that is not finite")


@cache
def archive() -> bytes:
    """What torch saves of a small state dict."""
    buffer = io.BytesIO()
    torch.save({"model_state_dict": {"module.a": torch.arange(6.0).view(2, 3), "b": torch.ones(2)}}, buffer)
    return buffer.getvalue()


def members(content: bytes) -> list[bytes]:
    """The members of a zip archive, each as its name, a zero and its content."""
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        return [name.encode() + b"\0" + file.read(name) for name in file.namelist()]


def of_members(pieces: Sequence[bytes]) -> bytes:
    """An archive of such members."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for piece in pieces:
            name, _, content = piece.partition(b"\0")
            file.writestr(zipfile.ZipInfo(name.decode("latin-1") or "x"), content)
    return buffer.getvalue()


_PICKLES = st.sampled_from(
    [b"cos\nsystem\n(S'true'\ntR.", b"cposix\nsystem\n(X\x04\0\0\0truetR.", b"\x80\x02}q\0.", b"\x80\x02K\x01.", b"N.",
     b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\x7f.", b"(" * 5000 + b"t" * 5000 + b".", b"\x80\x02]q\0h\0a."]
).map(lambda text: b"archive/data.pkl\0" + text)  # fmt: skip


def pth() -> Bytes:
    """Files near what torch saves, in both of its formats, and bare pickles."""
    old = io.BytesIO()
    torch.save({"a": torch.ones(2)}, old, _use_new_zipfile_serialization=False)
    structured = edited(members(archive()), _PICKLES).map(of_members)
    bare = _PICKLES.map(lambda piece: piece.partition(b"\0")[2])
    return st.one_of(structured, structured, damaged(archive()), damaged(old.getvalue()), bare)


def judge_pth(case: bytes, folder: Path) -> None:
    """What is read is tensors; both readers refuse the rest."""
    from perceptbench.core.errors import UserError

    path = folder / "case.pth"
    path.write_bytes(case)
    refusals = []
    for read in (read_checkpoint, weights.read):
        try:
            read(path)
        except UserError as error:
            refusals.append(error)
    if refusals:
        raise refusals[0]


SURFACES = (
    Surface("safetensors", safetensors, judge_safetensors, 6),
    Surface("pth", pth, judge_pth, 4),
)
