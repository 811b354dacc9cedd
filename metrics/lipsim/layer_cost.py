"""What a LipSim network costs, counted from its shape alone: for files whose header may describe any network."""

from collections.abc import Iterator
from dataclasses import dataclass

from perceptbench.core.errors import UserError
from perceptbench.metrics.lipsim.shape import LipSimConfig

_MOST_LAYERS = 256
_MOST_PARAMETERS = 300_000_000
_MOST_MACS = 200_000_000_000
_MOST_WORK = 300_000_000_000
_MOST_VALUES = 2**27


@dataclass(frozen=True, slots=True)
class LayerCost:
    """Of one layer.

    Args:
        parameters: of its maps.
        macs: multiply-adds for one image.
        work: multiply-adds in float64 to derive its weights when a file is loaded.
        values: the most numbers that are held at once: an image between layers, or a Gram matrix.
    """

    parameters: int
    macs: int
    work: int
    values: int


def refuse_costly(config: LipSimConfig, where: str) -> None:
    """Raises UserError for a network that takes more memory, more time an image or more time to load than is bearable.

    The bounds are ten times and more beyond the paper's network (63 M parameters, 4.2 GMAC).
    """
    if sum(config.depths) + len(config.depths) + config.linears + config.folds > _MOST_LAYERS:
        raise UserError(f"{where}: expected a network of at most {_MOST_LAYERS} layers, got {config.words}")
    costs = list(_layers(config))
    for words, got, most in (
        ("parameters", sum(cost.parameters for cost in costs), _MOST_PARAMETERS),
        ("multiply-adds an image", sum(cost.macs for cost in costs), _MOST_MACS),
        ("multiply-adds to load it", sum(cost.work for cost in costs), _MOST_WORK),
        ("numbers at once", max(cost.values for cost in costs), _MOST_VALUES),
    ):
        if got > most:
            raise UserError(f"{where}: expected a network of at most {most:.3g} {words}, got {got:.3g}; use a smaller")


def _layers(config: LipSimConfig) -> Iterator[LayerCost]:
    side = config.size // (config.pre_pool * config.stem)
    yield _stem(config, side)
    for stage, depth in enumerate(config.depths):
        channels, inner, positions = config.stages[stage], config.inners[stage], side**2
        for number in range(depth):
            if config.family == "window":
                window = 2 if number % 3 else 1
                # A shifted window reaches one beyond the border.
                yield _matrix(inner, channels * window**2, (side // window + 1) ** 2, twice=True)
            else:
                yield _convolution(config.family, channels, inner, positions)
        yield LayerCost(0, 0, 0, channels * positions)
        if config.family != "window" or stage + 1 < len(config.depths):
            side //= 2
        if config.family == "window" and stage + 1 < len(config.depths):
            yield _matrix(config.widths[stage + 1], 4 * channels, side**2)
    if config.spectrum:
        square = config.grid**2
        yield LayerCost(0, square**2 * config.stages[-1], square**2, square**2)
        for _ in range(config.folds):
            yield _matrix(config.inners[-1], config.stages[-1], square, twice=True)
    for _ in range(config.linears):
        yield _dense(config)


def _stem(config: LipSimConfig, side: int) -> LayerCost:
    pixels = 3 * config.stem**2
    if config.family == "window":
        return _matrix(config.widths[0], pixels, side**2)
    square = config.stem**4 if config.basis == "dct" else 0
    return LayerCost(0, 3 * square * side**2, square, max(config.channels * side**2, 3 * config.size**2, square))


def _matrix(inner: int, features: int, positions: int, twice: bool = False) -> LayerCost:
    """Orthonormal rows (inner, features) at so many positions, and back again where they fold."""
    work = 3 * inner**2 * features + 10 * inner**3
    values = max(2 * inner * features, inner**2, features * positions)
    return LayerCost(inner * features, (1 + twice) * inner * features * positions, work, values)


def _convolution(family: str, channels: int, inner: int, positions: int) -> LayerCost:
    """3 x 3. Its Gram matrix has 5 x 5 taps."""
    if family == "sll":
        held = max(25 * inner**2, channels * positions, inner * positions)
        return LayerCost(9 * channels * inner, 18 * channels * inner * positions, 225 * inner**2 * channels, held)
    held = max(25 * channels**2, channels * positions)
    return LayerCost(9 * channels**2, 9 * channels**2 * positions, 225 * channels**3, held)


def _dense(config: LipSimConfig) -> LayerCost:
    inner, features = config.linear_inner, config.features
    if config.family in ("sll", "window"):
        return _matrix(inner, features, 1, twice=True)
    return LayerCost(features * inner, features * inner, 30 * features * inner**2, features * inner)
