"""Recurrent encoders: what stands in `[model.tok2vec.encode]`."""

from typing import Callable, List, Optional

from thinc.api import Model, chain, noop, ragged2list
from thinc.types import Floats2d

from ..layers import build_list2ragged, build_rnn


def build_rnn_encoder(
    width: int,
    depth: int = 1,
    cell: str = "lstm",
    bidirectional: bool = True,
    dropout: float = 0.0,
    recurrent_dropout: float = 0.0,
    residual: bool = False,
    train_initial_state: bool = False,
    forget_bias: float = 1.0,
    precision: str = "float32",
    init_W: Optional[Callable] = None,
    init_R: Optional[Callable] = None,
) -> Model[List[Floats2d], List[Floats2d]]:
    """Encode context with recurrent layers.

    width (int): The output width, both directions together.
    depth (int): The number of layers.
    cell (str): "elman_tanh", "elman_relu", "gru", "gru_reset_before", "lstm" or "lstm_peephole".
    bidirectional (bool): Whether a second direction reads the texts from their end.
    dropout (float): The share of a layer's outputs that is dropped before the next layer.
    recurrent_dropout (float): The share of hidden units dropped from the recurrent products, the same at all tokens of a text.
    residual (bool): Whether a layer's input is added to its output, in the layers where the two are equally wide.
    train_initial_state (bool): Whether the state before the first token is learned.
    forget_bias (float): What the bias of an LSTM's forget gate starts with.
    precision (str): The numbers whose products are summed. "bfloat16": on a CPU only when nothing is learned, and faster where
        the processor has instructions for it (AVX-512 BF16), slower than "float32" elsewhere; on a GPU of compute capability
        8.0 or more also in training. "tf32": on such a GPU; elsewhere it is "float32".
    init_W (Optional[Callable]): Initializer of each gate's input matrix; Glorot uniform if None.
    init_R (Optional[Callable]): Initializer of each gate's recurrent matrix; orthogonal if None.
    RETURNS (Model[List[Floats2d], List[Floats2d]]): The encoder, from rows [n, any width] to rows [n, width].
    RAISES (ValueError): If an argument is out of its range.
    """
    rnn = build_rnn(
        nO=width,
        cell=cell,
        bidirectional=bidirectional,
        depth=depth,
        dropout=dropout,
        recurrent_dropout=recurrent_dropout,
        residual=residual,
        train_initial_state=train_initial_state,
        forget_bias=forget_bias,
        precision=precision,
        init_W=init_W,
        init_R=init_R,
    )
    return _on_lists(rnn, width)


def build_bilstm_encoder(width: int, depth: int, dropout: float) -> Model[List[Floats2d], List[Floats2d]]:
    """Encode context with bidirectional LSTM layers, as `spacy.TorchBiLSTMEncoder.v1` does.

    width (int): The width of the input and of the output.
    depth (int): The number of layers. With 0 the input is passed on as it is.
    dropout (float): The share of a layer's outputs that is dropped before the next layer.
    RETURNS (Model[List[Floats2d], List[Floats2d]]): The encoder, from rows [n, width] to rows [n, width].
    RAISES (ValueError): If an argument is out of its range.
    """
    if depth == 0:
        return noop()
    rnn = build_rnn(nO=width, nI=width, bidirectional=True, depth=depth, dropout=dropout)
    return _on_lists(rnn, width)


def _on_lists(rnn: Model, width: int) -> Model[List[Floats2d], List[Floats2d]]:
    model: Model[List[Floats2d], List[Floats2d]] = chain(build_list2ragged(), rnn, ragged2list())
    # Tok2Vec.v2 takes its own width from here.
    model.set_dim("nO", width)
    return model
