"""Ours beside upstream's AutoAttack on the same cached objective: same parts, same numbers."""

from benchmarks import ours
from benchmarks.measurements import BenchRow, ratio
from benchmarks.session import EPS, Session
from benchmarks.upstream_autoattack import autoattack
from benchmarks.whole import NEAREST
from benchmarks.work import Work

ALLOWED = 1 / 200
"""Our robust score may be higher than upstream's by this share of the samples and no more."""


def measure(session: Session) -> None:
    """The ViT breaks; lipsim stands. Then the scores of both on triplets of lipsim near its boundary."""
    breaks = session.work("vit-s", 32, NEAREST).first(2 if session.quick else 8)
    _compare(session, breaks, "vit-s", "breaks", 1.0, 1, 1.5)
    _compare(session, session.work("lipsim", 8), "lipsim", "stands", 0.2, 2, 1.0)
    near = session.work("lipsim", 24, NEAREST)
    _compare(session, near, "lipsim", "near its boundary", 0.1, 1, None)


def _compare(
    session: Session, work: Work, name: str, kind: str, share: float, repetitions: int, bar: float | None
) -> None:
    numbers = session.numbers(share)
    model = work.cached()
    mine, theirs = [], []
    for _ in range(repetitions):
        mine.append(ours.run(work, numbers.ref, (EPS,)))
        theirs.append(autoattack(model, work.batch.reference, work.label, EPS, numbers))
    n = len(work.batch.ids)
    scores = {"ours": float(mine[0].standing.float().mean()), "upstream": float(theirs[0].standing.float().mean())}
    times = {"upstream": [run.seconds for run in theirs], "ours": [run.seconds for run in mine]}
    note = f"{numbers.words}; robust: ours {scores['ours']:.1%}, upstream {scores['upstream']:.1%} of {n}"
    session.add(
        BenchRow(
            item="upstream", metric=name, batch=n, what=f"{kind}: upstream / ours", raw=times,
            value=ratio(times["upstream"], times["ours"]), bar=bar, note=note,
            facts={"robust": scores, "upstream_parts": theirs[0].parts},
        )
    )  # fmt: skip
    session.add(
        BenchRow(
            item="upstream", metric=name, batch=n, what=f"{kind}: robust score, ours - upstream", raw={},
            value=scores["ours"] - scores["upstream"], unit="%", bar=ALLOWED, sense="<=", facts={"robust": scores},
        )
    )  # fmt: skip
