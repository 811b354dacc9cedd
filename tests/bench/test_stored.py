"""A stored run answers for what it is, and for nothing else."""

from pathlib import Path

import pytest
from sealing import edit_samples

from perceptbench.bench.planner import make_plans
from perceptbench.bench.probe import difference
from perceptbench.bench.request import Request
from perceptbench.bench.runner import run_plans
from perceptbench.core.errors import Notice
from perceptbench.results.record import Record, written_columns
from perceptbench.results.store import RunStore

METRIC = """
from pathlib import Path


class Mine:
    def __call__(self, x, y):
        return float(Path(__file__).with_name("sign.txt").read_text()) * (x - y).abs().mean((1, 2, 3))
"""


@pytest.fixture
def mine(tmp_path: Path) -> str:
    """A metric that reads a file at each call, which no fingerprint sees."""
    (tmp_path / "mine.py").write_text(METRIC)
    (tmp_path / "sign.txt").write_text("1.0")
    return f"py:{tmp_path / 'mine.py'}:Mine"


def run(metric: str, store: RunStore, *eps: float, attack: str = "l2-pgd(steps=2)") -> Record:
    request = Request(metrics=[metric], attacks=[attack], eps=eps, limit=12, device="cpu")
    return run_plans(make_plans(request), store)[0]


def score(record: Record) -> float:
    return float(record.samples.drop_duplicates("id")["correct"].mean())


def test_a_request_for_some_eps_of_a_run_is_answered_from_it(tmp_path: Path) -> None:
    store = RunStore(tmp_path / "runs")
    sweep = run("l2", store, 0.5, 1.0, 2.0)
    part = run("l2", store, 1.0)
    assert part.run == sweep.run
    assert list(part.spec["eps"]) == [1.0]
    expected = sweep.samples[sweep.samples["eps"] == 1.0].reset_index(drop=True)
    assert part.samples.equals(expected)
    assert [folder.name for folder in store.root.iterdir()] == [sweep.run]


def test_one_more_eps_or_another_question_is_a_run_of_its_own(tmp_path: Path) -> None:
    store = RunStore(tmp_path / "runs")
    sweep = run("l2", store, 0.5, 1.0)
    others = [run("l2", store, 0.5, 4.0), run("psnr", store, 0.5), run("l2", store, 0.5, attack="l2-pgd(steps=3)")]
    assert len({sweep.run, *(other.run for other in others)}) == 4


def test_a_stored_run_whose_answers_are_no_longer_todays_is_set_aside(tmp_path: Path, mine: str) -> None:
    store = RunStore(tmp_path / "runs")
    first = run(mine, store, 0.1)
    (tmp_path / "sign.txt").write_text("-1.0")
    with pytest.warns(
        Notice, match=r"is not answered from: d0 of .* today; it is computed anew, and the old one is kept"
    ):
        second = run(mine, store, 0.1)
    assert second.run == first.run, "nothing that a fingerprint sees has changed"
    assert score(second) == pytest.approx(1 - score(first))
    assert (tmp_path / "runs" / f"{first.run}.aside-1" / "record.json").exists()
    assert score(run(mine, store, 0.1)) == score(second)


def test_what_a_stopped_run_left_is_probed_too(tmp_path: Path, mine: str) -> None:
    store = RunStore(tmp_path / "runs")
    (plan,) = make_plans(Request(metrics=[mine], attacks=["l2-pgd(steps=2)"], eps=(0.1,), limit=12, device="cpu"))
    whole = run(mine, RunStore(tmp_path / "elsewhere"), 0.1)
    with store.writer(plan.spec.id, written_columns(plan.task.columns)) as writer:
        writer.add(whole.samples[whole.samples["id"].isin(list(whole.samples["id"])[:6])])
    assert run_plans([plan], store)[0].facts["resumed"] == 6

    again = RunStore(tmp_path / "again")
    with again.writer(plan.spec.id, written_columns(plan.task.columns)) as writer:
        writer.add(whole.samples[whole.samples["id"].isin(list(whole.samples["id"])[:6])])
    (tmp_path / "sign.txt").write_text("-1.0")
    with pytest.warns(Notice, match="left behind is not used"):
        found = run(mine, again, 0.1)
    assert found.facts["resumed"] == 0
    assert score(found) == pytest.approx(1 - score(whole))


def test_a_damaged_run_is_set_aside_and_computed_again(tmp_path: Path) -> None:
    store = RunStore(tmp_path / "runs")
    first = run("l2", store, 1.0)
    path = store.folder(first.run) / "samples.parquet"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.warns(Notice, match="damaged"):
        second = run("l2", store, 1.0)
    assert second.samples["size"].equals(first.samples["size"])
    assert (tmp_path / "runs" / f"{first.run}.aside-1").is_dir()


@pytest.fixture
def stored(tmp_path: Path) -> Record:
    store = RunStore(tmp_path / "runs")
    request = Request(metrics=["l2"], attacks=["l2-pgd(steps=20)"], eps=(1.0, 40.0), limit=8, device="cpu")
    return run_plans(make_plans(request), store, images=8)[0]


def test_a_run_that_is_what_it_says_is_verified(stored: Record) -> None:
    import perceptbench as pb

    found = pb.verify(stored.folder, k=5, device="cpu")
    assert (found.refuted, found.weaker, found.moved) == ((), (), ())
    assert (len(found.samples), found.images) == (5, 5)


@pytest.mark.parametrize(
    ("column", "change", "sentence"),
    [
        ("robust", lambda old: old | True, "stands in the record and is broken today"),
        ("d0", lambda old: old * 1.01, "d0 of"),
        ("radius", lambda old: old * 1.01, "radius of"),
    ],
)
def test_a_stored_number_that_is_better_than_todays_is_refuted(stored: Record, column, change, sentence) -> None:
    import perceptbench as pb

    samples = stored.samples.assign(**{column: change(stored.samples[column])})
    samples["robust"] &= samples["correct"]
    samples["broken_by"] = samples["broken_by"].where(~samples["robust"], "")
    edit_samples(stored.folder, lambda _: samples)
    found = pb.verify(stored.folder, k=8, device="cpu")
    assert any(sentence in one for one in found.refuted), found
    if column == "robust":
        assert any("the saved image of" in one for one in found.refuted), found


def test_an_attack_that_found_more_than_todays_is_no_refutation(stored: Record) -> None:
    import perceptbench as pb

    samples = stored.samples.assign(robust=False)
    samples["broken_by"] = (
        samples["broken_by"].where(samples["broken_by"] != "", "l2-pgd").where(samples["correct"], "")
    )
    samples["radius"] = 0.0
    edit_samples(stored.folder, lambda _: samples)
    found = pb.verify(stored.folder, k=8, device="cpu")
    assert any("was broken in the record and stands today" in one for one in found.weaker)
    assert all("radius" in one for one in found.refuted)


def test_the_place_of_a_file_decides_nothing(tmp_path: Path) -> None:
    ids = []
    for folder in ("one", "other"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "mine.py").write_text(METRIC)
        (tmp_path / folder / "sign.txt").write_text("1.0")
        request = Request(metrics=[f"py:{tmp_path / folder / 'mine.py'}:Mine"], attacks=["l2-pgd"], eps=(1.0,), limit=4)
        ids.append(make_plans(request)[0].spec.id)
    assert ids[0] == ids[1]


KINDS = """
import dataclasses
import functools
from pathlib import Path

import numpy as np
import torch
from torch import nn

from perceptbench.metrics.classical.ssim import SSIM

VALUE = float(Path(__file__).with_name("value.txt").read_text())
GLOBAL = torch.tensor(VALUE)


def plain(x, y, scale=1.0):
    return scale * (x - y).abs().mean((1, 2, 3))


class Global:
    def __call__(self, x, y):
        return plain(x, y, float(GLOBAL))


class Held(list):
    def __call__(self, x, y):
        return plain(x, y, self.scale)


def Subclass():
    held = Held()
    held.scale = VALUE
    return held


class Bound:
    def __init__(self):
        self.scale = np.float64(VALUE).__mul__

    def __call__(self, x, y):
        return plain(x, y, float(self.scale(1.0)))


class OfFunction:
    def __init__(self):
        def scale():
            return scale.value

        scale.value = VALUE
        self.scale = scale

    def __call__(self, x, y):
        return plain(x, y, self.scale())


class OfClass:
    scale = nn.Parameter(torch.tensor(VALUE))

    def __call__(self, x, y):
        return plain(x, y, self.scale)


@dataclasses.dataclass(frozen=True)
class Frozen:
    sides: tuple = (1, 2, 3)
    scale: torch.Tensor = dataclasses.field(default_factory=lambda: torch.tensor(VALUE, dtype=torch.bfloat16))

    def __call__(self, x, y):
        return plain(x, y, float(self.scale))


def Factory():
    ours = SSIM()
    inner = ours.compare
    ours.compare = lambda a, b: VALUE * inner(a, b)
    return ours


class Cached:
    def __init__(self):
        value = VALUE
        self.scale = functools.lru_cache(lambda: value)

    def __call__(self, x, y):
        return plain(x, y, self.scale())
"""


@pytest.mark.parametrize(
    "name", ["Global", "Subclass", "Bound", "OfFunction", "OfClass", "Frozen", "Factory", "Cached"]
)
def test_a_number_is_seen_wherever_a_metric_keeps_it(tmp_path: Path, name: str) -> None:
    (tmp_path / "kinds.py").write_text(KINDS)
    ids = []
    for value in ("1.0", "-1.0", "1.0"):
        (tmp_path / "value.txt").write_text(value)
        request = Request(metrics=[f"py:{tmp_path / 'kinds.py'}:{name}"], attacks=["l2-square"], eps=(1.0,), limit=4)
        ids.append(make_plans(request)[0].spec.id)
    assert ids[0] == ids[2] != ids[1]


def test_a_metric_that_draws_is_probed_by_the_mean_of_its_draws(tmp_path: Path, mine: str) -> None:
    text = METRIC.replace("class Mine:", "import torch\n\n\nclass Mine:\n    stochastic = True\n")
    drawn = ".abs().mean((1, 2, 3)) * (1 + 0.01 * torch.randn(len(x), generator=G))"
    text = text.replace(".abs().mean((1, 2, 3))", drawn)
    (tmp_path / "mine.py").write_text(text.replace("class Mine", "G = torch.Generator()\n\n\nclass Mine"))
    store = RunStore(tmp_path / "runs")
    request = Request(metrics=[mine], attacks=["l2-square(queries=2)"], eps=(0.1,), limit=12, device="cpu")
    stored = run_plans(make_plans(request), store)[0]
    plan = make_plans(request)[0]
    assert difference(plan, stored.samples, {}) == ""
    (tmp_path / "sign.txt").write_text("-1.0")
    assert "d0 of" in difference(plan, stored.samples, {})


def test_a_damaged_run_that_could_have_answered_is_named(tmp_path: Path) -> None:
    store = RunStore(tmp_path / "runs")
    sweep = run("l2", store, 0.5, 1.0)
    path = store.folder(sweep.run) / "samples.parquet"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.warns(Notice, match=f"left out the run {sweep.run}"):
        part = run("l2", store, 1.0)
    assert part.run != sweep.run


def test_an_answer_from_a_sweep_has_its_own_cost(tmp_path: Path) -> None:
    store = RunStore(tmp_path / "runs")
    sweep = run("l2", store, 20.0, 40.0)
    part = run("l2", store, 20.0)
    assert 0 < part.facts["forwards"] <= sweep.facts["forwards"]
    assert part.facts["forwards"] == part.samples["forwards"].sum()
