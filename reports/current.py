"""Which runs a report shows: old weights or data are not mixed with new ones."""

from collections.abc import Sequence

from results.record import Record
from results.rows import Row, table_rows

_OPTIONS = ("seed", "goal", "move", "eps_left", "eps_right", "restarts", "quantize", "protocol")


def current(records: Sequence[Record]) -> tuple[list[Record], list[Record]]:
    """Newest runs first, and those they replace.

    A run is replaced where a newer one of the same names and limit has other weights or data, or
    where a newer one answers the very same question (made by other code, say).
    """
    kept: dict[tuple[object, ...], Record] = {}
    made_of: dict[tuple[object, ...], tuple[object, ...]] = {}
    replaced = []
    for record in sorted(records, key=_age, reverse=True):
        spec = record.spec
        subject = (spec["metric"], spec["data"], spec.get("limit"))
        prints = spec.get("fingerprints", {})
        content = (prints.get("weights"), prints.get("data"))
        asked = (spec["attack"], spec["certifier"], spec["norm"], tuple(spec["eps"]))
        question = (*subject, *asked, *(spec.get(key) for key in _OPTIONS))
        if made_of.setdefault(subject, content) == content and question not in kept:
            kept[question] = record
        else:
            replaced.append(record)
    return list(kept.values()), replaced


def current_rows(records: Sequence[Record]) -> list[Row]:
    """The rows of runs; where two have the same one, that of the newer run."""
    return table_rows(sorted(records, key=_age, reverse=True))


def _age(record: Record) -> tuple[str, str]:
    return str(record.provenance.get("time", "")), record.run
