"""Triplets from photographs alone: which of two versions is more alike is known by construction.

    entries = construct(photos, ids, per_family=18)     # the demonstration set
    entries = construct(others, their_ids, per_family=1000, seed=7)     # to learn from, no human needed

The labels are no human judgements; they say what the recipe did (see `families.py`).
"""

from collections.abc import Sequence
from functools import partial

from torch import Tensor

from perceptbench.core.errors import UserError
from perceptbench.triplets.base import Entry
from perceptbench.triplets.constructed.families import FAMILIES
from perceptbench.triplets.constructed.named_draws import NamedDraws
from perceptbench.triplets.constructed.scenes import Photos, cut
from perceptbench.triplets.images import to_tensor

RECIPE = "1"
"""Version of the recipe. It enters every draw and every fingerprint: raise it with any change of pixels."""


def construct(photos: Photos, ids: Sequence[str], per_family: int, seed: int = 0) -> list[Entry]:
    """`per_family` triplets of every family; each photograph comes equally often in each of them.

    `photos[i]` is an (h, w, 3) array of bytes named `ids[i]`, asked for only when a triplet is
    loaded; so a sequence that decodes when indexed keeps memory small. The photograph is the `reference` of an entry:
    triplets of one photograph show crops of the same picture. The images of an entry
    follow from its id, the seed and the photographs. In every two consecutive triplets of a
    family the preferred side is once left, once right, in an order drawn by hash.

    Raises UserError for fewer than two photographs or a name short or too many.
    """
    if len(photos) < 2 or len(photos) != len(ids):
        raise UserError(f"expected two photographs or more and a name for each, got {len(photos)} and {len(ids)} names")
    entries = []
    for family in FAMILIES:
        # Another start for each family, so that a small set still pairs all photographs and families.
        start = NamedDraws(f"{RECIPE}/{seed}/{family}").whole("start", 0, len(photos) - 1)
        for k in range(per_family):
            index = (start + k) % len(photos)
            name = f"{family}-{k:03d}-{ids[index]}"
            right = _right_is_nearer(family, seed, k)
            load = partial(_render, photos, index, family, f"{RECIPE}/{seed}/{name}", right)
            entries.append(Entry(name, float(right), load, family, reference=ids[index]))
    return entries


def _right_is_nearer(family: str, seed: int, k: int) -> bool:
    first = NamedDraws(f"{RECIPE}/{seed}/{family}").whole(f"side {k // 2}", 0, 1)
    return (first + k) % 2 == 1


def _render(photos: Photos, index: int, family: str, key: str, right: bool) -> tuple[Tensor, Tensor, Tensor]:
    draws = NamedDraws(key)
    scene = cut(photos, index, draws)
    nearer, farther = FAMILIES[family](scene, draws)
    left, other = (farther, nearer) if right else (nearer, farther)
    return to_tensor(scene.reference), to_tensor(left), to_tensor(other)
