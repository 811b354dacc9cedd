"""The seam of channels: what `--through` sends a picture through before it is judged.

    jpeg(q=75)               saved as a JPEG file and opened again
    resize(share=0.5)        made smaller, and enlarged again
    resize(0.5),jpeg(75)     one after the other

A channel is given bytes and gives bytes, by the program that a site would use. An attack climbs an expectation over
transformations (Athalye et al., arXiv:1707.07397): the channel itself and those `near` it. Where bytes are rounded the
gradient goes straight through.
"""

import inspect
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

import numpy as np
import torch

from perceptbench.core.errors import UserError
from perceptbench.core.ref import Ref
from perceptbench.core.registry import Registry
from perceptbench.core.tensors import Images
from perceptbench.triplets.constructed.distortions import Pixels

MOST = 8
"""Channels of one chain."""
_LEVELS = 255
_BARE = re.compile(r"([\w-]+)\(\s*([0-9.]+)\s*\)")


class Channel:
    """One thing that is done to a picture. Subclasses are dataclasses whose fields are the arguments users type."""

    def send(self, x: Pixels) -> Pixels:
        """What arrives of a picture (h, w, 3), in bytes and in the same size."""
        raise NotImplementedError

    def soft(self, x: Images) -> Images:
        """A linear map with the gradient that an attack follows; the images themselves, unless overridden."""
        return x

    def near(self) -> Sequence["Channel"]:
        """Other channels that count as much in the gradient as this one; none, unless overridden."""
        return ()


channel: Registry[Channel] = Registry("channel", "perceptbench.attacks.through", word="channels", of=Channel)


@dataclass(frozen=True)
class Chain:
    """Channels one after the other. Images are rounded to bytes before the first one."""

    channels: tuple[Channel, ...]

    @torch.no_grad()
    def arrived(self, x: Images) -> Images:
        """What is judged of images (n, 3, h, w) in [0, 1]: multiples of 1/255. It has no gradient."""
        pictures = (x * _LEVELS).round().clamp(0, _LEVELS).to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
        sent = np.stack([self._sent(picture) for picture in pictures])
        return torch.from_numpy(sent).permute(0, 3, 1, 2).contiguous().to(x) / _LEVELS

    def _sent(self, picture: Pixels) -> Pixels:
        for one in self.channels:
            picture = one.send(picture)
        return picture

    def straight(self, x: Images) -> Images:
        """The same images with a gradient: that of the linear maps, as if nothing had been rounded."""
        soft = x
        for one in self.channels:
            soft = one.soft(soft)
        return self.arrived(x) + (soft - soft.detach())

    def near(self) -> tuple["Chain", ...]:
        """The chains whose gradients are averaged with that of this one."""
        ways = zip_longest(*(one.near() for one in self.channels))
        filled = [tuple(new or old for new, old in zip(way, self.channels, strict=True)) for way in ways]
        return tuple(replace(self, channels=way) for way in filled)


def named(texts: Sequence[str]) -> tuple[Ref, ...]:
    """The channels that `--through` names, with every argument; a number alone is the first one: `resize(0.5)`.

    Raises UserError for an unknown name or argument, for no channel, and for more than MOST.
    """
    words = [word.strip() for text in texts for word in re.split(r",(?![^()]*\))", text)]
    if not 0 < len(words) <= MOST:
        raise UserError(f"--through wants 1 to {MOST} channels, got {len(words)}")
    return tuple(_resolved(word) for word in words)


def _resolved(word: str) -> Ref:
    bare = _BARE.fullmatch(word)
    if bare:
        name, number = bare.groups()
        first = next(iter(inspect.signature(channel.factory(name)).parameters), None)
        word = f"{name}({first}={number})" if first else word
    ref = Ref.parse(word)
    return Ref(ref.name, None, tuple(channel.resolve(ref).items()))


def chain(refs: Sequence[Ref]) -> Chain:
    """The channels themselves. Raises UserError for an argument that makes no sense."""
    return Chain(tuple(channel.build(ref) for ref in refs))
