"""The soundness campaign: it attacks at the radius itself, and sees one that is 1 % too large."""

from dataclasses import replace

import pytest
import torch

from benchmarks.soundness import __main__ as command
from benchmarks.soundness import attacked_pairs, network_matches
from benchmarks.soundness.assaults import Ground, suitable
from benchmarks.soundness.attacked_pairs import (
    Assault,
    PairCount,
    ProofCase,
    attacked,
    campaign,
    settings,
    sound_certifiers,
)
from benchmarks.soundness.equal_radius import at_one_radius
from benchmarks.soundness.instances import ORTHONORMAL, PIXELS, instances, triplets
from benchmarks.soundness.shipped_lipsim import shipped
from perceptbench.attacks.base import attack
from perceptbench.certifiers.base import Proof
from perceptbench.certifiers.margin import Margin
from perceptbench.core.errors import UserError
from perceptbench.metrics.classical.pixel import PixelL2
from perceptbench.metrics.lipsim.shape import FAMILIES
from perceptbench.testing.known_metrics import ProjectionCosine

TIGHT = ProofCase(ORTHONORMAL, "margin", "reference", "l2")
ATTACKS = ("l2-apgd-ce", "l2-fab", "l2-pgd")


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """A quarter of a campaign's: more than half of them flip at a planted fault, and 30 are enough to see that."""
    monkeypatch.setattr(attacked_pairs, "BATCH", 32)
    monkeypatch.setattr(attacked_pairs, "FEWER", 16)


def longer(monkeypatch: pytest.MonkeyPatch, factor: float) -> None:
    """Plant radii that are too large by this factor."""
    prove = Margin.prove

    def planted(self: Margin, *given: object) -> Proof:
        proof = prove(self, *given)  # type: ignore[arg-type]
        return replace(proof, radius=factor * proof.radius)

    monkeypatch.setattr(Margin, "prove", planted)


def tried(setting: ProofCase = TIGHT, attacks: tuple[str, ...] = ATTACKS) -> PairCount:
    tally = PairCount()
    attacked(Assault(setting, attacks), 3, tally)
    return tally


def test_a_radius_holds_at_0999_and_one_that_is_1_percent_too_large_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    sound = tried()
    assert sound.pairs > 40
    assert not sound.violations
    longer(monkeypatch, 1.01)
    planted = tried()
    assert {one.attack for one in planted.violations} == set(ATTACKS)
    assert planted.flipped > 0.5 * planted.pairs
    assert "l2-pgd flips" in " ".join(map(str, planted.violations))


@pytest.mark.parametrize("move", ["left", "right", "all"])
def test_whoever_moves_a_radius_that_is_too_large_is_found(monkeypatch: pytest.MonkeyPatch, move: str) -> None:
    setting = ProofCase("pixel l2" if move == "all" else ORTHONORMAL, "margin", move, "l2")  # type: ignore[arg-type]
    assert not tried(setting, ("l2-apgd-ce",)).violations
    longer(monkeypatch, 1.05)
    assert tried(setting, ("l2-apgd-ce",)).violations


def test_the_command_ends_with_status_1_and_names_what_was_flipped(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(attacked_pairs, "settings", lambda: iter([TIGHT]))
    monkeypatch.setattr(attacked_pairs, "suitable", lambda norm: ["l2-pgd"])
    monkeypatch.setattr(
        "sys.argv", ["soundness", "--pairs", "100", "--shipped", "0", "--hashes", "0", "--matches", "0"]
    )
    with pytest.raises(SystemExit) as ended:
        command.main()
    assert ended.value.code == 0
    longer(monkeypatch, 1.01)
    with pytest.raises(SystemExit) as ended:
        command.main()
    assert ended.value.code == 1
    assert f"inside the radius of margin for {ORTHONORMAL}, reference moving in l2" in capsys.readouterr().out


def test_every_family_certifier_move_and_attack_has_its_place() -> None:
    found = list(settings())
    assert all(any(family in setting.metric for setting in found) for family in FAMILIES)
    assert {setting.certifier for setting in found} == {"margin", "margin(exact=false)", "paper", "tsuzuku"}
    assert {setting.move for setting in found} == {"reference", "left", "right", "all"}
    assert {setting.norm for setting in found} == {"l2", "linf"}
    assert not set(sound_certifiers(ProjectionCosine(PIXELS))) & {"paper", "tsuzuku", "smoothing"}
    here = {name.partition(":")[0] for norm in ("l2", "linf") for name in suitable(norm)}  # type: ignore[arg-type]
    absent = {name for name in attack.names() if attack.card(name).missing}
    # `transfer` climbs the goals of other metrics by attacks that are there themselves.
    elsewhere = {"l2-hash", "transfer"}
    assert here | absent == {name for name in attack.names() if not name.endswith("mse")} - elsewhere


@pytest.mark.parametrize("name", sorted(instances()))
def test_the_certified_triplets_of_a_batch_share_one_radius_and_a_right_answer(name: str) -> None:
    metric = instances()[name](1)
    ground = Ground(metric, Margin())
    made = triplets(metric, 24, 5)
    batch, radius = at_one_radius(made, ground.radii)
    found = ground.radii(batch)
    assert len(batch.ids) >= 8
    assert radius == float(found.min()) > 0
    assert float(found.max()) <= radius * (1 + 2e-3)
    assert float(batch.reference.min()) > 0.1
    assert float(batch.reference.max()) < 0.9


def test_triplets_without_a_certificate_are_no_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    longer(monkeypatch, 0.0)
    assert tried().pairs == 0
    with pytest.raises(UserError, match="expected certified triplets"):
        campaign(10, 0, only=[TIGHT])


def test_a_campaign_stops_at_its_time() -> None:
    assert campaign(10**9, 0, seconds=0.0, only=[TIGHT]).pairs == 0


def test_a_radius_of_the_shipped_lipsim_that_is_far_too_large_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shipped(1, 0).pairs == 2
    longer(monkeypatch, 8.0)
    assert shipped(1, 0).violations


def test_radii_that_are_nowhere_are_no_batch() -> None:
    metric = instances()[ORTHONORMAL](0)
    batch, radius = at_one_radius(triplets(metric, 6, 0), lambda batch: torch.zeros(len(batch.ids)))
    assert batch.ids == ()
    assert radius == 0


def test_a_match_holds_and_a_radius_that_is_2_percent_too_large_is_found(monkeypatch):
    tight = {"pixel l2": PixelL2(), "orthonormal": ProjectionCosine(3 * 32**2, seed=1)}
    some = {**tight, "window": network_matches._metrics(1)["window, 32 px"]}
    monkeypatch.setattr(network_matches, "_metrics", lambda seed: some)
    assert not network_matches.network_matches(100, seed=1).violations
    found = {one.setting.metric for one in network_matches.network_matches(100, seed=1, factor=1.02).violations}
    assert found == set(tight)
