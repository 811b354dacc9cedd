"""`bench list`: the registered components, one row each."""

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from perceptbench.bench.answers import answer
from perceptbench.bench.commands.options import command
from perceptbench.bench.commands.shared import JSON
from perceptbench.core.option import option
from perceptbench.core.plain_json import json_line

if TYPE_CHECKING:
    from rich.table import Table

    from perceptbench.bench.cards import MetricFacts

WIDTH = 100
"""The table of metrics fits into this many columns."""


class Kind(StrEnum):
    """What can be listed."""

    metrics = "metrics"
    attacks = "attacks"
    certifiers = "certifiers"
    data = "data"
    tasks = "tasks"
    threats = "threats"
    engines = "engines"
    edits = "edits"
    channels = "channels"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListRequest:
    """What to list."""

    kind: Kind | None = field(
        default=None,
        metadata=option(
            "metrics, attacks, certifiers, data, tasks, threats, engines, edits or channels; default: all.",
            positional=True,
        ),
    )
    grep: str | None = field(default=None, metadata=option("Only what has this text in its name, summary or source."))
    available: bool = field(default=False, metadata=option("Only what can be used here as it is."))
    json: bool = field(default=False, metadata=JSON)


@dataclass(frozen=True, slots=True)
class Listed:
    """One component, in texts."""

    kind: str
    name: str
    what: str
    source: str
    licence: str
    here: str
    """`yes`, `with` what must be named, or `no` and why."""

    def found(self, request: ListRequest) -> bool:
        """Whether it was asked for."""
        words = f"{self.name}\n{self.what}\n{self.source}".casefold()
        usable = not request.available or not self.here.startswith("no")
        return usable and (request.grep is None or request.grep.casefold() in words)


@command()
def listing(request: ListRequest) -> None:
    """What each is, its source, licence, and whether it can be used here."""
    from perceptbench.bench.cards import all_facts
    from perceptbench.bench.output import console
    from perceptbench.core.errors import UserError

    kinds = list(Kind) if request.kind is None else [request.kind]
    facts = {entry.name: entry for entry in all_facts()} if Kind.metrics in kinds else {}
    found = {kind: [one for one in _listed(kind, facts) if one.found(request)] for kind in kinds}
    if request.json:
        answer(json_line({"schema": 1, "rows": [asdict(one) for rows in found.values() for one in rows]}))
        return
    if not any(found.values()):
        raise UserError("expected something to list, found nothing; leave --grep or --available out")
    for kind, rows in found.items():
        if rows and kind is Kind.metrics:
            console(WIDTH).print(_metrics([facts[one.name] for one in rows]))
        elif rows:
            console(WIDTH).print(_components(kind, rows))


def _listed(kind: Kind, facts: "dict[str, MetricFacts]") -> "list[Listed]":
    registry = _registry(kind)
    found = []
    for name in registry.names():
        card, wanted = registry.card(name), registry.inputs(name)
        here = f"no: pip install {' '.join(card.missing)}" if card.missing else ""
        here = facts[name].here if name in facts else here or (f"with {', '.join(wanted)}" if wanted else "yes")
        found.append(Listed(kind.value, name, card.summary, card.source, card.licence, here))
    return found


def _metrics(entries: "list[MetricFacts]") -> "Table":
    from rich import box
    from rich.table import Table

    from perceptbench.bench.cards import NONE

    table = Table(title="perceptbench: metrics", caption=_CAPTION, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), leading=1)
    for column, width in (
        ("name", 17), ("what it is", 20), ("source; licences", 18), ("size", 10), ("proved", 6), ("NIGHTS", 6),
        ("here?", 8),
    ):  # fmt: skip
        table.add_column(column, overflow="fold", width=width)
    for entry in entries:
        about, (parameters, gmac, side) = entry.about, entry.size
        source = f"{entry.card.source.partition(';')[0]}, {about.year}" if about.year else entry.card.source
        licences = f"{entry.card.licence} / {about.weights_licence or NONE}"
        what = entry.card.summary + (" The original is a similarity." if about.original == "similarity" else "")
        size = f"{parameters} M\n{gmac} GMAC\n{side} px"
        table.add_row(entry.name, what, f"{source}\n{licences}", size, entry.proved_by, entry.nights, entry.here)
    return table


_CAPTION = (
    "licences: of the code / of the weights; size: parameters, multiply-adds for one image, side of the images inside; "
    "proved: by which certifier, of the metric itself; NIGHTS: published natural score in %; more in docs/metrics.md"
)


def _components(kind: Kind, rows: list[Listed]) -> "Table":
    from rich.table import Table

    table = Table(title=f"perceptbench: {kind.value}")
    for column in ("name", "what it is", "source", "licence", "here?"):
        table.add_column(column, overflow="fold")
    for one in rows:
        table.add_row(one.name, one.what, one.source, one.licence, one.here)
    return table


def _registry(kind: Kind):  # type: ignore[no-untyped-def]
    from perceptbench.attacks.base import attack
    from perceptbench.attacks.threats.base import threat
    from perceptbench.attacks.through.base import channel
    from perceptbench.bench.engines.base import engine
    from perceptbench.certifiers.base import certifier
    from perceptbench.metrics.base import metric
    from perceptbench.tasks.base import task
    from perceptbench.triplets.base import triplets
    from perceptbench.triplets.edits.base import edit

    registries = {
        Kind.metrics: metric, Kind.attacks: attack, Kind.certifiers: certifier, Kind.data: triplets,
        Kind.tasks: task, Kind.threats: threat, Kind.engines: engine, Kind.edits: edit,
        Kind.channels: channel,
    }  # fmt: skip
    return registries[kind]
