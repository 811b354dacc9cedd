"""Images before and after an attack: original, attacked, their difference, another image at a similar distance."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import ClassVar

import numpy as np
import pandas as pd

from perceptbench.reports.base import Picture, Sheet, report
from perceptbench.reports.newest import newest_first
from perceptbench.reports.wording import (
    TRIPLET_TASKS,
    distinct,
    eps_text,
    file_stem,
    labels,
    sample_word,
    threat_label,
    unit_notes,
)
from perceptbench.results.record import Record
from perceptbench.results.saved_images import SavedTriplet, saved

LINES = 4
_LOOKED_AT = 200
"""Saved triplets of a run that are read, at most."""
_FACTORS = (1, 2, 5, 10, 20, 50, 100, 200)
_BRIGHT = 0.45
_COLUMNS = ("original x", "attacked x + delta", "delta, amplified", "another image y")
_SAME = 0.01
"""Largest part of eps by which a saved change may differ in norm from the one that was judged."""


@report("sheets", source="arXiv:2310.18274 (LipSim), figures 1 and 7")
@dataclass(frozen=True, slots=True)
class Sheets:
    """Images of runs with --save-images at their largest eps; flipped answers first."""

    place: ClassVar[int] = 8
    tasks: ClassVar[tuple[str, ...] | None] = TRIPLET_TASKS

    def __call__(self, records: Sequence[Record]) -> list[Sheet]:
        """One sheet a run that kept images of which the attack changed one."""
        kept = [record for record in reversed(newest_first(records)) if record.folder and record.spec["attack"]]
        lines = [(record, found) for record in kept if (found := _lines(record))]
        stems = [f"sheet_{file_stem('-'.join(_names(record)))}" for record, _ in lines]
        return [_sheet(record, found, name) for (record, found), name in zip(lines, distinct(stems), strict=True)]


def _lines(record: Record) -> list[tuple[SavedTriplet, pd.Series]]:
    """Triplets with their sample at the largest eps: flipped ones first, then those that only moved."""
    if record.folder is None:
        return []
    eps = max(record.spec["eps"])
    samples = record.samples[record.samples["eps"] == eps].set_index("id")
    flipped: list[tuple[SavedTriplet, pd.Series]] = []
    moved: list[tuple[SavedTriplet, pd.Series]] = []
    for one in islice(saved(record.folder.parent, record.run), _LOOKED_AT):
        if one.id not in samples.index or eps not in one.eps:
            continue
        sample = samples.loc[one.id]
        if as_judged(saved_change(one, eps), record.norm, float(sample["size"]), eps):
            (flipped if sample["correct"] and not sample["robust"] else moved).append((one, sample))
        if len(flipped) == LINES:
            break
    return (flipped + moved)[:LINES]


def as_judged(delta: np.ndarray, norm: str | None, size: float, eps: float) -> bool:
    """Whether a saved change is there, and as large as the one that was judged; only a norm can be measured here."""
    if not delta.any() or norm is None:
        return bool(delta.any())
    saved_size = np.linalg.norm(delta) if norm == "l2" else np.abs(delta).max()
    return bool(abs(saved_size - size) <= _SAME * eps)


def saved_change(one: SavedTriplet, eps: float) -> np.ndarray:
    """What the attack changed at an eps, (3, h, w) in float64."""
    return one.adversarial[one.eps.index(eps)].astype(np.float64) - one.original


def _names(record: Record) -> list[str]:
    spec = record.spec
    metric, data = (labels([spec[key]])[spec[key]] for key in ("metric", "data"))
    return [metric, data, str(spec["attack"]).partition("(")[0]]


def _sheet(record: Record, lines: Sequence[tuple[SavedTriplet, pd.Series]], name: str) -> Sheet:
    metric, data, attack = _names(record)
    threat, eps = record.threat, max(record.spec["eps"])
    notes = (
        f"d: distance by {metric}. After {attack}, {threat_label(threat)} eps {eps_text(eps)}; flipped answers first. "
        "In the differences grey is no change. Right: another image of the data set, of a few the one whose distance "
        "from x is nearest to that of the attacked one; its caption gives both, which may be far apart.",
        *unit_notes([record]),
    )
    rows = tuple(_row(one, sample, threat) for one, sample in lines)
    return Sheet(f"{metric} on {data}, before and after {attack}", name, _COLUMNS, rows, notes, sample_word(record))


def _row(one: SavedTriplet, sample: pd.Series, threat: str) -> tuple[Picture | None, ...]:
    delta, moved = saved_change(one, float(sample["eps"])), float(sample["d_self"])
    factor = max((f for f in _FACTORS if f * float(np.quantile(np.abs(delta), 0.999)) <= _BRIGHT), default=1)
    size = f"|delta| = {float(sample['size']):.3g} ({threat_label(threat)}), x {factor}"
    flip = "; answer flipped" if sample["correct"] and not sample["robust"] else ""
    return (
        Picture(pixels(one.original), f"{one.moved} of {one.id}"[:60]),
        Picture(pixels(one.original + delta), f"d(x, x + delta) = {moved:.3g}{flip}"),
        Picture(pixels(0.5 + factor * delta), size),
        None
        if one.near is None
        else Picture(pixels(one.near), f"d(x, y) = {one.near_distance:.3g}, attacked {moved:.3g}"),
    )


def pixels(image: np.ndarray) -> np.ndarray:
    """(3, h, w) in [0, 1] as (h, w, 3) uint8; what lies outside is clipped."""
    return (np.clip(image, 0, 1) * 255).round().astype(np.uint8).transpose(1, 2, 0)
