"""`bench certify`: what can be proved, without any attack."""

from pathlib import Path
from typing import Annotated

import typer

from bench import options
from bench.options import Device


def certify(
    metric: options.Metrics,
    eps: options.Eps,
    certifier: Annotated[list[str], typer.Option("--certifier", help="margin, paper, tsuzuku.")] = ["margin"],  # noqa: B006
    data: options.Data = ["photos"],  # noqa: B006 - typer reads the default, nothing changes it
    limit: options.Limit = None,
    seed: options.Seed = 0,
    batch_size: options.BatchSize = "auto",
    device: options.DeviceOption = Device.auto,
    runs: options.Runs = Path("runs"),
    json: options.Json = False,
) -> None:
    """Certify the answers of metrics on 2AFC data: l2, only the reference moves."""
    from bench.engines.local import run_all
    from bench.plan import Request
    from core.spec import parse_eps

    request = Request(
        metrics=metric,
        data=data,
        attacks=[],
        certifiers=certifier,
        eps=parse_eps(eps),
        limit=limit,
        seed=seed,
        device=device.resolve(),
    )
    run_all(request, runs, options.batch_size(batch_size), as_json_object=json)
