"""Every new check of the contracts fails where what it checks is wrong, and names it in a sentence."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
import pytest
from torch import Tensor

from perceptbench.attacks.base import Objective
from perceptbench.attacks.pgd import L2PGD
from perceptbench.attacks.threats.base import ThreatSet
from perceptbench.attacks.threats.lp import Ball
from perceptbench.bench.engines.base import Chunk, Done, Job
from perceptbench.bench.engines.local import Local
from perceptbench.certifiers.base import Proof
from perceptbench.certifiers.margin import Margin
from perceptbench.core.noise import Noise
from perceptbench.core.tensors import Images, PerImage
from perceptbench.metrics.classical.pixel import PixelL2
from perceptbench.tasks.base import Clean, Judged, Source
from perceptbench.tasks.drift import Drift
from perceptbench.tasks.preference import Preference
from perceptbench.testing import (
    AttackContract,
    CertifierContract,
    EngineContract,
    MetricContract,
    TaskContract,
    ThreatContract,
    TripletsContract,
)
from perceptbench.testing.engine_contract import FAULTY, small_job
from perceptbench.testing.samples import random_images, source_of, triplets
from perceptbench.testing.task_contract import Asked
from perceptbench.triplets.base import Entry, TripletSource


def wrong(test: Callable[..., object], *words: Any, says: str) -> None:
    """The check fails, and its sentence says this."""
    with pytest.raises((AssertionError, pytest.fail.Exception), match=says):
        test(*words)


# -- threats -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Brightness(ThreatSet):
    """All pixels become brighter or darker by the same amount: the example of attacks/threats/__init__.py."""

    unit = "grey levels of 1"

    def start(self, x: Images, eps: float, noise: Noise | None) -> Tensor:
        theta = x.new_zeros(len(x), 1)
        return theta if noise is None else eps * (2 * noise.uniform(theta) - 1)

    def apply(self, x: Images, theta: Tensor) -> Images:
        return (x + theta[:, :, None, None]).clamp(0, 1)

    def project(self, theta: Tensor, x: Images, eps: float) -> Tensor:
        return theta.clamp_(-eps, eps)

    def measure(self, x: Images, theta: Tensor) -> PerImage:
        return theta[:, 0].double().abs()

    def shrink(self, theta: Tensor, x: Images, share: PerImage) -> Tensor:
        return theta * share[:, None]


class TestBrightness(ThreatContract):
    """As it stands it passes; below it is spoilt in one way after the other."""

    eps = (0.1, 0.4)

    def made(self) -> ThreatSet:
        return Brightness()


right = Brightness()


def spoilt(**changes: object) -> ThreatSet:
    """The same with other methods or attributes."""
    made: ThreatSet = type("Spoilt", (Brightness,), changes)()
    return made


def _batch_mean(self: ThreatSet, x: Images, eps: float, noise: Noise | None) -> Tensor:
    theta = right.start(x, eps, noise)
    return theta.mean().expand_as(theta).clone()


@pytest.mark.parametrize(
    ("changes", "test", "says"),
    [
        ({"unit": ""}, "test_states_what_it_is", "unit must say"),
        ({"moves": ("first",)}, "test_states_what_it_is", "moves must be among"),
        (
            {"start": lambda self, x, eps, noise: x.new_full((len(x), 1), eps)},
            "test_a_start_without_noise_is_no_change", "no change must have size 0",
        ),
        (
            {"apply": lambda self, x, theta: right.apply(x, theta) * 0.999},
            "test_a_start_without_noise_is_no_change", "exactly the same images",
        ),
        (
            {"apply": lambda self, x, theta: x + theta[:, :, None, None]},
            "test_changed_images_are_images", r"in \[0, 1\]",
        ),
        (
            {"measure": lambda self, x, theta: theta[:, 0].abs()},
            "test_what_is_fitted_is_within_eps", "in float64",
        ),
        ({"fit": lambda self, theta, x, eps: theta}, "test_what_is_fitted_is_within_eps", "within 0.1"),
        (
            {"project": lambda self, theta, x, eps: theta.clamp_(-eps, eps).mul_(0.9)},
            "test_what_is_fitted_is_within_eps", "project must leave",
        ),
        (
            {"project": lambda self, theta, x, eps: theta.sign() * eps},
            "test_sets_are_nested", "every larger one",
        ),
        (
            {"project": lambda self, theta, x, eps: theta.clamp_(-0.01 / eps, 0.01 / eps)},
            "test_a_larger_eps_leaves_more_of_a_far_change", "no less at a larger eps",
        ),
        (
            {"shrink": lambda self, theta, x, share: theta * (1 - share[:, None])},
            "test_a_share_of_a_change_is_smaller", "larger share",
        ),
        (
            {"shrink": lambda self, theta, x, share: theta * (0.5 + 0.5 * share[:, None])},
            "test_a_share_of_a_change_is_smaller", "share of 0",
        ),
        (
            {"start": lambda self, x, eps, noise: x.new_full((len(x), 1), eps)},
            "test_the_same_noise_gives_the_same_change_and_another_noise_another", "another noise",
        ),
        ({"start": _batch_mean}, "test_a_row_does_not_notice_its_batch", "start of an image"),
        (
            {"apply": lambda self, x, theta: right.apply(x, theta.detach())},
            "test_apply_is_differentiable_in_theta", "differentiable",
        ),
        (
            {"apply": lambda self, x, theta: right.apply(x, theta.detach() + 0.5 * (theta - theta.detach()))},
            "test_apply_is_differentiable_in_theta", "must be its slope",
        ),
        ({"proof": "l2"}, "test_a_radius_in_the_norm_of_the_proof_covers_it", "else proof is None"),
        (
            {"measure": lambda self, x, theta: right.measure(x, theta) + 1, "fit": lambda self, theta, x, eps: theta},
            "test_an_attack_on_any_set_moves_images_and_stays_inside", "must find a change",
        ),
    ],
)  # fmt: skip
def test_a_spoilt_threat(changes: dict[str, object], test: str, says: str) -> None:
    wrong(getattr(TestBrightness(), test), spoilt(**changes), says=says)


# -- tasks -------------------------------------------------------------------------------------------------------------


class OfPreference(TaskContract):
    """Preference, spoilt below."""

    task = "preference"
    eps = (0.15, 1.0)

    def source(self) -> Source:
        return source_of(triplets([0.1, 0.2, 0.3, 0.4], seed=1))

    @property
    def asked(self) -> Asked:  # type: ignore[override]
        """On the right metric."""
        return Asked(Preference(), PixelL2(), self.source(), {})


CLEAN, JUDGE, OBJECTIVE, PROVE = Preference.clean, Preference.judge, Preference.objective, Preference.prove


def _clean_with(change: Callable[[Clean], Clean]) -> Callable[..., Clean]:
    return lambda self, prepared: change(CLEAN(self, prepared))


def _renamed(clean: Clean) -> Clean:
    return replace(clean, columns={**clean.columns, "mine": clean.columns["d0"]})


def _about_the_batch(clean: Clean) -> Clean:
    d0 = clean.columns["d0"]
    assert isinstance(d0, Tensor)
    return replace(clean, columns={**clean.columns, "d0": d0 - d0.mean()})


def _judge_the_contrary(self: Preference, *words: Any) -> Judged:
    judged = JUDGE(self, *words)
    return replace(judged, reached=~judged.reached)


@dataclass(frozen=True)
class Contrary(Objective):
    """A goal with its sign the wrong way round."""

    inner: Objective

    def loss(self, x: Tensor) -> PerImage:
        return -self.inner.loss(x)

    def reached(self, loss: PerImage) -> Tensor:
        return self.inner.reached(-loss)

    def select(self, index: Tensor) -> "Contrary":
        return Contrary(self.inner.select(index))


def _twice(self: Preference, *words: Any) -> Proof:
    proof = PROVE(self, *words)
    return replace(proof, radius=2 * proof.radius)


@pytest.mark.parametrize(
    ("name", "change", "test", "says"),
    [
        ("name", "preferences", "test_declares_what_it_is", "name must be the registered one"),
        ("moves", ("first",), "test_declares_what_it_is", "moves must be among"),
        ("admit", lambda self, source: None, "test_takes_the_data_it_declares_and_refuses_others", "DID NOT RAISE"),
        ("kinds", ("pairs",), "test_takes_the_data_it_declares_and_refuses_others", "kinds must have triplets"),
        ("clean", _clean_with(_renamed), "test_columns_are_those_declared", "clean must give the columns"),
        ("clean", _clean_with(_about_the_batch), "test_a_sample_does_not_notice_its_batch", "d0 differs"),
        ("judge", _judge_the_contrary, "test_the_clean_judgement_is_that_of_unchanged_images", "reached differs"),
        ("judge", _judge_the_contrary, "test_the_goal_is_reached_where_the_judge_says_so", "what the judge calls"),
        (
            "objective", lambda self, *words: Contrary(OBJECTIVE(self, *words)),
            "test_the_goal_is_reached_where_the_judge_says_so", "mend the sign of the loss",
        ),
        ("endless", True, "test_the_goal_is_reached_where_the_judge_says_so", "endless must say the same"),
        (
            "images", lambda self, *words: {"reference": words[1]},
            "test_the_evidence_holds_the_clean_images_and_the_changed_ones", "must name the changed ones",
        ),
    ],
)  # fmt: skip
def test_a_spoilt_task(monkeypatch: pytest.MonkeyPatch, name: str, change: object, test: str, says: str) -> None:
    contract = OfPreference()
    monkeypatch.setattr(Preference, name, change)
    wrong(getattr(contract, test), contract.asked, says=says)


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_a_task_that_proves_too_much(monkeypatch: pytest.MonkeyPatch, tmp_path: Any, norm: str) -> None:
    contract = OfPreference()
    monkeypatch.setattr(Preference, "prove", _twice)
    wrong(
        contract.test_no_attack_reaches_its_goal_inside_a_radius, contract.asked, tmp_path, norm,
        says="beyond the nearest change",
    )  # fmt: skip


def test_a_task_whose_rows_leave_the_attack_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    contract = OfPreference()
    rows = Preference.rows
    monkeypatch.setattr("perceptbench.testing.task_contract.rows_of", lambda record: rows(Preference(), record)[:1])
    wrong(contract.test_a_whole_run_gives_columns_and_rows, contract.asked, tmp_path, says="one attack row an eps")


def test_a_task_that_fits_what_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    contract = OfPreference()
    values = iter((1.0, 2.0))
    monkeypatch.setattr(Preference, "fit", lambda self, *words: {"tau": next(values)})
    asked = replace(contract.asked, state=Preference().fit(PixelL2(), contract.source(), "cpu"))
    wrong(contract.test_what_is_fitted_is_plain_and_the_same_every_time, asked, says="the same on the same data")


def test_an_endless_task_whose_loss_falls(monkeypatch: pytest.MonkeyPatch) -> None:
    contract = OfPreference()
    objective = Drift.objective
    monkeypatch.setattr(Drift, "objective", lambda self, *words: Flat(objective(self, *words)))
    asked = replace(contract.asked, question=Drift())
    wrong(contract.test_the_goal_is_reached_where_the_judge_says_so, asked, says="raise the loss of every sample")


@dataclass(frozen=True)
class Flat(Objective):
    """A goal whose loss is the same everywhere."""

    inner: Objective

    @property
    def endless(self) -> bool:
        return True

    def loss(self, x: Tensor) -> PerImage:
        return 0 * self.inner.loss(x)

    def reached(self, loss: PerImage) -> Tensor:
        return self.inner.reached(loss)

    def select(self, index: Tensor) -> "Flat":
        return Flat(self.inner.select(index))


# -- triplets ----------------------------------------------------------------------------------------------------------


def data(**changes: Any) -> TripletSource:
    """Three triplets of full size, with other fields."""
    whole = source_of(triplets([0.1, 0.2, 0.3], height=224, seed=1))
    entry = changes.pop("entry", {})
    entries = tuple(replace(one, **entry) for one in whole.entries)
    return replace(whole, **{"entries": entries, **changes})


def _drawn_anew(scale: float = 1.0) -> Callable[[], tuple[Tensor, Tensor, Tensor]]:
    counter = iter(range(1000))

    def load() -> tuple[Tensor, Tensor, Tensor]:
        image = scale * random_images(1, 224, seed=next(counter))[0]
        return image, image, image

    return load


class Backwards(TripletSource):
    """limited(n) takes the last samples, whatever their ids."""

    def limited(self, n: int | None) -> TripletSource:
        return replace(self, entries=tuple(Entry("strange", 1.0, e.load) for e in self.entries[: n or len(self)]))


class TestData(TripletsContract):
    """As it stands it passes."""

    def made(self) -> TripletSource:
        return data()


@pytest.mark.parametrize(
    ("subject", "again", "test", "says"),
    [
        (data(name=""), None, "test_says_what_it_is", "must have the name"),
        (data(entry={"id": "a"}), None, "test_ids_are_unique_and_ties_are_left_out", "ids must be unique"),
        (data(entry={"right_share": 0.5}), None, "test_ids_are_unique_and_ties_are_left_out", "ties must be left out"),
        (data(), data(recipe="b"), "test_the_same_data_have_the_same_digest", "leave time and place out"),
        (
            data(), replace(data(), entries=data().entries[::-1]), "test_the_same_data_have_the_same_digest",
            "the same order",
        ),
        (
            Backwards("a", data().entries, 0, "a"), Backwards("a", data().entries, 0, "a"),
            "test_a_part_is_the_same_part_every_time", "samples of the data set",
        ),
        (
            data(entry={"load": _drawn_anew(255)}), None, "test_images_and_labels_are_as_tasks_read_them",
            "divide bytes by 255",
        ),
        (
            source_of(triplets([0.1], height=32)), None, "test_images_and_labels_are_as_tasks_read_them",
            r"of shape \(1, 3, 224, 224\)",
        ),
        (
            data(entry={"load": _drawn_anew()}), data(entry={"load": _drawn_anew()}),
            "test_an_image_does_not_depend_on_its_batch", "seed what is drawn",
        ),
    ],
)  # fmt: skip
def test_spoilt_data(subject: TripletSource, again: TripletSource | None, test: str, says: str) -> None:
    wrong(getattr(TestData(), test), *((subject,) if again is None else (subject, again)), says=says)


# -- engines -----------------------------------------------------------------------------------------------------------


class Forgets(Local):
    """The last chunk never comes back."""

    def map(self, job: Job, chunks: Iterable[Chunk]) -> Iterator[Done]:
        yield from Local.map(self, job, list(chunks)[:-1])


class Lies(Local):
    """Sizes are doubled on the way."""

    def map(self, job: Job, chunks: Iterable[Chunk]) -> Iterator[Done]:
        for done in Local.map(self, job, chunks):
            assert done.frame is not None
            yield replace(done, frame=pd.DataFrame(done.frame).assign(size=2 * done.frame["size"]))


class LosesImages(Local):
    """Images never come back."""

    def map(self, job: Job, chunks: Iterable[Chunk]) -> Iterator[Done]:
        yield from (replace(done, images=()) for done in Local.map(self, job, chunks))


class Silent(Local):
    """Errors come back without their notes, and counter-examples not at all."""

    def map(self, job: Job, chunks: Iterable[Chunk]) -> Iterator[Done]:
        try:
            yield from (done for done in Local.map(self, job, chunks) if done.unsound is None)
        except Exception as error:
            raise RuntimeError(str(error)) from None


@pytest.mark.parametrize(
    ("made", "says"), [(Forgets(), "every sample must be"), (Lies(), "size"), (LosesImages(), "the first two samples")]
)
def test_a_spoilt_engine(made: Local, says: str) -> None:
    wrong(EngineContract().test_chunks_give_the_frames_of_this_process, made, small_job(), 2, False, says=says)


def test_an_engine_that_keeps_what_goes_wrong_to_itself(tmp_path: Any) -> None:
    (tmp_path / "faulty.py").write_text(FAULTY)
    contract, faulty = EngineContract(), f"py:{tmp_path / 'faulty.py'}"
    wrong(contract.test_what_a_sample_raises_names_the_sample, Silent(), faulty, says="must name its samples")
    wrong(contract.test_a_counter_example_comes_back, Silent(), faulty, says="must come back as Done.unsound")


# -- metrics, attacks, certifiers --------------------------------------------------------------------------------------


class Similarity(PixelL2):
    """Larger is more alike."""

    def compare(self, a: Tensor, b: Tensor) -> Tensor:
        return -super().compare(a, b)


class OfTheBatch(PixelL2):
    """Relative to the rest of the batch."""

    def compare(self, a: Tensor, b: Tensor) -> Tensor:
        d = super().compare(a, b)
        return d / d.mean()


class Faster(PixelL2):
    """Moves twice as fast as it says."""

    def embed(self, x: Images) -> Tensor:
        return 2 * x.flatten(1)


@pytest.mark.parametrize(
    ("made", "test", "words", "says"),
    [
        (Similarity(), "test_minimum_at_equal_images", (), "given as 1 - s"),
        (OfTheBatch(), "test_a_batch_equals_its_items", (), "must not depend on its batch"),
        (Faster(), "test_measured_ratio_is_within_the_lipschitz_constant", (32, 0.3), "lipschitz = 1.0 is stated"),
    ],
)
def test_a_spoilt_metric(made: PixelL2, test: str, words: tuple[Any, ...], says: str) -> None:
    wrong(getattr(MetricContract(), test), made, *words, says=says)


def test_a_metric_that_is_no_number_for_some_images() -> None:
    class Undefined(PixelL2):
        def compare(self, a: Tensor, b: Tensor) -> Tensor:
            return super().compare(a, b) / a.std(dim=1)

    wrong(MetricContract().test_any_images_have_finite_distances, Undefined(), says="flat, black, white")


class Beyond(L2PGD):
    """Leaves its budget."""

    def __call__(self, objective: Objective, x: Images, eps: float, *words: Any) -> Tensor:
        return super().__call__(objective, x, 2 * eps, *words)


class Idle(L2PGD):
    """Does nothing."""

    def __call__(self, objective: Objective, x: Images, *words: Any) -> Tensor:
        return x.clone()


def test_spoilt_attacks() -> None:
    contract, ball = AttackContract(), Ball("l2")
    wrong(
        contract.test_raw_result_is_within_budget_and_range, Beyond(), ball, (8, 8),
        says="must stay within eps",
    )  # fmt: skip
    wrong(
        contract.test_finds_the_flip_outside_the_exact_radius_and_none_inside, Idle(), "idle", ball,
        says="must find the flip",
    )  # fmt: skip


class Generous(Margin):
    """Twice the radius."""

    def prove(self, *words: Any) -> Proof:
        proof = super().prove(*words)
        return replace(proof, radius=2 * proof.radius)


def test_a_spoilt_certifier() -> None:
    contract = CertifierContract()
    wrong(
        contract.test_certified_is_at_most_exact_and_no_attack_flips_inside, Generous(), "l2",
        says="exceeds the exact one",
    )  # fmt: skip
    wrong(
        contract.test_certified_is_at_most_exact_and_no_attack_flips_inside, Generous(), "lipsim",
        says="flips an answer inside",
    )  # fmt: skip
