"""The pictures of a run: `<root>/<run>/images/<0000>.safetensors`, one file a triplet, lossless.

`bench run --save-images N` keeps them, for triplet sheets and viewers. No number is computed from them. Their digests
stand in the seal of the record, also of images that were saved after the run was finished.
"""

import fcntl
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as safetensors_bytes

from perceptbench.core.errors import UserError
from perceptbench.core.fetch.hashes import file_sha256
from perceptbench.core.files import write_atomically
from perceptbench.results.reading import read_header
from perceptbench.results.record import SEALED_SINCE
from perceptbench.results.seal import digests, with_images

MOST = 10_000
"""Files in a folder: a name has four digits."""
KINDS = ("triplets", "images", "queries")
"""Of data whose images can be kept: a reference, a left and a right one; of a query its first match before and after
the attack."""
MAX_SIDE = 1024
MAX_EPS = 64

_CLEAN = ("reference", "left", "right")
_MAX_BYTES = 4 * 3 * MAX_SIDE**2 * (MAX_EPS + len(_CLEAN) + 1) + 2**20


@dataclass(frozen=True, slots=True)
class SavedTriplet:
    """One triplet before and after the attack; float32 arrays in [0, 1].

    `reference`, `left` and `right` are (3, h, w); `adversarial` is (e, 3, h, w), what the attack made of
    the image that `moved` names, for each of the `eps` in order; where it found nothing, that image itself.
    """

    id: str
    eps: tuple[float, ...]
    reference: np.ndarray
    left: np.ndarray
    right: np.ndarray
    adversarial: np.ndarray
    moved: str = "reference"
    near: np.ndarray | None = None
    """Another image y, for comparison: d(x, y) is about what the attack at the largest eps made of d(x, x + delta)."""
    near_distance: float | None = None
    """That d(x, y), x the image that moved."""

    @property
    def original(self) -> np.ndarray:
        """The image that the attack changed, as it was."""
        return {"reference": self.reference, "left": self.left, "right": self.right}[self.moved]


def save(folder: Path, index: int, triplet: SavedTriplet) -> Path:
    """Write one triplet into a run's folder, whole or not at all; the path written.

    Raises ValueError for arrays that `saved` would refuse, and UserError where the folder cannot be written to.
    """
    there = {name: getattr(triplet, name) for name in (*_CLEAN, "adversarial", "near")}
    arrays = {name: array for name, array in there.items() if array is not None}
    words = {"id": triplet.id, "eps": json.dumps(triplet.eps), "moved": triplet.moved}
    words["near_distance"] = json.dumps(triplet.near_distance)
    if not 0 <= index < MOST:
        raise ValueError(f"a run keeps the images of at most {MOST} triplets, got number {index}")
    if wrong := _wrong_shape({name: array.shape for name, array in arrays.items()}, len(triplet.eps)):
        raise ValueError(wrong)
    path = folder / "images" / f"{index:04d}.safetensors"
    typed = {name: np.ascontiguousarray(array, dtype=np.float32) for name, array in arrays.items()}
    try:
        write_atomically(path, lambda part: part.write_bytes(safetensors_bytes(typed, metadata=words)))
    except OSError as error:
        raise UserError(
            f"cannot write {path} ({error.strerror}); free some space, or leave --save-images out"
        ) from error
    return path


def seal_images(folder: Path, paths: Sequence[Path]) -> None:
    """Put images that were just written into the seal of a finished run, whose record.json is written anew.

    An unfinished run is sealed when it is finished, an older one never. Other processes wait meanwhile.
    """
    path = folder / "record.json"
    if not paths or not path.exists():
        return
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        header = read_header(path)
        if header["schema"] >= SEALED_SINCE:
            text = json.dumps(with_images(header, digests(folder, paths)), indent=1, allow_nan=False)
            write_atomically(path, lambda part: part.write_text(text + "\n", encoding="utf-8"))


def saved_numbers(folder: Path) -> set[int]:
    """Numbers of the triplets whose images lie in a run's folder."""
    sealed = _sealed(folder)
    return {int(path.stem) for path in image_files(folder) if sealed is None or _name(path) in sealed}


def saved(root: Path, run: str) -> Iterator[SavedTriplet]:
    """The triplets of a run in order, one read at a time; none where none were saved.

    A file that the seal of the run does not know is passed over: the process that wrote it was stopped before it sealed
    it, and whoever asks for these images again gets them anew. Raises UserError for a damaged file: one that is not
    what the seal says, too large, of other names, types or shapes, or with values outside [0, 1].
    """
    sealed = _sealed(root / run)
    for path in image_files(root / run):
        if sealed is None:
            yield _read(path)
        elif digest := sealed.get(_name(path)):
            yield _read(path, digest)


def image_files(folder: Path) -> list[Path]:
    """The files of images in a run's folder, in order."""
    return sorted(p for p in (folder / "images").glob("*.safetensors") if re.fullmatch(r"\d{4}", p.stem))


def _sealed(folder: Path) -> Mapping[str, str] | None:
    """Digests by name; None for a run without a seal, or one that is not finished."""
    path = folder / "record.json"
    header = read_header(path) if path.exists() else {}
    seal: Mapping[str, Mapping[str, str]] | None = header.get("seal")
    return None if seal is None else seal["images"]


def _name(path: Path) -> str:
    """As a seal names it."""
    return f"images/{path.name}"


def _read(path: Path, digest: str | None = None) -> SavedTriplet:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise _damaged(path, f"it is larger than {_MAX_BYTES // 2**20} MiB")
        if digest is not None and file_sha256(path) != digest:
            raise _damaged(path, "its content is not what was written, as the seal in record.json shows")
        with safe_open(path, framework="numpy") as file:
            return _checked(path, file)
    except (OSError, SafetensorError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise _damaged(path, str(error).partition("\n")[0]) from error


def _checked(path: Path, file: safe_open) -> SavedTriplet:
    """Names, types and shapes first, from the header: nothing is read that should not be there."""
    words = file.metadata() or {}
    eps = json.loads(words["eps"])
    if not isinstance(eps, list) or not all(type(value) in (int, float) for value in eps):
        raise _damaged(path, "its eps should be a list of numbers")
    distance = json.loads(words.get("near_distance", "null"))
    if type(distance) not in (float, type(None)) or (distance is None) != ("near" not in file.keys()):  # noqa: SIM118
        raise _damaged(path, "it should hold the image near and its distance, a number, or neither")
    if words.get("moved") not in _CLEAN:
        raise _damaged(path, f"moved should be one of {', '.join(_CLEAN)}")
    slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 - safe_open is no dict
    if any(part.get_dtype() != "F32" for part in slices.values()):
        raise _damaged(path, "its arrays should be float32")
    if wrong := _wrong_shape({name: tuple(part.get_shape()) for name, part in slices.items()}, len(eps)):
        raise _damaged(path, wrong)
    arrays = {name: file.get_tensor(name) for name in slices}
    if not all(((array >= 0) & (array <= 1)).all() for array in arrays.values()):
        raise _damaged(path, "its values should lie in [0, 1]")
    return SavedTriplet(words["id"], tuple(map(float, eps)), **arrays, moved=words["moved"], near_distance=distance)


def _wrong_shape(shapes: dict[str, tuple[int, ...]], count: int) -> str:
    """What is wrong with these arrays, in words; '' where nothing is."""
    if set(shapes) - {"near"} != {*_CLEAN, "adversarial"}:
        return f"it should hold {', '.join(_CLEAN)} and adversarial, it holds {', '.join(sorted(shapes))}"
    image = shapes["reference"]
    if len(image) != 3 or image[0] != 3 or not all(1 <= side <= MAX_SIDE for side in image[1:]):
        return f"an image should be 3 x h x w with sides up to {MAX_SIDE}, got {image}"
    if not 1 <= count <= MAX_EPS or shapes["adversarial"] != (count, *image):
        return f"adversarial should be {(count, *image)} for 1 to {MAX_EPS} eps, got {shapes['adversarial']}"
    if any(shapes.get(name, image) != image for name in (*_CLEAN, "near")):
        return "reference, left, right and near should have one shape"
    return ""


def _damaged(path: Path, why: str) -> UserError:
    return UserError(f"{path} is damaged: {why}; delete it and run the same command with --save-images again")
