"""The layers of a model, counted."""

from typing import Iterator, Tuple

from thinc.api import Model
from wasabi import table

from .capabilities import HoldsLayers, find


def count_parameters(model: Model) -> Tuple[int, bool]:
    """Count the parameters of a model.

    model (Model): Any Thinc model.
    RETURNS (Tuple[int, bool]): How many numbers have been allocated; and whether that is all of them, which it is not until the
        model has been initialized.
    """
    nodes = list(_nodes(model))
    names = [(node, name) for node in nodes for name in node.param_names]
    known = [int(node.get_param(name).size) for node, name in names if node.has_param(name)]
    is_complete = not any(holds.layers(node) is None for node in nodes if (holds := find(node, HoldsLayers)))
    return sum(known), is_complete and len(known) == len(names)


def summary(model: Model) -> str:
    """Describe a model: a line for each layer that has parameters, and their sum.

    model (Model): Any Thinc model.
    RETURNS (str): A table of layers, output widths, shapes and numbers of parameters. A parameter that has not been allocated,
        because the model has not been initialized, is shown as "?" and not counted.
    """
    rows = []
    total = 0
    for node in _nodes(model):
        if not node.param_names:
            continue
        shapes, count = [], 0
        for name in node.param_names:
            if node.has_param(name):
                array = node.get_param(name)
                shapes.append(f"{name} {'x'.join(map(str, array.shape))}")
                count += int(array.size)
            else:
                shapes.append(f"{name} ?")
        width = node.maybe_get_dim("nO")
        rows.append((node.name, "?" if width is None else width, ", ".join(shapes), f"{count:,}"))
        total += count
    return table(
        rows,
        header=("layer", "output width", "parameters", "number"),
        footer=("sum", "", "", f"{total:,}"),
        divider=True,
        aligns=("l", "r", "l", "r"),
        max_col=100,
    )


def _nodes(model: Model) -> Iterator[Model]:
    """Give all layers, also those that others hold without being made of them."""
    for node in model.walk(order="dfs_pre"):
        yield node
        holds = find(node, HoldsLayers)
        for layer in (holds.layers(node) or ()) if holds else ():
            yield from layer.walk(order="dfs_pre")
