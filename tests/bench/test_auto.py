"""`--attack auto` in runs: masked metrics lose what their plain forms lose, and the choice is part of the record."""

import json

import pytest
import torch
from masked_metrics import AfterJpeg, Clamped, Plain, RoundedTo, Staircase, WithCrops

import perceptbench as pb
from perceptbench.bench.api.data import TripletData
from perceptbench.bench.planner import make_plans
from perceptbench.bench.request import Request
from perceptbench.core.errors import UserError
from perceptbench.results.store import RunStore
from perceptbench.testing.samples import source_of, triplets
from perceptbench.triplets.base import Triplets

pytestmark = pytest.mark.filterwarnings("ignore::perceptbench.core.errors.Notice")
"""What masked metrics are told on standard error is tested with the flags."""

RADII = [0.2, 0.4, 0.8, 1.2]
EPS = 0.5
AUTO = "auto(starts=1,steps=15,queries=60,draws=4)"
BLIND = "l2-aa(steps=5,starts=1,fmn_steps=5,fab_steps=5,queries=5)"


def data_of(batch: Triplets) -> TripletData:
    return TripletData("made up", source_of(batch))


@pytest.fixture(scope="module")
def data() -> TripletData:
    """Triplets whose radius under the plain metric is known."""
    return data_of(triplets(RADII, 16, seed=1))


def score(runs: pb.Runs) -> float:
    frame = runs.frame()
    return float(frame.loc[frame["kind"] == "attack", "score"].iloc[0])


def run(metric, attack: str, data: TripletData, eps: float = EPS):
    """The runs and their one record."""
    runs = pb.run(metric, attack, eps, data)
    (record,) = runs
    return runs, record


def test_the_plain_form_loses_what_is_within_its_radius(data: TripletData) -> None:
    assert score(run(Plain(), "l2-aa(steps=15,starts=1,queries=10)", data)[0]) == 50.0


@pytest.mark.parametrize("masked", [RoundedTo, Staircase, Clamped], ids=lambda one: one.__name__)
def test_a_metric_that_hides_its_gradient_loses_as_much(masked, data: TripletData) -> None:
    blind = score(run(masked(), BLIND, data)[0])
    runs, record = run(masked(), AUTO, data)
    frame = runs.frame()
    assert score(runs) <= 50.0 < blind
    broke = {part["part"]: part["broke"] for part in record.facts["parts"]}
    assert sum(broke.values()) == (record.samples["broken_by"] != "").sum()
    assert sum(n for name, n in broke.items() if name.endswith((" straight-through", " differences", " longer"))) >= 1
    assert record.facts["state"]["signs"] == "masked"
    row = frame[frame["kind"] == "attack"].iloc[0]
    assert "apgd-ce straight-through: starts 3, steps 15, broke " in row["parts"]


def test_a_metric_that_draws_loses_as_much_and_the_row_says_that_draws_were_averaged(data: TripletData) -> None:
    runs, record = run(WithCrops(), AUTO, data)
    assert "random" in record.facts["state"]["signs"].split()
    assert any(part["part"].endswith(" averaged") for part in record.facts["parts"])
    assert score(runs) <= 50.0


def test_jpeg_inside_leaves_no_gradient_and_query_attacks_decide() -> None:
    """Smooth images, of which JPEG leaves something."""
    small = triplets([0.3, 0.5, 0.9, 1.2], 4, seed=2)
    batch = small.mapped(lambda x: torch.nn.functional.interpolate(x, size=16, mode="bilinear") if x.ndim == 4 else x)
    data = data_of(batch)
    runs, record = run(AfterJpeg(), AUTO, data, 1.5)
    assert {"apgd-ce", "fmn", "fab"} <= set(record.facts["parts_left_out"])
    assert {"l2-square longer", "l2-apgd-ce differences"} <= {part["part"] for part in record.facts["parts"]}
    assert score(runs) <= score(run(AfterJpeg(), "l2-square(queries=60)", data, 1.5)[0]) + 5


def test_a_metric_without_any_sign_meets_the_plain_parts_alone(data: TripletData) -> None:
    _, record = run("l2", "auto(starts=1,steps=2,queries=2,draws=1)", data)
    assert record.facts["state"] == {"signs": ""}
    assert not [part for part in record.facts["parts"] if " " in part["part"]]


def test_what_was_chosen_is_kept_and_a_resumed_run_does_not_choose_anew(tmp_path, monkeypatch, bench, data) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "import torch\n\n\nclass Mine:\n    def __call__(self, x, y):\n"
        "        return torch.round(1e6 * (x - y).square().mean((1, 2, 3))) / 1e6\n"
    )
    words = ("run", "--metric", f"py:{file}:Mine", "--attack", "auto(starts=1,steps=3,queries=3,draws=1)", "--eps", 1)
    source = "photos"
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    end = ("--data", source, "--limit", 3, "--batch-size", 1)
    bench(*words, *end, "--runs", whole)

    from perceptbench.bench.engines import local

    computed = local._computed
    seen: list[object] = []

    def stops_after_one(job, *rest):
        if seen:
            raise KeyboardInterrupt
        seen.append(job.plan.parts)
        return computed(job, *rest)

    monkeypatch.setattr(local, "_computed", stops_after_one)
    with pytest.raises((KeyboardInterrupt, SystemExit, AssertionError)):
        bench(*words, *end, "--runs", stopped)
    monkeypatch.setattr(local, "_computed", computed)
    (state,) = stopped.glob("*/state.json")
    assert json.loads(state.read_text()) == {"signs": "masked"}
    # Whatever the flags would say now, the parts are those of the first look.
    monkeypatch.setattr("perceptbench.bench.flags.of_run.signs", lambda values: "")
    bench(*words, *end, "--runs", stopped)
    records = [next(iter(RunStore(folder).select())) for folder in (whole, stopped)]
    assert records[0].run == records[1].run
    kept = [[{**part, "broke": 0} for part in record.facts["parts"]] for record in records]
    assert kept[0] == kept[1]
    columns = ["id", "broken_by", "size"]
    assert records[0].samples[columns].equals(records[1].samples[columns])


def test_a_worker_that_knows_the_state_alone_has_the_same_parts() -> None:
    request = Request(metrics=["l2"], attacks=["auto"], eps=(1.0,), limit=2)
    (plan,) = make_plans(request)
    assert [name for name, _, _ in plan.told({"signs": "masked"}).parts] != [name for name, _, _ in plan.parts]
    assert plan.told({"signs": ""}).parts == plan.parts
    assert plan.told({}) is plan


def test_the_code_of_every_part_that_may_be_chosen_is_in_the_identity(monkeypatch) -> None:
    def attack_print() -> str:
        (plan,) = make_plans(Request(metrics=["l2"], attacks=["auto"], eps=(1.0,), limit=2))
        return plan.spec.fingerprints["attack"]

    from perceptbench.attacks.auto import Auto

    before = attack_print()
    monkeypatch.setattr(Auto, "members", lambda self: [])
    assert attack_print() != before


def test_it_serves_endless_goals_and_another_ball_and_refuses_restarts() -> None:
    common = {"data": "photos", "limit": 2}
    linf = pb.run("l2", "auto(steps=2,starts=1,queries=2)", 0.01, threat="linf", **common)
    assert linf.frame().iloc[-1]["threat"] == "linf"
    pushed = pb.run("l2", "auto(steps=2,starts=1,queries=2)", 0.5, goal="push", **common)
    assert pushed.frame().iloc[-1]["unit"] == "distance"
    with pytest.raises(UserError, match=r"auto has starts of its own: write auto\(starts=2\)"):
        pb.run("l2", "auto", 0.5, restarts=2, **common)


def test_one_triplet_in_memory_is_looked_at_as_in_a_run() -> None:
    batch = triplets([0.2], 16, seed=1)
    found = pb.attack(RoundedTo(), batch.reference, batch.left, batch.right, AUTO, EPS, label=batch.label)
    assert found.flipped.all()
