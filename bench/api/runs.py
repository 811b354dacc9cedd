"""Finished runs, to look at in a notebook: as rows, as samples, as a curve."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from perceptbench.bench.api.arguments import path_of
from perceptbench.core.errors import UserError
from perceptbench.core.files import is_folder
from perceptbench.reports.newest import newest_runs
from perceptbench.results.record import Record
from perceptbench.results.rows import table_rows
from perceptbench.results.store import RunStore
from perceptbench.results.tasks.base import installed, task_name

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SHOWN = ("metric", "data", "kind", "method", "threat", "eps", "n", "score", "low", "high", "unit")


@dataclass(frozen=True, repr=False)
class Runs:
    """Finished runs, in order. Two are joined by `+`.

    Args:
        records: the runs with all their samples (results/record.py).
    """

    records: tuple[Record, ...]

    def __len__(self) -> int:
        return len(self.records)

    def __iter__(self) -> Iterator[Record]:
        return iter(self.records)

    def __add__(self, other: "Runs") -> "Runs":
        return Runs((*self.records, *other.records))

    def frame(self) -> pd.DataFrame:
        """The rows of the tables: a natural one for each metric and data set, then attacks and certificates by eps.

        Columns are those of `bench run --json`: metric, data, kind (natural, attack, certificate), method, norm, eps,
        n, score in percent or as a mean distance (unit), low and high (a 95 % interval), run, and what must be said
        with it, such as the flags that were raised (docs/flags.md). Runs that newer ones replace are left out, as in
        reports.
        """
        return pd.DataFrame([row.to_dict() for row in table_rows(self._current())])

    def samples(self) -> pd.DataFrame:
        """One row a sample and eps, as in samples.parquet, behind columns that say of which run.

        Those are run, metric, data, task, threat, attack and certifier (None where there was none).
        """
        frames = []
        for record in self._current():
            said = {"run": record.run, "metric": record.spec["metric"], "data": record.spec["data"]}
            said |= {"task": record.task, "threat": record.threat}
            said |= {key: record.spec[key] for key in ("attack", "certifier")}
            frame = record.samples.copy()
            for place, (name, value) in enumerate(said.items()):
                frame.insert(place, name, pd.Series([value] * len(frame), index=frame.index, dtype="string"))
            frames.append(frame)
        return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()

    def plot(self) -> "Figure":
        """Scores over eps after attacks (solid) and proved (dashed), a panel a data set and threat, as reports draw it.

        Raises UserError where no run has a curve: nothing was attacked or certified, or no answer is flipped.
        """
        # Libraries that draw take a second to import, and a run draws nothing.
        from perceptbench.reports.base import Chart
        from perceptbench.reports.figures.robustness_curve import RobustnessCurve
        from perceptbench.reports.formats.png_pdf import drawn

        curve = RobustnessCurve()
        kept, _ = newest_runs([one for one in self.records if installed(one.task)])
        charts = curve([one for one in kept if task_name(one.task) in (curve.tasks or ())])
        if not charts:
            raise UserError("expected runs whose answers are flipped or proved, got none; look at .frame()")
        return drawn(Chart("Robustness", "robustness", tuple(panel for chart in charts for panel in chart.panels)))

    def _current(self) -> list[Record]:
        """The runs that no newer one replaces, in order."""
        kept = {id(one) for one in newest_runs([one for one in self.records if installed(one.task)])[0]}
        return [one for one in self.records if id(one) in kept]

    def __repr__(self) -> str:
        names = ", ".join(dict.fromkeys(str(one.spec["metric"]) for one in self.records))
        return f"Runs({len(self)}: {names})"

    def _repr_html_(self) -> str:
        """A table for notebooks: scores with their intervals."""
        frame = self.frame()
        shown = frame[[name for name in _SHOWN if name in frame]]
        html: str = shown.to_html(index=False, na_rep="", float_format="{:.4g}".format)
        return html


def load(runs: str | Path = "runs") -> Runs:
    """The finished runs of a folder, the oldest first.

    Raises UserError for a folder that is missing, and for a damaged run.

    Example:
        >>> pb.load("runs").frame()
    """
    folder = path_of(runs, "runs")
    if not is_folder(folder):
        raise UserError(f"expected a folder of runs at {folder}, found none; check the path")
    return Runs(tuple(RunStore(folder).select()))


def report(runs: Any, to: str | Path = "report", formats: str | Iterable[str] = ("md",)) -> list[Path]:
    """Write the report of runs: tables, figures and details, as `bench report` does.

    Args:
        runs: `Runs`, a list of them, or the folder of stored ones.
        to: the folder to write into.
        formats: of md, latex, html and csv.

    Returns:
        The paths written.

    Raises UserError where there is no finished run, for an unknown format, and where nothing can be written.

    Example:
        >>> pb.report([run], to="report", formats=["md", "html"])
    """
    from perceptbench.core.ref import split_list
    from perceptbench.reports.write import write_report

    if isinstance(runs, str | Path):
        folder = path_of(runs, "runs")
        records = RunStore(folder).select()
        if not records:
            raise UserError(
                f"expected finished runs in {folder}, found none; check the folder, or first: "
                f"bench run --metric lipsim --attack l2-aa --eps 2.0 --runs {folder}"
            )
    else:
        parts = list(runs) if isinstance(runs, list | tuple) else [runs]
        if strange := [one for one in parts if not isinstance(one, Runs)]:
            raise UserError(f"expected runs, as pb.run and pb.load give them, got {type(strange[0]).__name__}")
        records = list({record.run: record for part in parts for record in part}.values())
    names = split_list([formats] if isinstance(formats, str) else list(formats))
    return write_report(records, path_of(to, "to"), tuple(names))
