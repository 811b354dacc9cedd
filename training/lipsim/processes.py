"""One process, or several that learn together with Lightning Fabric: each sees its rows of every batch."""

import warnings
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from perceptbench.core.errors import UserError
from perceptbench.training.lipsim.config import Machine
from perceptbench.training.lipsim.data.batch import Share

if TYPE_CHECKING:
    from lightning_fabric import Fabric

# A machine that has the teacher's embeddings already waits for one that still computes a million of them.
_PATIENCE = timedelta(days=2)


class Processes:
    """A process alone; `DataParallel` changes what it does together with others."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.share = Share()

    @property
    def first(self) -> bool:
        """Is it the one that validates, shows progress and writes files?"""
        return self.share.rank == 0

    def wrap(self, net: nn.Module) -> nn.Module:
        """The module to call in training; its parameters are those of `net`."""
        return net

    def gathered(self, g: Tensor) -> Tensor:
        """The rows (n, d) of all processes (world * n, d), in the order of ranks, with their gradients."""
        return g

    def mean(self, value: Tensor) -> float:
        """The mean of a number over all processes."""
        return value.item()

    def unsynchronised(self, model: nn.Module) -> AbstractContextManager[None]:
        """Inside, gradients stay with the process: more are to come."""
        return nullcontext()


class DataParallel(Processes):
    """Data parallel: the weights are those of one process that sees the whole batch, up to rounding.

    Every process has the same loss L of all gathered embeddings. The gradient of a gathered tensor is
    *summed* over the processes, so each gets world * dL/dg of its own rows; the gradients of the
    parameters are then *averaged* over the processes, which takes the factor out again: what is left is
    the sum over all rows of dL/dg dg/dtheta, the gradient of one process. A loss that is a mean over
    rows, ungathered, comes out right too, since all processes have as many rows.
    """

    def __init__(self, fabric: "Fabric") -> None:
        super().__init__(fabric.device)
        self.share = Share(fabric.global_rank, fabric.world_size)
        self._fabric = fabric

    def wrap(self, net: nn.Module) -> nn.Module:
        return self._fabric.setup_module(net)

    def gathered(self, g: Tensor) -> Tensor:
        with warnings.catch_warnings():
            # Fabric calls what torch 2.15 has renamed; a user of ours cannot mend that.
            warnings.filterwarnings("ignore", "torch.distributed.nn.functional.all_gather is deprecated")
            return self._fabric.all_gather(g, sync_grads=True).flatten(0, 1)  # type: ignore[union-attr]

    def mean(self, value: Tensor) -> float:
        return self._fabric.all_reduce(value.detach(), reduce_op="mean").item()  # type: ignore[union-attr]

    def unsynchronised(self, model: nn.Module) -> AbstractContextManager[None]:
        return self._fabric.no_backward_sync(model)  # type: ignore[arg-type]


def start(machine: Machine) -> Processes:
    """Start the processes of a run; with several, the same program begins anew in each of the others.

    So whatever can be refused or cached comes before this call: the first process has done it when the
    others reach it.

    Raises UserError for numbers below 1, too few GPUs, or where Lightning Fabric is not installed.
    """
    if machine.devices < 1 or machine.nodes < 1 or machine.workers < 0:
        raise UserError(
            f"expected --devices and --nodes of at least 1 and --workers of at least 0, got {machine.devices}, "
            f"{machine.nodes} and {machine.workers}"
        )
    if machine.device == "cuda" and machine.devices > torch.cuda.device_count():
        raise UserError(f"--devices {machine.devices} wants as many GPUs, got {torch.cuda.device_count()}")
    if machine.world == 1:
        return Processes(torch.device(machine.where))
    try:
        from lightning_fabric import Fabric
        from lightning_fabric.strategies.ddp import DDPStrategy
    except ImportError as error:
        raise UserError(
            "several processes want Lightning Fabric, which is not installed: pip install 'perceptbench[train]'"
        ) from error
    fabric = Fabric(
        accelerator=machine.where,
        devices=machine.devices,
        num_nodes=machine.nodes,
        strategy=DDPStrategy(timeout=_PATIENCE),
    )
    fabric.launch()
    return DataParallel(fabric)
