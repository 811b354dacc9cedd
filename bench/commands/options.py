"""Options that several commands share: one name, one meaning, one help text."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from perceptbench.core.errors import UserError


class Device(StrEnum):
    """Where to compute."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"

    def resolve(self) -> str:
        """cpu or cuda. Raises UserError where there is no GPU and one was asked for."""
        import torch

        available = torch.cuda.is_available()
        if self is Device.cuda and not available:
            raise UserError("--device cuda was asked for, but torch finds no CUDA device; use --device cpu")
        if self is Device.cpu or not available:
            return "cpu"
        # TensorFloat-32 would blur distances a thousand times more than float32 does.
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cuda.matmul.allow_tf32 = False
        return "cuda"


Metrics = Annotated[list[str], typer.Option("--metric", help="Metrics; repeat, or give a comma list.")]
Attacks = Annotated[list[str], typer.Option("--attack", help="Attacks; repeat, or give a comma list.")]
Eps = Annotated[list[str], typer.Option("--eps", help="Budgets: 2.0, 36/255, or 0.5,1,2,3.")]
Data = Annotated[
    list[str], typer.Option("--data", help="photos, nights:PATH[@split], bapps:PATH, csv:PATH, images:DIR.")
]
Move = Annotated[str, typer.Option("--move", help="What may change: reference, left, right or all.")]
EpsLeft = Annotated[str | None, typer.Option("--eps-left", help="With --move all: a budget of its own for left.")]
EpsRight = Annotated[str | None, typer.Option("--eps-right", help="With --move all: a budget of its own for right.")]
Limit = Annotated[int | None, typer.Option("--limit", help="Only this many triplets (a fixed shuffle).")]
Seed = Annotated[int, typer.Option("--seed", help="Seed of every random number.")]
BatchSize = Annotated[str, typer.Option("--batch-size", help="A number, or auto; it changes no result.")]
DeviceOption = Annotated[Device, typer.Option("--device", help="Where to compute.")]
Runs = Annotated[Path, typer.Option("--runs", help="Folder of finished and interrupted runs.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on standard output, nothing else there.")]


def batch_size(text: str) -> int | None:
    """None for auto. Raises UserError for anything but a positive number."""
    if text == "auto":
        return None
    if not (text.isascii() and text.isdecimal()) or int(text) < 1:
        raise UserError(f"--batch-size wants a positive number or auto, got {text!r}")
    return int(text)
