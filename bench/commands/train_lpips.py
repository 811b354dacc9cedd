"""`bench train lpips`: its options are the fields of the arguments of the fit."""

import shlex
import sys
from dataclasses import dataclass, field
from pathlib import Path

from perceptbench.bench.commands.options import command
from perceptbench.core.option import option
from perceptbench.training.lpips.lpips_config import LPIPSConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class FitRequest:
    """Which triplets to learn from, and what to write."""

    data: str = field(metadata=option("Triplets with human answers."))
    to: Path = field(metadata=option("The .safetensors file to write."))
    limit: int | None = field(default=None, metadata=option("Only this many triplets.", min=1))


@command()
def lpips(request: FitRequest, config: LPIPSConfig) -> None:
    """Fit LPIPS to human answers, and compare it with the stock heads on images it never saw."""
    from perceptbench.bench.commands.fit_lpips import run

    run(request.data, request.to, config, request.limit, shlex.join(["bench", *sys.argv[1:]]))
