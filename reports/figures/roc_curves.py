"""ROC curves of pairs: clean, after an attack that moves every pair to the wrong side, and proved."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd

from perceptbench.reports.axes import Curve, Panel
from perceptbench.reports.base import Chart, report
from perceptbench.reports.cell import Cell
from perceptbench.reports.newest import by_data, by_threat, newest_first
from perceptbench.reports.wording import distinct, eps_text, file_stem, labels, left_out_notes, threat_label
from perceptbench.results.evidence import counted
from perceptbench.results.record import Record
from perceptbench.results.rows import attack_name

MOST_EPS, MOST_POINTS = 3, 100
NOTE = (
    "Each point is a threshold: the share of different pairs that match there, and of pairs that are the same. Clean; "
    "after an attack that pushes pairs that are the same apart and pulls different ones together as far as eps allows, "
    "every pair by itself; dashed: proved, no attack within eps gets below. No intervals are drawn; those of the areas "
    "are among the rows."
)


@report("roc", source="CertPHash, USENIX Security 2025, has certified rates at one threshold")
@dataclass(frozen=True, slots=True)
class RocCurves:
    """Clean, attacked and proved ROC curves, one picture a data set and threat, one panel a run."""

    place: ClassVar[int] = 3
    tasks: ClassVar[tuple[str, ...] | None] = ("roc",)

    def __call__(self, records: Sequence[Record]) -> list[Chart]:
        """One chart a data set and threat; of a metric and an attack the newest run."""
        found = [(label, threat, same) for _, label, mine in by_data(records) for threat, same in by_threat(mine)]
        stems = distinct([f"roc_{file_stem(threat)}_{file_stem(label)}" for label, threat, _ in found])
        return [
            Chart(
                f"ROC on {label}, {threat_label(threat)}", stem, tuple(map(_panel, _newest(same))),
                (NOTE, *left_out_notes(_newest(same))),
            )
            for (label, threat, same), stem in zip(found, stems, strict=True)
        ]  # fmt: skip


def _newest(records: Sequence[Record]) -> list[Record]:
    found: dict[tuple[str, str | None], Record] = {}
    for record in newest_first(records):
        found.setdefault((record.spec["metric"], record.spec["attack"]), record)
    return [found[key] for key in sorted(found, key=str)]


def _panel(record: Record) -> Panel:
    samples, every = counted(record.samples), record.spec["eps"]
    # The clean curve is in each; of many eps the smallest, the middle and the largest say most.
    shown = every if len(every) <= MOST_EPS else [every[0], every[len(every) // 2], every[-1]]
    curves = [Curve("clean", proved=False, points=_points(samples[samples["eps"] == every[0]], "d"), style=0)]
    for style, eps in enumerate(shown, start=1):
        at = samples[samples["eps"] == eps]
        if record.spec["attack"]:
            curves.append(Curve(f"eps {eps_text(eps)}", proved=False, points=_points(at, "d_adv"), style=style))
        if at["d_proved"].notna().all():
            curves.append(Curve(f"eps {eps_text(eps)}", proved=True, points=_points(at, "d_proved"), style=style))
    metric = labels([record.spec["metric"]])[record.spec["metric"]]
    same = int(samples[samples["eps"] == every[0]]["same"].sum())
    pairs = f"{same} same and {samples['id'].nunique() - same} different pairs"
    by = f", {attack_name(record)}" if record.spec["attack"] else ""
    return Panel(
        f"{metric}{by} ({pairs})", "different pairs that match (FPR), percent", tuple(curves),
        y_label="same pairs that match (TPR), percent", solid="clean, or after the attack at eps", even=False,
    )  # fmt: skip


def _points(samples: pd.DataFrame, column: str) -> tuple[tuple[float, Cell], ...]:
    """(FPR, TPR) in percent at every threshold, from none to all; of many, some that are spread evenly."""
    same = samples["same"].to_numpy(bool)
    near, far = (np.sort(samples[column].to_numpy()[which]) for which in (same, ~same))
    thresholds = np.unique(samples[column])
    rates = [
        100 * np.concatenate([[0.0], np.searchsorted(one, thresholds, "right") / max(1, len(one))])
        for one in (far, near)
    ]
    kept = np.unique(np.linspace(0, len(thresholds), min(MOST_POINTS, len(thresholds) + 1)).round().astype(int))
    return tuple((float(rates[0][i]), Cell(*(float(rates[1][i]),) * 3, len(near))) for i in kept)
