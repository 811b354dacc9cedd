"""What a run cost: seconds and passes through the network."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from perceptbench.reports.base import Table, report
from perceptbench.reports.cell import Cell, Number, Value
from perceptbench.reports.newest import by_data
from perceptbench.reports.wording import eps_text, file_stem, labels
from perceptbench.results.record import Record
from perceptbench.results.rows import typed_option
from perceptbench.results.statistics.estimates import mean_estimate
from perceptbench.results.tasks.base import task_name

COST_NOTE = (
    "For one triplet and all eps of a run together: wall-clock seconds (metric, certificate and attack), and passes "
    "of the attack with their 95 % interval. Seconds compare within one machine only."
)
WRONG_NOTE = "In search of a flip, a wrong answer costs no pass."
SAFE_NOTE = "In search of a flip, a wrong answer costs no pass, nor does a triplet that is proved safe."


@report("cost", source="github.com/jeromerony/adversarial-library counts passes beside success")
@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds, forward and backward passes a triplet, one line a run."""

    place: ClassVar[int] = 8
    tasks: ClassVar[tuple[str, ...] | None] = None

    def __call__(self, records: Sequence[Record]) -> list[Table]:
        """One table a data set, cheapest first."""
        return [_table(label, mine) for _, label, mine in by_data(records)]


def _table(label: str, records: Sequence[Record]) -> Table:
    names = labels(record.spec["metric"] for record in records)
    lines = sorted(
        ((_seconds(record), names[record.spec["metric"]], record) for record in records),
        key=lambda line: (line[0] is None, line[0] or 0.0, line[1], line[2].run),
    )
    asked = _asked(records)
    return Table(
        title=f"Cost on {label}",
        columns=(
            "metric", "n", "method", *(["asked"] if asked else []), "eps", "seconds", "forwards", "backwards", "device",
        ),
        rows=tuple(
            (
                name,
                record.samples["id"].nunique(),
                _method(record),
                *([asked.get(record.run)] if asked else []),
                ", ".join(map(eps_text, record.spec["eps"])),
                None if seconds is None else Number(seconds, ".3g"),
                _passes(record, "forwards"),
                _passes(record, "backwards"),
                _device(record),
            )
            for seconds, name, record in lines
        ),
        notes=(COST_NOTE, *_spared(records)),
        name=f"cost_{file_stem(label)}",
    )  # fmt: skip


def _method(record: Record) -> str | None:
    method = record.spec["attack"] or record.spec["certifier"]
    return labels([method])[method] if method else None


_ASKED = (
    "task", "threat", "certifier", "goal", "move", "eps_left", "eps_right", "restarts", "quantize", "protocol", "seed",
)  # fmt: skip
"""What two runs of one metric, method and list of eps may differ in."""


def _asked(records: Sequence[Record]) -> dict[str, str]:
    """What differs between lines that would look alike, as typed, by run; empty where no two do."""
    alike: dict[tuple[object, ...], list[Record]] = {}
    for record in records:
        shown = (record.spec["metric"], record.samples["id"].nunique(), _method(record), tuple(record.spec["eps"]))
        alike.setdefault(shown, []).append(record)
    found: dict[str, str] = {}
    for same in alike.values():
        differ = [key for key in _ASKED if len({_said(record, key) for record in same}) > 1]
        said = {record.run: " ".join(filter(None, (_said(record, key) for key in differ))) for record in same}
        found |= {run: words for run, words in said.items() if words}
    return found


def _said(record: Record, key: str) -> str:
    """One thing that was asked: tasks and threats by their names, options with theirs; '' where nothing was said."""
    if key in ("task", "threat"):
        name = str(getattr(record, key))
        return labels([name])[name]
    value = record.spec.get(key)
    return "" if value is None else typed_option(key, value)


def _spared(records: Sequence[Record]) -> list[str]:
    """What cost no pass, as far as that holds for all runs that look for flips."""
    flips = [record for record in records if record.spec["attack"] and task_name(record.task) == "preference"]
    if not flips or any(record.spec.get("protocol", "ours") != "ours" for record in flips):
        return []
    proved = [record.spec.get("skip_certified", True) for record in flips if record.facts.get("sound")]
    return [SAFE_NOTE if proved and all(proved) else WRONG_NOTE]


def _seconds(record: Record) -> float | None:
    """A triplet's share of the time; a continued run took its time for the triplets that were left."""
    seconds, left = record.facts.get("seconds"), record.samples["id"].nunique() - record.facts.get("resumed", 0)
    return seconds / left if isinstance(seconds, int | float) and left > 0 else None


def _passes(record: Record, column: str) -> Value:
    """Counts of a sweep add up over its eps, so the last eps holds them all."""
    if not record.spec["attack"]:
        return None
    last = record.samples[record.samples["eps"] == record.samples["eps"].max()][column].to_numpy()
    if len(last) < 2:
        return Number(float(last.mean()), ".4g")
    found = mean_estimate(last)
    return Cell(found.value, max(0.0, found.low), found.high, found.n, "passes")


def _device(record: Record) -> str | None:
    device, threads = record.provenance.get("device"), record.provenance.get("threads")
    return (
        f"{device}, {threads} thread{'s' if threads != 1 else ''}"
        if device == "cpu" and threads
        else device and str(device)
    )
