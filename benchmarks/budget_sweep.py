"""What four budgets cost beside the largest of them alone."""

import torch
from torch import Tensor

from benchmarks import ours
from benchmarks.measurements import BenchRow, ratio
from benchmarks.session import SWEEP, Session, clock
from benchmarks.whole import NEAREST
from benchmarks.work import Work
from perceptbench.certifiers.base import certifier
from perceptbench.certifiers.certify import certify
from perceptbench.core.ref import Ref


def measure(session: Session) -> None:
    """The ViT, which breaks; lipsim, where what is certified is skipped."""
    breaks = session.work("vit-s", 32, NEAREST).first(2 if session.quick else 8)
    _sweep(session, breaks, "vit-s", 1.0, None, 1.6, "a metric that breaks")
    stands = session.work("lipsim", 32)
    radius: list[Tensor] = []
    seconds = clock(lambda: radius.append(_radii(stands)))
    note = f"certified samples skipped, the certificate took {seconds:.2f} s besides"
    _sweep(session, stands, "lipsim", 0.3, radius[0], 2.0, note)


def _radii(work: Work) -> Tensor:
    return certify(certifier.build(Ref.parse("margin")), work.subject.metric, work.batch).radius


def _sweep(session: Session, work: Work, name: str, share: float, radius: Tensor | None, bar: float, note: str) -> None:
    """Every budget alone once, for the largest; then the sweep and that one in turn."""
    numbers = session.numbers(share)

    def skip(budgets: tuple[float, ...]) -> Tensor | None:
        if radius is None:
            return None
        return radius[None] > torch.tensor(budgets, dtype=radius.dtype, device=radius.device)[:, None]

    def run(budgets: tuple[float, ...]) -> ours.Ours:
        return ours.run(work, numbers.ref, budgets, skip(budgets))

    alone = {eps: run((eps,)) for eps in SWEEP}
    together = run(SWEEP)
    largest = SWEEP[-1]
    again = run((largest,))
    times = {"sweep": [together.seconds], f"eps {largest:g}": [alone[largest].seconds, again.seconds]}
    singles = {f"eps {eps:g} alone": [result.seconds] for eps, result in alone.items() if eps != largest}
    standing = {f"{eps:g}": int(result.standing.sum()) for eps, result in alone.items()}
    counts = ", ".join(f"{count} at eps {eps}" for eps, count in standing.items())
    session.add(
        BenchRow(
            item="sweep", metric=name, batch=len(work.batch.ids), what="four budgets / the largest alone",
            value=ratio(times["sweep"], times[f"eps {largest:g}"]), raw=times | singles, bar=bar, sense="<=",
            note=f"{note}; {numbers.words}; standing alone: {counts}, after the sweep {int(together.standing.sum())}",
            facts={"standing": standing},
        )
    )  # fmt: skip
