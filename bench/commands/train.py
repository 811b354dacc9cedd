"""`bench train`: fits metrics and writes their weights with a training record."""

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from perceptbench.bench.commands.sections import Sections
from perceptbench.bench.commands.train_lipsim import lipsim

app = typer.Typer(help="Train metrics.", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def _train() -> None:
    """Train metrics."""


app.command("lipsim", cls=Sections)(lipsim)


@app.command("lpips")
def lpips(
    data: Annotated[str, typer.Option("--data", help="Triplets with human answers.")],
    to: Annotated[Path, typer.Option("--to", help="The .safetensors file to write.")],
    net: Annotated[str, typer.Option("--net", help="Trunk: alex, vgg or squeeze.")] = "alex",
    tune: Annotated[str, typer.Option("--tune", help="heads, or trunk: the heads and the network below.")] = "heads",
    loss: Annotated[str, typer.Option("--loss", help="2afc, ranking or regression.")] = "2afc",
    margin: Annotated[float, typer.Option("--margin", help="Of the ranking loss, in units of the distance.")] = 0.05,
    epochs: Annotated[int, typer.Option("--epochs", help="Passes over the triplets.")] = 10,
    batch_size: Annotated[int, typer.Option("--batch-size", help="Triplets a step.")] = 50,
    lr: Annotated[float, typer.Option("--lr", help="Learning rate of the heads.")] = 1e-4,
    trunk_lr: Annotated[float, typer.Option("--trunk-lr", help="Learning rate of the trunk.")] = 1e-5,
    hold_out: Annotated[float, typer.Option("--hold-out", help="Share of the images never seen in training.")] = 0.2,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Only this many triplets.")] = None,
    seed: Annotated[int, typer.Option("--seed", help="Seed of every random number.")] = 0,
) -> None:
    """Fit LPIPS to human answers, and compare it with the stock heads on images it never saw."""
    from perceptbench.bench.commands.train_lpips import run

    options = {
        "net": net, "tune": tune, "loss": loss, "margin": margin, "epochs": epochs, "batch": batch_size,
        "lr": lr, "trunk_lr": trunk_lr, "hold_out": hold_out, "seed": seed,
    }  # fmt: skip
    run(data, to, options, limit, shlex.join(["bench", *sys.argv[1:]]))
