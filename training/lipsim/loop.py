"""One optimisation loop for every stage: learning rate, averages, checkpoints, resuming, validation."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel
from torch.utils.data import DataLoader

from perceptbench.core.errors import UserError
from perceptbench.metrics.lipsim.network import LipSimNet
from perceptbench.training.lipsim.checkpoints import read_checkpoint, save_checkpoint
from perceptbench.training.lipsim.config import Machine, Stage, TrainConfig
from perceptbench.training.lipsim.data.batch import Batches, TrainingBatch
from perceptbench.training.lipsim.processes import Processes

Loss = Callable[[nn.Module, TrainingBatch], Tensor]
Validate = Callable[[nn.Module], dict[str, float]]


def averaged(net: nn.Module, decay: float) -> AveragedModel:
    """An exponential moving average that starts at `net`.

    After n updates the decay is at most (1 + n) / (10 + n): else a short run would be judged by its
    random start.
    """

    @torch.no_grad()
    def mix(average: Tensor, current: Tensor, n: Tensor | int) -> Tensor:
        n = torch.as_tensor(n, dtype=average.dtype, device=average.device)
        return torch.lerp(current, average, ((1 + n) / (10 + n)).clamp_max(decay))

    average = AveragedModel(net, avg_fn=mix)
    # The first update would copy the weights of the step after: the average starts where the net does.
    average.n_averaged += 1
    return average


def _bar(name: str, shown: bool) -> Progress:
    """Steps, time left, the loss, and the last natural and certified score in percent, on standard error."""
    columns = (TextColumn(name), BarColumn(12), TextColumn("{task.completed}/{task.total}"), TimeRemainingColumn())
    fields = (TextColumn("loss {task.fields[loss]:.3f}"), TextColumn("{task.fields[scores]}"))
    return Progress(*columns, *fields, console=Console(stderr=True), disable=not shown)


@dataclass
class Fit:
    """A run: `run` its stages one after the other; what a checkpoint holds is what decides the next step."""

    net: LipSimNet
    config: TrainConfig
    machine: Machine
    processes: Processes
    checkpoint: Path
    identity: str
    """What the run learns from and how: a checkpoint of another one is refused."""
    validate: Validate
    done: dict[str, int] = field(default_factory=dict)
    curve: list[dict[str, float | str]] = field(default_factory=list)
    best: dict[str, Tensor] = field(default_factory=dict)
    """Weights of the highest certified score on what is held out, over all stages."""
    chosen: dict[str, Any] = field(default_factory=dict)
    """The entry of the curve they belong to."""
    before: dict[str, float] = field(default_factory=dict)
    """Scores of the untrained network."""
    seconds: float = 0.0
    """Of all earlier sessions."""

    def __post_init__(self) -> None:
        self._started = self._saved = time.monotonic()
        self.net.to(self.processes.device)
        self._model = self.processes.wrap(self.net)
        self._begin()
        self._resume()
        if self.processes.first and not self.before:
            self.before = self.validate(self.net)

    def _begin(self) -> None:
        """Each stage starts with fresh moments and a fresh average."""
        self._optimiser = torch.optim.Adam(self.net.parameters(), betas=(0.9, 0.99))
        self._average: AveragedModel | None = averaged(self.net, self.config.ema) if self.config.ema else None

    @property
    def judged(self) -> nn.Module:
        """The network that is validated and written: the average, where there is one."""
        return self._average.module if self._average else self.net

    @property
    def elapsed(self) -> float:
        """Seconds over all sessions of the run."""
        return self.seconds + time.monotonic() - self._started

    def run(self, name: str, stage: Stage, batches: Batches, loss: Loss) -> None:
        """Optimise one stage, validating and checkpointing twenty times on the way."""
        start = self.done.get(name, 0)
        if start == 0:
            self._begin()
        every = max(1, stage.steps // 20)
        micro = iter(self._loader(batches, start, stage.steps))
        with _bar(name, shown=self.processes.first) as bar:
            task = bar.add_task(name, total=stage.steps, completed=start, loss=float("nan"), scores="")
            for step in range(start, stage.steps):
                value = self._step(stage, step, micro, loss)
                self.done[name] = step + 1
                bar.update(task, advance=1, loss=value)
                if not self.processes.first:
                    continue
                if (step + 1) % every == 0 or step + 1 == stage.steps:
                    scores = self.validate(self.judged)
                    self._note({"stage": name, "step": step + 1, "loss": value, **scores})
                    bar.update(task, scores=" ".join(f"{n} {scores[n]:.1f}" for n in ("natural", "certified")))
                    self._save()
                elif time.monotonic() - self._saved > 60 * self.machine.checkpoint_every:
                    self._save()

    def _loader(self, batches: Batches, start: int, steps: int) -> DataLoader[TrainingBatch]:
        k = self.config.accumulate
        return DataLoader(
            batches,  # type: ignore[arg-type]  # it needs no length where a sampler is given
            batch_size=None,
            sampler=range(start * k, steps * k),
            num_workers=self.machine.workers,
            pin_memory=self.processes.device.type == "cuda",
            generator=torch.Generator(),  # it draws a seed for its workers, who need none
        )

    def _step(self, stage: Stage, step: int, micro: Iterator[TrainingBatch], loss: Loss) -> float:
        for group in self._optimiser.param_groups:
            group["lr"] = stage.learning_rate(step)
        self._optimiser.zero_grad(set_to_none=True)
        value = self._gradients(micro, loss)
        if not math.isfinite(value):
            raise UserError(f"the loss became {value} at step {step}; try a smaller --lr")
        self._optimiser.step()
        if self._average:
            self._average.update_parameters(self.net)
        return value

    def _gradients(self, micro: Iterator[TrainingBatch], loss: Loss) -> float:
        """Of the mean loss of `accumulate` batches; the processes exchange them once, with the last."""
        k = self.config.accumulate
        total = torch.zeros((), device=self.processes.device)
        for _ in range(k - 1):
            with self.processes.unsynchronised(self._model):
                total += self._backward(next(micro), loss)
        total += self._backward(next(micro), loss)
        return self.processes.mean(total)

    def _backward(self, batch: TrainingBatch, loss: Loss) -> Tensor:
        value = loss(self._model, batch.to(self.processes.device)) / self.config.accumulate
        value.backward()  # type: ignore[no-untyped-call]
        return value.detach()

    def _note(self, entry: dict[str, Any]) -> None:
        """Add to the curve; keep the weights where nothing so far was certified as often, or where the last count."""
        self.curve.append(entry)
        if not self.chosen or not self.config.early or entry["certified"] >= self.chosen["certified"]:
            self.chosen = entry
            self.best = {name: tensor.to("cpu", copy=True) for name, tensor in self.judged.state_dict().items()}

    def _save(self) -> None:
        state = {
            "net": self.net.state_dict(),
            "average": self._average.state_dict() if self._average else {},
            "optimiser": self._optimiser.state_dict(),
            "done": self.done,
            "curve": self.curve,
            "best": self.best,
            "chosen": self.chosen,
            "before": self.before,
            "seconds": self.elapsed,
        }
        save_checkpoint(self.checkpoint, self.identity, state)
        self._saved = time.monotonic()

    def _resume(self) -> None:
        """Go on from the checkpoint, if there is one."""
        state = read_checkpoint(self.checkpoint, self.identity, self.processes.device)
        if state is None:
            return
        try:
            self.net.load_state_dict(state["net"])
            if self._average:
                self._average.load_state_dict(state["average"])
            self._optimiser.load_state_dict(state["optimiser"])
        except (RuntimeError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise UserError(f"{self.checkpoint} is damaged (its tensors); delete it to start over") from error
        self.done, self.curve = state["done"], state["curve"]
        self.best, self.chosen = state["best"], state["chosen"]
        self.before, self.seconds = state["before"], state["seconds"]
