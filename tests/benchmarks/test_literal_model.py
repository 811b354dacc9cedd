"""The literal protocol gives the numbers of our cached objective, so that only the way there is timed."""

import pytest
import torch

from benchmarks.subjects import subject
from benchmarks.timed import Enough, Laps, Meter, Paced, PacedModel, Timed
from benchmarks.upstream_autoattack import Numbers, apgd_run, autoattack
from benchmarks.work import Work, make


@pytest.fixture(scope="module")
def work() -> Work:
    return make(subject("lipsim", "cpu"), 3, "cpu")


def perturbed(work: Work) -> torch.Tensor:
    x = work.batch.reference
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    return (x + 2 * noise / noise.flatten(1).norm(dim=1)[:, None, None, None]).clamp(0, 1)


@pytest.mark.parametrize("name", ["lipsim", "vit-s"])
def test_literal_logits_are_those_of_the_cached_objective(name: str) -> None:
    work = make(subject(name, "cpu"), 2, "cpu")
    x = perturbed(work)
    with torch.no_grad():
        literal, cached = work.literal()(x), work.cached()(x)
    torch.testing.assert_close(literal.diff(dim=1), cached.diff(dim=1), atol=1e-5, rtol=0)
    # lipsim-paper takes half a minute to build: the benchmark makes this check itself before it measures.
    work.check()


def test_every_triplet_is_answered_rightly(work: Work) -> None:
    with torch.no_grad():
        assert torch.equal(work.literal()(work.batch.reference).argmax(1), work.label)
    assert not work.objective.reached(work.objective.value(work.batch.reference)).any()


def test_literal_network_keeps_its_scales_unfolded_and_its_parameters_frozen(work: Work) -> None:
    parameters = list(work.literal().net.parameters())
    assert parameters
    assert not any(p.requires_grad for p in parameters)


def test_upstream_parts_work_on_what_still_stands(work: Work) -> None:
    result = autoattack(work.cached(), work.batch.reference, work.label, 0.01, Numbers(1, 1, 1, 1))
    assert result.standing.all()
    assert list(result.parts) == ["clean", "apgd-ce", "fab", "square"]
    wrong = autoattack(work.cached(), work.batch.reference, 1 - work.label, 0.01, Numbers(1, 1, 1, 1))
    assert not wrong.standing.any()
    assert list(wrong.parts) == ["clean"]


def test_timed_objective_changes_no_number_and_times_both_passes(work: Work) -> None:
    meter = Meter()
    x = perturbed(work)
    loss, gradient = Timed(work.objective, meter).gradient(x)
    expected, direction = work.objective.gradient(x)
    assert torch.equal(loss, expected)
    assert torch.equal(gradient, direction)
    both = meter.seconds
    Timed(work.objective, meter).value(x)
    assert 0 < meter.seconds - both < meter.seconds


def test_laps_end_an_attack_after_as_many_steps(work: Work) -> None:
    ours, theirs = Laps(2), Laps(2)
    x, paced = work.batch.reference, Paced(work.objective, ours)
    paced.gradient(x)
    paced.gradient(x)
    with pytest.raises(Enough):
        paced.gradient(x)
    with pytest.raises(Enough):
        apgd_run(PacedModel(work.literal(), theirs), x, work.label, 1.0, 9)
    assert len(ours.seconds) == len(theirs.seconds) == 2
