"""How exactly recurrent layers compute."""

from enum import Enum

from thinc.api import Model

from ..capabilities import IsRnn, find_all


class Precision(Enum):
    """The numbers whose products a recurrent layer sums. The sums, the weights and the states are always float32; so is all of
    training on a CPU.

    Thinc does not save an attribute that is no plain data, so what a config says holds also for weights that were saved under
    another precision.
    """

    FLOAT32 = "float32"
    TF32 = "tf32"
    BFLOAT16 = "bfloat16"


def as_precision(name: str) -> Precision:
    """Look a precision up by its name.

    name (str): "float32", "tf32" or "bfloat16".
    RETURNS (Precision): The precision.
    RAISES (ValueError): If there is no such precision.
    """
    names = [precision.value for precision in Precision]
    if name not in names:
        raise ValueError(f"precision must be one of {', '.join(names)}, got {name!r}")
    return Precision(name)


def set_precision(model: Model, name: str) -> None:
    """Set the precision of the recurrent layers of a model, e.g. of one that has been loaded.

    model (Model): Any model, e.g. that of a component.
    name (str): "float32", "tf32" or "bfloat16".
    RAISES (ValueError): If there is no such precision.
    """
    precision = as_precision(name)
    for node in find_all(model, IsRnn):
        node.attrs["precision"] = precision
