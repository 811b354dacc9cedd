"""One case: a command is disturbed, its folder inspected, and the command given again."""

import json
import os
import resource
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.faults.disturbed import DisturbedCommand, aged, bench, copied, prepared
from benchmarks.faults.shim import FAULTS, NOTHING, Fault, arm, counted
from benchmarks.forked import Ended, Running, forked
from perceptbench.core.errors import UserError

MEMORY = (8, 24, 48, 96, 160, 256, 512, 1024)
"""Address space in MiB beyond what the process has after its imports."""
WRITERS = 2
SECONDS = 120.0
"""What takes longer hangs."""


@dataclass(frozen=True, slots=True)
class FaultFailure:
    """What a case did that it must not."""

    subject: str
    fault: str
    at: int
    problems: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.subject}, {self.fault} at {self.at}: {'; '.join(self.problems)}"


class Bed:
    """The folders of one subject: as it was before, after the undisturbed command, and the one of the case."""

    def __init__(self, subject: DisturbedCommand, folder: Path) -> None:
        self.subject = subject
        self.old, self.new, self.case = (folder / name for name in ("old", "new", "case"))
        self.said = folder / "said"
        folder.mkdir(parents=True, exist_ok=True)
        self._must(lambda: prepared(subject, self.old))
        copied(self.old, self.new)
        calls = folder / "calls"

        def count() -> None:
            arm(self.new / subject.kept, 0, NOTHING)
            bench(subject.words, self.new)
            calls.write_text(str(counted()))

        self._must(count)
        self.calls = int(calls.read_text())
        """How many calls the undisturbed command makes below its folder."""

    def _must(self, call: Callable[[], None]) -> None:
        ended = forked(call, self.said)
        if ended.status != 0:
            raise UserError(f"the undisturbed {self.subject.name} failed: {ended.errors[-400:]}")

    def disturbed(
        self, name: str, at: int, disturb: Callable[[], None], *, killed: bool = False
    ) -> FaultFailure | None:
        """One case; None where nothing is wrong.

        Args:
            disturb: called in the process of the command just before it.
            killed: whether the process may end by a signal.
        """
        copied(self.old, self.case)

        def command() -> None:
            disturb()
            bench(self.subject.words, self.case)

        ended = forked(command, self.said, SECONDS)
        return self.judged(name, at, [ended], killed=killed)

    def several(self) -> FaultFailure | None:
        """Writers of one folder at the same time: one at least ends its work, the others say that they cannot."""
        copied(self.old, self.case)
        words, case = self.subject.words, self.case
        running = [Running(lambda: bench(words, case), self.said.with_name(f"said{i}")) for i in range(WRITERS)]
        return self.judged("two writers", WRITERS, [one.end(SECONDS) for one in running])

    def judged(self, name: str, at: int, ended: list[Ended], *, killed: bool = False) -> FaultFailure | None:
        """The sentences, the state that was left, and the same command again."""
        wrong = [problem for one in ended for problem in sentence_problems(one, killed=killed)]
        wrong += self._inspected(finished=any(one.status == 0 for one in ended))
        aged(self.case)
        again = forked(lambda: bench(self.subject.words, self.case), self.said)
        if again.status != 0:
            wrong.append(f"the same command again ends with {again.status}: {again.errors.strip()[-200:]}")
        wrong += [f"after the same command again {problem}" for problem in self._inspected(finished=True)]
        return FaultFailure(self.subject.name, name, at, tuple(wrong)) if wrong else None

    def _inspected(self, *, finished: bool) -> list[str]:
        """In a process of its own, since reading starts threads, which a fork does not take along."""
        found = self.said.with_name("problems.json")
        found.unlink(missing_ok=True)

        def look() -> None:
            problems = self.subject.problems(self.case, self.old, self.new, finished=finished)
            found.write_text(json.dumps(problems))

        ended = forked(look, self.said.with_name("inspected"))
        if ended.status != 0:
            return [f"the folder cannot be inspected: {ended.errors[-300:]}"]
        problems: list[str] = json.loads(found.read_text())
        return problems


def sentence_problems(ended: Ended, *, killed: bool) -> list[str]:
    """Whether a command ended as one may: done, or status 2 with one sentence, or by the signal it was sent."""
    if killed and ended.status is not None and ended.status < 0:
        return []
    if ended.status is None:
        return ["it hangs"]
    if "Traceback" in ended.errors or ended.status not in (0, 2):
        return [f"it ends with status {ended.status} and a traceback: {ended.errors.strip().splitlines()[-1:]}"]
    said = [line for line in ended.errors.splitlines() if line.startswith("bench: ")]
    if ended.status == 0 or len(said) == 1:
        return []
    return [f"expected one sentence, got {ended.errors.strip()[-200:]!r}"]


def cases(bed: Bed, *, stride: int = 1, faults: tuple[Fault, ...] = FAULTS) -> Iterator[FaultFailure | None]:
    """Every case of a subject, one after the other: every stride-th call with each fault; memory; two writers."""
    yield from call_cases(bed, stride=stride, faults=faults)
    for size in MEMORY[::stride]:
        yield bed.disturbed("memory in MiB", size, lambda size=size: limited(size))  # type: ignore[misc]
    yield bed.several()


def call_cases(
    bed: Bed, *, first: int = 1, stride: int = 1, faults: tuple[Fault, ...] = FAULTS
) -> Iterator[FaultFailure | None]:
    """The calls first, first + stride, ... with each fault."""
    for fault in faults:
        for n in range(first, bed.calls + 1, stride * fault.every):
            below = bed.case / bed.subject.kept

            def fail(fault: Fault = fault, n: int = n, below: Path = below) -> None:
                arm(below, n, fault)

            yield bed.disturbed(fault.name, n, fail, killed=fault.kills)


def limited(mebibytes: int) -> None:
    """Let this process have so much more address space and no more."""
    with open("/proc/self/statm", encoding="ascii") as stream:  # noqa: PTH123
        pages = int(stream.read().split()[0])
    most = pages * os.sysconf("SC_PAGE_SIZE") + mebibytes * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
