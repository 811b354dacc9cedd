"""One optimisation loop for every stage: learning rate, checkpoints, resuming, validation."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor

from core.errors import UserError
from core.files import write_atomically
from metrics.lipschitz.network import LipSimNet
from training.config import Stage, TrainConfig

Loss = Callable[[LipSimNet, torch.Generator], Tensor]
Validate = Callable[[LipSimNet], dict[str, float]]


def learning_rate(stage: Stage, step: int) -> float:
    """Linear warm-up, then cosine to zero."""
    if step < stage.warmup:
        return stage.lr * (step + 1) / stage.warmup
    progress = (step - stage.warmup) / max(1, stage.steps - stage.warmup)
    return stage.lr * (1 + math.cos(math.pi * progress)) / 2


@dataclass
class Fit:
    """The state of a run: what a checkpoint holds, so that a resumed run gives the same weights."""

    net: LipSimNet
    config: TrainConfig
    checkpoint: Path
    identity: str
    """What the run learns from and how: a checkpoint of another one is refused."""
    optimiser: torch.optim.Adam = field(init=False)
    generator: torch.Generator = field(init=False)
    done: dict[str, int] = field(default_factory=dict)
    curve: list[dict[str, float | str]] = field(default_factory=list)
    best: dict[str, Tensor] = field(default_factory=dict)
    """Weights of the highest certified score on what is held out, over all stages."""
    chosen: dict[str, Any] = field(default_factory=dict)
    """The entry of the curve they belong to."""

    def __post_init__(self) -> None:
        self.generator = torch.Generator().manual_seed(self.config.seed)
        self.reset_optimiser()

    def reset_optimiser(self) -> None:
        """Each stage starts with fresh moments."""
        self.optimiser = torch.optim.Adam(self.net.parameters(), betas=(0.9, 0.99))

    def save(self) -> None:
        """Write everything that decides the next step."""
        state = {
            "net": self.net.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "generator": self.generator.get_state(),
            "done": self.done,
            "curve": self.curve,
            "best": self.best,
            "chosen": self.chosen,
            "identity": self.identity,
        }
        write_atomically(self.checkpoint, lambda part: torch.save(state, part))

    def resume(self) -> None:
        """Go on from the checkpoint, if there is one. Raises UserError if it is of another run."""
        if not self.checkpoint.is_file():
            return
        try:
            state = torch.load(self.checkpoint, weights_only=True)
        except Exception as error:  # torch raises a dozen kinds for a damaged file
            raise UserError(f"{self.checkpoint} is damaged ({error}); delete it to start over") from error
        if not isinstance(state, dict) or state.get("identity") != self.identity:
            raise UserError(f"{self.checkpoint} is of a run with other arguments; delete it or name another --to")
        self.net.load_state_dict(state["net"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.generator.set_state(state["generator"])
        self.done, self.curve = state["done"], state["curve"]
        self.best, self.chosen = state["best"], state["chosen"]

    def run(self, name: str, stage: Stage, loss: Loss, validate: Validate) -> None:
        """Optimise one stage, validating and checkpointing twenty times on the way."""
        start = self.done.get(name, 0)
        if start == 0:
            self.reset_optimiser()
        every = max(1, stage.steps // 20)
        with _progress(name) as bar:
            task = bar.add_task(name, total=stage.steps, completed=start, scores="")
            for step in range(start, stage.steps):
                value = self._step(stage, step, loss)
                bar.advance(task)
                if (step + 1) % every == 0 or step + 1 == stage.steps:
                    scores = validate(self.net)
                    self._note({"stage": name, "step": step + 1, "loss": value, **scores})
                    self.done[name] = step + 1
                    bar.update(task, scores=" ".join(f"{k} {v:.1f}" for k, v in scores.items()))
                    self.save()

    def _note(self, entry: dict[str, Any]) -> None:
        """Add to the curve; keep the weights where nothing so far was certified as often."""
        self.curve.append(entry)
        if not self.chosen or entry["certified"] >= self.chosen["certified"]:
            self.chosen = entry
            self.best = {name: tensor.clone() for name, tensor in self.net.state_dict().items()}

    def _step(self, stage: Stage, step: int, loss: Loss) -> float:
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(stage, step)
        self.optimiser.zero_grad(set_to_none=True)
        value = loss(self.net, self.generator)
        value.backward()
        if not torch.isfinite(value):
            raise UserError(f"the loss became {value.item()} at step {step}; try a smaller --lr")
        self.optimiser.step()
        return value.item()


def _progress(name: str) -> Progress:
    columns = (TextColumn(name), BarColumn(), TextColumn("{task.completed}/{task.total}"))
    scores = TextColumn("{task.fields[scores]}")
    return Progress(*columns, TimeRemainingColumn(), scores, console=Console(stderr=True))
