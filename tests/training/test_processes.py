"""Two processes on the CPU learn what one does; each sees half of every batch."""

import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from perceptbench.core.errors import UserError
from perceptbench.training.lipsim.config import Machine
from perceptbench.training.lipsim.processes import start

ROOT = Path(__file__).parents[2]

# Each process draws the whole batch and keeps its rows, as the data sets do. Batches to be ordered and
# triplets take turns; the gradients of two of them make a step.
PROGRAM = """
import sys
from dataclasses import dataclass
from pathlib import Path

import torch
from loaded_once import twice

from perceptbench.metrics.lipsim.network import untrained
from perceptbench.metrics.lipsim.shape import LipSimConfig
from perceptbench.training.lipsim.data.batch import TrainingBatch, Share
from perceptbench.training.lipsim.config import Machine, Stage, TrainConfig, TripletLoss
from perceptbench.training.lipsim.loop import Fit
from perceptbench.training.lipsim.processes import start
from perceptbench.training.lipsim.stages import step_loss

torch.set_num_threads(1)
# Adam would hide a factor in the gradients, and make much of rounding where they are nearly zero.
torch.optim.Adam = lambda parameters, betas: torch.optim.SGD(parameters)
devices, to = int(sys.argv[1]), Path(sys.argv[2])


@dataclass
class Turns:
    share: Share

    def __getitem__(self, step):
        generator = torch.Generator().manual_seed(step)
        x = torch.rand(12, 3, 16, 16, generator=generator)
        rank, world = self.share.rank, self.share.world
        if step % 2:
            sign = torch.rand(4, generator=generator).sub(0.5).sign().chunk(world)[rank]
            return TrainingBatch("triplets", x.unflatten(0, (3, 4)).chunk(world, 1)[rank].flatten(0, 1), sign)
        teacher = torch.randn(12, 5, generator=generator)
        return TrainingBatch("order", x.chunk(world)[rank], teacher @ teacher.T)


machine = Machine(devices=devices)
processes = start(machine)
stage = Stage(steps=6, lr=1e-2, objective=TripletLoss(radius=1.0, focus=0.0))
network = LipSimConfig(size=16, stem=4, depths=(1,), inners=(8,), linears=1, linear_inner=8)
config = TrainConfig(network=network, distil=stage, finetune=stage, accumulate=2, ema=0.5, precision="fp32")
net = untrained(network, 0)
checkpoint = to.with_suffix(".checkpoint")
fit = Fit(net, config, machine, processes, checkpoint, "", lambda net: {"natural": 0.0, "certified": 0.0})
fit.run("distil", stage, Turns(processes.share), step_loss(config, processes))
torch.save({"net": net.state_dict(), "judged": fit.judged.state_dict(), "curve": [e["loss"] for e in fit.curve],
            "twice": twice(sys.modules)}, to.with_suffix(f".{processes.share.rank}"))
"""


def learn(folder: Path, devices: int, monkeypatch: pytest.MonkeyPatch) -> list[dict]:
    """What each process holds in the end. One alone is this process: another would import everything anew."""
    program = folder / "program.py"
    program.write_text(PROGRAM)
    if devices == 1:
        monkeypatch.setattr("sys.argv", [str(program), "1", str(folder / "out")])
        monkeypatch.setattr(torch.optim, "Adam", torch.optim.Adam)
        threads = torch.get_num_threads()
        runpy.run_path(str(program))
        torch.set_num_threads(threads)
    else:
        path = os.pathsep.join((str(ROOT / "src"), str(ROOT / "tests")))
        environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "MASTER_ADDR": "127.0.0.1"}
        command = [sys.executable, str(program), str(devices), str(folder / "out")]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
    return [torch.load(folder / f"out.{rank}", weights_only=True) for rank in range(devices)]


def test_two_processes_learn_what_one_does(tmp_path, monkeypatch):
    pytest.importorskip("lightning_fabric")
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    first, second = learn(tmp_path / "two", 2, monkeypatch)
    (one,) = learn(tmp_path / "one", 1, monkeypatch)
    assert first["twice"] == second["twice"] == []  # no file was imported under two names
    for held in ("net", "judged"):
        for name, weights in one[held].items():
            assert torch.equal(first[held][name], second[held][name])
            assert torch.allclose(first[held][name], weights, atol=1e-5), (held, name)
    assert first["curve"] == pytest.approx(one["curve"], rel=1e-5)
    assert second["curve"] == []  # the first process judges and writes


def test_one_process_needs_no_fabric_and_several_say_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "lightning_fabric", None)
    assert start(Machine()).share.world == 1
    with pytest.raises(UserError, match=r"pip install 'perceptbench\[train\]'"):
        start(Machine(devices=2))


@pytest.mark.parametrize("machine", [Machine(devices=0), Machine(nodes=0), Machine(workers=-1)])
def test_no_process_at_all_is_refused(machine):
    with pytest.raises(UserError, match="at least 1"):
        start(machine)


def test_more_processes_than_gpus_are_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(UserError, match="--devices 2 wants as many GPUs, got 1"):
        start(Machine(device="cuda", devices=2))
