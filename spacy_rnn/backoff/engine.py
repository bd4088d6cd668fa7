"""What counts n-grams and asks models of them: the compiled engine, or plain array operations where there is none."""

from typing import Any

from ..native import library
from . import reference

functions: Any = reference if library is None else library
