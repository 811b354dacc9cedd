"""Triplets that are given as images in memory, at their own size: planned and judged as a batch of a run is."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from perceptbench.bench.api.arguments import brief
from perceptbench.bench.api.images import taken_together
from perceptbench.bench.api.keywords import request_of
from perceptbench.bench.api.metric import MetricModule, evaluated
from perceptbench.bench.api.metric import metric as metric_of
from perceptbench.bench.api.untouched import untouched
from perceptbench.bench.evaluate import evaluate
from perceptbench.bench.flags.of_run import told_of
from perceptbench.bench.plan import Plan
from perceptbench.bench.planner import make_plans
from perceptbench.bench.request import Held
from perceptbench.core.errors import UserError
from perceptbench.core.others import contained
from perceptbench.core.tensors import Images, PerImage
from perceptbench.triplets.base import Entry, Triplets, TripletSource


@dataclass(frozen=True)
class GivenTriplets:
    """A batch (n, 3, h, w) and whether it was one triplet, given without a dimension for n."""

    metric: MetricModule
    batch: Triplets
    single: bool

    @classmethod
    def of(cls, metric: Any, x: Any, left: Any, right: Any, label: Any) -> "GivenTriplets":
        """From what a user has. Without a label, the answer that the metric itself gives is the right one.

        Raises UserError for images that do not go together, and for a label that is not 0 or 1 for each triplet.
        """
        made = metric_of(metric)
        (x, left, right), single = taken_together(x=x, left=left, right=right)
        x, left, right = (image.detach() for image in (x, left, right))
        answers = own_answer(made, x, left, right) if label is None else _labels(label, len(x))
        return cls(made, Triplets(x, left, right, answers, answers, tuple(map(str, range(len(x))))), single)

    @contextmanager
    def planned(self, function: str, **options: Any) -> "Iterator[PlannedTriplets]":
        """One run on these triplets, ready to be evaluated, while the metric stands still."""
        held = Held("given images", _source(self.batch))
        request = request_of(function, metric=[self.metric.held()], data=[held], **options)
        with evaluated(self.metric, frozen=True):
            plans = make_plans(request)
            if len(plans) != 1 or len(request.eps) != 1:
                raise UserError(f"pb.{function} takes one attack or certifier and one eps; for several use pb.run")
            yield PlannedTriplets(plans[0], self.batch)

    def shown(self, values: Any) -> Tensor:
        """A row a triplet, where x lies; of a single triplet without the dimension for n."""
        rows = torch.as_tensor(np.array(values) if isinstance(values, pd.Series) else values)
        return (rows[0] if self.single else rows).to(self.batch.reference.device)


@dataclass(frozen=True)
class PlannedTriplets:
    """One batch of one run."""

    plan: Plan
    batch: Triplets

    def samples(self) -> tuple[pd.DataFrame, Images]:
        """The columns of samples.parquet, a row a triplet, and the images that moved, after the attack."""
        moved: list[Images] = []
        where = self.plan.request.where
        with contained():
            state = self.plan.task.fit(self.plan.metric, self.plan.data, where)
        name = self.plan.spec.metric.shown
        with untouched(name, tuple(self.batch.images.values()), where) as (reference, left, right):
            batch = replace(self.batch.to(where), reference=reference, left=left, right=right)
            state = told_of(self.plan, batch, state)
            frame = evaluate(
                self.plan, batch, [""] * len(batch.ids), state, lambda _, found: moved.append(found.adversarial)
            )
        return frame, moved[-1].detach()


@torch.no_grad()
def own_answer(metric: MetricModule, x: Images, left: Images, right: Images) -> PerImage:
    """1 where the metric finds `right` more like x, else 0."""
    where = metric.device or x.device
    with evaluated(metric), untouched(metric.name, (x, left, right), where) as (moving, *fixed):
        d0, d1 = metric.inner.prepare(*fixed).distances(moving)
    return (d1 < d0).float().to(x.device)


def _labels(given: Any, count: int) -> PerImage:
    try:
        array = np.asarray(given.detach().cpu() if isinstance(given, Tensor) else given)
        label = torch.as_tensor(array).float().reshape(-1)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        label = torch.empty(0)  # Texts, objects, rows of different length: no labels.
    if len(label) not in (1, count) or not bool(((label == 0) | (label == 1)).all()):
        raise UserError(
            f"label: expected 1 (right is more like x) or 0 (left is) for each of {count} triplets, got {brief(given)}"
        )
    return label.expand(count).clone()


def _source(batch: Triplets) -> TripletSource:
    """A data set of them; its entries are not read, as the batch is at hand."""

    def unread() -> tuple[Tensor, Tensor, Tensor]:
        raise AssertionError

    entries = tuple(
        Entry(name, share, unread) for name, share in zip(batch.ids, batch.right_share.tolist(), strict=True)
    )
    return TripletSource("given images", entries, ties=0, recipe="")
