"""Digests that a record keeps of itself, its samples and its images, so that an accident does not pass for a number.

    "seal": {"samples": {"samples.parquet": SHA-256}, "images": {"images/0000.safetensors": SHA-256}, "record": SHA-256}

`samples` names each file of samples: one, or parts `samples/000000.parquet`, .... `record` is over the canonical JSON
of everything else in record.json, the other digests too. Anyone can make a seal anew, so it does not stop a forger.

The images of a run may be saved after it was finished. Their digests stand in record.json all the same, which is then
written anew, whole or not at all: so one file says what belongs to a run.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from perceptbench.core.fetch.hashes import file_sha256
from perceptbench.core.spec import canonical_json
from perceptbench.results.record import SEALED_SINCE

ONE_FILE = "samples.parquet"
_PARTS = {
    "samples": re.compile(r"samples\.parquet|samples/\d{6}\.parquet"),
    "images": re.compile(r"images/\d{4}\.safetensors"),
}
_SHA256 = re.compile(r"[0-9a-f]{64}")


def sealed(header: Mapping[str, Any], folder: Path, images: Mapping[str, str]) -> dict[str, Any]:
    """The content of record.json with a new seal over the files of samples that lie in the folder, and these images."""
    plain = json.loads(json.dumps(dict(header), allow_nan=False))
    plain["seal"] = {"samples": digests(folder, sample_files(folder)), "images": dict(images)}
    plain["seal"]["record"] = _of_record(plain)
    return plain


def with_images(header: Mapping[str, Any], images: Mapping[str, str]) -> dict[str, Any]:
    """The content of a sealed record.json, with the digests of more images."""
    seal = header["seal"]
    made = {**header, "seal": {**seal, "images": {**seal["images"], **images}}}
    made["seal"]["record"] = _of_record(made)
    return made


def digests(folder: Path, paths: Iterable[Path]) -> dict[str, str]:
    """The SHA-256 of files by their path below the folder of a run."""
    return {path.relative_to(folder).as_posix(): file_sha256(path) for path in paths}


def sample_files(folder: Path) -> list[Path]:
    """The one file of samples, or its parts in order; none where there is neither."""
    one = folder / ONE_FILE
    return [one] if one.exists() else sorted((folder / "samples").glob("??????.parquet"))


def seal_problem(header: Mapping[str, Any]) -> str:
    """What is wrong with the seal of a record.json, or does not match it, in a sentence; '' where nothing is."""
    if header["schema"] < SEALED_SINCE:
        return f"a record of schema {header['schema']} has no seal, and this one has" if "seal" in header else ""
    seal = header.get("seal")
    if not isinstance(seal, dict) or set(seal) != {*_PARTS, "record"}:
        return f"seal should be an object of samples, images and record, got {seal!r:.60}"
    for key, name in _PARTS.items():
        kept = seal[key]
        fits = isinstance(kept, dict) and all(name.fullmatch(path) and _is_sha256(kept[path]) for path in kept)
        if not fits or (key == "samples" and not kept):
            return f"seal.{key} should be SHA-256 by name of file, got {kept!r:.60}"
    if seal["record"] != _of_record(header):
        return "its content is not what was written, as its seal shows"
    return ""


def _is_sha256(value: object) -> bool:
    return isinstance(value, str) and bool(_SHA256.fullmatch(value))


def _of_record(header: Mapping[str, Any]) -> str:
    seal = {key: value for key, value in header["seal"].items() if key != "record"}
    return hashlib.sha256(canonical_json({**header, "seal": seal}).encode()).hexdigest()
