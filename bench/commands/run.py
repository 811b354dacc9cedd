"""`bench run`: metrics through attacks, with certificates wherever a metric admits one."""

from pathlib import Path
from typing import Annotated

import typer

from perceptbench.bench.commands import options
from perceptbench.bench.commands.options import Device


def run(
    metric: options.Metrics,
    eps: options.Eps,
    attack: options.Attacks,
    data: options.Data = ["photos"],  # noqa: B006 - typer reads the default, nothing changes it
    certifier: Annotated[str, typer.Option("--certifier", help="margin, another one, or none.")] = "margin",
    limit: options.Limit = None,
    seed: options.Seed = 0,
    goal: Annotated[
        str | None, typer.Option("--goal", help="flip, push (identical images differ) or pull (different ones agree).")
    ] = None,
    move: options.Move = "reference",
    eps_left: options.EpsLeft = None,
    eps_right: options.EpsRight = None,
    restarts: Annotated[int, typer.Option("--restarts", help="Starts of an attack that is no ensemble.")] = 1,
    quantize: Annotated[str | None, typer.Option("--quantize", help="8bit: judge what a PNG would hold.")] = None,
    protocol: Annotated[
        str, typer.Option("--protocol", help="ours, or paper: its attacks as its code ran them.")
    ] = "ours",
    skip_certified: Annotated[
        bool,
        typer.Option("--skip-certified/--no-skip-certified", help="Do not attack what is proved safe."),
    ] = True,
    save_images: Annotated[
        int,
        typer.Option("--save-images", help="Keep the images of the first N triplets, for sheets; no number changes."),
    ] = 0,
    batch_size: options.BatchSize = "auto",
    device: options.DeviceOption = Device.auto,
    runs: options.Runs = Path("runs"),
    json: options.Json = False,
) -> None:
    """Attack metrics on 2AFC data and certify those that admit a proof."""
    from perceptbench.bench.commands.finished import run_and_print
    from perceptbench.bench.request import Request
    from perceptbench.core.spec import parse_budget, parse_eps

    request = Request(
        metrics=metric,
        data=data,
        attacks=attack,
        certifiers=[] if certifier == "none" else [certifier],
        eps=parse_eps(eps),
        limit=limit,
        seed=seed,
        skip_certified=skip_certified,
        goal=goal,
        move=move,
        eps_left=parse_budget(eps_left, "--eps-left"),
        eps_right=parse_budget(eps_right, "--eps-right"),
        restarts=restarts,
        quantize=quantize,
        protocol=protocol,
        device=device.resolve(),
        save_images=save_images,
    )
    run_and_print(request, runs, options.batch_size(batch_size), as_json_object=json)
