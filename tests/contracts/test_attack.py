"""What every registered attack keeps to, on a metric whose exact radius is known."""

import pytest
import torch

from perceptbench.attacks.adaptive import Adaptive
from perceptbench.attacks.base import Attack, Ensemble, attack
from perceptbench.attacks.objectives import EmbeddingShift
from perceptbench.attacks.running.sweep import parts_of
from perceptbench.attacks.threats.lp import Ball
from perceptbench.core.errors import UserError
from perceptbench.core.noise import Noise
from perceptbench.core.ref import Norm, Ref
from perceptbench.metrics.classical.pixel import PixelL2
from perceptbench.testing import AttackContract
from perceptbench.testing.attack_contract import RADII
from perceptbench.testing.attack_setting import Setting, small_attack
from perceptbench.testing.samples import radius_in, triplets

# A bridge wants to be told what to run; one that has no example here fails at its name.
# DDN begins at eps 1 and takes 5 % off a step: .1 is reached after 45.
EXAMPLES = {
    "autoattack": ("autoattack:apgd-ce", "autoattack:fab(norm=linf)", "autoattack:square(norm=linf)"),
    "torchattacks": ("torchattacks:PGDL2", "torchattacks:PGD", "torchattacks:DeepFool"),
    "foolbox": ("foolbox:L2PGD", "foolbox:LinfPGD", "foolbox:DDNAttack(steps=80)"),
    "transfer": ("transfer:l2(by=l2-pgd(steps=40))", "transfer:l2(by=linf-apgd-ce(steps=40))"),
}
# Those without a norm work in every set; below they are held to what they do in a ball.
PLAIN = [name for name in attack.names() if not attack.inputs(name) and attack.build(Ref(name)).norm is None]
# They attack hashes alone: tests/certifiers/test_hash.py holds them to their radii.
SOLVERS = [
    name
    for name in attack.names()
    if not attack.inputs(name) and getattr(attack.build(Ref(name)), "solves", None) is not None
]
# Their parts are held to it; what they choose is in tests/attacks/test_auto.py.
CHOOSING = [
    name for name in attack.names() if not attack.inputs(name) and isinstance(attack.build(Ref(name)), Adaptive)
]
NAMES = [
    example
    for name in attack.names()
    if name not in (*PLAIN, *SOLVERS, *CHOOSING) and not attack.card(name).missing
    for example in EXAMPLES.get(name, (name,))
]
ABSENT = {name: attack.card(name).missing for name in attack.names() if attack.card(name).missing}
BRIDGED = [name for name in NAMES if ":" in name]
SQUARES = [name for name in NAMES if "square" in name]
QUERIES = [name for name in NAMES if name.endswith("-query")]


def made_of(name: str) -> Attack | Ensemble:
    """As a user names it, with its defaults."""
    return attack.build(Ref.parse(name))


class Registered(AttackContract):
    """Attacks by their names, with few steps."""

    @pytest.fixture
    def subject(self, name: str) -> Attack | Ensemble:
        return small_attack(name)


class TestOurs(Registered):
    """Those that follow gradients, and ensembles."""

    @pytest.fixture(params=[name for name in NAMES if name not in (*BRIDGED, *SQUARES, *QUERIES)])
    def name(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)


class TestSquareInL2(Registered):
    """A random search gets twice as far in l2 as the exact radius."""

    reach, follows_gradients, draws = 3.0, False, True

    @pytest.fixture
    def name(self) -> str:
        return "l2-square"


class TestSquareInLinf(Registered):
    """In l-infinity it is better."""

    reach, follows_gradients, draws = 1.6, False, True

    @pytest.fixture
    def name(self) -> str:
        return "linf-square"


class TestQuery(Registered):
    """Answers alone: near the exact radius with many queries, and with a few near twice of it.

    Where nothing succeeds it gives the clean image back, whatever it drew.
    """

    reach, follows_gradients, finds_smallest = 2.0, False, False

    @pytest.fixture
    def subject(self, name: str) -> Attack | Ensemble:
        return small_attack(name, queries=1000)

    @pytest.fixture(params=QUERIES)
    def name(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)


class TestBridges(Registered):
    """Upstream gives the clean image back where it finds no flip."""

    fills_budget, finds_smallest = False, False

    @pytest.fixture(params=[name for name in BRIDGED if name not in SQUARES])
    def name(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)


class TestBridgedSquare(TestBridges):
    """The same of a random search."""

    reach, follows_gradients = 1.6, False

    @pytest.fixture(params=[name for name in BRIDGED if name in SQUARES])
    def name(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)


def test_all_kinds_are_there() -> None:
    assert {"l2-square", "linf-square", "autoattack:square(norm=linf)"} >= set(SQUARES)
    assert {"l2-query", "linf-query"} == set(QUERIES)
    assert set(EXAMPLES) == {name for name in attack.names() if attack.inputs(name)}
    made = [made_of(name) for name in NAMES]
    assert any(isinstance(one, Attack) and one.by_embedding for one in made)
    assert any(isinstance(one, Attack) and one.minimal for one in made)
    assert any(not isinstance(one, Attack) for one in made)


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_package_behind_a_bridge_is_here(name: str) -> None:
    """Or the report says what this suite has left out."""
    if name in ABSENT:
        pytest.skip(f"{name} needs {ABSENT[name]}")
    assert set(EXAMPLES[name]) <= set(BRIDGED)


@pytest.mark.parametrize("name", NAMES)
def test_states_norm_and_goal_and_parts(name: str) -> None:
    made = made_of(name)
    assert name.startswith(str(made.norm)) or name in BRIDGED
    assert all(starts >= 1 for _, _, starts in parts_of(made, name))


@pytest.mark.parametrize("norm", ["l2", "linf"])
@pytest.mark.parametrize("name", PLAIN)
def test_an_attack_on_any_set_is_in_a_ball_the_attack_of_its_norm(name: str, norm: Norm) -> None:
    plain, own = small_attack(name, steps=15), small_attack(f"{norm}-{name}", steps=15)
    batch = triplets(RADII[:4], seed=3)
    goal = (
        EmbeddingShift.make(PixelL2(), batch.reference)
        if plain.by_embedding  # type: ignore[union-attr]
        else Setting(plain, name, PixelL2(), batch).objective()
    )
    eps = 0.3 if norm == "l2" else 0.02
    found = plain(goal, batch.reference, eps, Noise.make(0, batch.ids), Ball(norm))  # type: ignore[operator]
    assert torch.equal(found, own(goal, batch.reference, eps, Noise.make(0, batch.ids)))  # type: ignore[operator]
    with pytest.raises(UserError, match="works in any set"):
        plain(goal, batch.reference, eps, Noise.make(0, batch.ids))  # type: ignore[operator]


@pytest.mark.parametrize("name", ["l2-aa", "linf-aa"])
def test_what_stands_meets_every_part_of_an_ensemble(name: str) -> None:
    """All steps and queries of APGD, FMN, FAB and Square, on the sample that nothing flips."""
    batch = triplets([0.05, 5.0], seed=12)
    made = small_attack(name)
    outcome = Setting(made, name, PixelL2(), batch).run(2 * float(radius_in(made.norm, batch)[0]))[0]  # type: ignore[arg-type]
    assert outcome.forwards[1] > 2 * 40 + 40 + 300
