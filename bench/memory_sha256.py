"""The SHA-256 of what an object holds, so that a stored answer is never served for another one.

It covers attributes, tensors, arrays, closures, and the globals that functions name. Code of `__main__` (a notebook, a
script) is taken from its byte code, so that unrelated cells and lines do not matter; of code in files the modules are
noted, whose closure is hashed elsewhere (core/source_code.py). What an object of an extension module holds is what it
gives to be pickled; nothing is unpickled.
"""

import builtins
import copyreg
import hashlib
import secrets
import sys
import threading
import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from types import (
    BuiltinFunctionType,
    CodeType,
    FunctionType,
    MethodDescriptorType,
    MethodType,
    MethodWrapperType,
    ModuleType,
    WrapperDescriptorType,
)
from typing import Any

import numpy as np
from torch import Tensor, nn

from perceptbench.core.source_code import OF_FILE, is_installed
from perceptbench.core.tensors import tensor_bytes
from perceptbench.metrics.held import slots_of

_PLAIN = (type(None), bool, int, float, complex, str, bytes)


@dataclass(frozen=True)
class Remembered:
    """What was found in an object.

    Args:
        sha256: of all that it holds; a random one where something cannot be read.
        modules: the names of the modules in files whose code it uses.
        unreadable: what cannot be read, in words; empty where everything can.
    """

    sha256: str
    modules: frozenset[str] = frozenset()
    unreadable: tuple[str, ...] = ()


def memory_sha256(thing: object) -> Remembered:
    """What an object holds. Where something cannot be read, nothing stored is taken for its answer."""
    walk = _Walk()
    try:
        walk(thing)
    except Exception as error:  # whatever the attributes of a user's object raise
        walk.unreadable.append(f"{type(thing).__name__} ({type(error).__name__}: {error})")
    sha256 = secrets.token_hex(32) if walk.unreadable else walk.digest.hexdigest()
    return Remembered(sha256, frozenset(walk.modules), tuple(dict.fromkeys(walk.unreadable)))


class _Walk:
    """Everything that can be reached from a thing, once."""

    def __init__(self) -> None:
        self.digest = hashlib.sha256()
        self.modules: set[str] = set()
        self.unreadable: list[str] = []
        self._numbers: dict[int, int] = {}
        self._alive: list[object] = []
        """What was seen stays alive, or another object could get its number."""

    def __call__(self, thing: Any) -> None:
        if isinstance(thing, _PLAIN):
            return self._note(type(thing).__name__, repr(thing))
        if id(thing) in self._numbers:
            return self._note("again", self._numbers[id(thing)])
        self._numbers[id(thing)] = len(self._numbers)
        self._alive.append(thing)
        read = next((read for kinds, read in self._readers() if isinstance(thing, kinds)), self._object)
        self._note(type(thing).__name__)
        read(thing)
        if read not in (self._object, self._class, self._module):
            # Subclasses of list, dict and array, functions and tensors may hold attributes too.
            held = getattr(thing, "__dict__", {})
            self._all(*(item for item in held.items() if isinstance(item[1], _DATA)))
        return None

    def _readers(self) -> Iterable[tuple[Any, Callable[[Any], None]]]:
        return (
            (Tensor, self._tensor), (np.ndarray, self._array), (dict, lambda one: self._all(*one.items())),
            ((list, tuple), lambda one: self._all(len(one), *one)), ((set, frozenset), self._set),
            (partial, lambda one: self._all(one.func, one.args, one.keywords)),
            (MethodType, lambda one: self._all(one.__func__, one.__self__)),
            (FunctionType, self._function), (CodeType, self._code), (type, self._class), (ModuleType, self._module),
        )  # fmt: skip

    def _note(self, *words: object) -> None:
        self.digest.update("\0".join(map(str, words)).encode(errors="surrogatepass") + b"\n")

    def _all(self, *things: Any) -> None:
        for thing in things:
            self(thing)

    def _set(self, one: Any) -> None:
        found = [memory_sha256(item) for item in one]
        self._note(*sorted(item.sha256 for item in found))
        for item in found:
            self.modules |= item.modules
            self.unreadable += item.unreadable

    def _tensor(self, one: Tensor) -> None:
        self._note(one.dtype, *one.shape)
        self.digest.update(tensor_bytes(one))

    def _array(self, one: np.ndarray) -> None:
        self._note(one.dtype, *one.shape)
        self._all(one.tolist()) if one.dtype.hasobject else self.digest.update(one.tobytes())

    def _function(self, one: FunctionType) -> None:
        self._note(_plain_name(one.__module__), one.__qualname__)
        if self._by_file(one.__module__) and not _is_yours(one.__module__):
            return
        self._all(one.__defaults__, one.__kwdefaults__, [cell.cell_contents for cell in one.__closure__ or ()])
        if self._by_file(one.__module__):
            return
        self._code(one.__code__, one.__doc__)
        for name in _names(one.__code__):
            if name in one.__globals__:
                self._all(name, one.__globals__[name])
            elif not hasattr(builtins, name):
                self._note("no global", name)

    def _code(self, one: CodeType, doc: str | None = None) -> None:
        self.digest.update(one.co_code)
        constants = one.co_consts[1:] if doc is not None and one.co_consts[:1] == (doc,) else one.co_consts
        self._all(one.co_names, one.co_varnames, one.co_freevars, constants)

    def _class(self, one: type) -> None:
        self._note(one.__qualname__)
        if one.__module__ != "builtins" and not self._by_file(one.__module__):
            self._all(*one.__bases__)
            for name, value in vars(one).items():
                if name not in ("__dict__", "__weakref__", "__module__", "__firstlineno__", "__static_attributes__"):
                    self._all(name, value)

    def _module(self, one: ModuleType) -> None:
        if not self._by_file(one.__name__):
            self._note(one.__name__)

    def _by_file(self, name: str | None) -> bool:
        """Whether the code of a module is known by its file; it is then noted."""
        if name is None or name == "__main__" or name not in sys.modules:
            return False
        if name not in self.modules:
            self.modules.add(name)
            self._data_of(name)
        return True

    def _data_of(self, name: str) -> None:
        """What a user's module holds besides code: numbers, tensors and arrays that it may have read from files."""
        for key, value in list(vars(sys.modules[name]).items()) if _is_yours(name) else ():
            if not key.startswith("__") and isinstance(value, _DATA):
                self._all(key, value)

    def _object(self, one: Any) -> None:
        """Anything else: its class, and what it holds."""
        if isinstance(one, staticmethod | classmethod | property):
            return self._all(*(getattr(one, name, None) for name in ("__func__", "fget", "fset")))
        if isinstance(one, _WRITTEN_IN_C):
            self._note(one.__qualname__)
            owner = getattr(one, "__self__", None)
            return None if owner is None or isinstance(owner, ModuleType) else self(owner)
        if isinstance(one, _CACHED):
            return self(one.__wrapped__)
        self(type(one))
        slots = slots_of(type(one))
        self._all(*((name, getattr(one, name)) for name in slots if hasattr(one, name)))
        # Whether a module is in training mode makes no difference: it is evaluated.
        self._all(*(item for item in getattr(one, "__dict__", {}).items() if item[0] != "training"))
        if not isinstance(one, _IDLE) and (_packs_itself(type(one)) or _hides(type(one), len(slots))):
            self._packed(one)
        return None

    def _packed(self, one: Any) -> None:
        """What an object of an extension module gives to be pickled."""
        pack = copyreg.dispatch_table.get(type(one))
        try:
            given: Any = pack(one) if pack else one.__reduce_ex__(4)
        except Exception as error:  # whatever an extension raises
            self.unreadable.append(f"{type(one).__module__}.{type(one).__qualname__} ({error})")
            return
        for part in [given] if isinstance(given, str) else given:
            self(list(part) if hasattr(part, "__next__") else part)


_WRITTEN_IN_C = (BuiltinFunctionType, MethodWrapperType, MethodDescriptorType, WrapperDescriptorType)
_CACHED = type(lru_cache(len))
_DATA = (*_PLAIN, Tensor, nn.Module, np.ndarray, np.generic, list, tuple, dict, set, frozenset)
"""What counts of a module in a file: its code is hashed with what it imports."""
_IDLE = (type(threading.Lock()), type(threading.RLock()), weakref.ReferenceType)
"""Objects whose state decides no number."""


def _packs_itself(kind: type) -> bool:
    """Whether a class says by a method of its own what an object holds."""
    own = any(getattr(kind, name) is not getattr(object, name) for name in ("__reduce_ex__", "__reduce__"))
    return own or kind in copyreg.dispatch_table


def _hides(kind: type, slots: int) -> bool:
    """Whether objects hold more than attributes: they then take more memory than these need."""
    word = object.__basicsize__ // 2
    pointers = slots + (kind.__dictoffset__ > 0) + (kind.__weakrefoffset__ > 0)
    return kind.__itemsize__ > 0 or kind.__basicsize__ > object.__basicsize__ + word * pointers


def _is_yours(name: str) -> bool:
    """Whether a module is neither of this project nor of Python nor of an installed package."""
    file = getattr(sys.modules[name], "__file__", None)
    return not name.startswith("perceptbench.") and file is not None and not is_installed(Path(file))


def _plain_name(module: str | None) -> str:
    """Without the place of a user's file; '' for a script or a notebook."""
    return "" if module in (None, "__main__") else str(module).partition(OF_FILE)[0]


def _names(code: CodeType) -> list[str]:
    """The names that a function and those inside it use."""
    inner = [name for const in code.co_consts if isinstance(const, CodeType) for name in _names(const)]
    return list(dict.fromkeys((*code.co_names, *inner)))
