"""How exactly recurrent layers compute."""

from dataclasses import dataclass

from thinc.api import Model

from ...recurrence import known_precisions
from ..capabilities import IsRnn, find_all


@dataclass(frozen=True)
class Precision:
    """The numbers whose products a recurrent layer sums.

    The sums, the weights and the states are always float32; so is all of training on a CPU.

    Thinc does not save an attribute that is no plain data, so what a config says holds also for weights that were saved under
    another precision.

    value (str): A name that some engine knows, e.g. "float32".
    """

    value: str


def as_precision(name: str) -> Precision:
    """Look a precision up by its name.

    name (str): "float32", "tf32", "bfloat16", or what an engine of your own has.
    RETURNS (Precision): The precision.
    RAISES (ValueError): If no engine has it.
    """
    if name not in known_precisions():
        raise ValueError(f"precision must be one of {', '.join(sorted(known_precisions()))}, got {name!r}")
    return Precision(name)


def set_precision(model: Model, name: str) -> None:
    """Set the precision of the recurrent layers of a model, e.g. of one that has been loaded.

    model (Model): Any model, e.g. that of a component.
    name (str): "float32", "tf32", "bfloat16", or what an engine of your own has.
    RAISES (ValueError): If no engine has it.
    """
    precision = as_precision(name)
    for node in find_all(model, IsRnn):
        node.attrs["precision"] = precision
