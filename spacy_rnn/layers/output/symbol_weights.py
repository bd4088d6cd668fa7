"""The weights of layers that score each symbol by a vector: one of its own, or that of an embedding."""

from typing import Any, Callable, Mapping, Optional, Tuple, cast

from thinc.api import Model, glorot_uniform_init, zero_init
from thinc.types import Floats1d, Floats2d

from ..ops import multiply
from ..saved import Shapes
from .symbol_rows import check_sizes, infer_sizes
from .symbol_scores import Affine


def build_symbol_layer(
    name: str, forward: Callable, nI: Optional[int], nV: Optional[int], tied: Optional[Model], attrs: Mapping[str, Any]
) -> Model[Floats2d, Floats2d]:
    """Build a layer with a weight vector and a bias for each symbol.

    The embedding that weights are tied to becomes a layer inside: its parameters are saved, counted and updated once, wherever
    else the model has it.

    name (str): Its name.
    forward (Callable): Its forward function.
    nI (Optional[int]): The width of its rows.
    nV (Optional[int]): V, the number of symbols.
    tied (Optional[Model]): An embedding, with a parameter "E" [V, width]: its vectors are the weights. If None, the layer has
        weights W [V, nI]. If nI and the embedding's nO are known and differ, P [width, nI] projects rows to the width of vectors.
    attrs (Mapping[str, Any]): Its attributes.
    RETURNS (Model[Floats2d, Floats2d]): The layer.
    RAISES (ValueError): If a size is below 1, or the tied model has no parameter "E".
    """
    check_sizes(nI, nV)
    names, width = ["W", "b"], None
    if tied is not None:
        if "E" not in tied.param_names:
            raise ValueError(
                f"weights can be tied to those of an embedding, a parameter E [V, width], but {tied.name!r} has none"
            )
        width = tied.maybe_get_dim("nO")
        width = None if None in (nI, width) or nI == width else width
        names = ["b"] if width is None else ["P", "b"]
    return Model(
        name,
        forward,
        init=init,
        layers=[] if tied is None else [tied],
        dims={"nI": nI, "nV": nV},
        params=dict.fromkeys(names),
        attrs={"tied": tied is not None, "projected_width": width, **attrs},
    )


def init(model: Model[Floats2d, Floats2d], X: Optional[Floats2d] = None, Y: Optional[Floats2d] = None) -> None:
    if model.layers:
        embedding = model.layers[0]
        if not embedding.has_param("E"):
            raise ValueError(f"{model.name!r} is tied to the embedding {embedding.name!r}: initialize that one first")
        if model.has_dim("nV") is None:
            model.set_dim("nV", len(cast(Floats2d, embedding.get_param("E"))))
    infer_sizes(model, X, Y)
    check_tied(model)
    for name, shape in symbol_shapes({dim: model.get_dim(dim) for dim in ("nI", "nV")}, model.attrs).items():
        model.set_param(name, (zero_init if name == "b" else glorot_uniform_init)(model.ops, shape))


def weights_of(model: Model[Floats2d, Floats2d]) -> Affine:
    """Give what makes scores from rows that `project` has projected.

    model (Model[Floats2d, Floats2d]): A layer made by `build_symbol_layer`.
    RETURNS (Affine): Its own weights or those of the embedding, and its bias.
    """
    W = model.layers[0].get_param("E") if model.layers else model.get_param("W")
    return Affine(cast(Floats2d, W), cast(Floats1d, model.get_param("b")))


def whole_weights_of(model: Model[Floats2d, Floats2d]) -> Affine:
    """Give what makes scores from rows as they are.

    model (Model[Floats2d, Floats2d]): A layer made by `build_symbol_layer`.
    RETURNS (Affine): Weights [V, nI], in which the projection of the rows is contained, and the bias.
    """
    W, b = weights_of(model)
    return Affine(multiply(model.ops, W, model.get_param("P")) if model.has_param("P") else W, b)


def project(model: Model[Floats2d, Floats2d], H: Floats2d) -> Floats2d:
    """Bring rows to the width of the symbols' vectors.

    model (Model[Floats2d, Floats2d]): A layer made by `build_symbol_layer`.
    H (Floats2d): [N, nI], the rows.
    RETURNS (Floats2d): [N, width], the same rows if they have it.
    """
    return multiply(model.ops, H, model.get_param("P"), trans2=True) if model.has_param("P") else H


def add_gradients(model: Model[Floats2d, Floats2d], H: Floats2d, d_projected: Floats2d, d_affine: Affine) -> Floats2d:
    """Add gradients to those of a layer's parameters.

    model (Model[Floats2d, Floats2d]): A layer made by `build_symbol_layer`.
    H (Floats2d): [N, nI], its rows.
    d_projected (Floats2d): [N, width], the gradient of the rows that `project` has given.
    d_affine (Affine): The gradients of the weights.
    RETURNS (Floats2d): The gradient of H [N, nI].
    """
    if model.layers:
        model.layers[0].inc_grad("E", d_affine.W)
    else:
        model.inc_grad("W", d_affine.W)
    model.inc_grad("b", d_affine.b)
    if not model.has_param("P"):
        return d_projected
    model.inc_grad("P", multiply(model.ops, d_projected, H, trans1=True))
    return multiply(model.ops, d_projected, model.get_param("P"))


def symbol_shapes(dims: Mapping[str, int], attrs: Mapping[str, Any]) -> Shapes:
    """Give the shapes of the parameters of a layer made by `build_symbol_layer`.

    dims (Mapping[str, int]): Its dimensions.
    attrs (Mapping[str, Any]): Its attributes.
    RETURNS (Dict[str, Tuple[int, ...]]): The shape of each parameter.
    """
    shapes: Shapes = {"b": (dims["nV"],)}
    if not attrs["tied"]:
        shapes["W"] = (dims["nV"], dims["nI"])
    if attrs["projected_width"] is not None:
        shapes["P"] = (attrs["projected_width"], dims["nI"])
    return shapes


def check_tied(model: Model[Floats2d, Floats2d]) -> None:
    """Compare a layer with the embedding that its weights are tied to.

    model (Model[Floats2d, Floats2d]): A layer made by `build_symbol_layer`.
    RAISES (ValueError): If the embedding has another number of symbols, or vectors of another width.
    """
    if not model.layers or not model.layers[0].has_param("E"):
        return
    shape: Tuple[int, ...] = model.layers[0].get_param("E").shape
    width = model.attrs["projected_width"]
    expected = (model.maybe_get_dim("nV"), width if width is not None else model.maybe_get_dim("nI"))
    if any(size not in (None, found) for size, found in zip(expected, shape, strict=True)):
        raise ValueError(
            f"{model.name!r} scores {expected[0]} symbols by vectors of width {expected[1]}, but is tied to the embedding "
            f"{model.layers[0].name!r} with vectors {shape}"
        )
