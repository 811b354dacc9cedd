"""Pieces of the attacks against what their papers say."""

import pytest
import torch

from perceptbench.attacks import apgd
from perceptbench.attacks.apgd import L2APGD, checkpoints
from perceptbench.attacks.base import Objective, attack
from perceptbench.attacks.fab import L2FAB, project_on_plane
from perceptbench.attacks.norms import change, climb, random_start, size, unit
from perceptbench.attacks.objectives import EmbeddingShift, FlipPreference
from perceptbench.attacks.query_window import bump, share_of_pixels, window
from perceptbench.attacks.square import L2Square, LinfSquare, Search
from perceptbench.attacks.threats.lp import fit, project
from perceptbench.attacks.tracker import Tracker
from perceptbench.core.errors import UserError
from perceptbench.core.noise import Noise
from perceptbench.core.ref import Norm, Ref
from perceptbench.core.tensors import Images, Mask, PerImage
from perceptbench.metrics.classical.pixel import PixelL2
from perceptbench.metrics.classical.ssim import SSIM
from perceptbench.testing.attack_setting import Setting, small_attack
from perceptbench.testing.samples import generator, random_images, triplets

NORMS: tuple[Norm, ...] = ("l2", "linf")


def test_a_change_is_not_rounded_before_it_is_measured() -> None:
    """1 - 2^-25 has no float32: it would round to 1."""
    one, little = torch.ones(1, 3, 1, 1), torch.full((1, 3, 1, 1), 2.0**-25)
    assert torch.equal(change(one, little), torch.full((1, 3, 1, 1), 1 - 2.0**-25, dtype=torch.float64))
    assert float(size(change(one, little), "linf")) < 1


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("eps", [0.01, 0.3, 5.0])
def test_projection_is_into_ball_and_box_and_keeps_what_is_inside(norm: Norm, seed: int, eps: float) -> None:
    x = random_images(2, 6, seed=seed)
    candidate = x + 2 * torch.randn(x.shape, generator=generator(seed + 1))
    near = project(candidate, x, eps, norm)
    assert (size(near - x, norm) <= eps * (1 + 1e-5) + 1e-6).all()
    assert near.min() >= 0
    assert near.max() <= 1
    torch.testing.assert_close(project(near, x, eps, norm), near, rtol=0, atol=2e-6)
    assert (size(change(fit(candidate, x, eps, norm), x), norm) <= eps).all()


@pytest.mark.parametrize("norm", NORMS)
def test_unit_climb_and_random_start(norm: Norm) -> None:
    gradient = torch.randn(3, 3, 6, 6, generator=generator(1))
    gradient[2] = 0
    one = torch.tensor([1.0, 1.0, 0.0], dtype=torch.float64)
    torch.testing.assert_close(size(unit(gradient, norm), norm), one)
    step = climb(torch.zeros_like(gradient), gradient, torch.ones(3), norm)
    torch.testing.assert_close(size(step, norm), one)
    rivals = unit(torch.randn(50, 3, 6, 6, generator=generator(2)), norm)
    assert ((gradient[0] * rivals).sum((1, 2, 3)) < (gradient[0] * step[0]).sum()).all()
    x = torch.full((3, 3, 6, 6), 0.5)
    start = random_start(x, 0.3, norm, Noise.make(0, "abc"))
    torch.testing.assert_close(size(start - x, norm), torch.full((3,), 0.3, dtype=torch.float64), rtol=1e-5, atol=0)


def test_checkpoints_are_those_of_the_paper() -> None:
    assert sorted(checkpoints(100)) == [22, 41, 57, 70, 80, 87, 93, 99]
    assert all(sorted(checkpoints(n))[0] >= 1 and max(checkpoints(n)) <= n for n in range(1, 40))


class Ridge(Objective):
    """-|x - top|_1-like ridge: overshooting steps never rise, so only halving gets near the top."""

    def __init__(self, top: Images) -> None:
        self.top = top

    def loss(self, x: Images) -> PerImage:
        return -(x - self.top).flatten(1).norm(dim=1)

    def reached(self, loss: PerImage) -> Mask:
        return torch.zeros_like(loss, dtype=torch.bool)

    def select(self, index: torch.Tensor) -> "Ridge":
        return Ridge(self.top[index])


def test_apgd_halves_its_step_until_it_sits_on_the_top() -> None:
    x = torch.full((2, 3, 6, 6), 0.5)
    top = x + 0.01 * torch.randn(x.shape, generator=generator(3))
    found = L2APGD(steps=100)(Ridge(top), x, 1.0, Noise.make(0, "ab"))
    assert ((found - top).flatten(1).norm(dim=1) < 0.003).all()


def test_apgd_returns_to_the_best_point_and_halves_where_it_is_stuck() -> None:
    x = torch.zeros(2, 3, 2, 2)
    loss = torch.tensor([1.0, 1.0])
    state = apgd._start(x, x, loss, x, eps=0.5)
    state.halved_then = torch.tensor([False, False])
    state.best_loss_then = torch.tensor([1.0, 0.5])
    state.current, state.rises = x + 1, torch.tensor([10.0, 10.0])
    apgd._reconsider(state, gap=10)
    assert state.step.tolist() == [0.5, 1.0]
    assert torch.equal(state.current[0], x[0])
    assert torch.equal(state.current[1], x[1] + 1)
    state.rises = torch.tensor([7.0, 8.0])
    state.best_loss = state.best_loss_then + 1
    apgd._reconsider(state, gap=10)
    assert state.step.tolist() == [0.25, 1.0]
    assert state.rises.tolist() == [0.0, 0.0]


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("scale", [0.02, 0.3, -0.3])
def test_projection_on_a_plane_in_the_box_is_the_nearest_point(norm: Norm, scale: float) -> None:
    draw = generator(4)
    point = torch.rand(3, 3, 4, 4, generator=draw, dtype=torch.float64)
    gradient = torch.randn(3, 3, 4, 4, generator=draw, dtype=torch.float64)
    level = scale * gradient.flatten(1).abs().sum(1)
    z, way = project_on_plane(point, gradient, level, norm)
    assert torch.equal(way, z - point)
    assert z.min() >= 0
    assert z.max() <= 1
    torch.testing.assert_close((gradient * (z - point)).sum((1, 2, 3)), level, rtol=2e-3, atol=0)
    # By bisection on the multiplier, one sample after the other.
    for i in range(3):
        way = gradient[i] if norm == "l2" else gradient[i].sign()
        way = way * level[i].sign()
        low, high = 0.0, 100.0
        for _ in range(100):
            middle = (low + high) / 2
            reached = (gradient[i] * ((point[i] + middle * way).clamp(0, 1) - point[i])).sum() * level[i].sign()
            low, high = (low, middle) if reached >= level[i].abs() else (middle, high)
        torch.testing.assert_close(z[i], (point[i] + high * way).clamp(0, 1), rtol=0, atol=2e-3)


def test_projection_out_of_reach_goes_as_far_as_the_box_allows() -> None:
    point, gradient = random_images(1, 4, seed=1), torch.randn(1, 3, 4, 4, generator=generator(5))
    z, _ = project_on_plane(point, gradient, torch.tensor([1e6]), "l2")
    assert torch.equal(z, (gradient > 0).float())


def test_fab_keeps_the_best_of_a_walk_whose_last_points_are_worse() -> None:
    """From the tenth look on the slope is understated, so that steps overshoot: the early flips count."""
    seen: list[torch.Tensor] = []

    class Misleading(Objective):
        def __init__(self, inner: Objective, x: Images) -> None:
            self.inner, self.x = inner, x

        def loss(self, x: Images) -> PerImage:
            return self.inner.loss(x)

        def gradient(self, x: Images) -> tuple[PerImage, Images]:
            loss, gradient = self.inner.gradient(x)
            seen.append(torch.where(loss >= 0, size(x - self.x, "l2"), torch.inf))
            return loss, gradient if len(seen) < 10 else 0.03 * gradient

        def reached(self, loss: PerImage) -> Mask:
            return loss >= 0

    batch = triplets([0.2, 0.3])
    inner = FlipPreference.make(PixelL2(), batch.left, batch.right, batch.label)
    objective = Misleading(inner, batch.reference)
    found = L2FAB(steps=14)(objective, batch.reference, 1.0, Noise.make(0, batch.ids))
    sizes = torch.stack(seen)
    assert (sizes[-1] > 3 * sizes.amin(0)).all()
    assert objective.reached(objective.value(found)).all()
    assert (size(found - batch.reference, "l2") <= sizes.amin(0) + 1e-6).all()


def test_fab_that_finds_nothing_returns_the_clean_image() -> None:
    batch = triplets([0.2, 0.3])

    class Deaf(Ridge):
        def reached(self, loss: PerImage) -> Mask:
            return torch.zeros_like(loss, dtype=torch.bool)

    found = L2FAB(steps=5)(Deaf(batch.left), batch.reference, 0.1, Noise.make(0, batch.ids))
    assert found.isfinite().all()
    assert torch.equal(found, batch.reference)


def test_square_schedule_is_that_of_the_paper() -> None:
    assert [share_of_pixels(q, 10_000, 0.8) for q in (0, 10, 11, 51, 201, 501, 1001, 2001, 4001, 6001, 8001)] == [
        0.8 / 2**k for k in (0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9)
    ]
    assert share_of_pixels(3, 500, 0.8) == share_of_pixels(60, 10_000, 0.8)


def test_windows_lie_inside_and_reach_every_corner() -> None:
    draw = generator(0)
    found = [window(draw, 3, 5, 7) for _ in range(400)]
    assert {w[2].start for w in found} == {0, 1, 2}
    assert {w[3].start for w in found} == {0, 1, 2, 3, 4}
    assert all(w[2].stop - w[2].start == w[3].stop - w[3].start == 3 for w in found)


def test_l2_windows_are_odd_and_fit() -> None:
    assert [L2Square().side(share, 224, 224) for share in (0.8, 0.4, 0.1, 0.0001)] == [201, 143, 71, 3]
    assert [L2Square().side(0.8, *shape) for shape in ((8, 8), (5, 11), (2, 9))] == [7, 5, 2]
    assert LinfSquare().side(0.8, 224, 224) == 200


@pytest.mark.parametrize("side", [2, 3, 5, 8])
def test_bump_has_norm_one_and_two_signs(side: int) -> None:
    shape = bump(side)
    assert shape.norm().item() == pytest.approx(1, abs=1e-6)
    half = side // 2
    assert (shape[:half] > 0).all()
    assert (shape[half:] < 0).all()
    assert shape[:half].norm().item() == pytest.approx(shape[half:].norm().item(), rel=1e-6)


def test_bump_is_a_sum_of_squares_around_the_centre() -> None:
    """The upper half for side 7, by hand: 3 x 7, squares reaching 0, 1, 2, 3 from (1, 3) add 1, 1/4, 1/9, 1/16."""
    rings = [1 + 1 / 4 + 1 / 9 + 1 / 16, 1 / 4 + 1 / 9 + 1 / 16, 1 / 9 + 1 / 16, 1 / 16]
    expected = torch.tensor([[rings[max(abs(r - 1), abs(c - 3))] for c in range(7)] for r in range(3)])
    shape = bump(7)[:3]
    torch.testing.assert_close(shape / shape[1, 3], expected / expected[1, 3])


@pytest.mark.parametrize("norm", NORMS)
def test_a_long_step_over_no_gradient_stays_where_it_is(norm: Norm) -> None:
    x = random_images(2, 6, seed=3)
    step = torch.tensor([4.0, 100.0])
    assert torch.equal(climb(x, torch.zeros_like(x), step, norm), x)


@pytest.mark.parametrize("norm", NORMS)
def test_a_projected_row_does_not_notice_its_batch(norm: Norm) -> None:
    """One row that the box stops again and again must not refine the others."""
    point = random_images(3, 6, seed=1)
    point[2] = point[2].round()
    gradient = torch.randn(point.shape, generator=generator(2))
    level = torch.tensor([0.3, -0.4, 9.0])
    together, _ = project_on_plane(point, gradient, level, norm)
    for i in range(3):
        alone, _ = project_on_plane(point[i : i + 1], gradient[i : i + 1], level[i : i + 1], norm)
        assert torch.equal(alone[0], together[i])


def start_at(x: Images, current: Images) -> Search:
    return Search(x, current.clone(), torch.zeros(len(x)), (current - x).square().sum((1, 2, 3)))


def test_l2_square_turns_each_sample_by_its_own_coin() -> None:
    """A proposal from nothing shows the bump itself: upright for some samples, lying for others."""
    n, side = 24, 6
    noise = Noise.make(0, [str(i) for i in range(n)])
    x = torch.full((n, 3, 12, 12), 0.5)
    s = start_at(x, x)
    L2Square().propose(s, 0.5, [window(generator(1), side, 12, 12)] * 2, noise)
    moved = s.current - x
    across_rows, across_columns = 0, 0
    for delta in moved[:, 0]:
        rows, columns = delta.abs().sum(1).nonzero(), delta.abs().sum(0).nonzero()
        shown = delta[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
        across_rows += bool((shown[:3].sign() == -shown[3:].sign()).all())
        across_columns += bool((shown[:, :3].sign() == -shown[:, 3:].sign()).all())
    assert across_rows + across_columns == n
    assert min(across_rows, across_columns) >= 4


def test_linf_square_starts_in_stripes_at_full_budget() -> None:
    x = torch.full((4, 3, 6, 6), 0.5)
    delta = LinfSquare().first(x, 0.1, Noise.make(0, "abcd")) - x
    torch.testing.assert_close(delta.abs(), torch.full_like(delta, 0.1))
    assert torch.equal(delta[:, :, :1].expand_as(delta), delta)
    assert len({tuple(d.flatten().tolist()) for d in delta}) == 4


@pytest.mark.parametrize("made", [L2Square(), LinfSquare()], ids=["l2", "linf"])
def test_square_proposals_stay_within_the_budget_and_in_their_windows(made: L2Square | LinfSquare) -> None:
    x = random_images(5, 12, seed=6)
    noise, eps, draw = Noise.make(0, "abcde"), 0.2, generator(3)
    s = start_at(x, made.first(x, eps, noise))
    for side in (9, 7, 6, 5, 3):
        windows = [window(draw, side, 12, 12) for _ in range(2)]
        before = s.current.clone()
        written, s.energy = made.propose(s, eps, windows, noise)
        assert (size(s.current - x, made.norm) <= eps * (1 + 1e-5)).all()
        assert s.current.min() >= 0
        assert s.current.max() <= 1
        if made.norm == "l2":
            torch.testing.assert_close(s.energy, (s.current - x).square().sum((1, 2, 3)), rtol=1e-4, atol=1e-6)
        for w in written:
            before[w] = s.current[w]
        assert torch.equal(before, s.current)


@pytest.mark.parametrize("made", [L2Square(queries=60), LinfSquare(queries=60)], ids=["l2", "linf"])
def test_square_takes_back_what_did_not_help(made: L2Square | LinfSquare) -> None:
    """Every look is at least as good as the last one kept, and the image returned is the best looked at."""
    looks: list[torch.Tensor] = []

    class Watched(Ridge):
        def loss(self, x: Images) -> PerImage:
            looks.append(super().loss(x))
            return looks[-1]

    x = random_images(3, 12, seed=8)
    objective = Watched(random_images(3, 12, seed=9))
    found = made(objective, x, 0.5 if made.norm == "l2" else 0.02, Noise.make(0, "abc"))
    best = torch.stack(looks).max(0).values
    assert torch.equal(Ridge(objective.top).loss(found), best)
    assert (best > looks[0]).all()


def test_tracker_keeps_the_best_and_drops_who_is_done() -> None:
    x = random_images(3, 4, seed=1)
    tracker = Tracker(x)
    objective = FlipPreference.make(PixelL2(), x, x, torch.zeros(3))
    going = tracker.update(objective, x + 1, torch.tensor([-1.0, 0.0, -2.0]))
    assert going.tolist() == [0, 2]
    assert tracker.index.tolist() == [0, 2]
    tracker.update(objective, (x + 2)[going], torch.tensor([-1.5, -1.0]))
    assert torch.equal(tracker.best, torch.stack([x[0] + 1, x[1] + 1, x[2] + 2]))


def test_flip_preference_grows_towards_the_other_image_and_a_tie_is_lost() -> None:
    batch = triplets([0.2, 0.3])
    objective = FlipPreference.make(PixelL2(), batch.left, batch.right, batch.label)
    assert (objective.value(batch.reference) < 0).all()
    preferred = torch.where(batch.label[:, None, None, None] == 1, batch.right, batch.left)
    other = torch.where(batch.label[:, None, None, None] == 1, batch.left, batch.right)
    assert (objective.value(preferred) < objective.value(batch.reference)).all()
    assert (objective.value(other) > 0).all()
    assert objective.reached(torch.tensor([-1e-9, 0.0, 1e-9])).tolist() == [False, True, True]
    loss, gradient = objective.gradient(batch.reference)
    assert not loss.requires_grad
    assert (objective.value(batch.reference + 0.01 * unit(gradient, "l2")) > loss).all()


def test_gradients_lie_as_images_do_whatever_the_network_does_inside() -> None:
    """Upstream attacks look at them through `view`, and ours would pay for a mixed layout at every pass."""

    class ChannelsLast(Objective):
        def loss(self, x: Images) -> PerImage:
            return x.to(memory_format=torch.channels_last).square().sum((1, 2, 3))

    _, gradient = ChannelsLast().gradient(random_images(2, 6))
    assert gradient.is_contiguous()


def test_embedding_shift_needs_an_embedding() -> None:
    x = random_images(2, 12)
    with pytest.raises(UserError, match="SSIM compares images without one"):
        EmbeddingShift.make(SSIM(), x)
    shift = EmbeddingShift.make(PixelL2(), x)
    assert shift.value(x).tolist() == [0.0, 0.0]
    assert not shift.reached(torch.tensor([1e9, 0.0])).any()


def test_full_ensemble_takes_upstreams_numbers() -> None:
    made = attack.build(Ref.parse("l2-aa(full)"))
    assert [(name, starts) for name, _, starts in made.parts()] == [
        ("apgd-ce", 5),
        ("fmn", 1),
        ("fab", 3),
        ("square", 1),
    ]  # type: ignore[union-attr]
    assert made.parts()[3][1].queries == 5000  # type: ignore[union-attr]


def test_an_ensemble_that_would_do_nothing_is_refused() -> None:
    with pytest.raises(UserError, match="a part that runs"):
        attack.build(Ref.parse("l2-aa(starts=0,fmn_steps=0,fab_starts=0,queries=0)"))
    with pytest.raises(UserError, match="either full or numbers"):
        attack.build(Ref.parse("linf-aa(full,starts=9)"))


def test_an_attack_sees_the_label_and_not_the_answer_of_the_metric() -> None:
    """Where the metric errs, the label's side is already lost: nothing is to be done."""
    batch = triplets([0.2])
    wrong = 1 - batch.label
    objective = FlipPreference.make(PixelL2(), batch.left, batch.right, wrong)
    assert objective.reached(objective.value(batch.reference)).all()
    assert Setting(small_attack("l2-pgd"), "l2-pgd", PixelL2(), batch).run(0.1)[0].broken.tolist() == [False]
