"""What is never seen in training: data that only judges, and held-out images where one serves in many triplets."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256

import numpy as np
import torch

from perceptbench.core.errors import UserError
from perceptbench.triplets.base import Entry, TripletSource


@dataclass(frozen=True, slots=True)
class Split:
    """Two disjoint parts, and how many triplets fell between them."""

    learn: TripletSource
    held: TripletSource
    mixed: int


def require_fitting(source: TripletSource) -> None:
    """Raises UserError for data that metrics are judged by: a metric fitted to it would be judged by what it learnt."""
    if source.judges_only:
        raise UserError(
            f"expected data to learn from, got {source.name}, which only judges metrics; leave it out of training"
        )


def images_of(entry: Entry) -> Sequence[str]:
    """The names of its images; its own where its data set gives none, since then no image serves twice."""
    return entry.images or (entry.id,)


def hold_out(source: TripletSource, share: float, seed: int) -> Split:
    """Hold out a share of the *images*: no image of a held triplet is in a learnt one, in any role.

    Triplets with images of both kinds belong to neither part: with a share s about (1 - s)^3 are
    learnt from and s^3 held out where triplets are drawn from one set of images.

    Raises UserError for a share outside (0, 1), or where a part is left empty.
    """
    if not 0 < share < 1:
        raise UserError(f"--hold-out wants a share between 0 and 1, got {share:g}")
    names = sorted({name for entry in source.entries for name in images_of(entry)})
    order = torch.randperm(len(names), generator=torch.Generator().manual_seed(seed)).tolist()
    held = {names[i] for i in order[: round(share * len(names))]}
    inside = [sum(name in held for name in images_of(entry)) / len(images_of(entry)) for entry in source.entries]
    parts = [
        tuple(entry for entry, part in zip(source.entries, inside, strict=True) if part == wanted) for wanted in (0, 1)
    ]
    if not all(parts):
        raise UserError(
            f"{source.name}: holding {share:g} of {len(names)} images out leaves {len(parts[0])} triplets to learn "
            f"from and {len(parts[1])} held out; choose another --hold-out"
        )
    learn, kept = (replace(source, entries=entries) for entries in parts)
    return Split(learn, kept, len(source) - len(learn) - len(kept))


def split_by_name(names: Sequence[str], every: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the photographs to learn from, and of about one in `every` that is held out.

    Each goes by the SHA-256 of its own name, so that adding photographs moves no other.
    Raises UserError where a part has fewer than three: no triplet could be made of them.
    """
    digests = (sha256(f"held out {name}".encode()).digest() for name in names)
    held = np.array([int.from_bytes(digest[:8], "big") % every == 0 for digest in digests], dtype=bool)
    parts = np.flatnonzero(~held), np.flatnonzero(held)
    if min(map(len, parts)) < 3:
        raise UserError(
            f"expected at least three photographs to learn from and three held out, got {len(parts[0])} and "
            f"{len(parts[1])} of {len(names)}; give more photographs"
        )
    return parts
