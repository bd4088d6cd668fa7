"""Generation in compiled code: layers over symbols, the softmax over the symbol that follows, and drawing."""

from typing import Any, Collection, Dict, List, Optional, Sequence, Tuple

import numpy

from ..cells import Array, Cell, State
from ..interface import Generated, StackSession
from .base import as_table_rows


class CpuStackSession(StackSession):
    """A session of compiled code."""

    def __init__(self, cell: Cell, native: Any, n_symbols: int, n_inputs: int, shape: Tuple[int, int]) -> None:
        """Begin.

        cell (Cell): The cell.
        native (spacy_rnn.native.library.SymbolStack): The packed stack.
        n_symbols (int): V, the symbols that may follow.
        n_inputs (int): The symbols that may be read.
        shape (Tuple[int, int]): Depth and nH.
        """
        self.cell, self.n_symbols = cell, n_symbols
        self._native, self._n_inputs, self._shape = native, n_inputs, shape

    def step(self, symbols: Any, state: State) -> Tuple[Array, Dict[str, Array]]:
        numbers = as_table_rows(symbols, self._n_inputs)
        before = self._states(state, len(numbers))
        after = {name: numpy.empty_like(array) for name, array in before.items()}
        Y = numpy.empty((len(numbers), self.n_symbols), "float32")
        self._native.step(numbers, before["h"], before.get("c"), after["h"], after.get("c"), Y)
        return Y, after

    def generate(
        self,
        symbols: Any,
        state: State,
        uniforms: numpy.ndarray,
        *,
        temperature: float = 1.0,
        top_k: int = 0,
        top_p: float = 1.0,
        min_p: float = 0.0,
        repetition_penalty: float = 1.0,
        greedy: bool = False,
        forbidden: Collection[int] = (),
        stops: Collection[int] = (),
        stop_sequences: Sequence[Sequence[int]] = (),
        before: Optional[numpy.ndarray] = None,
        seen: Optional[numpy.ndarray] = None,
    ) -> Generated:
        numbers = as_table_rows(symbols, self._n_inputs)
        n, n_symbols = len(numbers), self.n_symbols
        states = self._states(state, n)
        _check_settings(temperature, top_k, top_p, min_p, repetition_penalty)
        _require("uniforms", uniforms, "float64", (n, None))
        if not ((uniforms >= 0) & (uniforms < 1)).all():
            raise ValueError("uniforms: expected numbers in [0, 1)")
        if before is not None:
            _require("before", before, "int64", (n, None))
        if repetition_penalty != 1 and seen is None:
            raise ValueError("a repetition penalty is for symbols that a sequence has: give them as `seen`, bool [B, V]")
        if seen is not None:
            _require("seen", seen, "bool", (n, n_symbols))
            if not (seen.flags.c_contiguous and seen.flags.writeable):
                raise ValueError("seen: expected an array in row-major order that can be written to")
        T = uniforms.shape[1]
        result = Generated(
            numpy.empty((n, T), "int64"),
            numpy.empty((n, T), "float32"),
            numpy.empty(n, "int64"),
            numpy.empty(n, "int64"),
            {name: numpy.empty_like(array) for name, array in states.items()},
        )
        self._native.generate(
            numbers,
            states["h"],
            states.get("c"),
            numpy.ascontiguousarray(uniforms),
            {
                "temperature": temperature,
                "top_k": top_k,
                "top_p": top_p,
                "min_p": min_p,
                "repetition_penalty": repetition_penalty,
                "greedy": greedy,
            },
            self._flags("forbidden symbols", forbidden),
            self._flags("stop symbols", stops),
            [self._symbols("a stop sequence", sequence, 1) for sequence in stop_sequences],
            numpy.empty((n, 0), "int64") if before is None else numpy.ascontiguousarray(before),
            None if seen is None else seen.view("uint8"),
            *result[:4],
            result.state["h"],
            result.state.get("c"),
        )
        return result

    def _states(self, state: State, n: int) -> Dict[str, numpy.ndarray]:
        """Check a state, and give it as compiled code reads it."""
        depth, nH = self._shape
        if set(state) != set(self.cell.states):
            raise ValueError(f"the state of {self.cell.name} has the arrays {sorted(self.cell.states)}, got {sorted(state)}")
        for name, array in state.items():
            _require(f"state {name!r}", array, "float32", (depth, n, nH))
        return {name: numpy.require(array, "float32", ["C", "A"]) for name, array in state.items()}

    def _flags(self, what: str, symbols: Collection[int]) -> numpy.ndarray:
        flags = numpy.zeros(self.n_symbols, "uint8")
        flags[self._symbols(what, symbols)] = 1
        return flags

    def _symbols(self, what: str, symbols: Collection[int], least: int = 0) -> List[int]:
        numbers = [int(symbol) for symbol in symbols]
        if len(numbers) < least:
            raise ValueError(f"{what}: expected one symbol at least, got none")
        for number in numbers:
            if not 0 <= number < self.n_symbols:
                raise ValueError(f"{what}: expected symbols from 0 to {self.n_symbols - 1}, got {number}")
        return numbers


def _check_settings(temperature: float, top_k: int, top_p: float, min_p: float, repetition_penalty: float) -> None:
    for name, value, holds, expected in (
        ("temperature", temperature, 0 < temperature < numpy.inf, "a number above 0"),
        ("top_k", top_k, top_k >= 0, "a whole number of at least 0"),
        ("top_p", top_p, 0 < top_p <= 1, "a number in (0, 1]"),
        ("min_p", min_p, 0 <= min_p <= 1, "a number in [0, 1]"),
        ("repetition_penalty", repetition_penalty, 0 < repetition_penalty < numpy.inf, "a number above 0"),
    ):
        if not holds:
            raise ValueError(f"{name}: expected {expected}, got {value!r}")


def _require(what: str, array: Any, dtype: str, shape: Tuple[Optional[int], ...]) -> None:
    fits = len(shape) == array.ndim and all(size in (None, found) for size, found in zip(shape, array.shape, strict=True))
    if not fits or array.dtype != dtype:
        expected = ", ".join("T" if size is None else str(size) for size in shape)
        raise ValueError(f"{what}: expected {dtype} [{expected}], got {array.dtype} {tuple(array.shape)}")
