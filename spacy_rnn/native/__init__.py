"""The compiled engine: what runs the hot loops on a CPU. It knows arrays of floats, nothing of recurrence layers or Thinc."""

import os
from typing import Any, Optional

# Instruction set to use instead of the best one the processor has, e.g. to compare them.
ISA_VARIABLE = "SPACY_RNN_ISA"


def _load() -> Any:
    from . import _native  # type: ignore[attr-defined]

    wanted = os.environ.get(ISA_VARIABLE)
    if wanted:
        _native.select(wanted)
    return _native


library: Any = None
problem: Optional[str] = None
try:
    library = _load()
except ImportError as error:
    problem = str(error)

__all__ = ["ISA_VARIABLE", "library", "problem"]
