"""`bench certify`: what can be proved, without any attack."""

from pathlib import Path
from typing import Annotated

import typer

from perceptbench.bench.commands import options
from perceptbench.bench.commands.options import Device


def certify(
    metric: options.Metrics,
    eps: options.Eps,
    certifier: Annotated[list[str], typer.Option("--certifier", help="See: bench list certifiers.")] = ["margin"],  # noqa: B006
    data: options.Data = ["photos"],  # noqa: B006 - typer reads the default, nothing changes it
    move: options.Move = "reference",
    eps_left: options.EpsLeft = None,
    eps_right: options.EpsRight = None,
    limit: options.Limit = None,
    seed: options.Seed = 0,
    batch_size: options.BatchSize = "auto",
    device: options.DeviceOption = Device.auto,
    runs: options.Runs = Path("runs"),
    json: options.Json = False,
) -> None:
    """Certify the answers of metrics on 2AFC data, in l2."""
    from perceptbench.bench.commands.finished import run_and_print
    from perceptbench.bench.output import console, gains
    from perceptbench.bench.request import Request
    from perceptbench.core.spec import parse_budget, parse_eps

    request = Request(
        metrics=metric,
        data=data,
        attacks=[],
        certifiers=certifier,
        eps=parse_eps(eps),
        limit=limit,
        seed=seed,
        move=move,
        eps_left=parse_budget(eps_left, "--eps-left"),
        eps_right=parse_budget(eps_right, "--eps-right"),
        device=device.resolve(),
    )
    records = run_and_print(request, runs, options.batch_size(batch_size), as_json_object=json)
    if not json:
        for sentence in gains(records):
            console().print(sentence)
