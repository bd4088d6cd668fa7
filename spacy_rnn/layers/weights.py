"""The weights of a model, checked against its config before they are used."""

from contextlib import contextmanager
from typing import Any, Iterator, List, Mapping, cast

import numpy
import srsly
from thinc.api import Model

from .saved import find_saved

# The square of a larger number, summed over the rows of a layer, can leave the range of float32; no training gets there.
LARGEST = 1e15
# Attributes that a layer keeps from training, or that no prediction depends on: any rate may be in a file.
_RATES = ("dropout", "dropout_rate", "rate", "recurrent_dropout", "symbol_dropout", "weight_dropout", "word_dropout")
_PARTS = ("nodes", "attrs", "params", "shims")


def load_weights(model: Model, data: bytes) -> None:
    """Load what `Model.to_bytes` has made, if it fits the model.

    spaCy and Thinc take widths, shapes, types and settings as they come.

    model (Model): The model, as its config describes it.
    data (bytes): The weights.
    RAISES (ValueError): If a layer, width, setting or reference is not that of the model; or if a parameter is missing, is not
        of the shape or type that its layer needs, or has numbers that are not finite. Reading damaged data can raise anything.
    """
    saved = srsly.msgpack_loads(data)
    nodes = list(model.walk())
    _check_structure(nodes, saved)
    is_initialized = any(array is not None for params in saved["params"] for array in params.values())
    for i, node in enumerate(nodes):
        with _name_layer(i, node):
            info = saved["nodes"][i]
            _check_node(nodes, i, info)
            _check_params(node, info["dims"], saved["params"][i], is_initialized)
            if len(saved["shims"][i]) != len(node.shims):
                raise ValueError(f"it holds {len(node.shims)} parts that are no layers, but the file {len(saved['shims'][i])}")
        # The names of containers are made of those of the layers that they were built with, which may have been replaced.
        info["name"] = node.name
    built = [dict(node.attrs) for node in nodes]
    sizes = [{name: node.maybe_get_dim(name) for name in node.dim_names} for node in nodes]
    absent = [[name for name in node.param_names if not node.has_param(name)] for node in nodes]
    try:
        model.from_dict(saved)
        for i, node in enumerate(nodes):
            with _name_layer(i, node):
                _check_attrs(node, built[i], saved["attrs"][i])
    except Exception:
        for node, attrs, dims, names in zip(nodes, built, sizes, absent, strict=True):
            node.attrs.clear()
            node.attrs.update(attrs)
            for name in names:
                node.set_param(name, None)
            for name, size in dims.items():
                node.set_dim(name, cast(int, size), force=True)
        raise


@contextmanager
def _name_layer(i: int, node: Model) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise ValueError(f"layer {i}, {node.name!r}: {error}") from error


def _check_structure(nodes: List[Model], saved: Any) -> None:
    """Refuse what is not one entry for each layer."""
    if not isinstance(saved, dict) or set(saved) != set(_PARTS):
        raise ValueError(f"a model is saved as a map of {', '.join(_PARTS)}, but the file holds something else")
    for part, kind in zip(_PARTS, (dict, dict, dict, list), strict=True):
        entries = saved[part]
        if not isinstance(entries, list) or not all(isinstance(entry, kind) for entry in entries):
            raise ValueError(f"its {part} are not a list with an entry for each layer")
        if len(entries) != len(nodes):
            raise ValueError(f"mismatched structure: the model has {len(nodes)} layers, but the file {part} of {len(entries)}")


def _check_node(nodes: List[Model], i: int, info: Mapping[str, Any]) -> None:
    """Compare the name, the dimensions and the references of a layer with those that the config gives it."""
    node = nodes[i]
    if not isinstance(info.get("name"), str) or not isinstance(info.get("dims"), dict) or not isinstance(info.get("refs"), dict):
        raise ValueError("the file lacks its name, dimensions or references")
    if not node.layers and info["name"] != node.name:
        raise ValueError(f"in the file it is a layer {info['name']!r}")
    if set(info["dims"]) != set(node.dim_names):
        raise ValueError(f"it has the dimensions {sorted(node.dim_names)}, but in the file {sorted(info['dims'], key=str)}")
    for dim, width in info["dims"].items():
        if width is not None and (type(width) is not int or width < 0):
            raise ValueError(f"its dimension {dim} is {width!r} in the file, which is no width")
        if None not in (width, node.maybe_get_dim(dim)) and width != node.get_dim(dim):
            raise ValueError(f"its dimension {dim} is {node.get_dim(dim)}, but in the file {width}")
    # A copy that Thinc has made of a model, e.g. in `nlp.replace_listeners`, has lost its references.
    if node.ref_names and info["refs"] and set(info["refs"]) != set(node.ref_names):
        raise ValueError(f"it refers to {sorted(node.ref_names)}, but in the file to {sorted(info['refs'], key=str)}")
    for ref, index in info["refs"].items():
        target = node.get_ref(ref) if ref in node.ref_names and node.has_ref(ref) else None
        expected = index if target is None else next(k for k, other in enumerate(nodes) if other is target)
        is_one = index is None or (type(index) is int and 0 <= index < len(nodes))
        if not is_one or index != expected:
            raise ValueError(f"its reference {ref} is to layer {index!r} in the file, and not to layer {expected!r}")


def _check_params(node: Model, saved_dims: Mapping[str, Any], params: Mapping[str, Any], is_initialized: bool) -> None:
    if set(params) != set(node.param_names):
        raise ValueError(f"it has the parameters {sorted(node.param_names)}, but in the file {sorted(params, key=str)}")
    declared = find_saved(node) if params and is_initialized else None
    if declared is None:
        shapes = {name: array.shape for name, array in params.items() if isinstance(array, numpy.ndarray)}
    else:
        dims = {name: width if width is not None else node.maybe_get_dim(name) for name, width in saved_dims.items()}
        missing = sorted(name for name, width in dims.items() if width is None)
        try:
            shapes = declared.shapes(cast(Mapping[str, int], dims), node.attrs)
        except TypeError:
            raise ValueError(f"the file has parameters, but not its dimensions {missing}") from None
    for name, array in params.items():
        if array is not None or declared is not None:
            _check_param(name, array, shapes.get(name))


def _check_param(name: str, array: Any, shape: Any) -> None:
    if not isinstance(array, numpy.ndarray):
        raise ValueError(f"its parameter {name} is missing: the file has {type(array).__name__}")
    if array.dtype != numpy.float32:
        raise ValueError(f"its parameter {name} holds {array.dtype}, but weights are float32")
    if array.shape != shape:
        raise ValueError(f"its parameter {name} has the shape {array.shape}, but needs {shape}")
    numbers = array.reshape(-1)
    # The sum of the squares takes one pass, and is neither finite nor small if a number is not.
    with numpy.errstate(over="ignore", invalid="ignore"):
        is_small = numpy.dot(numbers, numbers) <= LARGEST**2
    if not is_small:
        wrong = numbers[~(numpy.abs(numbers) <= LARGEST)]
        if wrong.size:
            raise ValueError(f"its parameter {name} holds {wrong[0]}: weights are finite, and no larger than {LARGEST:g}")


def _check_attrs(node: Model, built: Mapping[str, Any], saved: Mapping[str, Any]) -> None:
    """Compare the attributes that have been loaded with those that the config gives a layer."""
    declared = find_saved(node)
    for name in saved:
        loaded, expected = node.attrs[name], built.get(name)
        wrong = f"by the config {name} = {expected!r}, but in the file {name} = {loaded!r}"
        if name not in built and declared is not None:
            raise ValueError(f"it has no attribute {name!r}, which is in the file")
        if declared is None:
            if expected is not None and type(loaded) is not type(expected):
                raise ValueError(wrong)
        elif name in _RATES:
            if loaded is not None and not (_is_number(loaded) and 0 <= loaded <= 1):
                raise ValueError(f"{wrong}, which is no rate")
        elif name == "seed" and expected == node.id:
            if type(loaded) is not int or not 0 <= loaded < 2**32:
                raise ValueError(f"{wrong}, which is no seed")
        elif name not in declared.learned and not _is_same(expected, loaded):
            raise ValueError(wrong)
    if declared is not None and declared.check is not None:
        declared.check(node)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_same(expected: Any, loaded: Any) -> bool:
    """Tell whether two plain values are the same; msgpack makes lists of tuples."""
    if isinstance(expected, (list, tuple)):
        is_list = isinstance(loaded, (list, tuple)) and len(loaded) == len(expected)
        return is_list and all(_is_same(one, other) for one, other in zip(expected, loaded, strict=True))
    if _is_number(expected):
        return _is_number(loaded) and expected == loaded
    return type(expected) is type(loaded) and expected == loaded
