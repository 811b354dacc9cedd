"""The loop on losses so plain that the weights after each step are known."""

import math
import time

import pytest
import torch
from torch import nn

from perceptbench.core.errors import UserError
from perceptbench.training.lipsim.config import Machine, Stage, TrainConfig
from perceptbench.training.lipsim.data.batch import TrainingBatch
from perceptbench.training.lipsim.loop import Fit
from perceptbench.training.lipsim.processes import Processes

IDENTITY = "one run"


class Numbers:
    """Batch `step` holds the number `step` alone."""

    def __getitem__(self, step: int) -> TrainingBatch:
        return TrainingBatch("order", torch.full((1, 1), float(step)), torch.zeros(1))


class Rows:
    """Batch `step` holds `rows` random rows, which follow from the step."""

    def __init__(self, rows: int = 4) -> None:
        self.rows = rows

    def __getitem__(self, step: int) -> TrainingBatch:
        x = torch.randn(self.rows, 3, generator=torch.Generator().manual_seed(step))
        return TrainingBatch("order", x, x.sum(1))


def squares(net: nn.Module, batch: TrainingBatch) -> torch.Tensor:
    return (net(batch.images)[:, 0] - batch.target).square().mean()


def line() -> nn.Linear:
    net = nn.Linear(3, 1)
    with torch.no_grad():
        net.weight.copy_(torch.tensor([[0.3, -0.2, 0.1]]))
        net.bias.zero_()
    return net


def weighed(net: nn.Module) -> dict[str, float]:
    return {"natural": 1.0, "certified": net.weight.sum().item()}


def fit(tmp_path, net=None, validate=weighed, machine=None, identity=IDENTITY, **changes) -> Fit:
    with torch.random.fork_rng():
        net = net or line()
    config = TrainConfig(**{"precision": "fp32", **changes})
    where = Processes(torch.device("cpu"))
    return Fit(net, config, machine or Machine(), where, tmp_path / "checkpoint", identity, validate)


STAGE = Stage(steps=10, lr=0.1, warmup=2)


def test_the_learning_rate_rises_then_falls_to_zero():
    stage = Stage(steps=110, lr=2.0, warmup=10)
    assert [stage.learning_rate(s) for s in (0, 4, 9)] == pytest.approx([0.2, 1.0, 2.0])
    assert [stage.learning_rate(s) for s in (10, 60, 110)] == pytest.approx([2.0, 1.0, 0.0])
    assert Stage(steps=5, lr=2.0, warmup=100).learning_rate(0) == 2.0  # a fifth of a short run at most


def test_every_batch_is_seen_once_and_in_order(tmp_path):
    seen = []

    def loss(net, batch):
        seen.append(batch.images.item())
        return net.weight.sum()

    fit(tmp_path, accumulate=3).run("distil", Stage(steps=4, lr=0.1), Numbers(), loss)
    assert seen == list(range(12))


def test_the_gradient_of_accumulated_batches_is_that_of_their_mean(tmp_path):
    """Twelve rows at once, or three times four of them."""

    class Joined:
        def __getitem__(self, step):
            parts = [Rows()[3 * step + k] for k in range(3)]
            return TrainingBatch("order", torch.cat([p.images for p in parts]), torch.cat([p.target for p in parts]))

    for folder in ("one", "three"):
        (tmp_path / folder).mkdir()
    one, three = fit(tmp_path / "one"), fit(tmp_path / "three", accumulate=3)
    one.run("distil", STAGE, Joined(), squares)
    three.run("distil", STAGE, Rows(), squares)
    assert torch.allclose(one.net.weight, three.net.weight, atol=1e-6)
    assert [e["loss"] for e in one.curve] == pytest.approx([e["loss"] for e in three.curve], rel=1e-4)


def test_the_average_follows_its_formula_and_is_what_is_judged(tmp_path):
    """w' = d w' + (1 - d) w with d = min(decay, (1 + n) / (10 + n)) after n updates."""
    seen = []
    run = fit(tmp_path, ema=0.25, validate=lambda net: (seen.append(net.weight.clone()), weighed(net))[1])
    steps = []
    original = run._optimiser.__class__.step

    def step(self, *args, **kwargs):
        original(self, *args, **kwargs)
        steps.append(run.net.weight.detach().clone())

    expected = run.net.weight.detach().clone()
    assert torch.equal(seen.pop(), expected)  # the untrained network, for comparison
    assert run.before == weighed(run.net)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.optim.Adam, "step", step)
        run.run("distil", STAGE, Rows(), squares)
    for n, weight in enumerate(steps, start=1):
        decay = min(0.25, (1 + n) / (10 + n))
        expected = decay * expected + (1 - decay) * weight
        assert torch.allclose(seen[n - 1], expected, atol=1e-6)
    assert not torch.allclose(expected, steps[-1], atol=1e-6)
    best = max(range(10), key=lambda i: (run.curve[i]["certified"], i))
    assert torch.equal(run.best["weight"], seen[best])


@pytest.mark.parametrize("changes", [{}, {"ema": 0.9, "accumulate": 2}])
@pytest.mark.parametrize("stop", [("distil", 13), ("finetune", 2)])
def test_a_resumed_run_is_the_run(tmp_path, changes, stop):
    stages = {"distil": Stage(steps=40, lr=0.05), "finetune": Stage(steps=6, lr=0.01)}

    def run(folder, until=None):
        (tmp_path / folder).mkdir(exist_ok=True)
        # A checkpoint at every step, so that the stop does not fall on a twentieth of the stage.
        going = fit(tmp_path / folder, machine=Machine(checkpoint_every=0.0), **changes)
        for name, stage in stages.items():
            batches = Rows(5 if name == "distil" else 7)

            def loss(net, batch, name=name):
                if until == (name, going.done.get(name, 0)):
                    raise KeyboardInterrupt
                return squares(net, batch)

            going.run(name, stage, batches, loss)
        return going

    whole = run("whole")
    with pytest.raises(KeyboardInterrupt):
        run("parts", until=stop)
    parts = run("parts")
    assert torch.equal(whole.net.weight, parts.net.weight)
    assert torch.equal(whole.judged.weight, parts.judged.weight)
    assert parts.curve == whole.curve
    assert parts.chosen == whole.chosen
    assert torch.equal(whole.best["weight"], parts.best["weight"])


def test_between_validations_a_checkpoint_is_written_as_often_as_asked(tmp_path, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    run = fit(tmp_path, machine=Machine(checkpoint_every=2.0))
    written = []
    monkeypatch.setattr(run, "_save", lambda: (written.append(run.done["distil"]), setattr(run, "_saved", clock[0])))

    def minute(net, batch):
        clock[0] += 60
        return squares(net, batch)

    run.run("distil", Stage(steps=200, lr=0.1), Rows(), minute)
    assert written[:5] == [3, 6, 9, 10, 13]  # 10 is a twentieth


def test_seconds_are_those_of_all_sessions(tmp_path, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    first = fit(tmp_path)
    clock[0] = 30.0
    first.run("distil", STAGE, Rows(), squares)
    clock[0] = 1000.0
    second = fit(tmp_path)
    clock[0] = 1005.0
    assert second.elapsed == 35.0


def test_the_workers_batches_are_the_batches(tmp_path):
    for folder in ("none", "two"):
        (tmp_path / folder).mkdir()
    none, two = fit(tmp_path / "none"), fit(tmp_path / "two", machine=Machine(workers=2))
    for run in (none, two):
        run.run("distil", STAGE, Rows(), squares)
    assert torch.equal(none.net.weight, two.net.weight)


@pytest.mark.parametrize(("early", "kept"), [(True, 2), (False, 3)])
def test_the_weights_kept_are_those_certified_most_often_or_the_last(tmp_path, early, kept):
    run = fit(tmp_path, early=early)
    for mark, certified in ((1.0, 50.0), (2.0, 60.0), (3.0, 55.0)):
        nn.init.constant_(run.net.bias, mark)
        run._note({"stage": "distil", "step": int(mark), "loss": 0.0, "natural": 70.0, "certified": certified})
    assert run.chosen["step"] == kept
    assert bool((run.best["bias"] == kept).all())
    assert [entry["step"] for entry in run.curve] == [1, 2, 3]


def test_a_checkpoint_of_another_run_and_a_damaged_one_are_refused(tmp_path):
    fit(tmp_path).run("distil", STAGE, Rows(), squares)
    with pytest.raises(UserError, match="other arguments"):
        fit(tmp_path, identity="another run")
    (tmp_path / "checkpoint").write_bytes(b"no checkpoint")
    with pytest.raises(UserError, match="damaged"):
        fit(tmp_path)


def test_a_loss_that_is_no_number_stops_the_run_before_the_weights_are_touched(tmp_path):
    run = fit(tmp_path)
    with pytest.raises(UserError, match=r"the loss became nan at step 0; try a smaller --lr"):
        run.run("distil", STAGE, Rows(), lambda net, batch: squares(net, batch) * math.nan)
    assert torch.equal(run.net.weight, torch.tensor([[0.3, -0.2, 0.1]]))
