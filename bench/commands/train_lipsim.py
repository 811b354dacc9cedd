"""`bench train lipsim`: its options, and what is made of them."""

import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from perceptbench.bench.commands.config_file import take_config
from perceptbench.bench.commands.options import Device
from perceptbench.core.errors import UserError


def _option(panel: str, name: str, text: str, **more: Any) -> Any:
    return typer.Option(name, help=text, rich_help_panel=panel, **more)


def lipsim(
    images: Annotated[list[Path], _option("Data", "--images", "Photographs: folders or tar files; repeat.")] = [],  # noqa: B006
    to: Annotated[Path | None, _option("Data", "--to", "The .safetensors file to write.")] = None,
    teacher: Annotated[str, _option("Data", "--teacher", "An embedding metric.")] = "effnet-lite0",
    data: Annotated[list[str], _option("Data", "--data", "Triplets to fine-tune on; default: constructed.")] = [],  # noqa: B006
    limit: Annotated[int | None, _option("Data", "--limit", "Only this many photographs.", min=1)] = None,
    held_out: Annotated[int, _option("Data", "--held-out", "One photograph in so many judges.", min=2)] = 20,
    views: Annotated[int, _option("Data", "--views", "Views of each photograph.", min=2)] = 8,
    kin: Annotated[int, _option("Data", "--kin", "Other views of one photograph in a cluster.", min=0)] = 3,
    jitter: Annotated[float, _option("Data", "--jitter", "Share of views in yet other colours.")] = 0.0,
    pool: Annotated[int, _option("Data", "--pool", "Triplets drawn from each --data.", min=1)] = 300,
    steps: Annotated[int, _option("Stage 1: distil", "--steps", "Steps; 0 for none.", min=0)] = 6500,
    lr: Annotated[float, _option("Stage 1: distil", "--lr", "Peak learning rate; a sixth in stage 2.")] = 3e-3,
    distil_loss: Annotated[str, _option("Stage 1: distil", "--distil-loss", "hinge, cosine or hkr.")] = "hinge",
    radius: Annotated[float, _option("Stage 1: distil", "--radius", "Radius asked for, pixel l2.")] = 5.0,
    finetune_steps: Annotated[
        int, _option("Stage 2: fine-tune", "--finetune-steps", "Steps; 0 for none.", min=0)
    ] = 300,
    loss: Annotated[str, _option("Stage 2: fine-tune", "--loss", "hinge, cosine or hkr.")] = "hinge",
    finetune_radius: Annotated[
        float | None, _option("Stage 2: fine-tune", "--finetune-radius", "Default: --radius.")
    ] = None,
    margin: Annotated[float, _option("Losses", "--margin", "Cosine distance asked for by cosine.")] = 0.5,
    hinge_weight: Annotated[float, _option("Losses", "--hinge-weight", "Of the hinge in hkr.")] = 10.0,
    focus: Annotated[float, _option("Losses", "--focus", "Weigh like images more; 0 for none.")] = 0.3,
    network: Annotated[str, _option("Network", "--network", "Its shape: sll or window.")] = "window",
    batch_size: Annotated[int, _option("Optimiser", "--batch-size", "Images a step, over all processes.", min=6)] = 48,
    accumulate: Annotated[int, _option("Optimiser", "--accumulate", "Batches a step.", min=1)] = 1,
    precision: Annotated[str, _option("Optimiser", "--precision", "bf16 or fp32.")] = "bf16",
    ema: Annotated[float, _option("Optimiser", "--ema", "Decay of the weights' average; 0 for none.")] = 0.0,
    seed: Annotated[int, _option("Optimiser", "--seed", "Seed of every random number.")] = 0,
    device: Annotated[Device, _option("Machine", "--device", "Where to compute.")] = Device.auto,
    devices: Annotated[int, _option("Machine", "--devices", "GPUs, or processes on the CPU.", min=1)] = 1,
    nodes: Annotated[int, _option("Machine", "--nodes", "Machines, each given this command.", min=1)] = 1,
    workers: Annotated[int, _option("Machine", "--workers", "Processes that load images.", min=0)] = 0,
    checkpoint_every: Annotated[float, _option("Machine", "--checkpoint-every", "Minutes at most.")] = 10.0,
    config: Annotated[
        str | None,
        typer.Option(
            "--config",
            help="Options from a .toml file, or imagenet-dreamsim, shipped.",
            is_eager=True,
            callback=take_config,
        ),
    ] = None,
    smoke: Annotated[bool, typer.Option("--smoke", help="Try both stages on the embedded photographs.")] = False,
) -> None:
    """Train a LipSim: order photographs as the teacher does, then fine-tune on triplets."""
    command = shlex.join(["bench", *sys.argv[1:]])
    if smoke:
        from perceptbench.bench.commands.smoke import run

        run(to, command)
        return
    from perceptbench.metrics.lipsim.shape import NETWORKS
    from perceptbench.training.lipsim.config import Machine, Sources, Stage, TrainConfig
    from perceptbench.training.lipsim.losses import Objective
    from perceptbench.training.lipsim.train import train_lipsim

    if not images or to is None:
        raise UserError("expected --images and --to, on the command line or in a --config; or --smoke for a trial")

    def stage(steps: int, lr: float, warmup: int, loss: str, radius: float) -> Stage:
        asked = Objective(loss=loss, radius=radius, margin=margin, hinge_weight=hinge_weight, focus=focus)
        return Stage(steps=steps, lr=lr, warmup=warmup, objective=asked)

    if network not in NETWORKS:
        raise UserError(f"--network wants one of {', '.join(NETWORKS)}, got {network}")
    arguments = TrainConfig(
        network=NETWORKS[network],
        distil=stage(steps, lr, 100, distil_loss, radius),
        finetune=stage(finetune_steps, lr / 6, 20, loss, radius if finetune_radius is None else finetune_radius),
        batch=batch_size,
        accumulate=accumulate,
        held_out=held_out,
        views=views,
        kin=kin,
        jitter=jitter,
        pool=pool,
        ema=ema,
        precision=precision,
        seed=seed,
    )
    sources = Sources(images=tuple(images), teacher=teacher, data=tuple(data), limit=limit)
    machine = Machine(
        device=device.resolve(), devices=devices, nodes=nodes, workers=workers, checkpoint_every=checkpoint_every
    )
    written = train_lipsim(sources, arguments, machine, to, command)
    if written is not None:
        print(f"{written}\nNext: bench run --metric lipsim:{written} --attack l2-apgd-ce --eps 1.0")
