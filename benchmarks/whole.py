"""A whole attack, ours beside the literal protocol: what is broken leaves our batch at once."""

from statistics import median

from benchmarks import ours
from benchmarks.measurements import BenchRow, ratio
from benchmarks.session import EPS, Session
from benchmarks.steps import literal_steps
from benchmarks.upstream_autoattack import autoattack
from benchmarks.work import Work

BAR = 5.0
NEAREST = 64
"""The ViT's triplets are those of so many that lie nearest to its boundary: random weights leave some far
beyond every budget here, where a trained ViT has none, and these rows are about a metric that breaks."""


def measure(session: Session) -> None:
    """The ViT, batch 8 in full and 32 by extrapolation; lipsim, which stands, with a tenth of the numbers."""
    work = session.work("vit-s", 32, NEAREST)
    _full(session, work.first(2 if session.quick else 8), "vit-s", 1.0, BAR)
    if not session.quick:
        _extrapolated(session, work)
    _full(session, session.work("lipsim", 8), "lipsim", 0.1, None)


def _full(session: Session, work: Work, name: str, share: float, bar: float | None) -> None:
    numbers = session.numbers(share)
    model = work.literal()
    runs = [ours.run(work, numbers.ref, (EPS,))]
    theirs = autoattack(model, work.batch.reference, work.label, EPS, numbers)
    runs.append(ours.run(work, numbers.ref, (EPS,)))
    times = {"literal": [theirs.seconds], "ours": [run.seconds for run in runs]}
    standing = int(runs[0].standing.sum()), int(theirs.standing.sum())
    session.add(
        BenchRow(
            item="whole", metric=name, batch=len(work.batch.ids), what=f"l2-aa at eps {EPS:g}: literal / ours",
            value=ratio(times["literal"], times["ours"]), raw=times, bar=bar,
            note=f"{numbers.words}; standing: ours {standing[0]}, literal {standing[1]}",
            facts={"parts": theirs.parts, "standing": {"ours": standing[0], "literal": standing[1]}},
        )
    )  # fmt: skip


def _extrapolated(session: Session, work: Work) -> None:
    """The literal attack takes every row through the first restart, whatever breaks: that much is certain."""
    numbers = session.numbers()
    run = ours.run(work, numbers.ref, (EPS,))
    laps = literal_steps(work, work.literal(), 3)
    seconds = (numbers.steps + 1) * median(laps)
    session.add(
        BenchRow(
            item="whole", metric="vit-s", batch=len(work.batch.ids), what=f"l2-aa at eps {EPS:g}: literal / ours",
            value=seconds / run.seconds, raw={"literal": [seconds], "literal step": laps, "ours": [run.seconds]},
            bar=BAR, note=f"literal extrapolated: {numbers.steps + 1} gradients of its first restart and nothing else; "
            f"ours in full, {int(run.standing.sum())} standing",
        )
    )  # fmt: skip
