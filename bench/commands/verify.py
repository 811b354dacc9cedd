"""`bench verify`: some samples of a finished run are computed again."""

from dataclasses import asdict, dataclass, field
from pathlib import Path

import typer

from perceptbench.bench.answers import answer
from perceptbench.bench.commands.options import command
from perceptbench.bench.commands.shared import JSON, RUNS
from perceptbench.core.device import DEVICE
from perceptbench.core.files import is_folder
from perceptbench.core.option import option
from perceptbench.core.plain_json import json_line


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyRequest:
    """Which run, and how much of it."""

    run: str = field(metadata=option("Its id, or its folder.", positional=True))
    k: int = field(default=20, metadata=option("So many of its samples.", min=1))
    runs: Path = field(default=Path("runs"), metadata=RUNS)
    device: str = field(default="auto", metadata=DEVICE)
    json: bool = field(default=False, metadata=JSON)


@command()
def verify(request: VerifyRequest) -> None:
    """Compute samples of a finished run again; exit status 1 where a stored number is better than today's."""
    from perceptbench.bench.api.verify import verify as check

    folder = Path(request.run)
    found = check(folder if is_folder(folder) else request.runs / request.run, request.k, device=request.device)
    if request.json:
        answer(json_line({**asdict(found), "holds": not found.refuted}))
    else:
        for sentence in (*found.refuted, *found.weaker):
            answer(sentence)
        changed = f"changed since: {', '.join(found.moved)}" if found.moved else "no part of it has changed"
        verdict = f"{len(found.refuted)} stored numbers are refuted" if found.refuted else "it holds"
        answer(f"run {found.run}: {len(found.samples)} samples and {found.images} images again; {changed}; {verdict}.")
    if found.refuted:
        raise typer.Exit(1)
