"""What a search finds before and after an attack: query, first match, attacked query, its first match, by metric."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import ClassVar, TypeAlias

import numpy as np
import pandas as pd

from perceptbench.core.ref import Ref
from perceptbench.reports.base import Picture, Sheet, report
from perceptbench.reports.newest import newest_first
from perceptbench.reports.wording import distinct, eps_text, file_stem, labels, threat_label, unit_notes
from perceptbench.results.record import Record
from perceptbench.results.saved_images import SavedTriplet, saved

QUERIES = 4
_LOOKED_AT = 200
"""Saved queries of a run that are read, at most."""
_COLUMNS = ("query x", "first match of x", "attacked x + delta", "first match of x + delta")

Line: TypeAlias = tuple[Record, SavedTriplet, pd.Series]


@report("retrieved", source="arXiv:2310.18274 (LipSim), figure 4")
@dataclass(frozen=True, slots=True)
class Retrieved:
    """Queries of runs of retrieval with saved images at their largest eps; those whose first match changed first."""

    place: ClassVar[int] = 9
    tasks: ClassVar[tuple[str, ...] | None] = ("retrieval",)

    def __call__(self, records: Sequence[Record]) -> list[Sheet]:
        """One sheet for each gallery, attack, goal and threat, with a line for each query and metric."""
        groups: dict[tuple[str, ...], dict[str, Record]] = {}
        kept = [record for record in reversed(newest_first(records)) if record.folder and record.spec["attack"]]
        # Of one metric's runs that differ in k alone, the one with the smallest k.
        for record in sorted(kept, key=_top):
            spec = record.spec
            key = (*map(str, (spec["data"], spec["attack"], spec["goal"], max(spec["eps"]))), record.threat)
            groups.setdefault(key, {}).setdefault(spec["metric"], record)
        found = [(list(runs.values()), lines) for runs in groups.values() if (lines := _lines(list(runs.values())))]
        stems = [f"retrieved_{file_stem(_stem(runs[0]))}" for runs, _ in found]
        return [_sheet(runs, lines, name) for (runs, lines), name in zip(found, distinct(stems), strict=True)]


def _top(record: Record) -> int:
    return int(str(dict(Ref.parse(record.task).args).get("top", 1)))


def _stem(record: Record) -> str:
    data = labels([record.spec["data"]])[record.spec["data"]]
    return f"{data}-{str(record.spec['attack']).partition('(')[0]}-{record.spec['goal']}"


def _lines(records: Sequence[Record]) -> list[Line]:
    """Lines by query, all metrics of a query together."""
    by_query: dict[str, list[Line]] = {}
    for record in records:
        if record.folder is None:
            continue
        eps = max(record.spec["eps"])
        samples = record.samples[record.samples["eps"] == eps].set_index("id")
        for one in islice(saved(record.folder.parent, record.run), _LOOKED_AT):
            if one.id in samples.index and eps in one.eps:
                by_query.setdefault(one.id, []).append((record, one, samples.loc[one.id]))
    changed = {name: sum(_changed(sample) for *_, sample in lines) for name, lines in by_query.items()}
    # The most telling queries first: those that all metrics have, then those whose first match changed.
    order = sorted(by_query, key=lambda name: (-len(by_query[name]), -changed[name]))
    return [line for name in order[:QUERIES] for line in by_query[name]]


def _changed(sample: pd.Series) -> bool:
    return bool(sample["nearest"] != sample["nearest_adv"])


def _sheet(records: Sequence[Record], lines: Sequence[Line], name: str) -> Sheet:
    spec = records[0].spec
    data = labels([spec["data"]])[spec["data"]]
    attack, eps = str(spec["attack"]).partition("(")[0], max(spec["eps"])
    notes = (
        f"What the search in {data} finds first, by metric, before and after {attack}, "
        f"{threat_label(records[0].threat)} eps {eps_text(eps)}. d: distance by the metric of the line, which compares "
        "with no other metric's. Queries whose first match changed come first, so the sheet is no fair sample.",
        *unit_notes(records),
    )
    shown = labels([record.spec["metric"] for record in records])
    rows = tuple(_row(shown[record.spec["metric"]], record, one, sample) for record, one, sample in lines)
    return Sheet(f"Search in {data}, before and after {attack}", name, _COLUMNS, rows, notes, "search")


def _row(metric: str, record: Record, one: SavedTriplet, sample: pd.Series) -> tuple[Picture, ...]:
    attacked = one.adversarial[one.eps.index(float(sample["eps"]))]
    after = f"{sample['nearest_adv']}, d = {sample['d_nearest_adv']:.3g}"
    same = "; the same" if not _changed(sample) else f"; target now in place {sample['rank_adv']}"
    size = f"|delta| = {float(sample['size']):.3g} ({threat_label(record.threat)})"
    if sample["size"] == 0 and sample["radius"] > sample["eps"]:
        size = "not attacked: proved to stay"
    return (
        Picture(_pixels(one.reference), f"{metric}: {one.id}"[:60]),
        Picture(_pixels(one.left), f"{sample['nearest']}, d = {sample['d_nearest']:.3g}"[-60:]),
        Picture(_pixels(attacked), size),
        Picture(_pixels(one.right), f"{after[-60:]}{same}"),
    )


def _pixels(image: np.ndarray) -> np.ndarray:
    """(3, h, w) in [0, 1] as (h, w, 3) uint8."""
    return (np.clip(image, 0, 1) * 255).round().astype(np.uint8).transpose(1, 2, 0)
