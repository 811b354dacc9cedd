"""What every engine keeps to: the frames of this process, whatever the chunks, and errors that say where."""

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pandas as pd
import pytest

from perceptbench.bench.engines.base import Chunk, Done, Engine, Job
from perceptbench.bench.engines.local import Local
from perceptbench.bench.planner import make_plans
from perceptbench.bench.request import Held, Request
from perceptbench.core.errors import UnsoundError, UserError, sentence
from perceptbench.core.spec import canonical_json
from perceptbench.metrics.classical.pixel import PixelL2
from perceptbench.testing.contract import Contract, built

SAMPLES = 5

FAULTY = """
from perceptbench.metrics.classical.pixel import PixelL2

class Raises(PixelL2):
    def embed(self, x):
        if len(x) == 1:
            raise ValueError("no images today")
        return super().embed(x)

class Unsound(PixelL2):
    lipschitz = 0.5
"""
"""Metrics that go wrong, in a file, so that a worker elsewhere can build them by name."""


class EngineContract(Contract):
    """Derive from it, give the engine in `made`, and pytest finds the tests. Workers must see this machine's files.

    class TestMine(EngineContract):
        def made(self):
            return Mine(workers=2)
    """

    may_fork = True

    def made(self) -> Engine:
        """The engine."""
        raise NotImplementedError("give your engine: def made(self): return Mine()")

    @pytest.fixture
    def subject(self) -> Engine:
        """The engine under test."""
        made: Engine = built(self.made, Engine)
        return made

    @pytest.fixture
    def job(self) -> Job:
        """A small run of which everything is known by name; images of two samples are wanted."""
        return small_job()

    @pytest.fixture
    def faulty(self, tmp_path: Path) -> str:
        """The name of a file of metrics that go wrong."""
        (tmp_path / "faulty.py").write_text(FAULTY)
        return f"py:{tmp_path / 'faulty.py'}"

    @pytest.mark.parametrize("size", [1, 2, SAMPLES])
    @pytest.mark.parametrize("backwards", [False, True], ids=["in order", "backwards"])
    def test_chunks_give_the_frames_of_this_process(
        self, subject: Engine, job: Job, size: int, backwards: bool
    ) -> None:
        chunks = _chunks(job, size)[:: -1 if backwards else 1]
        done = list(subject.map(job, iter(chunks)))
        for one in done:
            assert isinstance(one, Done), f"map must give a Done for each chunk, got {type(one).__name__}"
            assert one.unsound is None, "a sound run must not end with a counter-example"
            assert one.frame is not None, f"the chunk {', '.join(one.ids)} must come back with its frame"
            assert set(one.frame["id"]) == set(one.ids), "a frame must hold the samples of its chunk"
        assert {name for one in done for name in one.ids} == set(_ids(job)), "every sample must be computed"
        (expected,) = Local().map(job, [_ids(job)])
        assert expected.frame is not None
        found, expected_frame = _in_order(done), _in_order([expected])
        pd.testing.assert_frame_equal(found.drop_duplicates(["id", "eps"]), expected_frame, rtol=1e-3, atol=1e-6)
        numbers = {number for one in done for number, _ in one.images}
        assert numbers == {0, 1}, f"the images of the first two samples are wanted, got those of {sorted(numbers)}"

    def test_no_chunk_is_no_work(self, subject: Engine, job: Job) -> None:
        assert list(subject.map(job, iter(()))) == [], "without a chunk nothing must be computed"

    def test_a_job_survives_as_text(self, job: Job) -> None:
        again = Job.read(job.text)
        assert again.plan.spec == job.plan.spec, "a job read from its text must be the same run"
        assert (dict(again.state), again.images) == (dict(job.state), job.images), "state and images must come along"
        assert again.text == job.text, "the text of a job must be the same after a round trip"

    def test_another_run_than_was_asked_for_is_refused(self, job: Job) -> None:
        other = canonical_json(json.loads(job.text) | {"run": "0" * 12})
        with pytest.raises(UserError, match=f"expected the run {'0' * 12}"):
            Job.read(other)

    def test_what_exists_in_this_process_alone_is_refused(self) -> None:
        job = _job(metrics=[Held("mine", PixelL2())], attacks=["l2-pgd(steps=1)"], eps=(1.0,))
        with pytest.raises(UserError, match="mine exist"):
            _ = job.text

    def test_what_a_sample_raises_names_the_sample(self, subject: Engine, faulty: str) -> None:
        job = _job(metrics=[f"{faulty}:Raises"], attacks=["l2-pgd(steps=1)"], eps=(1.0,), certifiers=())
        first = _ids(job)[:1]
        with pytest.raises(Exception, match="no images today") as caught:
            list(subject.map(job, iter([first])))
        said = sentence(caught.value)  # type: ignore[arg-type]
        assert first[0] in said, f"an error must name its samples, {first[0]} here, in a note; got {said!r}"

    def test_a_counter_example_comes_back(self, subject: Engine, faulty: str) -> None:
        job = _job(metrics=[f"{faulty}:Unsound"], attacks=["l2-fab(steps=20)"], eps=(64.0,), skip_certified=False)
        done = [one for one in subject.map(job, iter(_chunks(job, SAMPLES))) if one.unsound is not None]
        assert done, "a flip inside a certified radius must come back as Done.unsound"
        unsound = done[0].unsound
        assert isinstance(unsound, UnsoundError), "Done.unsound must be the UnsoundError"
        assert unsound.tensors, "the images of the counter-example must come along"
        assert done[0].frame is None, "a chunk with a counter-example must have no frame"


@cache
def small_job() -> Job:
    """Five photographs under a short attack, made once."""
    return _job(attacks=["l2-pgd(steps=3)"], eps=(1.0, 4.0), skip_certified=False)


def _job(**words: object) -> Job:
    usual = {"metrics": ["l2"], "data": ["photos"], "limit": SAMPLES}
    (plan,) = make_plans(Request(**{**usual, **words}))  # type: ignore[arg-type]
    return Job(plan, {}, images=2)


def _ids(job: Job) -> list[str]:
    return [entry.id for entry in job.plan.source.entries]


def _chunks(job: Job, size: int) -> list[Chunk]:
    ids = _ids(job)
    return [ids[i : i + size] for i in range(0, len(ids), size)]


def _in_order(done: Sequence[Done]) -> pd.DataFrame:
    frames = [one.frame for one in done if one.frame is not None]
    return pd.concat(frames).sort_values(["id", "eps"]).reset_index(drop=True)
