"""The compiled engine: what runs the hot loops on a CPU. It knows arrays of floats, nothing of recurrence layers or Thinc."""

import os
from importlib import import_module
from typing import Any, Optional

# Instruction set to use instead of the best one the processor has, e.g. to compare them.
ISA_VARIABLE = "SPACY_RNN_ISA"


def _load() -> Any:
    # Of the ways to import, this one says in every case which module is missing.
    native = import_module("._native", __name__)
    wanted = os.environ.get(ISA_VARIABLE)
    if wanted:
        try:
            native.select(wanted)
        except ValueError as error:
            raise ValueError(f"{ISA_VARIABLE}: {error}") from error
    return native


library: Any = None
problem: Optional[str] = None
try:
    library = _load()
except ImportError as error:
    problem = str(error)

__all__ = ["ISA_VARIABLE", "library", "problem"]
