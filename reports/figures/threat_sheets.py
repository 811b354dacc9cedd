"""The same images after attacks under several threats: what each unit of eps looks like."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import ClassVar

import pandas as pd

from perceptbench.reports.base import Picture, Sheet, report
from perceptbench.reports.figures.sheets import as_judged, pixels, saved_change
from perceptbench.reports.newest import by_threat, newest_first
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

SHOWN = 4
"""Triplets in a sheet."""
_LOOKED_AT = 50
"""Saved triplets of a run that are read, at most."""
_SEEN = (("change_l2", "l2"), ("change_ssim", "SSIM"), ("change_lpips", "LPIPS"), ("change_lipsim", "lipsim"))
NOTE = (
    "d: distance by {metric} of the attacked image from the clean one, within the eps named, by {attacks}. Behind it "
    "the l2 norm of the change, and SSIM and a learned distance from the clean image, where the run kept them."
)
_Found = dict[str, tuple[SavedTriplet, pd.Series]]


@report("threat-sheets", source="arXiv:1801.02612 (stAdv), arXiv:1906.00001 (ReColorAdv): attacked images by threat")
@dataclass(frozen=True, slots=True)
class ThreatSheets:
    """A line a threat, a column a triplet, of runs with --save-images at their largest eps."""

    place: ClassVar[int] = 8
    tasks: ClassVar[tuple[str, ...] | None] = TRIPLET_TASKS

    def __call__(self, records: Sequence[Record]) -> list[Sheet]:
        """One sheet a metric, data set, task and image that moves, where two threats or more kept the same triplets."""
        kept = [record for record in newest_first(records) if record.folder and record.spec["attack"]]
        groups: dict[tuple[object, ...], list[Record]] = {}
        for record in kept:
            groups.setdefault(tuple(record.spec.get(key) for key in _QUESTION), []).append(record)
        sheets = [sheet for same in groups.values() if (sheet := _sheet(same)) is not None]
        names = distinct([sheet.name for sheet in sheets])
        return [replace(sheet, name=name) for sheet, name in zip(sheets, names, strict=True)]


_QUESTION = ("metric", "data", "task", "goal", "move", "quantize")


def _sheet(records: Sequence[Record]) -> Sheet | None:
    """None where no triplet was kept under two threats."""
    found = {threat: (runs[0], kept) for threat, runs in by_threat(records) if (kept := _kept(runs[0]))}
    if len(found) < 2:
        return None
    runs, (first, *others) = [run for run, _ in found.values()], [kept for _, kept in found.values()]
    shown = [name for name in first if all(name in other for other in others)][:SHOWN]
    if not shown:
        return None
    spec = runs[0].spec
    metric, data = (labels([spec[key]])[spec[key]] for key in ("metric", "data"))
    clean = tuple(
        Picture(pixels(first[name][0].original), f"{first[name][0].moved} of {name}, clean"[:60]) for name in shown
    )
    lines = (tuple(_picture(run, *kept[name]) for name in shown) for run, kept in found.values())
    attacks = ", ".join(labels(run.spec["attack"] for run in runs).values())
    return Sheet(
        title=f"{metric} on {data}, attacked under {len(found)} threats",
        name=f"threats_{file_stem(f'{metric}-{data}')}",
        columns=tuple(f"{sample_word(runs[0])} {number}" for number in range(1, len(shown) + 1)),
        rows=(clean, *lines),
        notes=(NOTE.format(metric=metric, attacks=attacks), *unit_notes(runs)),
    )


def _kept(record: Record) -> _Found:
    """Saved triplets of a run with their sample at the largest eps, by id."""
    eps, found = max(record.spec["eps"]), {}
    if record.folder is None:
        return {}
    samples = record.samples[record.samples["eps"] == eps].set_index("id")
    for one in islice(saved(record.folder.parent, record.run), _LOOKED_AT):
        if one.id in samples.index and eps in one.eps:
            sample = samples.loc[one.id]
            if as_judged(saved_change(one, eps), record.norm, float(sample["size"]), eps):
                found[one.id] = (one, sample)
    return found


def _picture(record: Record, one: SavedTriplet, sample: pd.Series) -> Picture:
    eps = float(sample["eps"])
    flip = ", flipped" if sample["correct"] and not sample["robust"] else ""
    name = threat_label(record.threat.partition("(")[0])
    seen = [f"{words} {sample[column]:.2g}" for column, words in _SEEN if column in sample and sample[column] >= 0]
    words = f"{name} {eps_text(eps)}: d = {float(sample['d_self']):.2g}{flip}"
    return Picture(
        pixels(one.original + saved_change(one, eps)), "; ".join((words, ", ".join(seen))) if seen else words
    )
