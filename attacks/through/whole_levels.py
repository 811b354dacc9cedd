"""Saved as a PNG file: 8 bits a channel and nothing else."""

from dataclasses import dataclass

from perceptbench.attacks.through.base import Channel, channel
from perceptbench.triplets.constructed.distortions import Pixels


@channel("8bit", source="ISO/IEC 15948")
@dataclass(frozen=True)
class WholeLevels(Channel):
    """Rounded to whole levels of 1/255; alone it is `--quantize 8bit`, within a longer chain it changes nothing."""

    def send(self, x: Pixels) -> Pixels:
        return x
