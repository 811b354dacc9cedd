"""What every registered attack keeps to, on a metric whose exact radius is known."""

from dataclasses import replace

import pytest
import torch

from perceptbench.attacks.base import Attack, Ensemble, attack
from perceptbench.attacks.norms import change, size
from perceptbench.attacks.objectives import EmbeddingShift
from perceptbench.attacks.running.sweep import parts_of, run_attack
from perceptbench.attacks.threats.lp import Ball
from perceptbench.core.errors import UserError
from perceptbench.core.noise import Noise
from perceptbench.core.spec import Norm, Ref
from perceptbench.core.tensors import Images
from perceptbench.metrics.classical.pixel import PixelL2
from perceptbench.testing.attacked import Setting, run_each, small_attack
from perceptbench.testing.known_metrics import ProjectionCosine
from perceptbench.testing.samples import generator, radius_in, random_images, subset, triplets
from perceptbench.triplets.base import Triplets

# A bridge wants to be told what to run; one that has no example here fails at its name.
EXAMPLES = {
    "autoattack": ("autoattack:apgd-ce", "autoattack:fab(norm=linf)", "autoattack:square(norm=linf)"),
    "torchattacks": ("torchattacks:PGDL2", "torchattacks:PGD", "torchattacks:DeepFool"),
}
# Those without a norm work in every set; below they are held to what they do in a ball.
PLAIN = [name for name in attack.names() if not attack.inputs(name) and attack.build(Ref(name)).norm is None]
NAMES = [
    example
    for name in attack.names()
    if name not in PLAIN and not attack.card(name).missing
    for example in EXAMPLES.get(name, (name,))
]
ABSENT = {name: attack.card(name).missing for name in attack.names() if attack.card(name).missing}
BRIDGED = [name for name in NAMES if ":" in name]


def made_of(name: str) -> Attack | Ensemble:
    """As a user names it, with its defaults."""
    return attack.build(Ref.parse(name))


FLIPPERS = [name for name in NAMES if not getattr(made_of(name), "by_embedding", False)]
MOVERS = [name for name in NAMES if name not in FLIPPERS]
SINGLE = [name for name in NAMES if not hasattr(made_of(name), "parts")]
MINIMAL = [name for name in SINGLE if made_of(name).minimal]

RADII = [0.05, 0.1, 0.15, 0.2, 0.25, 0.4, 0.5, 0.7]


def _setting(name: str, batch: Triplets) -> Setting:
    return Setting(small_attack(name), name, PixelL2(), batch)


def _between(batch: Triplets, norm: str, i: int) -> float:
    """A budget half-way (geometrically) between the i-th radius and the next, in this norm."""
    radii = radius_in(norm, batch).sort().values  # type: ignore[arg-type]
    return float((radii[i] * radii[i + 1]).sqrt())


def test_all_kinds_are_there() -> None:
    assert FLIPPERS
    assert MOVERS
    assert MINIMAL
    assert set(EXAMPLES) == {name for name in attack.names() if attack.inputs(name)}


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_package_behind_a_bridge_is_here(name: str) -> None:
    """Or the report says what this suite has left out."""
    if name in ABSENT:
        pytest.skip(f"{name} needs {ABSENT[name]}")
    assert set(EXAMPLES[name]) <= set(BRIDGED)


@pytest.mark.parametrize("name", NAMES)
def test_states_norm_and_goal_and_parts(name: str) -> None:
    made = made_of(name)
    assert name.startswith(made.norm) or name in BRIDGED
    parts = parts_of(made, name)
    assert len({part for part, _, _ in parts}) == len(parts)
    assert all(member.norm == made.norm and starts >= 1 for _, member, starts in parts)


@pytest.mark.parametrize("norm", ["l2", "linf"])
@pytest.mark.parametrize("name", PLAIN)
def test_an_attack_on_any_set_is_in_a_ball_the_attack_of_its_norm(name: str, norm: Norm) -> None:
    plain, own = small_attack(name, steps=15), small_attack(f"{norm}-{name}", steps=15)
    batch = triplets(RADII[:4], seed=3)
    goal = (
        EmbeddingShift.make(PixelL2(), batch.reference)
        if plain.by_embedding
        else Setting(plain, name, PixelL2(), batch).objective()
    )  # type: ignore[union-attr]
    eps = 0.3 if norm == "l2" else 0.02
    found = plain(goal, batch.reference, eps, Noise.make(0, batch.ids), Ball(norm))  # type: ignore[operator]
    assert torch.equal(found, own(goal, batch.reference, eps, Noise.make(0, batch.ids)))  # type: ignore[operator]
    with pytest.raises(UserError, match="works in any set"):
        plain(goal, batch.reference, eps, Noise.make(0, batch.ids))  # type: ignore[operator]


@pytest.mark.parametrize("shape", [(8, 8), (5, 11), (12, 7)])
@pytest.mark.parametrize("name", SINGLE)
def test_raw_result_is_within_budget_and_range(name: str, shape: tuple[int, int]) -> None:
    """Before the runner mends anything: a tight box, since black and white pixels are frequent."""
    made = small_attack(name, steps=15, queries=40)
    x = random_images(3, *shape, seed=1).round()
    left, right = random_images(3, *shape, seed=2), random_images(3, *shape, seed=3)
    label = torch.tensor([0.0, 1.0, 0.0])
    batch = Triplets(x, left, right, label, label, ("a", "b", "c"))
    setting = Setting(made, name, PixelL2(), batch)
    objective = EmbeddingShift.make(PixelL2(), x) if made.by_embedding else setting.objective()
    kept = x.clone()
    eps = 0.02 if made.norm == "linf" else 0.3
    found = made(objective, x, eps, Noise.make(0, batch.ids))
    assert found.shape == x.shape
    assert found.dtype == x.dtype
    assert not found.requires_grad
    assert found.min() >= 0
    assert found.max() <= 1
    assert torch.equal(x, kept)
    if not made.minimal:
        assert (size(found - x, made.norm) <= eps * (1 + 1e-5)).all()
    # Upstream gives the clean image back where it finds no flip.
    if not made.minimal and name not in BRIDGED:
        assert (size(found - x, made.norm) > 0.3 * eps).all()


@pytest.mark.parametrize("name", FLIPPERS)
def test_judged_result_is_within_budget_and_range(name: str) -> None:
    batch = triplets(RADII[:4], seed=1)
    kept = batch.reference.clone(), batch.left.clone(), batch.right.clone()
    norm = made_of(name).norm
    for outcome in _setting(name, batch).run(_between(batch, norm, 0), _between(batch, norm, 2)):
        assert (outcome.size <= outcome.eps).all()
        assert torch.equal(outcome.size, size(change(outcome.adversarial, batch.reference), norm))
        assert outcome.adversarial.min() >= 0
        assert outcome.adversarial.max() <= 1
    assert all(torch.equal(a, b) for a, b in zip(kept, (batch.reference, batch.left, batch.right), strict=True))


@pytest.mark.parametrize("name", FLIPPERS)
def test_finds_the_flip_outside_the_exact_radius_and_none_inside(name: str) -> None:
    """Gradients find it at 1.25 of the radius; a random search gets twice of it (linf: 1.6)."""
    made = made_of(name)
    factor = 1.25 if "square" not in name else 3.0 if made.norm == "l2" else 1.6
    batch = triplets([0.1, 0.3], seed=2)
    exact = radius_in(made.norm, batch)
    setting = _setting(name, batch)
    inside = run_each(setting, 0.999 * exact)
    assert not any(inside.broken)
    outside = run_each(setting, factor * exact)
    assert all(outside.broken)
    assert all(s >= 0.9999 * e for s, e in zip(outside.size, exact.tolist(), strict=True))


@pytest.mark.parametrize("name", [n for n in FLIPPERS if made_of(n).norm == "l2" and "square" not in n])
def test_a_curved_decision_is_found_too(name: str) -> None:
    """Cosine of a projection: attacks follow a gradient that turns, the plane is known."""
    metric = ProjectionCosine(192, seed=5)
    batch = triplets([0.2] * 3, seed=3)
    with torch.no_grad():
        d0, d1 = metric.prepare(batch.left, batch.right).distances(batch.reference)
    label = (d1 < d0).float()
    batch = Triplets(batch.reference, batch.left, batch.right, label, label, batch.ids)
    exact, _ = metric.exact(batch)
    setting = Setting(small_attack(name, steps=100), name, metric, batch)
    assert not any(run_each(setting, 0.999 * exact).broken)
    assert all(run_each(setting, 1.25 * exact).broken)


@pytest.mark.parametrize("name", FLIPPERS)
def test_the_same_seed_gives_the_same_images_and_another_seed_others(name: str) -> None:
    batch = triplets(RADII[:3], seed=4)
    setting = _setting(name, batch)
    eps = 0.8 * float(radius_in(setting.attack.norm, batch).min())
    first, again, other = (setting.run(eps, seed=seed)[0].adversarial for seed in (1, 1, 2))
    assert torch.equal(first, again)
    if not any(part[1].minimal for part in parts_of(setting.attack, name)) and name.endswith("square"):
        assert not torch.equal(first, other)


@pytest.mark.parametrize("name", FLIPPERS)
def test_a_sample_does_not_notice_its_batch(name: str) -> None:
    batch = triplets(RADII, seed=6)
    made = small_attack(name, steps=15, queries=40, fab_steps=15, fmn_steps=15, starts=1)
    whole = Setting(made, name, PixelL2(), batch)
    budgets = [_between(batch, whole.attack.norm, i) for i in (2, 5)]
    together = dict(zip(batch.ids, _by_sample(whole, budgets), strict=True))
    shuffled = torch.randperm(8, generator=generator(1))
    for chunk in [*shuffled.split(3), *torch.tensor([0, 3, 6]).split(1), shuffled]:
        part = subset(batch, chunk)
        for name_of, rows in zip(part.ids, _by_sample(replace(whole, batch=part), budgets), strict=True):
            for (broken, image, by), (broken_then, image_then, by_then) in zip(rows, together[name_of], strict=True):
                assert (broken, by) == (broken_then, by_then)
                torch.testing.assert_close(image, image_then, rtol=0, atol=2e-4)


def _by_sample(setting: Setting, budgets: list[float]) -> list[list[tuple[bool, Images, str]]]:
    outcomes = setting.run(*budgets)
    return [
        [(bool(o.broken[i]), o.adversarial[i], o.broken_by[i]) for o in outcomes] for i in range(len(setting.batch.ids))
    ]


@pytest.mark.parametrize("name", FLIPPERS)
def test_no_worse_at_a_larger_budget(name: str) -> None:
    """Alone at each budget, and all the more when run over rising budgets."""
    batch = triplets(RADII[:6], seed=7)
    setting = _setting(name, batch)
    factor = 2.5 if "square" in name else 1.25
    exact = factor * radius_in(setting.attack.norm, batch).sort().values
    budgets = [float(exact[i] * 1.01) for i in (0, 2, 5)]
    rising = torch.stack([o.broken for o in setting.run(*budgets)])
    alone = torch.stack([setting.run(eps)[0].broken for eps in budgets])
    for broken in (rising, alone):
        assert (broken[1:] >= broken[:-1]).all()
    assert (rising >= alone).all()
    assert rising[2].all()
    assert not rising[0].all()


@pytest.mark.parametrize("name", [n for n in MINIMAL if n not in BRIDGED])
def test_minimal_attacks_come_close_to_the_exact_distance(name: str) -> None:
    batch = triplets([0.1, 0.2, 0.4, 0.6], seed=8)
    setting = _setting(name, batch)
    exact = radius_in(setting.attack.norm, batch)
    outcome = setting.run(4 * float(exact.max()))[0]
    assert outcome.broken.all()
    assert (outcome.size >= 0.9999 * exact).all()
    assert (outcome.size <= 1.05 * exact).all()


@pytest.mark.parametrize("name", FLIPPERS)
def test_all_broken_at_the_start(name: str) -> None:
    batch = triplets(RADII[:3], seed=9)
    wrong = Triplets(batch.reference, batch.left, batch.right, 1 - batch.label, 1 - batch.right_share, batch.ids)
    setting = _setting(name, wrong)
    outcome = setting.run(0.01 * float(radius_in(setting.attack.norm, batch).min()))[0]
    assert outcome.broken.all()
    assert (outcome.size <= outcome.eps).all()


@pytest.mark.parametrize("name", FLIPPERS)
def test_a_metric_without_gradient_breaks_nothing_and_no_attack(name: str) -> None:
    """Both sides equally far, always but for a constant: finite images come back, unbroken."""

    class Blind(PixelL2):
        def compare(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
            return (0 * (a + b)).sum(1) + b.sum(1)

    batch = triplets([0.2, 0.2], seed=10)
    side = (batch.right.sum((1, 2, 3)) < batch.left.sum((1, 2, 3))).float()
    batch = Triplets(batch.reference, batch.left, batch.right, side, side, batch.ids)
    outcome = Setting(small_attack(name, steps=5, queries=10, fab_steps=5, fmn_steps=5), name, Blind(), batch).run(0.5)[
        0
    ]
    assert not outcome.broken.any()
    assert outcome.adversarial.isfinite().all()


@pytest.mark.parametrize("name", MOVERS)
def test_movers_reach_the_edge_of_the_budget(name: str) -> None:
    """Under pixel l2 the largest shift is known: eps, or eps in every pixel."""
    made = small_attack(name)
    x = 0.5 + 0.1 * (random_images(3, 8, seed=11) - 0.5)
    eps = 0.05
    skip = torch.zeros(1, 3, dtype=torch.bool)
    (outcome,) = run_attack(made, name, EmbeddingShift.make(PixelL2(), x), x, [eps], skip, Noise.make(0, "abc"))
    shift = (outcome.adversarial - x).flatten(1).norm(dim=1)
    largest = eps if made.norm == "l2" else eps * x[0].numel() ** 0.5
    assert (shift > 0.99 * largest).all()
    assert (outcome.size <= eps).all()
    assert not outcome.broken.any()


@pytest.mark.parametrize("name", [n for n in FLIPPERS if hasattr(made_of(n), "parts")])
def test_ensembles_name_the_part_and_leave_the_fallen_alone(name: str) -> None:
    made: Attack | Ensemble = small_attack(name)
    batch = triplets([0.05, 5.0], seed=12)
    norm = made.norm
    eps = 2 * float(radius_in(norm, batch)[0])
    outcome = Setting(made, name, PixelL2(), batch).run(eps)[0]
    parts = [part for part, _, _ in parts_of(made, name)]
    assert outcome.broken.tolist() == [True, False]
    assert outcome.broken_by == (parts[0], "")
    assert outcome.forwards[0] < 20
    assert outcome.forwards[1] > 2 * 40 + 40 + 300
