"""From a vector to a sequence: a decoder that writes from what a user has made of anything, e.g. of an image."""

from typing import Any, Callable, List, Optional, Tuple, cast

import numpy
from thinc.api import Model
from thinc.types import Floats1d, Floats2d, Ragged

from ...layers.capabilities import Drops, State, Transduces, declare
from ...layers.embedding.symbol_embed import build_symbol_embed
from ...layers.output.full_softmax import build_full_softmax
from ...layers.plain.dropout import check_rate
from ...layers.recurrent.bridge import build_bridge
from ...layers.recurrent.rnn import build_rnn
from ...layers.saved import Saved, no_parameters
from ...text.symbols import N_SPECIAL, SymbolBatch, Symbols
from ..symbols import check_batch, forget_gradients, no_backprop, refuse_backward, set_symbol_count
from .decoder import begin_decode, score_targets
from .sampled_inputs import sample_inputs
from .stepwise_decoder import DecoderState, StepwiseDecoder
from .sweeping import Decoder
from .vectors import VectorBatch, Vectors, as_vectors, count_vectors, width_of

_NODES = ("encoder", "bridge", "embed", "rnn", "head")


def build_vector_decoder(
    target: Symbols,
    vector_width: Optional[int] = None,
    encoder: Optional[Model[Any, Floats2d]] = None,
    *,
    width: int = 128,
    hidden_width: int = 256,
    cell: str = "gru",
    depth: int = 1,
    feed: bool = False,
    tied: bool = False,
    dropout: float = 0.0,
    symbol_dropout: float = 0.0,
    label_smoothing: float = 0.0,
    scheduled_sampling: float = 0.0,
    precision: str = "float32",
) -> Model[VectorBatch, Floats1d]:
    """Build a decoder that writes a sequence from a vector, as the caption of an image is written from it (Vinyals et al. 2015).

    The vector, through a dense layer (the bridge), is the state that the decoder begins in. It learns with the true symbols
    before each (teacher forcing), in one sweep.

    target (Symbols): What is written: `spacy_rnn.Characters.v1`, `spacy_rnn.Words.v1` or `spacy_rnn.Subwords.v1`.
    vector_width (Optional[int]): C, the width of the vectors that the model is given, or of the rows. Inferred from a sample if
        None.
    encoder (Optional[Model]): A network of any layers that the vectors go through first, from [B, C] to [B, nE]; or one that
        makes a vector of each of several sequences of rows, from a `Ragged` of rows [N, C] to [B, nE], such as recurrent layers
        with `spacy_rnn.Pool.v1` after them. It learns with the rest. None for none.
    width (int): The width of the embeddings.
    hidden_width (int): The width of the hidden states.
    cell (str): The cell, as in `spacy_rnn.RNNEncoder.v1`.
    depth (int): The number of recurrent layers.
    feed (bool): Whether each step reads the vector as well, beside the last symbol.
    tied (bool): Whether the output's weights are those of the embedding (Press & Wolf 2017).
    dropout (float): The share of columns that is dropped from the embeddings and from the hidden states, the same in all rows of
        a sequence (Gal & Ghahramani 2016), and between layers.
    symbol_dropout (float): The share of symbols whose embeddings are dropped in a batch (Gal & Ghahramani 2016).
    label_smoothing (float): The share of each target that all symbols share in training (Szegedy et al. 2016).
    scheduled_sampling (float): The share of the true symbols in the decoder's input that are replaced by what it would have
        written there itself, in two sweeps (Bengio et al. 2015; Mihaylova & Martins 2019).
    precision (str): As in `spacy_rnn.RNNEncoder.v1`.
    RETURNS (Model[VectorBatch, Floats1d]): The model, from B vectors and texts to the log-probability of each target [M], in
        nats. Initialize it with such a batch, or without one if all widths are given.
    RAISES (ValueError): If an argument is out of its range.
    """
    refuse_backward(target, "target")
    for name, rate in (("dropout", dropout), ("scheduled_sampling", scheduled_sampling)):
        check_rate(name, rate)
    for name, size in (("vector_width", vector_width), ("width", width), ("hidden_width", hidden_width), ("depth", depth)):
        if size is not None and size < 1:
            raise ValueError(f"{name} must be at least 1, got {size}")
    embed = build_symbol_embed(width, symbol_dropout=symbol_dropout)
    rnn_settings: Any = {"cell": cell, "depth": depth, "dropout": dropout, "locked_dropout": True, "precision": precision}
    nodes: List[Optional[Model]] = [
        encoder,
        build_bridge(cell, depth, hidden_width),
        embed,
        build_rnn(hidden_width, None if feed else width, **rnn_settings),
        build_full_softmax(hidden_width, tied=embed if tied else None, label_smoothing=label_smoothing),
    ]
    return Model(
        "vector_decoder",
        forward,
        init=init,
        layers=[node for node in nodes if node is not None],
        refs=dict(zip(_NODES, nodes, strict=True)),
        dims={"nV": None, "nI": vector_width},
        attrs={
            "target": target,
            "reads_rows": False,
            "feed": feed,
            "dropout": dropout,
            "scheduled_sampling": scheduled_sampling,
        },
    )


def init(model: Model[VectorBatch, Floats1d], X: Optional[VectorBatch] = None, Y: object = None) -> None:
    n_symbols = len(model.attrs["target"])
    if n_symbols <= N_SPECIAL:
        unit = model.attrs["target"].unit
        raise ValueError(f"the decoder {model.name!r} has no {unit}s yet: it learns them from texts before its weights are made")
    sample = None if X is None else _as_sample(model, X.vectors)
    for node in (model, model.get_ref("embed"), model.get_ref("head")):
        set_symbol_count(node, n_symbols)
    width = _init_encoder(model, sample)
    model.get_ref("bridge").set_dim("nI", width)
    model.get_ref("rnn").set_dim("nI", model.get_ref("embed").get_dim("nO") + (width if model.attrs["feed"] else 0))
    for name in _NODES[1:]:
        model.get_ref(name).initialize()
    forget_gradients(model)


def _as_sample(model: Model, vectors: Any) -> Vectors:
    """Learn the kind and the width of vectors from a sample."""
    model.attrs["reads_rows"] = isinstance(vectors, Ragged)
    if model.attrs["reads_rows"] and model.maybe_get_ref("encoder") is None:
        raise ValueError(
            "rows need an encoder that makes one vector of them, e.g. recurrent layers with spacy_rnn.Pool.v1 after them"
        )
    sample = as_vectors(model.ops, vectors, model.maybe_get_dim("nI"), model.attrs["reads_rows"], "float32")
    model.set_dim("nI", width_of(sample))
    return sample


def _init_encoder(model: Model, sample: Optional[Vectors]) -> int:
    """Initialize the encoder, if there is one, and give the width of the vectors that the decoder writes from."""
    encoder: Optional[Model] = model.maybe_get_ref("encoder")
    if encoder is None:
        width = model.maybe_get_dim("nI")
        if width is None:
            raise ValueError(
                f"the decoder {model.name!r} does not know the width of its vectors: initialize it with a batch of them, or set "
                "vector_width"
            )
        return width
    if sample is None and encoder.has_dim("nI") is None and not model.attrs["reads_rows"] and model.has_dim("nI"):
        encoder.set_dim("nI", model.get_dim("nI"))
    encoder.initialize(X=sample)
    if encoder.has_dim("nO"):
        return encoder.get_dim("nO")
    if sample is None:
        raise ValueError(
            f"the decoder {model.name!r} does not know how wide its encoder's vectors are: initialize it with a batch"
        )
    return encoder.predict(sample).shape[1]


def decoder_of(model: Model) -> Decoder:
    """Give the layers of the decoder.

    model (Model): A vector decoder.
    RETURNS (Decoder): Its layers.
    """
    return Decoder(model.get_ref("embed"), model.get_ref("rnn"), model.get_ref("head"))


def forward(model: Model[VectorBatch, Floats1d], X: VectorBatch, is_train: bool) -> Tuple[Floats1d, Callable]:
    if not is_train:
        return score(model, X)[0], no_backprop
    log_probabilities, run_backprop = _begin(model, X, None, deferred=True)

    def backprop(dY: Floats1d) -> VectorBatch:
        return X._replace(vectors=run_backprop(-dY))

    return log_probabilities, backprop


def begin_update(
    model: Model[VectorBatch, Floats1d], batch: VectorBatch, weights: Optional[Floats1d] = None
) -> Tuple[Floats1d, Callable[[], Vectors]]:
    """Score a batch for training, as `Transduces` says.

    model (Model[VectorBatch, Floats1d]): The model.
    batch (VectorBatch): The batch.
    weights (Optional[Floats1d]): [M], what each target's loss counts; 1 if None.
    RETURNS (Tuple[Floats1d, Callable]): The log-probabilities [M]; and a function that adds the gradients, and gives that of the
        vectors.
    RAISES (ValueError): If the batch does not fit.
    """
    log_probabilities, run_backprop = _begin(model, batch, weights, deferred=False)
    return log_probabilities, lambda: run_backprop(weights)


def _begin(
    model: Model[VectorBatch, Floats1d], batch: VectorBatch, weights: Optional[Floats1d], deferred: bool
) -> Tuple[Floats1d, Callable[[Optional[Floats1d]], Vectors]]:
    """Score a batch. If it is deferred, what each target's loss counts is known in backpropagation only."""
    vectors, targets = _check(model, batch)
    decoder, encoder, dropout = decoder_of(model), model.maybe_get_ref("encoder"), model.attrs["dropout"]
    encoded, encode_backprop = (vectors, _pass_on) if encoder is None else encoder(vectors, True)
    _check_encoded(encoded, count_vectors(vectors))
    state, bridge_backprop = model.get_ref("bridge")(encoded, True)
    fed = cast(Floats2d, encoded) if model.attrs["feed"] else None
    if model.attrs["scheduled_sampling"]:
        targets = sample_inputs(decoder, targets, state, None, fed, model.attrs["scheduled_sampling"])
    log_probabilities, decode_backprop = begin_decode(decoder, targets, state, None, fed, dropout, weights, deferred=deferred)

    def backprop(weights: Optional[Floats1d]) -> Vectors:
        gradient = decode_backprop(weights)
        d_encoded = bridge_backprop(gradient.d_state)
        return encode_backprop(d_encoded if gradient.d_vectors is None else d_encoded + gradient.d_vectors)

    return log_probabilities, backprop


def score(model: Model[VectorBatch, Floats1d], batch: VectorBatch) -> Tuple[Floats1d, None]:
    """Find the log-probability of given targets, as `Transduces` says.

    model (Model[VectorBatch, Floats1d]): The model.
    batch (VectorBatch): The batch.
    RETURNS (Tuple[Floats1d, None]): The log-probabilities [M]; nothing is attended to.
    RAISES (ValueError): If the batch does not fit.
    """
    vectors, targets = _check(model, batch)
    state, fed = _read(model, vectors)
    return score_targets(decoder_of(model), targets, state, None, fed)[0], None


def begin(model: Model[VectorBatch, Floats1d], counts_coverage: bool = False) -> StepwiseDecoder:
    """Give the decoder with the weights as they are, as `Transduces` says.

    model (Model[VectorBatch, Floats1d]): The model.
    counts_coverage (bool): Not for this model.
    RETURNS (StepwiseDecoder): A `spacy_rnn.generation.NextSymbol`, whose `start` takes vectors as its context.
    RAISES (ValueError): If coverage is to be counted: there is no attention.
    """
    if counts_coverage:
        raise ValueError("coverage is about attention, which a decoder of vectors does not have: set coverage = 0")
    _require_weights(model)

    def start(n: int, context: Any) -> DecoderState:
        if context is None:
            raise ValueError(f"the decoder writes from vectors: expected one for each of {n} sequences as context, got none")
        vectors = _as_vectors(model, context)
        if count_vectors(vectors) != n:
            raise ValueError(f"expected a vector for each of {n} sequences, got {count_vectors(vectors)}")
        hidden, fed = _read(model, vectors)
        return DecoderState(hidden, numpy.arange(n), None, vectors=fed)

    return StepwiseDecoder(decoder_of(model), start)


def _read(model: Model, vectors: Vectors) -> Tuple[State, Optional[Floats2d]]:
    """Give the decoder's initial state, and what each step reads."""
    encoder: Optional[Model] = model.maybe_get_ref("encoder")
    encoded = cast(Floats2d, vectors if encoder is None else encoder.predict(vectors))
    _check_encoded(encoded, count_vectors(vectors))
    return model.get_ref("bridge").predict(encoded), encoded if model.attrs["feed"] else None


def _pass_on(gradient: Floats2d) -> Floats2d:
    return gradient


def _as_vectors(model: Model, vectors: Any) -> Vectors:
    _require_weights(model)
    dtype = model.get_ref("bridge").get_param("W").dtype
    return as_vectors(model.ops, vectors, model.get_dim("nI"), model.attrs["reads_rows"], dtype)


def _require_weights(model: Model) -> None:
    if not model.has_dim("nI") or not model.get_ref("bridge").has_param("W"):
        raise ValueError(f"the decoder {model.name!r} has no weights yet: initialize it first")


def _check(model: Model, batch: VectorBatch) -> Tuple[Vectors, SymbolBatch]:
    vectors = _as_vectors(model, batch.vectors)
    targets = SymbolBatch(*check_batch(batch.targets, model.get_dim("nV")))
    if count_vectors(vectors) != len(targets.lengths):
        raise ValueError(f"expected a text for each of {count_vectors(vectors)} vectors, got {len(targets.lengths)}")
    return vectors, targets


def _check_encoded(encoded: Any, n: int) -> None:
    shape = getattr(encoded, "shape", None)
    if shape is None or len(shape) != 2 or shape[0] != n:
        found = type(encoded).__name__ if shape is None else f"an array of shape {tuple(shape)}"
        raise ValueError(f"the encoder must make a vector of each of {n} inputs, [{n}, width], but has made {found}")


def _check_saved(model: Model) -> None:
    found, expected = model.get_ref("embed").maybe_get_dim("nV"), len(model.attrs["target"])
    if found is not None and found != expected:
        raise ValueError(f"it has {expected} symbols, but weights of {found}")


declare(
    forward,
    Transduces(begin, begin_update, score),
    Drops(("dropout", "scheduled_sampling")),
    Saved(no_parameters, _check_saved, learned=["target", "reads_rows"]),
)
