"""Photographs without answers: for attacks that push an image away from itself or pull it towards another."""

from dataclasses import replace
from functools import partial
from pathlib import Path

from torch import Tensor

from perceptbench.core.errors import UserError
from perceptbench.core.files import is_folder
from perceptbench.triplets.base import Entry, TripletSource, checked_source, triplets
from perceptbench.triplets.images import read_image
from perceptbench.triplets.inventory import Inspected, inspected

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")


@triplets("images", source="a folder of your own", licence="yours")
def images(folder: str) -> TripletSource:
    """Your own images, images:DIR, for --goal push and pull; subfolders are read too.

    Each image is paired with the next in the order of their SHA-256, which is arbitrary and fixed: that
    is the image it is pulled towards. The pair stands where a triplet has its reference and `left`.

    Raises UserError for a folder with fewer than two different images, or an image that is broken.
    """
    root = Path(folder)
    found = images_inside(root)
    files = {name: one.sha256 for name, one in found.items()}
    # Equal files would be pulled towards themselves.
    order = {digest: name for name, digest in sorted(files.items(), reverse=True)}
    names = [order[digest] for digest in sorted(order)]
    if len(names) < 2:
        raise UserError(f"expected two different images or more in {root}, found {len(names)}")
    pairs = zip(names, names[1:] + names[:1], strict=True)
    entries = [
        Entry(
            name,
            1.0,
            partial(_pair, root / name, root / other),
            files=f"{files[name]} {files[other]}",
            converted=tuple((one, kind) for one in (name, other) for kind in found[one].converted),
        )
        for name, other in pairs
    ]
    return replace(checked_source("images", entries, "", "images in pairs, no answers"), answers=False)


def images_inside(root: Path) -> dict[str, Inspected]:
    """What is known of each image in a folder and its subfolders, by its path from there, sorted.

    Raises UserError for what is no folder, for a link that leads out of it, and for an image that is broken.
    """
    if not is_folder(root):
        raise UserError(f"expected a folder of images at {root}, found none; check the path")
    paths = sorted(p.resolve() for p in root.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
    stray = next((path for path in paths if not path.is_relative_to(root.resolve())), None)
    if stray is not None:
        raise UserError(f"expected images inside {root}, got a link to {stray}; put the file into the folder")
    known = inspected((path, "images") for path in paths)
    return {path.relative_to(root.resolve()).as_posix(): one for path, one in known.items()}


def _pair(path: Path, other: Path) -> tuple[Tensor, Tensor, Tensor]:
    image, far = read_image(path, "images"), read_image(other, "images")
    return image, far, far
