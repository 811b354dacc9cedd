"""What exactly was run: everything that someone needs to run it again or to question it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from perceptbench.reports.base import Block, Table, report
from perceptbench.reports.wording import TRIPLET_TASKS, eps_text, labels, threat_label
from perceptbench.results.record import Record
from perceptbench.results.rows import left_out
from perceptbench.results.tasks.base import task_name

_OPTIONS = ("goal", "move", "eps_left", "eps_right", "restarts", "quantize", "protocol")


@report("methods", source="arXiv:1902.06705, section 5: what an evaluation has to state")
@dataclass(frozen=True, slots=True)
class Methods:
    """Each run with its attack, parameters, certifier, data, seed, versions and provenance."""

    place: ClassVar[int] = 9
    tasks: ClassVar[tuple[str, ...] | None] = None

    def __call__(self, records: Sequence[Record]) -> list[Block]:
        """One table a run, oldest first."""
        return [_table(record) for record in sorted(records, key=lambda r: (str(r.provenance.get("time", "")), r.run))]


def _table(record: Record) -> Table:
    spec, facts = record.spec, record.facts
    arguments, prints = spec.get("arguments", {}), spec.get("fingerprints", {})
    named = {
        "metric": _with_arguments(spec["metric"], arguments.get("metric")),
        "data": _with_arguments(spec["data"], arguments.get("data")),
        **_asked(record),
        "note on the data": facts.get("note"),
        "attack": _with_arguments(spec["attack"], arguments.get("attack")) if spec["attack"] else "none",
        "options": ", ".join(f"{key} {spec[key]}" for key in _OPTIONS if spec.get(key) is not None),
        "parts of the attack": "; ".join(_part(part) for part in facts.get("parts", ())),
        "certifier": _certifier(spec, facts),
        "smallest embedding norm": facts.get("min_norm_ref"),
        "eps": f"{', '.join(eps_text(eps) for eps in spec['eps'])} ({_eps_unit(record)})",
        "certified triplets": _skipped(spec, facts),
        "seed": spec.get("seed"),
        "limit": spec.get("limit"),
        "passes": _passes(facts),
        "seconds": facts.get("seconds"),
        "seal": None if record.sealed else "none: runs made before schema 3 have no seal",
        "flags": "; ".join(f"{one['flag']}: {one['sentence']}" for one in facts.get("flags", ())),
        **{key if key == "libraries" else f"SHA-256 of {key}": value for key, value in prints.items()},
        **{key: _flat(value) for key, value in record.provenance.items() if key != "seed"},
    }
    rows = tuple((key, _number(value)) for key, value in named.items() if value not in (None, "", {}))
    return Table(f"Run {record.run}", ("what", "value"), rows, name=f"run_{record.run}", prose=True)


def _asked(record: Record) -> dict[str, str]:
    """What was asked of how many samples: the task and the numbers that it fitted on clean data.

    Of the tasks on triplets, the goal among the options says which it was.
    """
    n = f"n = {record.samples['id'].nunique()}"
    if task_name(record.task) in TRIPLET_TASKS:
        return {"triplets": f"{n}, {_ties(record.facts)}"}
    fitted = {key: value for key, value in record.facts.get("state", {}).items() if not isinstance(value, list)}
    if out := left_out(record):
        n += f", {out} of them in no score, as the metric does not answer for their images"
    return {"samples": n, "task": record.task, "fitted on clean data": _flat(fitted)}


def _eps_unit(record: Record) -> str:
    return threat_label(record.norm) if record.norm else f"{record.threat}; {record.eps_unit}"


def _with_arguments(name: str, arguments: Mapping[str, Any] | None) -> str:
    label = labels([name])[name]
    return f"{label}: {_flat(arguments)}" if arguments else label


def _certifier(spec: Mapping[str, Any], facts: Mapping[str, Any]) -> str:
    if not spec["certifier"]:
        return "none"
    sound = "sound for this metric" if facts.get("sound") else facts.get("promise") or "NOT sound for this metric"
    return f"{_with_arguments(spec['certifier'], spec.get('arguments', {}).get('certifier'))}; {sound}"


def _skipped(spec: Mapping[str, Any], facts: Mapping[str, Any]) -> str | None:
    if not (spec["attack"] and spec["certifier"] and facts.get("sound")):
        return None
    return "not attacked within their radius" if spec.get("skip_certified") else "attacked as well"


def _ties(facts: Mapping[str, Any]) -> str:
    return f"{facts['ties']} ties of the people left out" if "ties" in facts else "ties not counted"


def _part(part: Mapping[str, Any]) -> str:
    return f"{part.get('part', '')} ({_flat({key: value for key, value in part.items() if key != 'part'})})"


def _passes(facts: Mapping[str, Any]) -> str | None:
    if "forwards" not in facts:
        return None
    return f"{facts['forwards']:.0f} forward, {facts.get('backwards', 0):.0f} backward, summed over triplets"


def _flat(value: object) -> str:
    """One line for a value of record.json."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_flat(item)}" for key, item in value.items() if item not in (None, ""))
    return (
        {True: "yes", False: "no", None: "unknown"}[value] if value is None or isinstance(value, bool) else str(value)
    )


def _number(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
