"""Time for one step of APGD, ours beside the literal protocol."""

from contextlib import suppress

import torch

from benchmarks.literal_model import Literal
from benchmarks.measurements import BenchRow, ratio
from benchmarks.peak import share_of_peak
from benchmarks.session import EPS, Session
from benchmarks.timed import Enough, Laps, Paced, PacedModel
from benchmarks.upstream_autoattack import apgd_run
from benchmarks.work import Work
from perceptbench.attacks.base import attack
from perceptbench.attacks.running.sweep import run_attack
from perceptbench.core.ref import Ref

STEPS, BLOCK = 10, 2
# The costliest last: it makes do with the time that is left.
ORDER = (("lipsim", 8), ("lipsim", 32), ("vit-s", 8), ("vit-s", 32), ("lipsim-paper", 8), ("lipsim-paper", 32))
BARS = {("lipsim-paper", 8): 3.0, ("lipsim-paper", 32): 2.0, ("vit-s", 8): 1.7, ("vit-s", 32): 1.7}


def measure(session: Session) -> None:
    """Ten steps of each, two of ours and two of theirs in turn."""
    for name, batch in ORDER:
        if session.quick and (name, batch) not in (("lipsim", 8), ("vit-s", 8)):
            continue
        work = session.work(name, max(batch for known, batch in ORDER if known == name))
        work = work if session.quick else work.first(batch)
        work.check()
        model = work.literal()
        ours: list[float] = []
        literal: list[float] = []
        while len(ours) < (BLOCK if session.quick else STEPS):
            if ours and not session.in_time(BLOCK * (ours[-1] + literal[-1])):
                break
            ours += our_steps(work, BLOCK)
            literal += literal_steps(work, model, BLOCK)
        session.add(
            BenchRow(
                item="step", metric=name, batch=batch, what="APGD step: literal / ours", value=ratio(literal, ours),
                raw={"literal": literal, "ours": ours}, bar=BARS.get((name, batch)), note=f"{len(ours)} steps of each",
                facts=share_of_peak(work, ours, session.peak),
            )
        )  # fmt: skip


def our_steps(work: Work, steps: int) -> list[float]:
    """Seconds for each of some steps of our APGD; none of the batch leaves."""
    laps = Laps(steps)
    ref = Ref.parse(f"l2-apgd-ce(steps={steps})")
    nobody = torch.zeros(1, len(work.batch.ids), dtype=torch.bool, device=work.label.device)
    with suppress(Enough):
        paced = Paced(work.objective, laps)
        list(run_attack(attack.build(ref), ref.name, paced, work.batch.reference, (EPS,), nobody, work.noise))
    return laps.seconds


def literal_steps(work: Work, model: Literal, steps: int) -> list[float]:
    """The same for the literal protocol."""
    laps = Laps(steps)
    model.rows.forget()
    with suppress(Enough):
        apgd_run(PacedModel(model, laps), work.batch.reference, work.label, EPS, steps)
    return laps.seconds
