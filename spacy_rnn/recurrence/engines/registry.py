"""Which engine executes what: engines of one kind, best first, and how a user chooses among them."""

import os
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Generic, Iterator, List, Optional, Set, Tuple, TypeVar
from weakref import WeakSet

# The best engine that supports something; each engine can also be asked for by its own name.
AUTO = "auto"
ENGINE_VARIABLE = "SPACY_RNN_ENGINE"

E = TypeVar("E", bound=Any)

_engine: ContextVar[Optional[str]] = ContextVar("spacy_rnn_engine", default=None)
_default = os.environ.get(ENGINE_VARIABLE) or AUTO
# A name that only some of them have means the best engine in the others.
_registries: WeakSet[Any] = WeakSet()


class Engines(Generic[E]):
    """Engines of one kind in the order in which they are asked whether they support something."""

    def __init__(self, *engines: E) -> None:
        """Register engines.

        *engines (E): The engines, best first, each with a `name` and a method `supports`. The last one supports everything.
        """
        self._engines: List[E] = list(engines)
        _registries.add(self)

    @property
    def names(self) -> Tuple[str, ...]:
        """The names of the engines, best first."""
        return tuple(engine.name for engine in self._engines)

    @property
    def fallback(self) -> E:
        """The last engine, which supports everything."""
        return self._engines[-1]

    def __iter__(self) -> Iterator[E]:
        return iter(self._engines)

    def register(self, engine: E) -> None:
        """Register an engine as the best one.

        engine (E): The engine.
        RAISES (ValueError): If its name is taken.
        """
        if engine.name in (AUTO, *self.names):
            raise ValueError(f"the name {engine.name!r} is taken: expected one besides {', '.join((AUTO, *self.names))}")
        self._engines.insert(0, engine)

    def unregister(self, name: str) -> None:
        """Remove an engine.

        name (str): Its name.
        RAISES (ValueError): If there is no such engine.
        """
        if name not in self.names:
            raise ValueError(f"unknown engine {name!r}: expected one of {', '.join(self.names)}")
        self._engines = [engine for engine in self._engines if engine.name != name]

    def select(self, *problem: Any) -> E:
        """Pick the engine that executes something.

        *problem (Any): What `supports` of these engines takes.
        RETURNS (E): The one that `use_engine` or the environment variable SPACY_RNN_ENGINE names, if it is one of these; else the
            best one that supports it.
        RAISES (ValueError): If that engine does not support it, or the environment names no engine.
        """
        name = _engine.get() or _default
        if name != AUTO:
            for engine in self._engines:
                if engine.name == name:
                    return _require(engine, problem)
            _check_name(name, f"{ENGINE_VARIABLE}: ")
        for engine in self._engines:
            if engine.supports(*problem):
                return engine
        raise ValueError(f"none of the engines {', '.join(self.names)} supports this")


@contextmanager
def use_engine(name: str) -> Iterator[None]:
    """Choose the engine of recurrences and conditional random fields inside a `with` block.

    It overrides the environment variable SPACY_RNN_ENGINE, for the thread that enters the block and not for threads started in
    it.

    name (str): "auto" for the best engine that supports what is executed; or the name of an engine: "reference", "cpu", "cuda",
        or one that has been registered.
    RAISES (ValueError): If there is no such engine.
    """
    _check_name(name)
    token = _engine.set(name)
    try:
        yield
    finally:
        _engine.reset(token)


def _require(engine: E, problem: Tuple[Any, ...]) -> E:
    if not engine.supports(*problem):
        raise ValueError(
            f"the engine {engine.name!r} cannot execute this cell, or not on these arrays: use {AUTO!r} for the best one that can"
        )
    return engine


def _check_name(name: str, where: str = "") -> None:
    names: Set[str] = {AUTO}.union(*(registry.names for registry in _registries))
    if name not in names:
        raise ValueError(f"{where}unknown engine {name!r}: expected one of {', '.join(sorted(names))}")
