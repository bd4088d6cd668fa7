"""What the weights of a layer have to be like: what a file of them is checked against."""

from dataclasses import dataclass
from typing import Any, Callable, Collection, Dict, Mapping, Optional, Tuple

from thinc.api import Model

from .capabilities import find, package_of

Shapes = Dict[str, Tuple[int, ...]]
ShapesOf = Callable[[Mapping[str, int], Mapping[str, Any]], Shapes]


@dataclass(frozen=True)
class Saved:
    """Have weights of a known kind, so that a file that holds something else is refused.

    Of layers that declare nothing, only the numbers themselves are checked.

    shapes (Callable): (dimensions by name, attributes by name) -> the shape of each parameter.
    check (Optional[Callable]): Takes a layer that has been loaded, and raises ValueError if its dimensions or attributes do not
        go together.
    learned (Collection[str]): The attributes that are set when the layer is initialized or trained. All others are settings,
        which have to be those of the config.
    """

    shapes: ShapesOf
    check: Optional[Callable[[Model], None]] = None
    learned: Collection[str] = ()


def find_saved(layer: Model) -> Optional[Saved]:
    """Find what has been declared of the weights of a layer.

    layer (Model): The layer.
    RETURNS (Optional[Saved]): The declaration. One without parameters for the other layers of Thinc, spaCy and this package; None
        for anybody else's.
    """
    declared = find(layer, Saved)
    if declared is not None or layer.param_names or package_of(layer) not in _KNOWN:
        return declared
    return Saved(no_parameters)


def no_parameters(dims: Mapping[str, int], attrs: Mapping[str, Any]) -> Shapes:
    """Give the shapes of a layer without parameters.

    dims (Mapping[str, int]): Its dimensions.
    attrs (Mapping[str, Any]): Its attributes.
    RETURNS (Dict[str, Tuple[int, ...]]): Nothing.
    """
    return {}


def _dense(dims: Mapping[str, int], attrs: Mapping[str, Any]) -> Shapes:
    return {"W": (dims["nO"], dims["nI"]), "b": (dims["nO"],)}


def _maxout(dims: Mapping[str, int], attrs: Mapping[str, Any]) -> Shapes:
    return {"W": (dims["nO"], dims["nP"], dims["nI"]), "b": (dims["nO"], dims["nP"])}


def _layer_norm(dims: Mapping[str, int], attrs: Mapping[str, Any]) -> Shapes:
    return {"G": (dims["nI"],), "b": (dims["nI"],)}


def _table(dims: Mapping[str, int], attrs: Mapping[str, Any]) -> Shapes:
    return {"E": (dims["nV"], dims["nO"])}


def _characters(dims: Mapping[str, int], attrs: Mapping[str, Any]) -> Shapes:
    return {"E": (dims["nC"], dims["nV"], dims["nM"])}


def _sparse_linear(dims: Mapping[str, int], attrs: Mapping[str, Any]) -> Shapes:
    return {"W": (dims["nO"] * dims["length"],), "b": (dims["nO"],)}


def _static_vectors(dims: Mapping[str, int], attrs: Mapping[str, Any]) -> Shapes:
    return {"W": (dims["nO"], dims["nM"])}


def _attention(dims: Mapping[str, int], attrs: Mapping[str, Any]) -> Shapes:
    return {"Q": (dims["nO"],)}


def _lstm(dims: Mapping[str, int], attrs: Mapping[str, Any]) -> Shapes:
    depth, dirs = dims["depth"], dims["dirs"]
    nH = dims["nO"] // dirs
    n_weights = sum(dirs * 4 * nH * (nI + nH + 2) for nI in [dims["nI"], *([nH * dirs] * (depth - 1))])
    return {"LSTM": (n_weights,), "HC0": (2, depth, dirs, nH)}


def _check_wrapper(model: Model) -> None:
    """Compare the widths of a layer with those of the layer in it."""
    for dim in ("nI", "nO"):
        require_same(model, dim, model.layers[0], dim)


def check_chain(model: Model) -> None:
    """Compare the widths of layers that follow each other.

    model (Model): What runs its layers one after the other.
    RAISES (ValueError): If two that are known differ.
    """
    require_same(model, "nI", model.layers[0], "nI")
    require_same(model, "nO", model.layers[-1], "nO")
    for below, above in zip(model.layers, model.layers[1:], strict=False):
        require_same(below, "nO", above, "nI")


def require_same(one: Model, dim: str, other: Model, other_dim: str) -> None:
    """Compare two widths that have to be the same, as far as both are known.

    one (Model): A layer.
    dim (str): The name of its dimension.
    other (Model): Another layer.
    other_dim (str): The name of that one's.
    RAISES (ValueError): If the two differ.
    """
    width, other_width = one.maybe_get_dim(dim), other.maybe_get_dim(other_dim)
    if None not in (width, other_width) and width != other_width:
        raise ValueError(f"the {dim} = {width} of {one.name!r} is not the {other_dim} = {other_width} of {other.name!r}")


_KNOWN = ("spacy", "spacy_rnn", "thinc")
_DENSE = """
    clipped_linear dish gelu hard_swish hard_swish_mobilenet linear mish multisoftmax relu sigmoid softmax swish
""".split()
_WRAPPERS = "resizable residual uniqued with_array with_array2d with_list with_padded with_ragged with_reshape".split()
FOREIGN_WEIGHTS: Dict[str, Saved] = {
    **{f"thinc.layers.{name}": Saved(_dense) for name in _DENSE},
    **{f"thinc.layers.{name}": Saved(no_parameters, _check_wrapper) for name in _WRAPPERS},
    "thinc.layers.chain": Saved(no_parameters, check_chain),
    "thinc.layers.embed": Saved(_table),
    "thinc.layers.hashembed": Saved(_table),
    "thinc.layers.layernorm": Saved(_layer_norm),
    "thinc.layers.lstm": Saved(_lstm),
    "thinc.layers.maxout": Saved(_maxout),
    "thinc.layers.parametricattention": Saved(_attention),
    "thinc.layers.parametricattention_v2": Saved(_attention),
    "thinc.layers.sparselinear": Saved(_sparse_linear),
    "spacy.ml._character_embed": Saved(_characters),
    "spacy.ml.staticvectors": Saved(_static_vectors),
}
