"""The weights of `torch.nn.LSTM`, `GRU` and `RNN` in layers of this package, and back."""

from contextlib import contextmanager
from typing import Any, Dict, Iterator, Optional, Tuple, cast

import numpy
from thinc.api import Model, to_numpy
from thinc.types import FloatsXd, Ragged

from ..layers import build_rnn, require_weights

# What torch calls the cells that it has.
_MODES = {"elman_tanh": "RNN_TANH", "elman_relu": "RNN_RELU", "gru": "GRU", "lstm": "LSTM"}
_CELLS = {mode: cell for cell, mode in _MODES.items()}


def from_torch(module: Any) -> Model[Ragged, Ragged]:
    """Build a recurrent layer with the weights of a module of torch's. Its output is that of the module on packed sequences.

    module (torch.nn.RNNBase): An LSTM, GRU or RNN, of any depth, with one direction or two, with or without biases.
    RETURNS (Model[Ragged, Ragged]): The layer, as `build_rnn` makes it, with copies of the weights, and the module's dropout
        between layers. float32; float64 if the weights are.
    RAISES (ValueError): If the module is none of these, or projects its states (proj_size).
    RAISES (ImportError): If torch is not installed.
    """
    cell, n_dirs = _cell_of(module), _n_directions(module)
    model = build_rnn(
        nO=module.hidden_size * n_dirs,
        nI=module.input_size,
        cell=cell,
        bidirectional=module.bidirectional,
        depth=module.num_layers,
        dropout=module.dropout,
    )
    model.initialize()
    load_torch(model, module)
    return model


def load_torch(model: Model[Ragged, Ragged], module: Any) -> None:
    """Give a recurrent layer the weights of a module of torch's, copied.

    model (Model[Ragged, Ragged]): A layer made by `build_rnn`, initialized, of the module's cell, depth, directions and widths.
    module (torch.nn.RNNBase): An LSTM, GRU or RNN.
    RAISES (ValueError): If the module is none of these or projects its states, or if the layer is another one.
    RAISES (ImportError): If torch is not installed.
    """
    cell = _cell_of(module)
    require_weights(model)
    nH = module.hidden_size
    has = (model.attrs["cell"], model.attrs["depth"], model.attrs["bidirectional"], model.get_dim("nI"), model.get_dim("nO"))
    needs = (cell, module.num_layers, module.bidirectional, module.input_size, nH * _n_directions(module))
    if has != needs:
        names = ("cell", "depth", "bidirectional", "nI", "nO")
        wrong = [f"{n} is {h!r} and not {m!r}" for n, h, m in zip(names, has, needs, strict=True) if h != m]
        raise ValueError(f"the weights do not fit the layer, whose {', '.join(wrong)}")
    with _current_weights(module):
        for direction, suffix in zip(model.layers, _suffixes(module), strict=True):
            for name, array in _import(cell, _read(module, suffix), nH).items():
                direction.set_param(name, cast(FloatsXd, model.ops.asarray(cast(Any, array))))


def to_torch(model: Model[Ragged, Ragged]) -> Any:
    """Build a module of torch's with the weights of a recurrent layer.

    The module has two biases where the layer has one: the second is zero, but for the candidate of a GRU. What says nothing about
    predictions and has no counterpart is left out: recurrent dropout, and the precision.

    model (Model[Ragged, Ragged]): A layer made by `build_rnn`, initialized.
    RETURNS (torch.nn.RNNBase): A `torch.nn.LSTM`, `GRU` or `RNN` on the CPU, in evaluation mode, with copies of the weights.
    RAISES (ValueError): If torch has no such cell, or the layer has residual connections or learns its initial state.
    RAISES (ImportError): If torch is not installed.
    """
    torch = _import_torch()
    require_weights(model)
    cell = model.attrs["cell"]
    if cell not in _MODES:
        raise ValueError(f"torch has no cell {cell!r}: it has {', '.join(_MODES)}")
    for setting, held in (
        ("residual", model.attrs["residual"]),
        ("train_initial_state", model.layers[0].attrs["train_initial_state"]),
    ):
        if held:
            raise ValueError(f"a module of torch's cannot hold what a layer with {setting} = true computes")
    mode, depth, bidirectional = _MODES[cell], model.attrs["depth"], model.attrs["bidirectional"]
    options: Dict[str, Any] = {"nonlinearity": mode[4:].lower()} if mode.startswith("RNN") else {}
    nH = model.get_dim("nO") // (2 if bidirectional else 1)
    module = getattr(torch.nn, mode.partition("_")[0])(
        model.get_dim("nI"),
        nH,
        num_layers=depth,
        bidirectional=bidirectional,
        # With one layer torch warns of a rate that does nothing.
        dropout=model.attrs["dropout"] if depth > 1 else 0.0,
        **options,
    )
    for direction, suffix in zip(model.layers, _suffixes(module), strict=True):
        params = {name: to_numpy(direction.get_param(name)) for name in direction.param_names}
        for name, array in _export(cell, params, nH).items():
            getattr(module, name + suffix).data = torch.from_numpy(array)
    return module.eval()


def _import(cell: str, arrays: Dict[str, numpy.ndarray], nH: int) -> Dict[str, numpy.ndarray]:
    """Give our parameters of a direction from those of torch's."""
    bias_ih, bias_hh = arrays["bias_ih"], arrays["bias_hh"]
    params = {"W": arrays["weight_ih"], "R": arrays["weight_hh"], "b": bias_ih + bias_hh}
    if cell == "gru":
        # The candidate's recurrent bias stands inside the product with the reset gate.
        params["b"][2 * nH :] = bias_ih[2 * nH :]
        params["bR"] = numpy.array(bias_hh[2 * nH :])
    return params


def _export(cell: str, params: Dict[str, numpy.ndarray], nH: int) -> Dict[str, numpy.ndarray]:
    """Give torch's parameters of a direction from ours, copied."""
    bias_hh = numpy.zeros_like(params["b"])
    if cell == "gru":
        bias_hh[2 * nH :] = params["bR"]
    arrays = {"weight_ih": params["W"], "weight_hh": params["R"], "bias_ih": params["b"], "bias_hh": bias_hh}
    return {name: numpy.array(array) for name, array in arrays.items()}


@contextmanager
def _current_weights(module: Any) -> Iterator[None]:
    """Bring a module's weights up to date inside a `with` block.

    Where torch computes them from other parameters (weight and spectral norm, pruning), they are otherwise those of the module's
    last forward pass."""
    torch = _import_torch()
    was_training = module.training
    # In training, spectral norm takes a step with every look at a weight.
    module.eval()
    try:
        with torch.no_grad():
            for hook in module._forward_pre_hooks.values():
                if type(hook).__module__.startswith("torch.nn.utils."):
                    hook(module, ())
            yield
    finally:
        module.train(was_training)


def _read(module: Any, suffix: str) -> Dict[str, numpy.ndarray]:
    """Copy the parameters of one direction of one layer of a module; zeros where it has no biases."""
    torch = _import_torch()
    arrays: Dict[str, numpy.ndarray] = {}
    for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
        param: Optional[Any] = getattr(module, name + suffix) if module.bias or name.startswith("weight") else None
        if param is None:
            arrays[name] = numpy.zeros_like(arrays["weight_hh"][:, 0])
            continue
        tensor = param.detach().cpu()
        arrays[name] = numpy.array((tensor if tensor.dtype == torch.float64 else tensor.float()).numpy())
    return arrays


def _suffixes(module: Any) -> Tuple[str, ...]:
    """Give what the names of the parameters end in, layer after layer and within a layer forward first."""
    ends = ("", "_reverse")[: _n_directions(module)]
    return tuple(f"_l{layer}{end}" for layer in range(module.num_layers) for end in ends)


def _cell_of(module: Any) -> str:
    torch = _import_torch()
    if not isinstance(module, torch.nn.RNNBase) or module.mode not in _CELLS:
        raise ValueError(f"expected a torch.nn.LSTM, GRU or RNN, got {type(module).__module__}.{type(module).__qualname__}")
    if module.proj_size:
        raise ValueError(f"the module projects its states to width {module.proj_size} (proj_size), which no layer here does")
    return _CELLS[module.mode]


def _n_directions(module: Any) -> int:
    return 2 if module.bidirectional else 1


def _import_torch() -> Any:
    try:
        import torch
    except ImportError as error:
        raise ImportError("to move weights from or to torch, torch has to be installed: pip install torch") from error
    return torch
