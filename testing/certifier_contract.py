"""What every certifier keeps to: certified <= exact <= any flip, wherever it is sound."""

import pytest
import torch
from torch import Tensor

from perceptbench.certifiers.base import Certifier, Proof
from perceptbench.certifiers.certify import certify
from perceptbench.core.errors import UserError
from perceptbench.core.noise import Noise
from perceptbench.metrics.base import LipschitzMetric
from perceptbench.metrics.classical.pixel import PSNR, PixelL2
from perceptbench.testing.attack_setting import Setting, run_each, small_attack
from perceptbench.testing.contract import Contract, built, dense
from perceptbench.testing.known_metrics import LiftedProjection, ProjectionCosine, tiny_lipsim
from perceptbench.testing.said import close, finite
from perceptbench.testing.samples import l2_radius, random_triplets, subset, triplets
from perceptbench.triplets.base import Triplets


def _cosine(metric: ProjectionCosine, n: int, seed: int) -> tuple[LipschitzMetric, Triplets]:
    return metric, random_triplets(n, 8, seed, metric)


CASES: dict[str, tuple[LipschitzMetric, Triplets]] = {
    "l2": (PixelL2(), triplets([0.1, 0.3, 0.5, 0.7], seed=1)),
    "l2 far apart": (PixelL2(), random_triplets(4, 8, 2, PixelL2())),
    "psnr": (PSNR(), random_triplets(4, 8, 3, PSNR())),
    "cosine": _cosine(ProjectionCosine(192), 6, 4),
    "cosine of a small embedding": _cosine(ProjectionCosine(192, scale=0.05), 6, 5),
    "cosine of a large embedding": _cosine(ProjectionCosine(192, scale=20.0), 6, 6),
    "cosine, lifted": _cosine(LiftedProjection(192), 6, 9),
    "lipsim": (made := tiny_lipsim(), random_triplets(4, 32, 7, made)),
}
"""Metrics, and triplets that each answers as people do."""
KNOWN = [case for case in CASES if case != "lipsim"]
"""Those whose exact radius has a closed form."""


def exact_radius(case: str) -> Tensor:
    """The exact l2 radius of a known case (n,), in float64."""
    metric, batch = CASES[case]
    return metric.exact(batch)[0] if isinstance(metric, ProjectionCosine) else l2_radius(batch)


def prove(made: Certifier, metric: LipschitzMetric, batch: Triplets) -> Proof:
    """With noise, for those that draw. Of images of its own, whatever is done to them."""
    return certify(made, metric, batch.mapped(torch.clone), noise=Noise.make(0, batch.ids))


class CertifierContract(Contract):
    """Derive from it, give the certifier in `made`, with few draws where it draws, and pytest finds the tests.

    class TestMine(CertifierContract):
        def made(self):
            return Mine()
    """

    def made(self) -> Certifier:
        """The certifier."""
        raise NotImplementedError("give your certifier: def made(self): return Mine()")

    @pytest.fixture
    def subject(self) -> Certifier:
        """The certifier under test."""
        made: Certifier = built(self.made, Certifier)
        return made

    @pytest.fixture(params=CASES)
    def case(self, request: pytest.FixtureRequest, subject: Certifier) -> str:
        """A metric that the certifier can answer for."""
        case = str(request.param)
        if not fits(subject, case):
            pytest.skip("knows nothing of this metric, and says so")
        return case

    def test_answers_for_some_metric_and_says_what_it_promises(self, subject: Certifier) -> None:
        fitting = [case for case in CASES if fits(subject, case)]
        assert fitting, f"sound() must accept one of the metrics {', '.join(CASES)}"
        assert 0 < subject.confidence <= 1, f"confidence must be in (0, 1], got {subject.confidence}"
        for case in fitting:
            assert subject.promise(CASES[case][0]), "promise() must say in a phrase what a radius means"

    def test_radii_are_finite_and_not_negative(self, subject: Certifier, case: str) -> None:
        metric, batch = CASES[case]
        proof = prove(subject, metric, batch)
        for part in (proof.radius, proof.error):
            dense(part, batch.label.double(), "radius and error of a Proof")
        finite(proof.radius, "radii must be finite; claim 0 where nothing is proved")
        sampled = "probability" in subject.promise(metric)
        if sampled:
            assert (proof.radius >= 0).all(), "radii must not be negative; claim 0 where nothing is proved"
        else:
            assert (proof.radius > 0).all(), "a right answer with a margin must have a radius"
            assert not proof.abstained.any(), "only a method that draws at random may abstain; see promise()"
        assert (proof.error >= 0).all(), "error is what float32 took off the radius, so it must not be negative"
        assert proof.abstained.shape == proof.radius.shape, "abstained must have one value a sample"
        assert not (proof.abstained & (proof.radius > 0)).any(), "a sample without an answer must have radius 0"
        with torch.no_grad():
            norm = metric.embed(batch.reference).norm(dim=1).double()
        close(proof.norm_ref, norm, "norm_ref must be |g(reference)|", rtol=1e-4, atol=1e-6)

    def test_certified_is_at_most_exact_and_no_attack_flips_inside(self, subject: Certifier, case: str) -> None:
        metric, batch = CASES[case]
        if not subject.sound(metric):
            pytest.skip("marked as no promise for this metric")
        proof = prove(subject, metric, batch)
        if case in KNOWN:
            assert (proof.radius < exact_radius(case)).all(), (
                f"a radius exceeds the exact one of {case}: the certifier is wrong, or sound() must say False"
            )
        for name in ("l2-apgd-ce", "l2-fab"):
            setting = Setting(small_attack(name, steps=20), name, metric, batch)
            assert not any(run_each(setting, proof.radius).broken), (
                f"{name} flips an answer inside its radius: the certifier is wrong, or sound() must say False"
            )

    def test_inputs_stay_as_they_were(self, subject: Certifier, case: str) -> None:
        metric, batch = CASES[case]
        given = batch.mapped(torch.clone)
        certify(subject, metric, given, noise=Noise.make(0, given.ids))
        for name, x in given.images.items():
            assert torch.equal(x, batch.images[name]), f"a certifier must not write into the {name} images; clone them"

    def test_the_same_noise_gives_the_same_radius_after_other_calls(self, subject: Certifier, case: str) -> None:
        metric, batch = CASES[case]
        first = prove(subject, metric, batch).radius
        prove(subject, metric, subset(batch, torch.tensor([1, 0])))
        again = prove(subject, metric, batch).radius
        assert torch.equal(first, again), "the same images and noise must get the same radius; keep no state"

    def test_a_sample_does_not_notice_its_batch(self, subject: Certifier, case: str) -> None:
        metric, batch = CASES[case]
        whole = prove(subject, metric, batch).radius
        alone = torch.cat(
            [prove(subject, metric, subset(batch, torch.tensor([i]))).radius for i in range(len(batch.ids))]
        )
        # The float32 error is measured, and that differs in its own last bits.
        close(alone, whole, "the radius of a sample must not depend on its batch", rtol=1e-2, atol=1e-9)

    def test_wrong_answers_ties_and_equal_anchors_have_no_radius(self, subject: Certifier, case: str) -> None:
        if case not in KNOWN:
            pytest.skip("only where the exact radius is known")
        metric, batch = CASES[case]
        wrong = Triplets(batch.reference, batch.left, batch.right, 1 - batch.label, batch.right_share, batch.ids)
        tie = Triplets(batch.reference, batch.left, batch.left.clone(), batch.label, batch.right_share, batch.ids)
        same = Triplets(batch.reference, batch.reference, batch.reference, batch.label, batch.right_share, batch.ids)
        for what, hopeless in (("a wrong answer", wrong), ("a tie", tie), ("three equal images", same)):
            radii = prove(subject, metric, hopeless).radius.tolist()
            assert radii == [0.0] * len(batch.ids), f"{what} must have radius 0, got {radii}"


def fits(made: Certifier, case: str) -> bool:
    """Whether the certifier answers for the metric of a case."""
    try:
        made.sound(CASES[case][0])
    except UserError:
        return False
    return True
