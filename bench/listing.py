"""`bench list`: what there is, one row each."""

from enum import StrEnum
from typing import Annotated

import typer


class Kind(StrEnum):
    """What can be listed."""

    metrics = "metrics"
    attacks = "attacks"
    certifiers = "certifiers"
    data = "data"


def listing(kind: Annotated[Kind, typer.Argument(help="metrics, attacks, certifiers or data")]) -> None:
    """What each is, its source, licence, and whether it can be used here."""
    from rich.table import Table

    from bench.output import console

    registry = _registry(kind)
    table = Table(title=f"perceptbench: {kind.value}")
    for column in ("name", "what it is", "source", "licence", "here?"):
        table.add_column(column, overflow="fold")
    for name in registry.names():
        card = registry.card(name)
        here = f"no: pip install {' '.join(card.missing)}" if card.missing else _condition(registry.inputs(name))
        table.add_row(name, card.summary, card.source, card.licence, here)
    console().print(table)


def _condition(inputs: tuple[str, ...]) -> str:
    return f"with {', '.join(inputs)}" if inputs else "yes"


def _registry(kind: Kind):  # type: ignore[no-untyped-def]
    from attacks.base import attack
    from certifiers.base import certifier
    from metrics.base import metric
    from triplets.base import triplets

    return {Kind.metrics: metric, Kind.attacks: attack, Kind.certifiers: certifier, Kind.data: triplets}[kind]
