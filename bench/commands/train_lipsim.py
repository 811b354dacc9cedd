"""`bench train lipsim`: its options are the fields of the arguments of the training."""

import shlex
import sys
from dataclasses import dataclass, field
from pathlib import Path

from perceptbench.bench.answers import answer
from perceptbench.bench.commands.options import command
from perceptbench.core.errors import UserError
from perceptbench.core.option import option
from perceptbench.training.lipsim.config import Machine, Sources, TrainConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What to write, and whether this is only a trial.

    Args:
        to: the file of the weights; the record is written beside it.
        smoke: train on the embedded photographs and ignore the other options.
    """

    to: Path | None = field(default=None, metadata=option("The .safetensors file to write.", section="Data"))
    smoke: bool = field(default=False, metadata=option("Try both stages on the embedded photographs."))


@command(configs="perceptbench.training")
def lipsim(sources: Sources, config: TrainConfig, machine: Machine, target: Target) -> None:
    """Train a LipSim: order photographs as the teacher does, then fine-tune on triplets."""
    words = shlex.join(["bench", *sys.argv[1:]])
    if target.smoke:
        from perceptbench.bench.commands.smoke import run

        run(target.to, words)
        return
    from perceptbench.training.lipsim.train import train_lipsim

    if not sources.images or target.to is None:
        raise UserError("expected --images and --to, on the command line or in a --config; or --smoke for a trial")
    written = train_lipsim(sources, config, machine, target.to, words)
    if written is not None:
        answer(f"{written}\nNext: bench run --metric lipsim:{written} --attack l2-apgd-ce --eps 1.0")
