"""A run counts each sample once, whatever the engine hands back, and a state that cannot be read is said."""

from dataclasses import dataclass, replace

import pandas as pd
import pytest

from perceptbench.bench.engines.local import Local
from perceptbench.bench.kept_state import STATE
from perceptbench.bench.planner import make_plans
from perceptbench.bench.request import Request
from perceptbench.bench.runner import run_plans
from perceptbench.core.errors import UserError
from perceptbench.results.store import RunStore
from perceptbench.tasks.content import contents


@dataclass(frozen=True)
class Odd(Local):
    """The local engine, whose chunks come backwards, more than once, or not at all."""

    times: int = 1
    dropped: int = 0
    renamed: bool = False

    def map(self, job, chunks):
        for chunk in list(chunks)[self.dropped :][::-1]:
            for done in super().map(job, [chunk] * self.times):
                yield replace(done, ids=["x"]) if self.renamed else done


@pytest.fixture
def plans(data):
    return make_plans(Request(metrics=["l2"], data=[data], attacks=["l2-pgd(steps=3)"], eps=(1.0, 4.0), device="cpu"))


def test_a_chunk_that_comes_twice_and_out_of_order_counts_once(plans, tmp_path):
    usual = run_plans(plans, RunStore(tmp_path / "a"), 3)[0]
    odd = run_plans(plans, RunStore(tmp_path / "b"), 3, engine=Odd(times=2))[0]
    assert len(odd.samples) == 16
    exact = ["id", "eps", "robust", "broken_by", "content"]
    pd.testing.assert_frame_equal(odd.samples[exact], usual.samples[exact])
    pd.testing.assert_frame_equal(RunStore(tmp_path / "b").get(odd.run).samples, odd.samples)
    source = plans[0].source
    told = dict(zip(source.ids, contents(source.batch(source.entries)), strict=True))
    assert odd.samples["content"].tolist() == odd.samples["id"].map(told).tolist()


def test_a_run_of_some_samples_is_no_run(plans, tmp_path):
    with pytest.raises(UserError, match="the engine left out 3 of 8 samples"):
        run_plans(plans, RunStore(tmp_path), 3, engine=Odd(dropped=1))
    assert RunStore(tmp_path).get(plans[0].spec.id) is None
    assert len(run_plans(plans, RunStore(tmp_path), 3)[0].samples) == 16


def test_rows_of_other_samples_are_refused(plans, tmp_path):
    with pytest.raises(ValueError, match="rows of other samples, for x"):
        run_plans(plans, RunStore(tmp_path), 3, engine=Odd(renamed=True))


def test_a_damaged_state_is_said_in_a_sentence(plans, tmp_path):
    folder = tmp_path / plans[0].spec.id
    folder.mkdir()
    (folder / STATE).write_text('{"tau": 0.')
    with pytest.raises(UserError, match=r"state.json is damaged; delete the folder"):
        run_plans(plans, RunStore(tmp_path), 3)
