"""Bridges: upstream's code on our objective, one sample at a time, without a trace outside."""

import importlib
import importlib.util
import subprocess
import sys
import warnings

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from perceptbench.attacks.base import Objective, attack
from perceptbench.attacks.bridges import torchattacks as upstream_torchattacks
from perceptbench.attacks.bridges.upstream import TwoLogits
from perceptbench.attacks.norms import size
from perceptbench.attacks.objectives import EmbeddingShift, FlipPreference
from perceptbench.attacks.running.counted import Counted, Tally
from perceptbench.core.errors import UserError
from perceptbench.core.noise import Noise
from perceptbench.core.ref import Ref
from perceptbench.core.tensors import Images, Mask, PerImage
from perceptbench.metrics.classical.pixel import PixelL2
from perceptbench.testing.attack_setting import Setting, run_each, small_attack
from perceptbench.testing.samples import generator, radius_in, random_images, subset, triplets
from perceptbench.triplets.base import Triplets

upstream = pytest.importorskip("torchattacks")
pytest.importorskip("pyautoattack")

AUTOATTACK = [f"autoattack:{part}(norm={norm})" for part in ("apgd-ce", "fab", "square") for norm in ("l2", "linf")]
EITHER = [f"torchattacks:{kind}(norm={norm})" for kind in ("APGD", "FAB", "Square") for norm in ("l2", "linf")]
FIXED = [f"torchattacks:{kind}" for kind in (*upstream_torchattacks._LINF, *upstream_torchattacks._L2)]
# A search without gradients wants more room than a descent.
ROOM = {"square(norm=l2)": 3.0, "square(norm=linf)": 2.0, "spsa": 1.6}
SOME = ["autoattack:apgd-ce", "autoattack:fab", "autoattack:square(norm=linf)", "torchattacks:PGDL2", "torchattacks:CW"]


def room(name: str) -> float:
    return ROOM.get(name.lower().partition(":")[2], 1.25)


def built(name: str):  # type: ignore[no-untyped-def]
    return attack.build(Ref.parse(name))


def goal(batch: Triplets) -> FlipPreference:
    return FlipPreference.make(PixelL2(), batch.left, batch.right, batch.label)


@pytest.mark.parametrize("name", [*AUTOATTACK, *EITHER, *FIXED])
def test_the_flip_is_found_outside_the_exact_radius_and_none_inside(name: str) -> None:
    made = small_attack(name, steps=10 if "SPSA" in name else 40)
    batch = triplets([0.1, 0.3], seed=2)
    exact = radius_in(made.norm, batch)
    setting = Setting(made, name, PixelL2(), batch)
    assert not any(run_each(setting, 0.999 * exact).broken)
    outside = run_each(setting, room(name) * exact)
    assert all(outside.broken)
    assert all(s >= 0.9999 * e for s, e in zip(outside.size, exact.tolist(), strict=True))


def test_norms_are_fixed_where_the_class_fixes_them_and_chosen_elsewhere() -> None:
    assert {built(f"torchattacks:{kind}").norm for kind in upstream_torchattacks._LINF} == {"linf"}
    assert {built(f"torchattacks:{kind}").norm for kind in upstream_torchattacks._L2} == {"l2"}
    assert built("torchattacks:PGDL2(norm=l2)").norm == "l2"
    assert built("torchattacks:APGD").norm == "l2"
    assert built("torchattacks:APGD(norm=linf)").norm == "linf"
    assert built("autoattack:fab").norm == "l2"
    with pytest.raises(UserError, match="torchattacks:PGD is an attack in linf, got norm=l2; leave norm out"):
        built("torchattacks:PGD(norm=l2)")
    for name in ("autoattack:fab(norm=l1)", "torchattacks:FAB(norm=linf2)"):
        with pytest.raises(UserError, match="wants norm=l2 or norm=linf, got"):
            built(name)


@pytest.mark.parametrize("name", [n for n in (*AUTOATTACK, *EITHER, *FIXED) if not built(n).minimal])
def test_the_budget_reaches_upstream(name: str) -> None:
    """Before the runner mends anything, at a budget below and one above what upstream takes by itself."""
    made = small_attack(name, steps=3, queries=10)
    batch = triplets([4.0], seed=5)
    for eps in (0.005, 0.1):
        found = made(goal(batch), batch.reference, eps, Noise.make(0, batch.ids))  # type: ignore[operator]
        largest = float(size(found - batch.reference, made.norm))
        assert largest <= eps * (1 + 1e-4)
        if name in FIXED:
            assert largest > 0.1 * eps


def test_the_weight_of_the_flip_in_cw_is_an_argument() -> None:
    batch = triplets([0.2], seed=5)
    for text, flipped in (("torchattacks:CW", True), ("torchattacks:CW(c=0.001)", False)):
        found = built(text)(goal(batch), batch.reference, 1.0, Noise.make(0, batch.ids))
        assert bool(goal(batch).reached(goal(batch).value(found))) == flipped


def test_who_takes_no_budget_looks_for_the_smallest_flip() -> None:
    assert {name for name in FIXED if built(name).minimal} == {"torchattacks:CW", "torchattacks:DeepFool"}
    assert not any(built(name).minimal for name in (*AUTOATTACK, *EITHER))


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("autoattack:apgd-dlr", "third largest logit, and a forced choice has two"),
        ("autoattack:apgd-t", "four logits, and a forced choice has two"),
        ("autoattack:fab-t", "third and later classes, and a forced choice has two"),
        ("torchattacks:AutoAttack", "three classes or more, and a forced choice has two; use l2-aa"),
        ("torchattacks:APGDT", "three classes or more"),
        ("torchattacks:JSMA", "three classes or more"),
        ("torchattacks:OnePixel", "budgets here are l2 or linf"),
        ("torchattacks:TIFGSM", "here the model is known"),
        ("torchattacks:MultiAttack", "name the attack itself"),
        ("torchattacks:GN", "attacks nothing"),
    ],
)
def test_what_cannot_run_on_a_forced_choice_is_refused_with_the_reason(name: str, why: str) -> None:
    with pytest.raises(UserError, match=f"{name.partition(':')[2]}.* cannot be used here: .*{why}"):
        built(name)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("autoattack:apgd", "did you mean apgd-ce?"),
        ("autoattack:x", "there are: apgd-ce, fab, square"),
        ("torchattacks:pgdl2", "did you mean PGDL2 or"),
        ("torchattacks:zzzz", "there are: BIM"),
        ("autoattack", "write autoattack:PART"),
        ("torchattacks", "write torchattacks:KIND"),
        ("autoattack:fab(steps=0)", "wants steps of at least 1, got 0"),
        ("torchattacks:Square(queries=0)", "wants queries of at least 1, got 0"),
    ],
)
def test_what_is_not_there_is_refused_with_a_hint(name: str, hint: str) -> None:
    with pytest.raises(UserError) as caught:
        built(name)
    assert hint in str(caught.value)


def test_every_class_of_torchattacks_is_offered_or_refused() -> None:
    known = {*upstream_torchattacks._LINF, *upstream_torchattacks._L2, *upstream_torchattacks._EITHER}
    refused = set(upstream_torchattacks._REFUSED)
    assert not known & refused
    assert known | refused == set(upstream.__all__)


@pytest.mark.parametrize("name", ["autoattack:fab", "torchattacks:PGD"])
def test_a_missing_package_is_named_with_the_command(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    package = {"autoattack": "pyautoattack"}.get(name.partition(":")[0], "torchattacks")
    monkeypatch.setattr(importlib.util, "find_spec", lambda module: None)
    assert attack.card(name.partition(":")[0]).missing == (package,)
    with pytest.raises(UserError, match=f"needs the Python package {package}.*pip install {package}"):
        built(name)


ALONE = """
import random, sys
import numpy, torch
from perceptbench.attacks.base import attack
from perceptbench.attacks.objectives import FlipPreference
from perceptbench.core.noise import Noise
from perceptbench.core.ref import Ref
from perceptbench.metrics.classical.pixel import PixelL2

def states():
    return str((random.getstate(), numpy.random.get_state(), torch.random.get_rng_state().tolist()))

made = [attack.build(Ref.parse(name)) for name in sys.argv[1:]]
attack.names()
print({"torchattacks", "pyautoattack"} & set(sys.modules))
x, left, right = torch.rand(3, 2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
label = (PixelL2()(x, right) < PixelL2()(x, left)).float()
before = states()
for each in made:
    each(FlipPreference.make(PixelL2(), left, right, label), x, 0.1, Noise.make(0, "ab"))
print(sorted({"torchattacks", "pyautoattack"} & set(sys.modules)), states() == before)
"""


def test_upstream_is_imported_only_when_it_runs_and_touches_no_generator() -> None:
    """In a process of its own: the checks of shapes in these tests draw from Python's generator."""
    names = [f"{name}(queries=9)" if "(" not in name and "square" in name.lower() else name for name in SOME]
    done = subprocess.run([sys.executable, "-c", ALONE, *names], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["set()", "['pyautoattack', 'torchattacks'] True"]
    assert done.stderr == ""


@pytest.mark.parametrize("name", SOME)
def test_nothing_is_printed(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    batch = triplets([0.2, 0.3], seed=3)
    small_attack(name)(goal(batch), batch.reference, 0.1, Noise.make(0, batch.ids))  # type: ignore[operator]
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["autoattack:square", "torchattacks:PGDL2", "torchattacks:PGD"])
def test_draws_come_from_the_generator_of_the_sample(name: str) -> None:
    """Two copies of one triplet under two ids, then under two seeds: the starts differ."""
    one = triplets([0.3], seed=4)
    batch = subset(one, torch.tensor([0, 0]))
    made = small_attack(name, steps=2, queries=5)
    eps = 0.9 * float(radius_in(made.norm, one))
    kept: list[Tensor] = []

    class Watched(Objective):
        def __init__(self, inner: Objective) -> None:
            self.inner = inner

        def loss(self, x: Images) -> PerImage:
            kept.append(x.detach().clone())
            return self.inner.loss(x)

        def reached(self, loss: PerImage) -> Mask:
            return self.inner.reached(loss)

        def select(self, index: Tensor) -> "Watched":
            return Watched(self.inner.select(index))

    def seen(seed: int) -> list[Tensor]:
        kept.clear()
        made(Watched(goal(batch)), batch.reference, eps, Noise.make(seed, ["a", "b"]))  # type: ignore[operator]
        return [x for x in kept if len(x) == 1]

    first, again, other = seen(0), seen(0), seen(1)
    half = len(first) // 2
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(first[1:half], first[half + 1 :], strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(first[1:half], other[1:half], strict=True))


@pytest.mark.parametrize("name", SOME)
def test_a_sample_does_not_notice_its_batch(name: str) -> None:
    batch = triplets([0.05, 0.2, 0.4, 0.1, 0.3], seed=6)
    made = small_attack(name, steps=15, queries=60)
    eps = 0.25 if made.norm == "l2" else 0.02
    together = made(goal(batch), batch.reference, eps, Noise.make(0, batch.ids))  # type: ignore[operator]
    for order in ([3, 1], [4], [2, 0, 4, 1, 3]):
        part = subset(batch, torch.tensor(order))
        found = made(goal(part), part.reference, eps, Noise.make(0, part.ids))  # type: ignore[operator]
        torch.testing.assert_close(found, together[order], rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", SOME)
def test_what_is_lost_already_is_left_alone(name: str) -> None:
    batch = triplets([0.2, 0.3, 0.4], seed=7)
    label = torch.where(torch.arange(3) == 1, batch.label, 1 - batch.label)
    mixed = Triplets(batch.reference, batch.left, batch.right, label, label, batch.ids)
    tally = Tally.zeros(3)
    objective = Counted(goal(mixed), tally, torch.arange(3))
    made = small_attack(name, queries=20)
    found = made(objective, mixed.reference, 1.0, Noise.make(0, mixed.ids))  # type: ignore[operator]
    assert torch.equal(found[[0, 2]], mixed.reference[[0, 2]])
    assert not torch.equal(found[1], mixed.reference[1])
    assert tally.forwards[[0, 2]].tolist() == [1, 1]
    assert tally.forwards[1] > 1


@pytest.mark.parametrize(
    ("name", "forwards", "backwards"),
    [
        ("torchattacks:PGD(steps=7)", 1 + 7, 7),
        ("torchattacks:PIFGSM(steps=3)", 1 + 3, 3),
        ("torchattacks:SPSA(steps=1)", 1 + 2 * 128, 0),
        ("torchattacks:CW(steps=4)", 1 + 4, 4),
        ("torchattacks:Square(queries=6)", 1 + 1 + 1 + 6 + 1, 0),
        ("torchattacks:EOTPGD(steps=3)", 1 + 2 * 3, 2 * 3),
        ("autoattack:apgd-ce(steps=9)", 1 + 1 + 10, 10),
        # FAB asks for the gradient of both logits: one backward pass serves. It looks again after each step.
        ("autoattack:fab(steps=4)", 1 + 1 + 1 + 2 * 4 + 1, 4),
        ("autoattack:square(queries=6)", 1 + 1 + 1 + 6 + 1, 0),
    ],
)
def test_passes_are_counted(name: str, forwards: int, backwards: int) -> None:
    batch = triplets([0.4, 0.5], seed=8)
    tally = Tally.zeros(2)
    made = built(name)
    eps = 1e-3 * float(radius_in(made.norm, batch).min())
    made(Counted(goal(batch), tally, torch.arange(2)), batch.reference, eps, Noise.make(0, batch.ids))
    assert tally.forwards.tolist() == [forwards] * 2
    assert tally.backwards.tolist() == [backwards] * 2


def test_two_logits_say_the_margin_and_its_gradient() -> None:
    batch = triplets([0.3], seed=9)
    objective = goal(batch)
    model = TwoLogits(objective, torch.device("cpu"))
    assert next(model.parameters()).device.type == "cpu"
    assert not any(p.requires_grad for p in model.parameters())
    x = batch.reference.clone().requires_grad_()
    logits = model(x)
    loss, gradient = objective.gradient(batch.reference)
    torch.testing.assert_close(logits[:, 1] - logits[:, 0], loss)
    (found,) = torch.autograd.grad(cross_entropy(logits, torch.zeros(1, dtype=torch.long)), x)
    torch.testing.assert_close(found, torch.sigmoid(loss)[:, None, None, None] * gradient)
    assert not model(batch.reference).requires_grad


def test_a_tie_is_lost_and_a_repeated_image_is_counted_each_time() -> None:
    batch = triplets([0.3], seed=9)
    even = Triplets(batch.reference, batch.left, batch.left, batch.label, batch.label, batch.ids)
    logits = TwoLogits(goal(even), torch.device("cpu"))(even.reference)
    assert logits.argmax(1).tolist() == [1]
    tally = Tally.zeros(1)
    model = TwoLogits(Counted(goal(batch), tally, torch.arange(1)), torch.device("cpu"))
    assert model(batch.reference.expand(3, -1, -1, -1)).shape == (3, 2)
    assert tally.forwards.tolist() == [3]


def test_what_upstream_prints_and_warns_of_is_dropped(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def loud(self: object, inputs: Tensor, labels: Tensor) -> Tensor:
        print("hello")
        warnings.warn("old", DeprecationWarning, stacklevel=1)
        return inputs

    monkeypatch.setattr(upstream.PGD, "forward", loud)
    batch = triplets([0.3], seed=10)
    assert torch.equal(_run("torchattacks:PGD", goal(batch), batch), batch.reference)
    assert capsys.readouterr().out == ""


def _run(name: str, objective: Objective, batch: Triplets) -> Images:
    return built(name)(objective, batch.reference, 0.1, Noise.make(0, batch.ids))  # type: ignore[no-any-return]


def test_a_failure_of_upstream_is_told_with_its_class(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: object, inputs: Tensor, labels: Tensor) -> Tensor:
        raise RuntimeError("boom")

    monkeypatch.setattr(upstream.PGD, "forward", broken)
    batch = triplets([0.3], seed=10)
    with pytest.raises(UserError, match="torchattacks:PGD failed inside the upstream library: RuntimeError: boom"):
        _run("torchattacks:PGD", goal(batch), batch)


@pytest.mark.parametrize("name", SOME)
def test_a_sentence_of_our_own_is_passed_on_as_it_is(name: str) -> None:
    class Refusing(FlipPreference):
        def loss(self, x: Images) -> PerImage:
            if not torch.equal(x, batch.reference):
                raise UserError("the metric gave up")
            return super().loss(x)

        def select(self, index: Tensor) -> "Refusing":
            return self

    batch = triplets([0.3], seed=10)
    whole = goal(batch)
    with pytest.raises(UserError, match=r"^the metric gave up$"):
        _run(name, Refusing(whole.anchors, whole.sign), batch)


@pytest.mark.parametrize("name", ["autoattack:fab", "torchattacks:DeepFool", "torchattacks:PGDL2"])
def test_a_gradient_of_zero_leaves_the_clean_image(name: str) -> None:
    """FAB and DeepFool divide by it."""

    class Flat(Objective):
        def loss(self, x: Images) -> PerImage:
            return 0 * x.sum((1, 2, 3)) - 1

        def reached(self, loss: PerImage) -> Mask:
            return loss >= 0

        def select(self, index: Tensor) -> "Flat":
            return self

    batch = triplets([0.2, 0.3], seed=11)
    found = _run(name, Flat(), batch)
    assert found.isfinite().all()
    if name != "torchattacks:PGDL2":
        assert torch.equal(found, batch.reference)


def test_a_goal_without_an_end_is_refused() -> None:
    batch = triplets([0.3], seed=12)
    with pytest.raises(UserError, match="autoattack:fab looks for a flip, and this goal has no end"):
        _run("autoattack:fab", EmbeddingShift.make(PixelL2(), batch.reference), batch)


def test_images_keep_their_type() -> None:
    """Whatever upstream computes in."""
    batch = triplets([0.3], seed=13)
    x = random_images(1, 8, seed=1).double()
    w = torch.randn(x.shape, generator=generator(1), dtype=torch.float64)

    class Plane(Objective):
        def loss(self, x: Images) -> PerImage:
            return (w.to(x) * x).sum((1, 2, 3)) - 1e3

        def reached(self, loss: PerImage) -> Mask:
            return loss >= 0

        def select(self, index: Tensor) -> "Plane":
            return self

    found = built("autoattack:apgd-ce(steps=3)")(Plane(), x, 0.1, Noise.make(0, batch.ids))
    assert found.dtype == x.dtype
