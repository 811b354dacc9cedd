"""A folder of images that is searched, and queries: what is nearest? Labels, where there are any, say what is right."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from perceptbench.core.errors import UserError
from perceptbench.core.files import is_folder
from perceptbench.core.printable import printable
from perceptbench.core.spec import canonical_json
from perceptbench.core.tensors import Images
from perceptbench.triplets.base import SIDE, fair_part, triplets
from perceptbench.triplets.csv_rows import check_unique, read_table
from perceptbench.triplets.image_folder import SUFFIXES
from perceptbench.triplets.images import read_image
from perceptbench.triplets.inventory import Inspected, inspected

COLUMNS = ("file", "label")
"""Of a table of labels."""
NO_LABELS = (
    "there are no labels: what is right is the first match of the clean query, and the score is the share of queries "
    "for which it stays among the first k; that is no recall"
)


@dataclass(frozen=True, eq=False)
class GalleryImages:
    """The images that queries are compared with, in the order of their SHA-256; equal files are one image.

    Args:
        names: paths below the folder, of equal files the first.
        paths: of the files.
        digests: SHA-256 of the files.
        labels: '' for an image that is right for no query; None where nobody gave labels.
    """

    names: tuple[str, ...]
    paths: tuple[Path, ...]
    digests: tuple[str, ...]
    labels: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def sha256(self) -> str:
        """Over the content of all images, in order."""
        return hashlib.sha256(" ".join(self.digests).encode()).hexdigest()

    def read(self, rows: Iterable[int]) -> Images:
        """Some images (m, 3, side, side) in [0, 1]."""
        return torch.stack([read_image(self.paths[i], "gallery") for i in rows])


@dataclass(frozen=True, slots=True)
class Query:
    """One query before its image is read.

    Args:
        id: its path below the folder of queries.
        digest: SHA-256 of its file.
        own: its place in the gallery, which is left out; -1 where it is not in there.
        right: places of the images of its label, without its own; empty without labels.
    """

    id: str
    path: Path
    digest: str
    own: int = -1
    right: tuple[int, ...] = ()
    group: str = ""
    reference: str = ""
    converted: tuple[tuple[str, str], ...] = ()

    def load(self) -> Tensor:
        """Its image (3, side, side) in [0, 1]."""
        return read_image(self.path, f"query {self.id}")


@dataclass(frozen=True, slots=True)
class Queries:
    """One batch of queries. `asked` (n, 32): a digest of the gallery and of what is right in it, as bytes."""

    reference: Images
    asked: Tensor
    ids: tuple[str, ...]
    own: tuple[int, ...]
    right: tuple[tuple[int, ...], ...]
    gallery: GalleryImages

    def to(self, device: str) -> "Queries":
        """The same batch on a device."""
        return self.redrawn(lambda x: x.to(device))

    def redrawn(self, change: Callable[[Images], Images]) -> "Queries":
        """The same batch with every query changed; the gallery holds images of 8 bits and stays."""
        return replace(self, reference=change(self.reference))


@dataclass(frozen=True, slots=True)
class QuerySource:
    """Queries and the gallery that they are searched in; `ties` counts queries for which nothing is right."""

    entries: tuple[Query, ...]
    gallery: GalleryImages
    ties: int = 0
    note: str = ""
    name: str = "gallery"
    kind: str = "queries"
    side: int = SIDE

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def ids(self) -> tuple[str, ...]:
        """Identifiers of the queries, each once."""
        return tuple(entry.id for entry in self.entries)

    @property
    def sha256(self) -> str:
        """Over gallery, labels and queries. Names of files do not count, but for the ids of the queries."""
        labels = canonical_json(None if self.gallery.labels is None else list(self.gallery.labels))
        asked = sorted(canonical_json([query.id, query.digest, list(query.right)]) for query in self.entries)
        return hashlib.sha256("\n".join([self.gallery.sha256, labels, *asked]).encode()).hexdigest()

    def limited(self, n: int | None) -> "QuerySource":
        """The first n queries of a fixed shuffle by id, in the same gallery."""
        return replace(self, entries=fair_part(self.entries, n))

    def batch(self, entries: Sequence[Query]) -> Queries:
        """Read the images of some queries."""
        content = self.gallery.sha256
        asked = [_asked(content, query) for query in entries]
        return Queries(
            torch.stack([query.load() for query in entries]), torch.stack(asked), tuple(query.id for query in entries),
            tuple(query.own for query in entries), tuple(query.right for query in entries), self.gallery,
        )  # fmt: skip


def _asked(content: str, query: Query) -> Tensor:
    digest = hashlib.sha256(canonical_json([content, query.own, list(query.right)]).encode()).digest()
    return torch.frombuffer(bytearray(digest), dtype=torch.uint8)


@triplets("gallery", source="a folder of your own", licence="yours")
def gallery(folder: str, queries: str = "", labels: str = "") -> QuerySource:
    """Your own images to search in, gallery:DIR, for --task retrieval; subfolders are read too.

    Equal files are one image, and a query is never its own match: its file is left out of the gallery by its content.

    Args:
        queries: a folder of queries; without it every image of the gallery is one.
        labels: a table with the columns file and label: what has the label of a query is right for it. Paths are
            relative to the folder of the gallery, or of the queries. A blank label is right for no query.

    Raises UserError for a folder with too few images, an image that is broken, and labels that are missing or
    contradict each other.
    """
    root = Path(folder)
    found = _images_below(root)
    asked_root = Path(queries) if queries else root
    asked = _images_below(asked_root) if queries else found
    known = _labels(Path(labels), [(root, found), (asked_root, asked)]) if labels else None
    images = _gallery_of(root, found, known)
    if len(images) < 3:
        raise UserError(f"expected three different images or more in {root}, found {len(images)}; add some")
    place = {digest: at for at, digest in enumerate(images.digests)}
    by_label: dict[str, list[int]] = {}
    for at, label in enumerate(images.labels or ()):
        by_label.setdefault(label, []).append(at)
    entries = []
    for digest, name in _distinct(asked).items():
        own = place.get(digest, -1)
        label = known[digest] if known is not None else ""
        right = tuple(at for at in by_label.get(label, ()) if at != own) if label else ()
        path = (asked_root / name).resolve()
        converted = tuple((str(path), kind) for kind in asked[name].converted)
        entries.append(Query(printable(name), path, digest, own, right, converted=converted))
    answered = tuple(query for query in entries if query.right or known is None)
    if not answered:
        raise UserError(f"no query has an image of its label in {root}; label the images of the gallery too")
    size = f"{len(images)} images in the gallery"
    note = f"{size}; {NO_LABELS}" if known is None else size
    return QuerySource(answered, images, len(entries) - len(answered), note)


def _images_below(root: Path) -> dict[str, Inspected]:
    """What is known of each image file by its path below a folder, in the order of these paths."""
    if not is_folder(root):
        raise UserError(f"expected a folder of images at {root}, found none; check the path")
    home = root.resolve()
    paths = sorted(p.resolve() for p in root.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
    stray = next((path for path in paths if not path.is_relative_to(home)), None)
    if stray is not None:
        raise UserError(f"expected images inside {root}, got a link to {stray}; put the file into the folder")
    known = inspected((path, "gallery") for path in paths)
    return {path.relative_to(home).as_posix(): one for path, one in known.items()}


def _distinct(found: Mapping[str, Inspected]) -> dict[str, str]:
    """Names by digest, of equal files the first name."""
    names: dict[str, str] = {}
    for name, one in found.items():
        names.setdefault(one.sha256, name)
    return names


def _gallery_of(root: Path, found: Mapping[str, Inspected], known: Mapping[str, str] | None) -> GalleryImages:
    names = dict(sorted(_distinct(found).items()))
    return GalleryImages(
        tuple(map(printable, names.values())),
        tuple((root / name).resolve() for name in names.values()),
        tuple(names),
        None if known is None else tuple(known[digest] for digest in names),
    )


def _labels(table: Path, folders: Sequence[tuple[Path, Mapping[str, Inspected]]]) -> dict[str, str]:
    """The label of each image of some folders by its digest; '' for a blank one."""
    rows = read_table(table, COLUMNS).rows
    check_unique(rows, "file")
    given = {row.text("file"): (row.values["label"].strip(), row.where) for row in rows}
    unlabelled = Counter(name for _, found in folders for name in found if name not in given)
    if unlabelled:
        name = min(unlabelled)
        raise UserError(
            f"{table.name}: expected a row for each image, found none for {name!r} and {len(unlabelled) - 1} others; "
            "add them, with a blank label where an image is right for no query"
        )
    labels: dict[str, tuple[str, str]] = {}
    for _, found in folders:
        for name, one in found.items():
            label, where = given[name]
            before, first = labels.setdefault(one.sha256, (label, where))
            if before != label:
                raise UserError(
                    f"{where}: expected the label {before!r} of the same image in {first}, got {label!r}; correct one"
                )
    return {digest: label for digest, (label, _) in labels.items()}
