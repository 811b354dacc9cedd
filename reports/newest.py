"""Which runs a report shows, the newest first: old weights or data are not mixed with new ones."""

from collections.abc import Sequence

from perceptbench.reports.wording import labels
from perceptbench.results.record import Record, contents
from perceptbench.results.rows import Row, table_rows

_OPTIONS = ("seed", "goal", "move", "eps_left", "eps_right", "restarts", "quantize", "protocol")


def newest_runs(records: Sequence[Record]) -> tuple[list[Record], list[Record]]:
    """Newest runs first, and those they replace.

    A run is replaced where the newest one on data of its name found other data there, whatever the metric; where the
    newest one of its metric had other weights, whatever the data; and where a newer one answers the very same
    question (made by other code, say).
    """
    kept: dict[tuple[object, ...], Record] = {}
    weights: dict[str, object] = {}
    seen: dict[tuple[object, ...], dict[str, str]] = {}
    replaced = []
    for record in newest_first(records):
        spec = record.spec
        own = spec.get("fingerprints", {}).get("weights")
        known = seen.setdefault(_samples_of(record), {})
        content = contents(record)
        same = all(known.get(name, found) == found for name, found in content.items())
        known.update({name: found for name, found in content.items() if name not in known})
        asked = (spec["attack"], spec["certifier"], record.task, record.threat, tuple(spec["eps"]))
        question = (spec["metric"], spec["data"], spec.get("limit"), *asked, *(spec.get(key) for key in _OPTIONS))
        if same and weights.setdefault(spec["metric"], own) == own and question not in kept:
            kept[question] = record
        else:
            replaced.append(record)
    return list(kept.values()), replaced


def _samples_of(record: Record) -> tuple[object, ...]:
    """Runs of which samples with the same id should be the same. Older schemas do not say what a sample is."""
    return (record.spec["data"], record.spec.get("quantize"), record.sealed)


def newest_first(records: Sequence[Record]) -> list[Record]:
    """Runs by time of creation; where two answer the same question, the first is the one to believe."""
    return sorted(records, key=lambda record: (str(record.provenance.get("time", "")), record.run), reverse=True)


def newest_rows(records: Sequence[Record]) -> list[Row]:
    """The rows of runs; where two have the same one, that of the newer run."""
    return table_rows(newest_first(records))


def by_data(records: Sequence[Record]) -> list[tuple[str, str, list[Record]]]:
    """(name, label, newest runs first) of each data set, in alphabetical order."""
    names = labels(sorted(record.spec["data"] for record in records))
    ordered = newest_first(records)
    return [(data, label, [r for r in ordered if r.spec["data"] == data]) for data, label in names.items()]


def by_task(records: Sequence[Record]) -> list[tuple[str, list[Record]]]:
    """(task, runs) of each task as typed: preference first, others in alphabetical order."""
    tasks = sorted({record.task for record in records}, key=lambda task: (task != "preference", task))
    return [(task, [record for record in records if record.task == task]) for task in tasks]


def by_threat(records: Sequence[Record]) -> list[tuple[str, list[Record]]]:
    """(threat, runs) of each threat as typed, in alphabetical order: sizes of different threats are never compared."""
    threats = sorted({record.threat for record in records})
    return [(threat, [record for record in records if record.threat == threat]) for threat in threats]


def by_goal(records: Sequence[Record]) -> list[list[Record]]:
    """Runs by what the attacker wants, in alphabetical order of the goals."""
    goals = sorted({str(record.spec.get("goal", "")) for record in records})
    return [[record for record in records if str(record.spec.get("goal", "")) == goal] for goal in goals]


def styles(records: Sequence[Record]) -> dict[str, tuple[str, int]]:
    """(label, number) of each metric: the same colour and marker in every picture of a report."""
    names = labels(sorted(record.spec["metric"] for record in records))
    return {metric: (label, number) for number, (metric, label) in enumerate(names.items())}
