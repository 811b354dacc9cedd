"""How robust perceptual image-similarity metrics are: under attack, and with proof."""

from importlib.metadata import version as _version

__version__ = _version("perceptbench")
