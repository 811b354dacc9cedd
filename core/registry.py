"""Components by name: a decorator registers one, a call builds it, and a misspelt name gets a hint."""

import difflib
import importlib
import inspect
import math
import pkgutil
from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Generic, TypeVar

from perceptbench.core.card import About, Card
from perceptbench.core.errors import UserError
from perceptbench.core.number import MOST_SEED
from perceptbench.core.ref import Ref, Scalar

_MOST = 1_000_000
"""What an argument may be at most: steps, draws or votes that a machine can do, and factors that float32 can square."""
T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., object])


class Registry(Generic[T]):
    """Factories by name. Discovery imports every module of `package`, so a new component is one new file.

    Args:
        kind: what one is called in messages: "metric".
        package: where the components are.
        word: what `bench list` calls them; by default the last word of `package`.
        group: the entry points through which plug-ins register; by default `bench.<word>`.
    """

    def __init__(self, kind: str, package: str, *, word: str | None = None, group: str | None = None) -> None:
        self.kind = kind
        self.package = package
        self.word = word or package.rpartition(".")[2]
        self.group = group or f"bench.{self.word}"
        self._factories: dict[str, Callable[..., T]] = {}
        self._cards: dict[str, Card] = {}
        self._discovered = False

    def __call__(
        self,
        name: str,
        *,
        source: str,
        licence: str = "Apache-2.0",
        needs: tuple[str, ...] = (),
        about: About | None = None,
    ) -> Callable[[F], F]:
        """Register a factory. Its signature gives the arguments, the first line of its docstring the summary.

        Raises ValueError when the name is taken.
        """

        def register(factory: F) -> F:
            if name in self._factories:
                raise ValueError(f"the {self.kind} {name!r} is registered twice")
            summary = (inspect.getdoc(factory) or "").partition("\n")[0]
            self._factories[name] = factory  # type: ignore[assignment]
            self._cards[name] = Card(name, summary, source, licence, needs, about)
            return factory

        return register

    def names(self) -> list[str]:
        """All registered names, sorted."""
        self._discover()
        return sorted(self._factories)

    def card(self, name: str) -> Card:
        """What is known of a registered name. Raises UserError for an unknown one."""
        self._factory(name)
        return self._cards[name]

    def factory(self, name: str) -> Callable[..., T]:
        """The class or function behind a name. Raises UserError for an unknown one."""
        return self._factory(name)

    def inputs(self, name: str) -> tuple[str, ...]:
        """The parameters without a default, which a user must give."""
        parameters = inspect.signature(self._factory(name)).parameters.values()
        return tuple(p.name for p in parameters if p.default is inspect.Parameter.empty)

    def resolve(self, ref: Ref) -> dict[str, Scalar]:
        """Every argument of the component under its name, defaults filled in.

        Raises UserError for an unknown name or argument, or a value of the wrong type.
        """
        return self._bind(ref)

    def build(self, ref: Ref) -> T:
        """Make the component. Raises UserError as `resolve` does, or when a package is missing."""
        bound = self._bind(ref)
        missing = self._cards[ref.name].missing
        if missing:
            raise UserError(
                f"the {self.kind} {ref.name!r} needs the Python package {', '.join(missing)}, "
                f"which is not installed; run: pip install {' '.join(missing)}"
            )
        return self._factories[ref.name](**bound)

    def _factory(self, name: str) -> Callable[..., T]:
        self._discover()
        if name not in self._factories:
            close = difflib.get_close_matches(name, self._factories, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"see: bench list {self.word}"
            raise UserError(f"unknown {self.kind} {name!r}; {hint}")
        return self._factories[name]

    def _target_parameter(self, ref: Ref) -> str:
        parameters = list(inspect.signature(self._factory(ref.name)).parameters)
        if not parameters:
            raise UserError(f"the {self.kind} {ref.name!r} takes nothing behind a colon, got {str(ref)!r}")
        return parameters[0]

    def _bind(self, ref: Ref) -> dict[str, Scalar]:
        parameters = inspect.signature(self._factory(ref.name)).parameters
        given = dict(ref.args)
        if ref.target is not None:
            given[self._target_parameter(ref)] = ref.target
        for key in given:
            if key not in parameters:
                known = ", ".join(parameters) or "none"
                raise UserError(f"the {self.kind} {ref.name!r} has no argument {key!r}; it has: {known}")
        bound = {}
        for key, parameter in parameters.items():
            if key not in given and parameter.default is inspect.Parameter.empty:
                raise UserError(f"the {self.kind} {ref.name!r} needs {key!r}: write {ref.name}:{key.upper()}")
            value = given.get(key, parameter.default)
            bound[key] = _checked(value, parameter, f"{ref.name}({key}=...)")
        return bound

    def _discover(self) -> None:
        if self._discovered:
            return
        package = importlib.import_module(self.package)
        for module in pkgutil.walk_packages(package.__path__, f"{self.package}."):
            importlib.import_module(module.name)
        for entry in entry_points(group=self.group):
            entry.load()
        self._discovered = True


def _checked(value: Scalar, parameter: inspect.Parameter, where: str) -> Scalar:
    """Refuse a value of the wrong type; an integer may stand for a float."""
    wanted = parameter.annotation
    is_default = value == parameter.default and type(value) is type(parameter.default)
    if is_default or wanted not in (int, float, bool, str):
        return value
    if wanted is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if not isinstance(value, wanted) or (wanted is int and isinstance(value, bool)):
        raise UserError(f"{where} wants {wanted.__name__}, got {value!r}")
    if isinstance(value, int | float) and not 0 <= value < math.inf:
        raise UserError(f"{where} wants a finite number of at least 0, got {value!r}")
    most = MOST_SEED if parameter.name.endswith("seed") else _MOST
    if isinstance(value, int | float) and value > most:
        raise UserError(f"{where} wants at most {most}, got {value:.3g}")
    return value
