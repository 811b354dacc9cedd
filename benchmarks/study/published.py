"""Scores that others published: facts to set beside ours, never measured here."""

from dataclasses import dataclass

SOURCE = "LipSim, arXiv:2310.18274, table 2: 1,824 NIGHTS test triplets"


@dataclass(frozen=True, slots=True)
class Published:
    """Scores in percent; `certified` is at 108/255 in pixel l2, with the paper's radius."""

    teacher: str
    stage: str
    natural: float
    certified: float


LIPSIM = (
    Published("DINO", "pretrained", 86.90, 2.25),
    Published("DINO", "margin 0.2", 88.87, 7.29),
    Published("DINO", "margin 0.5", 86.18, 17.32),
    Published("OpenCLIP", "pretrained", 79.06, 0.88),
    Published("OpenCLIP", "margin 0.2", 82.51, 12.50),
    Published("OpenCLIP", "margin 0.5", 81.90, 19.57),
    Published("DreamSim", "pretrained", 86.62, 1.81),
    Published("DreamSim", "margin 0.2", 88.60, 9.43),
    Published("DreamSim", "margin 0.5", 85.09, 19.02),
)
