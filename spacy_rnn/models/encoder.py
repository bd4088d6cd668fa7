"""Recurrent and convolutional encoders: what stands in `[model.tok2vec.encode]`."""

from functools import partial
from typing import Callable, List, Optional, Sequence

from thinc.api import Model, chain, noop, ragged2list
from thinc.types import Floats2d

from ..layers import (
    build_convolution,
    build_dropout,
    build_highway,
    build_layer_norm,
    build_list2ragged,
    build_residual,
    build_rnn,
    build_sequence_dropout,
    check_rate,
    with_rows,
)


def build_rnn_encoder(
    width: int,
    depth: int = 1,
    cell: str = "lstm",
    bidirectional: bool = True,
    dropout: float = 0.0,
    recurrent_dropout: float = 0.0,
    residual: bool = True,
    train_initial_state: bool = False,
    forget_bias: float = 1.0,
    precision: str = "float32",
    init_W: Optional[Callable] = None,
    init_R: Optional[Callable] = None,
    variational_dropout: float = 0.0,
    layer_norm: bool = True,
    highway: bool = False,
    checkpoint_rows: Optional[int] = None,
    truncate_gradient: int = 0,
) -> Model[List[Floats2d], List[Floats2d]]:
    """Encode context with recurrent layers.

    By default a layer's input is added to its normalized output, as in spaCy's CNN. Without both, outputs are small and of no
    fixed scale, and components learn slowly from them at the rates that spaCy trains its CNN with.

    width (int): The output width, both directions together.
    depth (int): The number of layers.
    dropout (float): The share of a layer's outputs that is dropped before the next layer.
    residual (bool): Whether a layer's input is added to its output, in the layers where the two are equally wide; with layer_norm
        to the normalized output.
    variational_dropout (float): The share of columns dropped from what every layer reads and from the output of the last one, the
        same columns at all tokens of a text.
    layer_norm (bool): Whether the output of every layer is normalized (Ba et al. 2016, "Layer normalization", equation 3).
    highway (bool): Whether a learned gate mixes the output of every layer but the first with its input (Srivastava et al. 2015).
    cell (str), bidirectional (bool), recurrent_dropout (float), train_initial_state (bool), forget_bias (float), precision (str),
    init_W (Optional[Callable]), init_R (Optional[Callable]), checkpoint_rows (Optional[int]), truncate_gradient (int): As in
        `spacy_rnn.RNN.v1`, for all layers.
    RETURNS (Model[List[Floats2d], List[Floats2d]]): The encoder, from rows [n, any width] to rows [n, width].
    RAISES (ValueError): If an argument is out of its range, or if highway and residual exclude each other.
    """
    check_rate("variational_dropout", variational_dropout)
    _check_highway(highway, residual, depth)
    build = partial(
        build_rnn,
        nO=width,
        cell=cell,
        bidirectional=bidirectional,
        recurrent_dropout=recurrent_dropout,
        train_initial_state=train_initial_state,
        forget_bias=forget_bias,
        precision=precision,
        init_W=init_W,
        init_R=init_R,
        checkpoint_rows=checkpoint_rows,
        truncate_gradient=truncate_gradient,
    )
    if not (variational_dropout or layer_norm or highway):
        return _on_lists([build(depth=depth, dropout=dropout, residual=residual)], width)
    check_rate("dropout", dropout)
    layers: List[Model] = []
    for i in range(_checked_depth(depth)):
        # The first layer's input is as wide as the embedding, so there the two are added only if it is the one layer.
        rnn = build(nI=width if i else None, residual=residual and not layer_norm and (i > 0 or depth == 1))
        if i and dropout:
            layers.append(with_rows(build_dropout(dropout)))
        layers.append(build_sequence_dropout(variational_dropout))
        layers += _one_layer(rnn, layer_norm, residual, highway and i > 0)
    return _on_lists([*layers, build_sequence_dropout(variational_dropout)], width)


def build_bilstm_encoder(
    width: int, depth: int, dropout: float, layer_norm: bool = True, residual: bool = True
) -> Model[List[Floats2d], List[Floats2d]]:
    """Encode context with bidirectional LSTM layers, as `spacy.TorchBiLSTMEncoder.v1` does.

    By default a layer's input is added to its normalized output, as in `spacy_rnn.RNNEncoder.v1`. Without both, the encoder
    computes what torch's does, from the same weights.

    width (int): The width of the input and of the output.
    depth (int): The number of layers. With 0 the input is passed on as it is.
    dropout (float): The share of a layer's outputs that is dropped before the next layer.
    layer_norm (bool): Whether the output of every layer is normalized.
    residual (bool): Whether a layer's input is added to its output.
    RETURNS (Model[List[Floats2d], List[Floats2d]]): The encoder, from rows [n, width] to rows [n, width].
    RAISES (ValueError): If an argument is out of its range.
    """
    if depth == 0:
        return noop()
    build = partial(build_rnn, nO=width, nI=width, bidirectional=True)
    if not layer_norm:
        return _on_lists([build(depth=depth, dropout=dropout, residual=residual)], width)
    check_rate("dropout", dropout)
    layers: List[Model] = []
    for i in range(_checked_depth(depth)):
        if i and dropout:
            layers.append(with_rows(build_dropout(dropout)))
        layers += _one_layer(build(), layer_norm, residual, highway=False)
    return _on_lists(layers, width)


def build_cnn(
    width: int,
    filter_widths: Sequence[int] = (3, 4, 5),
    init_W: Optional[Callable] = None,
) -> Model[List[Floats2d], List[Floats2d]]:
    """Encode context with a convolutional layer: filters over n-grams, and a rectifier.

    Under `spacy_rnn.TextCat.v1` with pooling "max" it is the model of Kim 2014, "Convolutional neural networks for sentence
    classification".

    width (int): The output width: the number of filters, of all widths together.
    filter_widths (Sequence[int]): How many tokens a filter sees, one or several numbers: see `spacy_rnn.Convolution.v1`.
    init_W (Optional[Callable]): Initializer of the filters of each width; Glorot uniform if None.
    RETURNS (Model[List[Floats2d], List[Floats2d]]): The encoder, from rows [n, any width] to rows [n, width].
    RAISES (ValueError): If an argument is out of its range.
    """
    return _on_lists([build_convolution(nO=width, filter_widths=filter_widths, init_W=init_W)], width)


def _one_layer(rnn: Model, layer_norm: bool, residual: bool, highway: bool) -> List[Model]:
    layers = [build_highway(rnn) if highway else rnn]
    if layer_norm:
        layers.append(with_rows(build_layer_norm(rnn.get_dim("nO"))))
        if residual:
            return [build_residual(*layers)]
    return layers


def _check_highway(highway: bool, residual: bool, depth: int) -> None:
    if highway and residual:
        raise ValueError(
            "a layer's input is either added to its output (residual) or mixed with it (highway), not both: set residual = false"
        )
    if highway and depth == 1:
        raise ValueError("highway is about every layer but the first, so depth must be at least 2, got 1")


def _checked_depth(depth: int) -> int:
    if depth < 1:
        raise ValueError(f"depth must be at least 1, got {depth}")
    return depth


def _on_lists(layers: List[Model], width: int) -> Model[List[Floats2d], List[Floats2d]]:
    model: Model[List[Floats2d], List[Floats2d]] = chain(build_list2ragged(), *layers, ragged2list())
    # Tok2Vec.v2 takes its own width from here.
    model.set_dim("nO", width)
    return model
