"""A metric as a torch module."""

import pytest
import torch
from torch import nn

import perceptbench as pb
from perceptbench.core.ref import Ref
from perceptbench.metrics.base import Metric, metric
from perceptbench.testing.samples import random_images


class Net(nn.Module):
    """Mean absolute difference times a weight, half of it in training mode."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(2.0))

    def forward(self, x, y):
        return self.weight * (x - y).abs().mean((1, 2, 3)) * (0.5 if self.training else 1)


class Colour:
    def embed(self, x):
        return x.mean((2, 3))


X, Y = random_images(3, 8, seed=1), random_images(3, 8, seed=2)


def difference(x, y):
    return (x - y).abs().mean((1, 2, 3))


@pytest.mark.parametrize(
    ("given", "name", "expected"),
    [
        ("l2", "l2", lambda: metric.build(Ref("l2"))(X, Y)),
        (metric.build(Ref("l2")), "PixelL2", lambda: metric.build(Ref("l2"))(X, Y)),
        (difference, "difference", lambda: difference(X, Y)),
        (Net(), "Net", lambda: 2 * difference(X, Y)),
        (Colour(), "Colour", lambda: 1 - torch.cosine_similarity(X.mean((2, 3)), Y.mean((2, 3)))),
    ],
    ids=["name", "metric", "function", "module", "embed"],
)
def test_names_functions_modules_and_embeddings_are_metrics(given, name, expected):
    made = pb.metric(given)
    assert isinstance(made, nn.Module)
    assert isinstance(made, pb.Metric)
    assert isinstance(made.inner, Metric)
    assert (made.name, repr(made)) == (name, f"Metric({name})")
    torch.testing.assert_close(made(X, Y), expected(), rtol=1e-6, atol=1e-7)
    assert pb.metric(made) is made


def test_one_pair_gives_a_single_number_and_one_image_is_compared_with_all():
    l2 = pb.metric("l2")
    assert l2(X[0], Y[0]).shape == ()
    torch.testing.assert_close(l2(X[0], Y[0]), l2(X, Y)[0], rtol=1e-6, atol=0)
    torch.testing.assert_close(l2(X, Y[0]), torch.stack([l2(x, Y[0]) for x in X]), rtol=1e-6, atol=0)
    assert l2([X[0]], Y[0]).shape == (1,)


def test_the_gradient_is_that_of_the_formula():
    """d |x - y|_2 / dx = (x - y) / |x - y|_2."""
    x = X[0].clone().requires_grad_()
    pb.metric("l2")(x, Y[0]).backward()
    away = X[0] - Y[0]
    torch.testing.assert_close(x.grad, away / away.norm(), rtol=1e-5, atol=1e-7)


def test_your_module_is_asked_in_evaluation_mode_and_stays_as_it_was():
    net = Net()
    made = pb.metric(net)
    assert [*made.parameters()] == [net.weight]
    made(X, Y).sum().backward()
    torch.testing.assert_close(net.weight.grad, difference(X, Y).sum())
    pb.attack(made, X, Y, Y.flip(0), "l2-pgd(steps=1)", eps=0.1)
    assert net.training
    assert net.weight.requires_grad


def test_weights_of_a_registered_network_are_visible_and_move():
    made = pb.metric("lipsim")
    inside = made.state_dict().values()
    assert sum(tensor.numel() for tensor in inside) > 3e6
    assert {tensor.data_ptr() for tensor in made.inner.weights()} == {tensor.data_ptr() for tensor in inside}
    assert not made.training
    assert made.to("cpu") is made
    assert {tensor.device.type for tensor in made.to("meta").state_dict().values()} == {"meta"}
    assert made.device.type == "meta"


def test_what_a_metric_holds_besides_networks_moves_too():
    class Shifted(Metric):
        def __init__(self) -> None:
            self.shift = torch.ones(1)

        def to(self, device):
            self.shift = self.shift.to(device)
            return self

    made = Shifted()
    pb.metric(made).to("meta")
    assert made.shift.device.type == "meta"


def test_another_type_of_numbers_is_refused():
    with pytest.raises(pb.UserError, match=r"computes in float32, got torch\.float64"):
        pb.metric(Net()).double()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("lpisp", "unknown metric 'lpisp'; did you mean 'lpips'"),
        (Colour, r"make one of it: Colour\(\)"),
        (3, "got int"),
    ],
)
def test_what_is_no_metric_is_refused(given, words):
    with pytest.raises(pb.UserError, match=words):
        pb.metric(given)


def test_a_registered_metric_keeps_its_name():
    for given in ("l2", pb.metric("l2")):
        with pytest.raises(pb.UserError, match="keeps its name"):
            pb.metric(given, name="mine")
    assert pb.metric(pb.metric(difference), name="mine").name == "mine"
