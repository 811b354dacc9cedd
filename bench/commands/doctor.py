"""`bench doctor`: is a metric fit to be measured? Exit status 1 where something is wrong."""

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

import typer

from perceptbench.bench.answers import answer
from perceptbench.bench.commands.options import command
from perceptbench.bench.commands.shared import JSON
from perceptbench.core.device import DEVICE
from perceptbench.core.option import option
from perceptbench.core.plain_json import json_line

if TYPE_CHECKING:
    from perceptbench.bench.api.doctor import Checked, Diagnosis


@dataclass(frozen=True, slots=True, kw_only=True)
class DoctorRequest:
    """Which metric to look at."""

    metric: str = field(metadata=option("One metric."))
    device: str = field(default="auto", metadata=DEVICE)
    json: bool = field(default=False, metadata=JSON)


@command()
def doctor(request: DoctorRequest) -> None:
    """Look whether a metric is fit to be measured: range, direction, gradient, ...; exit status 1 where it is not."""
    from perceptbench.bench.api.doctor import doctor as look

    found = look(request.metric, device=request.device)
    if request.json:
        answer(json_line(_plain(found)))
    else:
        _print(found)
    if not found.ok:
        raise typer.Exit(1)


def _plain(found: "Diagnosis") -> dict[str, object]:
    checks = [asdict(one) for one in found.checks]
    return {"schema": 1, "metric": found.metric, "ok": found.ok, "cause": found.cause, "checks": checks}


def _print(found: "Diagnosis") -> None:
    from perceptbench.bench.output import console, plain_table

    columns = ("check", "", "what was looked at", "measured", "threshold")
    output = console()
    output.print(plain_table(f"bench doctor: {found.metric}", columns, [_line(one) for one in found.checks]))
    output.print(f"{found.metric}: {found.cause or 'nothing wrong was found'}.")


def _line(one: "Checked") -> tuple[str, ...]:
    verdict = {True: "ok", False: "WRONG", None: "-"}[one.ok]
    numbers = ("" if value is None else f"{value:.3g}" for value in (one.measured, one.threshold))
    return one.name, verdict, one.sentence, *numbers
