"""Fitting LPIPS: losses by hand, nothing leaks out of what is held out, heads stay at or above zero."""

import json
from functools import partial
from math import log
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from perceptbench.bench.commands.fit_lpips import run
from perceptbench.core.errors import UserError
from perceptbench.core.noise import forked_rng
from perceptbench.core.ref import Ref
from perceptbench.metrics.base import metric
from perceptbench.metrics.features import lpips_net
from perceptbench.metrics.features.lpips_net import LPIPSNet, Net
from perceptbench.testing.samples import generator, random_images
from perceptbench.training.hold_out import hold_out, images_of
from perceptbench.training.lpips.differences import measure
from perceptbench.training.lpips.fit import answers, fit
from perceptbench.training.lpips.lpips_config import NETS, LPIPSConfig
from perceptbench.training.lpips.ranking_losses import CrossEntropy, Ranking, Regression
from perceptbench.triplets.base import Entry, TripletSource, checked_source

SHARED = Path(__file__).parents[2].parent / "shared"


def tiny_net(seed: int = 0) -> LPIPSNet:
    """Two taps of 4 and 6 channels."""
    with forked_rng(0):
        made = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 6, 3), nn.ReLU())
    for p in made.parameters():
        p.data = 0.5 * torch.randn(p.shape, generator=generator(seed))
    return LPIPSNet(Net("tiny", (1, 3), (4, 6), 5), made.eval())


def source_of(trios: list[tuple[int, int, int]], share: Tensor, pictures: Tensor) -> TripletSource:
    """Triplets of numbered pictures; each is named by its number."""

    def load(trio: tuple[int, int, int]) -> tuple[Tensor, Tensor, Tensor]:
        reference, left, right = (pictures[i] for i in trio)
        return reference, left, right

    entries = [
        Entry(f"t{i}", float(share[i]), partial(load, trio), images=tuple(str(k) for k in trio))
        for i, trio in enumerate(trios)
    ]
    return checked_source("numbered", entries, "0" * 64)


def some_source(net: LPIPSNet, truth: Tensor, n: int = 300, pictures: int = 24) -> TripletSource:
    """Answered by `net` under other heads, so that perfect heads exist."""
    shown = random_images(pictures, 12, seed=3)
    draw = generator(5)
    trios = [tuple(torch.randperm(pictures, generator=draw)[:3].tolist()) for _ in range(n)]
    blank = source_of(trios, torch.ones(n), shown)  # type: ignore[arg-type]
    d0, d1 = measure(net, blank).distances(truth)
    return source_of(trios, (d1 < d0).float(), shown)  # type: ignore[arg-type]


def cross_entropy() -> CrossEntropy:
    with forked_rng(0):
        return CrossEntropy()


def test_cross_entropy_of_a_network_that_says_nothing_is_that_of_a_coin() -> None:
    loss = cross_entropy()
    nn.init.zeros_(loss.compare.layers[-1].weight)  # type: ignore[arg-type]
    nn.init.zeros_(loss.compare.layers[-1].bias)  # type: ignore[arg-type]
    d0, d1, share = torch.tensor([0.1, 0.2]), torch.tensor([0.3, 0.1]), torch.tensor([0.25, 1.0])
    assert loss(d0, d1, share).item() == pytest.approx(log(2))


def test_comparison_sees_the_five_inputs_of_the_original() -> None:
    compare, seen = cross_entropy().compare, []
    compare.layers.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    compare(torch.tensor([0.3]), torch.tensor([0.1]))
    torch.testing.assert_close(seen[0], torch.tensor([[0.3, 0.1, 0.2, 0.3 / 0.11, 0.1 / 0.31]]))


def test_cross_entropy_falls_as_the_logit_goes_where_people_went() -> None:
    class Says(nn.Module):
        def forward(self, d0: Tensor, d1: Tensor) -> Tensor:
            return d0 - d1

    loss = cross_entropy()
    loss.compare = Says()  # type: ignore[assignment]
    one = torch.ones(1)
    assert loss(2 * one, one, one).item() == pytest.approx(log(1 + torch.tensor(-1.0).exp().item()))
    assert loss(2 * one, one, one) < loss(one, 2 * one, one)


def test_ranking_by_hand() -> None:
    loss = Ranking(0.5)
    d0, d1 = torch.tensor([1.0, 1.0, 1.0]), torch.tensor([0.8, 0.2, 0.8])
    # Right preferred: 0.5 + 0.8 - 1 = 0.3; far enough: 0; left preferred by 3 of 4: half of 0.5 + 1 - 0.8 = 0.7.
    value = loss(d0, d1, torch.tensor([1.0, 1.0, 0.25]))
    assert value.item() == pytest.approx((0.3 + 0 + 0.35) / 3)


def test_regression_by_hand() -> None:
    value = Regression()(torch.tensor([0.5]), torch.tensor([0.5]), torch.tensor([0.75]))
    assert value.item() == pytest.approx((0.25**2 + 0.25**2) / 2)


def test_no_held_image_is_learnt_from_in_any_role() -> None:
    source = some_source(tiny_net(), torch.ones(10))
    split = hold_out(source, 0.5, seed=1)
    learnt, held = ({name for e in part.entries for name in images_of(e)} for part in (split.learn, split.held))
    assert not learnt & held
    assert len(split.learn) + len(split.held) + split.mixed == len(source)
    assert split.mixed > len(source) / 2
    assert {e.id for e in hold_out(source, 0.5, seed=2).held.entries} != {e.id for e in split.held.entries}


def test_triplets_whose_images_have_no_names_are_held_out_one_by_one() -> None:
    entries = [Entry(f"t{i}", 1.0, lambda: random_images(3, 8).unbind(0)) for i in range(10)]  # type: ignore[arg-type, return-value]
    split = hold_out(checked_source("plain", entries, ""), 0.3, seed=0)
    assert (len(split.learn), len(split.held), split.mixed) == (7, 3, 0)


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, 0.01])
def test_a_share_that_leaves_a_part_empty_is_refused(share: float) -> None:
    with pytest.raises(UserError, match="hold-out"):
        hold_out(some_source(tiny_net(), torch.ones(10), n=20), share, seed=0)


def test_cached_differences_give_the_distances_of_the_network() -> None:
    net = tiny_net()
    for head in net.heads:
        head.data = torch.rand(head.shape, generator=generator(7))
    source = some_source(net, torch.ones(10), n=12)
    d0, d1 = answers(net, source)
    batch = source.batch(source.entries)
    with torch.no_grad():
        torch.testing.assert_close(d0, net(batch.reference, batch.left))
        torch.testing.assert_close(d1, net(batch.reference, batch.right))


@pytest.mark.parametrize("loss", ["2afc", "ranking", "regression"])
def test_heads_learn_whom_to_ask_and_stay_at_or_above_zero(loss: str) -> None:
    """Answers come from two of ten channels; learnt heads agree with them more than equal ones do."""
    net, truth = tiny_net(), torch.zeros(10)
    truth[2], truth[7] = 1.0, 3.0
    source = some_source(net, truth)
    before = _agreement(net, source)
    trunk = [p.clone() for p in net.trunk.parameters()]
    config = LPIPSConfig(loss=loss, epochs=30, batch=20, lr=0.02)  # type: ignore[arg-type]
    curve = fit(net, source, config)
    assert curve[-1] < curve[0]
    assert _agreement(net, source) > max(0.85, before + 0.05)
    assert all((head >= 0).all() for head in net.heads)
    # Regression wants distances of about a half: under it every channel is of use.
    assert loss == "regression" or any((head == 0).any() for head in net.heads)
    assert all(torch.equal(a, b) for a, b in zip(trunk, net.trunk.parameters(), strict=True))
    assert not any(p.requires_grad for p in net.parameters())


def test_a_tuned_trunk_moves_and_the_same_seed_gives_the_same_weights() -> None:
    truth = torch.zeros(10)
    truth[3] = 1.0
    source = some_source(tiny_net(), truth, n=30)
    made = []
    for seed in (0, 0, 1):
        net = tiny_net()
        fit(net, source, LPIPSConfig(tune="trunk", epochs=2, batch=10, lr=1e-2, trunk_lr=1e-3, seed=seed))
        made.append(torch.cat([p.flatten() for p in net.parameters()]))
    assert torch.equal(made[0], made[1])
    assert not torch.equal(made[0], made[2])
    trunks = [next(iter(n.trunk.parameters())) for n in (net, tiny_net())]
    assert not torch.equal(*trunks)


def _agreement(net: LPIPSNet, source: TripletSource) -> float:
    d0, d1 = answers(net, source)
    share = torch.tensor([e.right_share for e in source.entries])
    return float(((d1 < d0) == (share > 0.5)).float().mean())


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"net": "resnet"}, "--net"), ({"tune": "all"}, "--tune"), ({"loss": "l2"}, "--loss"),
        ({"epochs": 0}, "epochs"), ({"lr": -1.0}, "rates"),
    ],
)  # fmt: skip
def test_options_that_fit_nothing_are_refused(tmp_path: Path, change: dict[str, object], word: str) -> None:
    with pytest.raises(UserError, match=word):
        run("photos", tmp_path / "a.safetensors", LPIPSConfig(**change), None, "")
    assert not list(tmp_path.iterdir())


def test_the_trunks_that_can_be_asked_for_are_those_of_the_metric() -> None:
    assert set(NETS) == set(lpips_net.NETS)


def test_one_held_reference_is_refused_before_anything_is_fitted(tmp_path: Path) -> None:
    """No interval comes from one cluster, and a fit that ends so would be lost."""
    with pytest.raises(UserError, match="two references"):
        run("photos", tmp_path / "a.safetensors", LPIPSConfig(hold_out=0.4), 3, "")
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not (SHARED / "weights").is_dir(), reason="needs AlexNet's weights: ../shared/weights is not there")
@pytest.mark.parametrize("tune", ["heads", "trunk"])
def test_the_command_writes_a_metric_that_can_be_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tune: str
) -> None:
    monkeypatch.setenv("PERCEPTBENCH_WEIGHTS", str(SHARED / "weights"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    to = tmp_path / "mine.safetensors"
    config = LPIPSConfig(tune=tune, epochs=2, batch=4, lr=1e-3, hold_out=0.3)
    run("photos", to, config, 12, "bench train lpips")
    record = json.loads(to.with_suffix(".json").read_text())
    assert record["data"]["learnt_from"] + record["data"]["held_out"] == 12
    assert set(record["held_out"]) == {"stock", "trained", "gain"}
    assert len(record["curve"]) == 2
    assert f"lpips:{to}" in capsys.readouterr().out
    x, y = random_images(1, 64, seed=1), random_images(1, 64, seed=2)
    with torch.no_grad():
        mine, stock = (metric.build(Ref.parse(name))(x, y) for name in (f"lpips:{to}", "lpips"))
    assert not torch.equal(mine, stock)
    torch.testing.assert_close(mine, stock, rtol=0.3, atol=0)
