"""How often a metric puts an image farther from itself than it was moved."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from perceptbench.reports.axes import Bars
from perceptbench.reports.base import Block, Chart, Table, report
from perceptbench.reports.cell import Cell, doubts_in
from perceptbench.reports.figures.distance_histograms import pushes
from perceptbench.reports.newest import by_data
from perceptbench.reports.wording import TRIPLET_TASKS, distinct, eps_text, file_stem, labels
from perceptbench.results.record import Record
from perceptbench.results.references import references
from perceptbench.results.rows import default_question
from perceptbench.results.statistics.estimates import score

ROUND_OFF = 1e-4
"""Of the norm: pixel l2 moves by exactly the norm, which floating point may put on either side."""

NOTE = (
    "Share of the n changed images with d(x, x + delta) > |delta|, l2 norm: none for a distance that moves no faster "
    "than the image (LipSim, proposition 1). |delta| is the norm reached, which may be less than eps. Of several "
    "attacks on as many images the one with the largest share. Lines: 95 % intervals. "
    "It depends on the scale of a distance: cosine distances lie in [0, 2], others have scales of their own."
)
FLIPS_NOTE = (
    "Not pushed as far as eps allows, for want of a run with --goal push or l2-mse, but only until the answer flipped, "
    "often by far less: {}."
)


@report("violation", source="arXiv:2310.18274 (LipSim), proposition 1 and figure 7")
@dataclass(frozen=True, slots=True)
class Violation:
    """The share of attacked images whose distance from themselves exceeds the norm of the change."""

    place: ClassVar[int] = 7
    tasks: ClassVar[tuple[str, ...] | None] = TRIPLET_TASKS

    def __call__(self, records: Sequence[Record]) -> list[Block]:
        """One chart a data set with l2 attacks on the reference; a table where all shares are zero."""
        moved = [r for r in records if _moves_reference(r) and (r.samples["size"] > 0).any()]
        scaled = [r for r in moved if _has_zero(r)]
        sets = by_data(scaled)
        names = distinct([f"violation_{file_stem(label)}" for _, label, _ in sets])
        blocks: list[Block] = []
        for (data, label, mine), name in zip(sets, names, strict=True):
            others = sorted({r.spec["metric"] for r in moved if r.spec["data"] == data and not _has_zero(r)})
            left = f"Left out, as they do not give equal images the distance 0: {', '.join(labels(others).values())}."
            flips, panel = _only_flips(mine), _panel(label, mine)
            notes = (
                NOTE,
                *([FLIPS_NOTE.format(", ".join(labels(flips).values()))] if flips else []),
                *([left] if others else []),
            )
            title = f"Moved farther than the image on {label}"
            if any(cell.value > 0 for cells in panel.cells for cell in cells if cell is not None):
                blocks.append(Chart(title, name, (panel,), notes))
            else:
                rows = tuple((group, *cells) for group, cells in zip(panel.groups, panel.cells, strict=True))
                blocks.append(Table(f"{title}, percent", ("metric", *panel.series), rows, notes, name))
        return blocks


def _moves_reference(record: Record) -> bool:
    """Pushed away, or flipped by an attack on the default question; a pull wants another image to come near."""
    spec = record.spec
    flips = record.facts.get("unit") != "distance"
    return bool(spec["attack"]) and record.threat == "l2" and default_question(record) and (flips or pushes(record))


def _only_flips(records: Sequence[Record]) -> list[str]:
    """Metrics of which no run pushed."""
    pushed = {record.spec["metric"] for record in records if pushes(record)}
    return sorted({record.spec["metric"] for record in records} - pushed)


def _has_zero(record: Record) -> bool:
    """Whether d(x, x) = 0, as far as these samples show; psnr, in -dB, has no zero."""
    return bool((record.samples["d_self"] >= -ROUND_OFF).all())


def _panel(data: str, records: Sequence[Record]) -> Bars:
    flips = _only_flips(records)
    found: dict[str, dict[float, tuple[int, Cell]]] = {}
    for record in records:
        metric = record.spec["metric"]
        if not (pushes(record) or metric in flips):
            continue
        n, mine = record.samples["id"].nunique(), found.setdefault(metric, {})
        for eps in record.spec["eps"]:
            cell = _share(record, eps)
            if cell and (eps not in mine or (n, cell.value) > (mine[eps][0], mine[eps][1].value)):
                mine[eps] = n, cell
    shares = {metric: {eps: cell for eps, (_, cell) in mine.items()} for metric, mine in found.items() if mine}
    budgets = sorted({eps for cells in shares.values() for eps in cells})
    order = sorted(shares, key=lambda metric: (-max(cell.value for cell in shares[metric].values()), metric))
    names = labels(order)
    return Bars(
        title=data,
        x_label="images with d(x, x + delta) > |delta|, percent of those changed",
        groups=tuple(f"{names[metric]} ({_counts(shares[metric])})" for metric in order),
        series=tuple(f"within l2 eps {eps_text(eps)}" for eps in budgets),
        cells=tuple(tuple(shares[metric].get(eps) for eps in budgets) for metric in order),
    )


def _share(record: Record, eps: float) -> Cell | None:
    """Of the images changed at this eps; None where none was."""
    changed = record.samples[(record.samples["eps"] == eps) & (record.samples["size"] > 0)]
    if changed.empty:
        return None
    over = changed["d_self"] > changed["size"] * (1 + ROUND_OFF)
    share = Cell.share(score(over.to_numpy(dtype=float), references(record, changed["id"]).tolist()))
    return share.doubted(doubts_in(record, "attack"))


def _counts(cells: Mapping[float, Cell]) -> str:
    """The numbers of changed images, which differ where attacks stop."""
    counts = [cell.n for cell in cells.values()]
    return f"n = {' to '.join(map(str, dict.fromkeys((min(counts), max(counts)))))}"
