"""The share of an attack's time that the metric itself takes; the rest is ours."""

from benchmarks import ours
from benchmarks.measurements import BenchRow
from benchmarks.session import EPS, Session
from benchmarks.timed import Meter, Timed
from perceptbench.core.ref import Ref

BAR = 0.93
# A tenth of l2-aa's numbers, in its proportions.
PARTS = (
    ("apgd-ce", "l2-apgd-ce(steps={})", 30),
    ("fmn", "l2-fmn(steps={})", 10),
    ("fab", "l2-fab(steps={})", 10),
    ("square", "l2-square(queries={})", 50),
)


def measure(session: Session) -> None:
    """lipsim, whose passes are short, and the ViT; nobody leaves, so that every part runs in full."""
    for name, batch, repetitions in (("lipsim", 8, 3), ("lipsim", 32, 1), ("vit-s", 8, 1)):
        _share(session, name, batch, repetitions)


def _share(session: Session, name: str, batch: int, repetitions: int) -> None:
    work = session.work(name, 32)
    work = work if session.quick else work.first(batch)
    spent: dict[str, tuple[list[float], list[float]]] = {part: ([], []) for part, _, _ in PARTS}
    ours.run(work, Ref.parse("l2-apgd-ce(steps=1)"), (EPS,))  # warm
    for _ in range(1 if session.quick else repetitions):
        for part, pattern, count in PARTS:
            meter = Meter()
            ref = Ref.parse(pattern.format(2 if session.quick else count))
            run = ours.run(work, ref, (EPS,), objective=Timed(work.objective, meter, stands=True))
            spent[part][0].append(meter.seconds)
            spent[part][1].append(run.seconds)
    everything = [[sum(times) for times in zip(*(spent[part][i] for part in spent), strict=True)] for i in (0, 1)]
    for part, (inside, whole) in {**spent, "whole": (everything[0], everything[1])}.items():
        session.add(
            BenchRow(
                item="share", metric=name, batch=len(work.batch.ids), what=f"{part}: time inside the metric",
                value=sum(inside) / sum(whole), raw={"inside": inside, "attack": whole}, unit="%",
                bar=BAR if part == "whole" else None, note="a tenth of l2-aa's numbers" if part == "whole" else "",
            )
        )  # fmt: skip
