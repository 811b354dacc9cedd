"""BAPPS: 2AFC judgements of distorted 64-pixel patches (Zhang et al., arXiv:1801.03924).

Its publishers evaluate metrics on the patches as they are, at 64 x 64. Here they are enlarged to the side of every data
set unless `side=64` is asked for, so scores and budgets of the two sides are not comparable.
"""

import io
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from perceptbench.core.errors import UserError
from perceptbench.core.files import is_folder
from perceptbench.triplets.base import SIDE, Entry, TripletSource, checked_source, triplets
from perceptbench.triplets.images import inside, read_bytes
from perceptbench.triplets.inventory import digested, split_target
from perceptbench.triplets.original import read_three

SPLITS = ("val", "train")
IMAGES = ("ref", "p0", "p1")
JUDGE_BYTES = 4096
PUBLISHED_SIDE = 64


@triplets("bapps", source="arXiv:1801.03924", licence="as its publisher states; not shipped here")
def bapps(path: str, side: int = SIDE) -> TripletSource:
    """BAPPS, judgements of low-level distortions, published at 64 px: bapps:PATH, bapps:PATH@val/cnn(side=64).

    PATH holds {val,train}/SUBSET/{ref,p0,p1,judge}; left is p0, right is p1, and the file in
    judge/ holds the share of people who preferred p1. Without a selection, all subsets of val.
    The group is the subset. With `side=64` metrics see the patches as they were published, else enlarged to 224.

    Raises UserError for another side, an unknown split or subset, and for a file that is missing, broken or
    outside the folder.
    """
    folder, selection = split_target(path)
    split, _, subset = (selection or "val").partition("/")
    if split not in SPLITS:
        raise UserError(f"bapps: expected a split among {', '.join(SPLITS)}, got {split!r}")
    if side not in (PUBLISHED_SIDE, SIDE):
        raise UserError(f"bapps: expected side={PUBLISHED_SIDE}, as published, or side={SIDE}, got side={side}")
    entries = []
    for name in _subsets(folder / split, subset):
        place = f"{split}/{name}"
        for stem in _stems(folder / split / name):
            where = f"bapps {place} triplet {stem}"
            reference, left, right = (inside(folder, f"{place}/{kind}/{stem}.png", where) for kind in IMAGES)
            judge = read_bytes(inside(folder, f"{place}/judge/{stem}.npy", where), where, JUDGE_BYTES)
            load = partial(read_three, (reference, left, right), where, side)
            files = (reference, left, right)
            entries.append(Entry(f"{place}/{stem}", _share(judge, where), load, name, paths=files, where=where))
    seen = "as published" if side == PUBLISHED_SIDE else f"published at {PUBLISHED_SIDE} x {PUBLISHED_SIDE}"
    note = f"{split}/{subset or 'all subsets'}, at {side} x {side} pixels ({seen})"
    # Where the side is that of every data set, it is no part of what decides the triplets.
    recipe = "" if side == SIDE else f"{side} x {side}"
    return replace(checked_source("bapps", digested(entries, original=True), recipe, note), side=side, people=True)


def _subsets(folder: Path, subset: str) -> list[str]:
    there = sorted(item.name for item in folder.iterdir() if item.is_dir()) if is_folder(folder) else []
    if not there:
        raise UserError(f"bapps: expected a folder with subsets at {folder}, found none; see docs/data.md for the tree")
    if subset and subset not in there:
        raise UserError(f"bapps: expected a subset among {', '.join(there)}, got {subset!r}")
    return [subset] if subset else there


def _stems(folder: Path) -> list[str]:
    """Names that stand in any of the four folders: one that lacks its fellows is then reported."""
    names = {file.stem for kind in IMAGES for file in (folder / kind).glob("*.png")}
    names |= {file.stem for file in (folder / "judge").glob("*.npy")}
    if not names:
        raise UserError(f"bapps: expected ref, p0, p1 and judge files in {folder}, found none; see docs/data.md")
    return sorted(names)


def _share(content: bytes, where: str) -> float:
    try:
        values = np.load(io.BytesIO(content), allow_pickle=False)
        share = float(values.reshape(()))
    except Exception:  # numpy parses the header as Python text, and raises many kinds for a damaged one
        raise UserError(f"{where}: expected one number in the judge file, got something else; replace it") from None
    if not 0 <= share <= 1:
        raise UserError(f"{where}: expected a share between 0 and 1 in the judge file, got {share:g}; replace it")
    return share
