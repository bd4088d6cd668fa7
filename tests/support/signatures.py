"""The signatures of compiled functions, which often have them in their documentation only."""

import inspect
import re
from typing import Any, Callable, List, Optional

# `name(int a, *, str b="c") -> int`, perhaps after the name of a class.
_DOCUMENTED = re.compile(r"^[\w.]+\((.*?)\)(?: -> .*)?$", re.MULTILINE)
_STARS = {1: inspect.Parameter.VAR_POSITIONAL, 2: inspect.Parameter.VAR_KEYWORD}


def find_signature(function: Callable) -> Optional[inspect.Signature]:
    """Give the signature of a function or a class.

    function (Callable): Any function; of a compiled one the documentation is read, as Cython and CuPy's ufuncs write it.
    RETURNS (Optional[inspect.Signature]): The signature, of a method without `self`; None if there is none to be found.
    """
    try:
        signature = inspect.signature(function)
        return signature.replace(parameters=[each for name, each in signature.parameters.items() if name != "self"])
    except (TypeError, ValueError):
        documented = _DOCUMENTED.match(function.__doc__ or "")
        return None if documented is None else _parse(documented.group(1))


def _parse(text: str) -> inspect.Signature:
    """Read parameters: types stand before names, defaults behind them."""
    parameters: List[inspect.Parameter] = []
    kind: Any = inspect.Parameter.POSITIONAL_OR_KEYWORD
    for part in filter(None, (part.strip() for part in text.split(","))):
        if part == "/":
            parameters = [each.replace(kind=inspect.Parameter.POSITIONAL_ONLY) for each in parameters]
        elif part in ("*", r"\*"):
            kind = inspect.Parameter.KEYWORD_ONLY
        elif part != "self":
            declared, has_default, default = part.partition("=")
            name = declared.split()[-1]
            given = default if has_default else inspect.Parameter.empty
            parameters.append(inspect.Parameter(name.lstrip("*"), _STARS.get(name.count("*"), kind), default=given))
            kind = inspect.Parameter.KEYWORD_ONLY if "*" in name else kind
    return inspect.Signature(parameters)
