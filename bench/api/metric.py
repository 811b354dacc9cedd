"""A metric as a torch.nn.Module: a registered one by its name, or anything of yours that compares images."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from perceptbench.bench.api.images import taken_together
from perceptbench.bench.api.untouched import untouched
from perceptbench.bench.request import Held
from perceptbench.core.errors import UserError
from perceptbench.core.ref import Ref
from perceptbench.metrics.base import Metric
from perceptbench.metrics.base import metric as registry
from perceptbench.metrics.bridges.py import wrapped


def metric(metric: Any, name: str | None = None) -> "MetricModule":
    """A metric to call, to attack and to certify.

    Args:
        metric: a name as on the command line (`"lipsim"`, `"lpips:FILE"`, `"timm:vit_small_patch16_224"`); or yours:
            an nn.Module or a function of two batches (n, 3, h, w) in [0, 1] that gives distances (n,), smaller where
            images are more alike; or an object whose `embed(x)` gives vectors (n, d), compared by cosine.
        name: what tables call a metric of yours. Without it that of its class or function.

    Yours is put into evaluation mode, and its parameters are frozen, only while it is asked; then it is as it was.

    Raises UserError for an unknown name, weights that are missing, and what is no metric.

    Example:
        >>> lipsim = pb.metric("lipsim")
        >>> lipsim("a.png", "b.png")  # one pair
        tensor(0.1234)
        >>> lipsim(torch.rand(8, 3, 224, 224), torch.rand(3, 224, 224)).shape  # one image and eight, differentiable
        torch.Size([8])
        >>> mine = pb.metric(lambda x, y: (x - y).abs().mean((1, 2, 3)), name="l1")
    """
    known = isinstance(metric, str) or (isinstance(metric, MetricModule) and metric.yours is None)
    if known and name is not None:
        raise UserError(f"{metric} is registered and keeps its name, got name={name!r}; leave name= out")
    if isinstance(metric, MetricModule):
        return metric if name is None else MetricModule(metric.inner, name, metric.yours)
    if isinstance(metric, str):
        ref = Ref.parse(metric)
        return MetricModule(registry.build(ref), ref.shown, typed=str(ref))
    if isinstance(metric, type):
        raise UserError(f"expected a metric, got the class {metric.__name__}; make one of it: {metric.__name__}()")
    inner = metric if isinstance(metric, Metric) else wrapped(metric)
    if inner is None:
        raise UserError(f"expected a name, an nn.Module, a function of two batches or an object with embed(x), got "
                        f"{type(metric).__name__}")  # fmt: skip
    called = name or getattr(metric, "__name__", None) or type(metric).__name__
    return MetricModule(inner, called, metric)


class MetricModule(nn.Module):
    """A perceptual distance as a torch module; `pb.metric` makes it.

    Parameters and buffers are those of the networks inside (the shipped ones are frozen), and `.to(device)` moves it.
    It computes in float32.

    Args:
        inner: the metric as the suite sees it.
        name: what tables call it.
        yours: the object that it was made of; None for a registered metric.
        typed: of a registered metric all that was typed.
    """

    def __init__(self, inner: Metric, name: str, yours: Any = None, typed: str = "") -> None:
        super().__init__()
        self.name, self._typed = name, typed or name
        # In lists, so that torch does not register what is a module itself a second time.
        self._yours, self._inner = [yours], [inner]
        self.networks = nn.ModuleDict(_modules(inner))
        self.training = self.networks.training = False

    @property
    def inner(self) -> Metric:
        """The metric as the suite sees it."""
        return self._inner[0]

    @property
    def yours(self) -> Any:
        """The object that it was made of; None for a registered metric."""
        return self._yours[0]

    def forward(self, x: Any, y: Any) -> Tensor:
        """Distances between images: (n,), or a single number (0-d) where x and y are one image each.

        Args:
            x, y: one image, a batch, or a list of images: tensors and arrays of shape (3, h, w), (h, w, 3) or
                (n, 3, h, w), uint8 or floats in [0, 1], at their own size; PIL images and paths, which are brought to
                224 x 224 as in every data set. Where both of the first two shapes fit, as in (3, h, 3), the channels
                come first. One image is compared with all of a batch.

        Gradients flow into tensors of floats, and into the parameters of a metric of yours.

        Raises UserError, with what to do, for anything else, for images of different size, for images smaller than
        the metric takes, for sides over 4096 pixels and for more than 2^28 values at once.
        """
        (x, y), single = taken_together(x=x, y=y)
        where = self.device or x.device
        with evaluated(self), untouched(self.name, (x, y), where) as (first, second):
            found = self.inner(first, second)
        return found[0] if single else found

    @property
    def device(self) -> torch.device | None:
        """Where its weights are; None where it has none."""
        first = next(iter(self.inner.weights()), None)
        return None if first is None else first.device

    def held(self) -> Held:
        """For a request."""
        return Held(self._typed, self.inner, registered=self.yours is None)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "MetricModule":
        """What `.to`, `.cuda` and the like call. Raises UserError for another type of numbers."""
        probe = fn(torch.empty(0))
        if probe.dtype != torch.float32:
            raise UserError(f"a metric computes in float32, got {probe.dtype}; leave its type as it is")
        super()._apply(fn, recurse)
        # What is no parameter (constants, copies in float64) moves too.
        self._inner = [self.inner.to(str(probe.device))]
        return self

    def __repr__(self) -> str:
        return f"Metric({self.name})"


@contextmanager
def evaluated(*metrics: MetricModule, frozen: bool = False) -> Iterator[None]:
    """Metrics in evaluation mode and, with `frozen`, without gradients for their parameters; afterwards as before."""
    modules = list({id(module): module for one in metrics for module in one.modules()}.values())
    modes = [(module, module.training) for module in modules]
    learned = [parameter for one in metrics for parameter in one.parameters() if frozen and parameter.requires_grad]
    try:
        for module, _ in modes:
            module.training = False
        for parameter in learned:
            parameter.requires_grad_(False)
        yield
    finally:
        for module, mode in modes:
            module.training = mode
        for parameter in learned:
            parameter.requires_grad_(True)


def _modules(inner: Metric) -> Mapping[str, nn.Module]:
    """The networks inside a metric by the way to them, each once; copies that it keeps for itself are left out."""
    found: dict[int, tuple[str, nn.Module]] = {}

    def search(thing: Any, path: tuple[str, ...]) -> None:
        if isinstance(thing, nn.Module):
            found.setdefault(id(thing), ("_".join(path) or "net", thing))
        elif isinstance(thing, list | tuple):
            for number, item in enumerate(thing):
                search(item, (*path, str(number)))
        elif isinstance(thing, Metric):
            for name, value in vars(thing).items():
                if not name.startswith("_"):
                    search(value, (*path, name))

    search(inner, ())
    return dict(found.values())
