"""What is sent through a channel, against Pillow itself and against channels whose smallest flip is known."""

import io
import math
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from perceptbench.attacks.base import Attack, Objective, attack
from perceptbench.attacks.threats.lp import Ball, ball_of
from perceptbench.attacks.threats.sent import AfterChannel, Sent
from perceptbench.attacks.through.base import MOST, Chain, Channel, chain, channel, named
from perceptbench.core.errors import UserError
from perceptbench.core.ref import Ref
from perceptbench.metrics.classical.pixel import PixelL2
from perceptbench.testing.attack_setting import Setting, run_each, small_attack
from perceptbench.testing.samples import generator, random_images, triplets
from perceptbench.triplets.base import Triplets

RADII = [0.1, 0.2, 0.3, 0.4]
NORMS = ("l2", "linf")


def pictures(x: Tensor) -> list[Image.Image]:
    """As a PNG file would hold them."""
    return [Image.fromarray((one.permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)) for one in x]


def tensors(found: list[Image.Image]) -> Tensor:
    return torch.stack([torch.from_numpy(np.array(one)).permute(2, 0, 1) for one in found]).float() / 255


def by_pillow(name: str, picture: Image.Image) -> Image.Image:
    """The channel, written down once more."""
    if name.startswith("jpeg"):
        stream = io.BytesIO()
        picture.save(stream, "JPEG", quality=int(name[5:-1]), subsampling="4:2:0")
        return Image.open(io.BytesIO(stream.getvalue())).convert("RGB")
    if name.startswith("resize"):
        share, size = float(name[7:-1]), picture.size
        small = picture.resize(tuple(round(side * share) for side in size), Image.Resampling.BICUBIC)
        return small.resize(size, Image.Resampling.BICUBIC)
    return picture


@pytest.mark.parametrize(
    "words",
    [("jpeg(75)",), ("jpeg(20)",), ("resize(0.5)",), ("resize(0.3)",), ("8bit",), ("resize(0.5)", "jpeg(60)"),
     ("jpeg(60)", "resize(0.5)"), ("jpeg(30)", "jpeg(90)", "jpeg(30)")],
)  # fmt: skip
def test_what_arrives_is_what_pillow_makes_one_channel_after_the_other(words: tuple[str, ...]) -> None:
    x = random_images(3, 20, 24, seed=1)
    wanted = pictures(x)
    for name in words:
        wanted = [by_pillow(name, picture) for picture in wanted]
    made = chain(named([",".join(words)]))
    assert torch.equal(made.arrived(x), tensors(wanted))
    assert torch.equal(made.straight(x.clone().requires_grad_()), tensors(wanted))


def test_a_number_alone_is_the_first_argument_and_every_argument_is_said() -> None:
    assert [str(one) for one in named(["jpeg(75),resize(0.5)"])] == ["jpeg(q=75)", "resize(share=0.5)"]
    assert named(["jpeg"]) == named(["jpeg(q=75)"])
    assert [str(one) for one in named(["8bit", "jpeg(q=50)"])] == ["8bit", "jpeg(q=50)"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("jpg", "unknown channel 'jpg'"),
        ("jpeg(q=0)", "wants a quality from 1 to 95, got 0"),
        ("jpeg(q=96)", "wants a quality from 1 to 95, got 96"),
        ("jpeg(quality=50)", "has no argument 'quality'; it has: q"),
        ("jpeg(0.5)", "wants int"),
        ("resize(1)", "wants a share of the side"),
        ("resize(0)", "wants a share of the side"),
        (",".join(["jpeg"] * (MOST + 1)), f"1 to {MOST} channels, got {MOST + 1}"),
        ("jpeg,,8bit", "expected a name"),
    ],
)
def test_a_channel_that_makes_no_sense_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(UserError) as caught:
        chain(named([text]))
    assert sentence in str(caught.value)


@pytest.mark.parametrize(("name", "away"), [("resize(0.5)", 2.0), ("resize(0.3)", 2.0), ("jpeg(95)", 8.0)])
def test_the_linear_map_that_an_attack_follows_is_that_of_the_codec(name: str, away: float) -> None:
    """Away from rounding and clipping, smooth images come out as the codec makes them, to so many grey levels."""
    x = 0.3 + 0.4 * torch.nn.functional.interpolate(random_images(2, 4, seed=2), (32, 32), mode="bicubic").clamp(0, 1)
    made = chain(named([name]))
    soft = x
    for one in made.channels:
        soft = one.soft(soft)
    assert (soft - made.arrived(x)).abs().max() < away / 255


def test_chroma_is_halved_and_luma_is_not() -> None:
    soft = channel.build(Ref("jpeg")).soft
    stripes = torch.zeros(1, 3, 8, 8)
    stripes[..., ::2] = 0.2
    torch.testing.assert_close(soft(stripes), stripes)
    coloured = torch.zeros(1, 3, 8, 8)
    coloured[:, 0, :, ::2], coloured[:, 2, :, ::2] = 0.114, -0.299
    torch.testing.assert_close(soft(coloured), coloured.mean(3, keepdim=True).expand_as(coloured))
    assert soft(random_images(1, 7, 9)).shape == (1, 3, 7, 9)


@dataclass(frozen=True)
class Energy(Objective):
    """Half the squared length, whose gradient is the image that the metric sees."""

    def loss(self, x: Tensor) -> Tensor:
        return x.square().flatten(1).sum(1) / 2

    def reached(self, loss: Tensor) -> Tensor:
        return loss < 0

    def select(self, index: Tensor) -> "Energy":
        return self


def test_the_gradient_is_the_mean_over_the_channel_and_those_near_it_and_the_loss_is_its_own() -> None:
    x, made = random_images(2, 16, seed=3), chain(named(["jpeg(40)"]))
    loss, gradient = AfterChannel(Energy(), made).gradient(x)
    torch.testing.assert_close(loss, Energy().loss(made.arrived(x)), rtol=0, atol=0)
    mean = torch.stack([chain(named([f"jpeg({q})"])).arrived(x) for q in (35, 40, 45)]).mean(0)
    moving = x.clone().requires_grad_()
    (wanted,) = torch.autograd.grad((made.channels[0].soft(moving) * mean).sum(), moving)
    torch.testing.assert_close(gradient, wanted)
    assert torch.equal(AfterChannel(Energy(), made).value(x), loss)


def test_near_chains_change_one_channel_each_and_keep_the_others() -> None:
    near = chain(named(["resize(0.5),jpeg(40)"])).near()
    assert [one.channels[1].q for one in near] == [35, 45]  # type: ignore[attr-defined]
    assert all(one.channels[0] == channel.build(Ref("resize")) for one in near)
    assert chain(named(["jpeg(95)"])).near()[0].channels[0].q == 90  # type: ignore[attr-defined]
    assert len(chain(named(["jpeg(95)"])).near()) == 1
    assert chain(named(["resize(0.5),8bit"])).near() == ()


@dataclass(frozen=True)
class MeanColour(Channel):
    """Only the mean of each channel arrives, which is linear but for its rounding."""

    def send(self, x: np.ndarray) -> np.ndarray:
        return np.broadcast_to(np.rint(x.mean((0, 1), keepdims=True)).astype(np.uint8), x.shape).copy()

    def soft(self, x: Tensor) -> Tensor:
        return x.mean((2, 3), keepdim=True).expand_as(x)


SIDE = 16


def flat_triplets() -> tuple[Triplets, Tensor]:
    """Triplets between two grey images, and the exact radius of the reference before `MeanColour`.

    A mean that must move by t in all three channels takes a change of t everywhere: l2 t sqrt(3) * side.
    """
    draw = generator(5)
    noise = 0.1 * (torch.rand(3, 3, SIDE, SIDE, generator=draw) - 0.5)
    noise = noise - noise.mean((2, 3), keepdim=True)
    grey = torch.tensor([0.40, 0.44, 0.47])[:, None, None, None]
    left, right = torch.full((3, 3, SIDE, SIDE), 0.4), torch.full((3, 3, SIDE, SIDE), 0.6)
    label = torch.zeros(3)
    return Triplets(grey + noise, left, right, label, label, ("a", "b", "c")), 0.5 - torch.tensor([0.40, 0.44, 0.47])


@pytest.mark.parametrize(
    "name",
    ["pgd", "apgd-ce", "l2-pgd", "l2-apgd-ce", "l2-fmn", "l2-ddn", "linf-pgd", "linf-apgd-ce", "linf-fmn"],
)
@pytest.mark.parametrize("norm", NORMS)
def test_attacks_find_the_smallest_change_that_survives_and_none_below(name: str, norm: str) -> None:
    made = small_attack(name, init_norm=2.0)
    if made.norm not in (None, norm):
        pytest.skip("works in the other ball")
    batch, gap = flat_triplets()
    # The mean of what arrives is a whole level, so a flip is known to half a level.
    level = 0.5 / 255
    scale = math.sqrt(3) * SIDE if norm == "l2" else 1.0
    setting = Setting(made, name, PixelL2(), batch, Sent(Ball(norm), Chain((MeanColour(),))))  # type: ignore[arg-type]
    assert not any(run_each(setting, (0.95 * (gap - 1.5 * level) * scale).double()).broken)
    outside = run_each(setting, (1.05 * (gap + 1.5 * level) * scale).double())
    assert all(outside.broken)
    assert all(size >= float((one - 1.5 * level) * scale) for size, one in zip(outside.size, gap, strict=True))


def test_what_does_not_survive_is_no_success() -> None:
    """Without the channel the same attack needs less, and what it finds is gone when only the mean colour arrives."""
    batch, gap = flat_triplets()
    far = Triplets(batch.reference, batch.left, _with_a_stripe(batch.right), batch.label, batch.label, batch.ids)
    eps = 0.5 * float(gap.min()) * math.sqrt(3) * SIDE
    plain = Setting(small_attack("l2-pgd"), "l2-pgd", PixelL2(), far).run(4 * eps)[0]
    assert plain.broken.any()
    sent = Setting(small_attack("l2-pgd"), "l2-pgd", PixelL2(), far, Sent(Ball("l2"), Chain((MeanColour(),)))).run(eps)
    assert not sent[0].broken.any()


def _with_a_stripe(x: Tensor) -> Tensor:
    x = x.clone()
    x[..., ::2], x[..., 1::2] = 0.7, 0.5
    return x


EVERY = [name for name in attack.names() if not attack.card(name).missing and not attack.inputs(name)]


@pytest.mark.parametrize("name", [name for name in EVERY if name != "l2-hash"])
def test_every_attack_is_judged_by_what_pillow_makes_of_its_image(name: str) -> None:
    """Its size is that of the change before; the image that is returned is one that Pillow gives for such a change."""
    made = small_attack(name, steps=6, queries=20, fab_steps=4, fmn_steps=4, starts=1)
    if isinstance(made, Attack) and made.by_embedding:
        pytest.skip("moves embeddings and flips nothing")
    batch, metric = triplets(RADII[:2], height=16, seed=4), PixelL2()
    words = named(["resize(0.5),jpeg(90)"])
    seen: list[Tensor] = []

    @dataclass(frozen=True)
    class Watched(Chain):
        def arrived(self, x: Tensor) -> Tensor:
            seen.append(x.detach().clone())
            return super().arrived(x)

    ball = ball_of(made) if made.norm else Ball("l2")
    setting = Setting(made, name, metric, batch, Sent(ball, Watched(chain(words).channels)))
    (outcome,) = setting.run(1.0 if ball.norm == "l2" else 0.1)
    by_hand = [by_pillow("jpeg(90)", by_pillow("resize(0.5)", one)) for x in seen for one in pictures(x)]
    sent = [one for x in seen for one in x]
    for row, image in enumerate(outcome.adversarial):
        assert torch.equal((image * 255).round() / 255, image)
        sources = [x for x, got in zip(sent, tensors(by_hand), strict=True) if torch.equal(got, image)]
        sizes = [float(ball.measure(batch.reference[row][None], x[None])) for x in sources]
        assert any(math.isclose(size, float(outcome.size[row]), rel_tol=1e-9, abs_tol=1e-12) for size in sizes)
        d0, d1 = (float(metric(image[None], side[row][None])) for side in (batch.left, batch.right))
        flipped = (d0 <= d1) if batch.label[row] else (d1 <= d0)
        assert flipped or not outcome.broken[row]
    assert (outcome.size <= outcome.eps).all()


def test_no_proof_covers_what_arrives() -> None:
    """Not even of the identity of a PNG within a longer chain: a codec is no contraction."""
    assert Sent(Ball("l2"), chain(named(["jpeg"]))).proof is None
    x, made = random_images(16, 16, seed=9), chain(named(["jpeg(20)"]))
    y = x.clone()
    y[:, :, 5, 5] = (y[:, :, 5, 5] + 4 / 255).clamp(0, 1)
    apart, before = (
        (one - other).flatten(1).norm(dim=1) for one, other in ((made.arrived(x), made.arrived(y)), (x, y))
    )
    assert (apart / before).max() > 2
