"""`bench list`: the registered components, one row each."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from perceptbench.bench.commands.options import command
from perceptbench.core.option import option

if TYPE_CHECKING:
    from rich.table import Table

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

    kind: Kind = field(
        metadata=option(
            "metrics, attacks, certifiers, data, tasks, threats, engines, edits or channels.", positional=True
        )
    )


@command()
def listing(request: ListRequest) -> None:
    """What each is, its source, licence, and whether it can be used here."""
    from perceptbench.bench.output import console

    console(WIDTH).print(_metrics() if request.kind is Kind.metrics else _components(request.kind))


def _metrics() -> "Table":
    from rich import box
    from rich.table import Table

    from perceptbench.bench.cards import NONE, all_facts

    table = Table(title="perceptbench: metrics", caption=_CAPTION, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), leading=1)
    for column, width in (
        ("name", 17), ("what it is", 20), ("source; licences", 18), ("size", 10), ("proved", 6), ("NIGHTS", 6),
        ("here?", 8),
    ):  # fmt: skip
        table.add_column(column, overflow="fold", width=width)
    for entry in all_facts():
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


def _components(kind: Kind) -> "Table":
    from rich.table import Table

    registry = _registry(kind)
    table = Table(title=f"perceptbench: {kind.value}")
    for column in ("name", "what it is", "source", "licence", "here?"):
        table.add_column(column, overflow="fold")
    for name in registry.names():
        card = registry.card(name)
        wanted = registry.inputs(name)
        here = f"no: pip install {' '.join(card.missing)}" if card.missing else ""
        table.add_row(
            name, card.summary, card.source, card.licence, here or (f"with {', '.join(wanted)}" if wanted else "yes")
        )
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
