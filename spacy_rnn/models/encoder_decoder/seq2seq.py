"""Encoder-decoders: a network that reads a sequence, and writes another one from it."""

from typing import Any, Callable, List, Optional, Tuple, cast

import numpy
from thinc.api import Model
from thinc.types import Floats1d, Floats2d

from ...layers.attention.attentional import build_attentional
from ...layers.attention.copying import build_copy_gate
from ...layers.attention.cross_attention import KINDS, build_cross_attention
from ...layers.capabilities import Drops, State, Transduces, declare
from ...layers.embedding.symbol_embed import build_symbol_embed
from ...layers.output.full_softmax import build_full_softmax
from ...layers.plain.dropout import check_rate
from ...layers.recurrent.bridge import build_bridge, join_states
from ...layers.recurrent.rnn import build_rnn
from ...layers.saved import Saved, no_parameters
from ...recurrence import get_cell
from ...text.symbols import PairBatch, SourceBatch, SymbolBatch, Symbols
from ..symbols import check_batch, forget_gradients, no_backprop, refuse_backward, set_symbol_count
from .decoder import DecoderGradient, begin_decode, score_targets
from .sampled_inputs import sample_inputs
from .stepwise_decoder import DecoderState, StepwiseDecoder
from .sweeping import Decoder, Source, look_at
from .symbol_encoder import Encoded, begin_encode, check_sources, encode

_NODES = ("source_embed", "encoder", "bridge", "embed", "rnn", "head", "attention", "attentional", "gate")


def build_seq2seq(
    source: Symbols,
    target: Optional[Symbols] = None,
    *,
    width: int = 128,
    hidden_width: int = 256,
    cell: str = "gru",
    encoder_depth: int = 1,
    decoder_depth: int = 1,
    bidirectional: bool = True,
    attention: str = "general",
    input_feeding: bool = False,
    copy: bool = False,
    tied: bool = False,
    dropout: float = 0.0,
    symbol_dropout: float = 0.0,
    label_smoothing: float = 0.0,
    scheduled_sampling: float = 0.0,
    precision: str = "float32",
) -> Model[PairBatch, Floats1d]:
    """Build an encoder-decoder (Sutskever et al. 2014; Cho et al. 2014) with attention (Bahdanau et al. 2015).

    The encoder's final states, through a dense layer (the bridge), are the decoder's initial ones. The decoder learns with the
    true symbols before each (teacher forcing), so that it is one sweep, after which it looks at the source.

    source (Symbols): What is read: `spacy_rnn.Characters.v1`, `spacy_rnn.Words.v1` or `spacy_rnn.Subwords.v1`.
    target (Optional[Symbols]): What is written; the same symbols as are read if None.
    width (int): The width of the embeddings.
    hidden_width (int): The width of the encoder's rows, all directions together, and of the decoder's hidden states.
    cell (str): The cell, as in `spacy_rnn.RNNEncoder.v1`.
    encoder_depth (int): The number of the encoder's layers.
    decoder_depth (int): The number of the decoder's layers.
    bidirectional (bool): Whether the encoder reads in both directions.
    attention (str): "dot", "general" or "additive", as `build_cross_attention` says; or "none": all that is known of the source
        is the state that the decoder begins in.
    input_feeding (bool): Whether each step reads what the step before has found (Luong et al. 2015, section 3.3). Training then
        goes step by step, which takes longer.
    copy (bool): Whether symbols of the source may be copied (See et al. 2017): for `target = None` and with attention.
    tied (bool): Whether the output's weights are those of the target's embedding (Press & Wolf 2017).
    dropout (float): The share of columns that is dropped from the embeddings and from the attentional rows, the same in all rows
        of a sequence (Gal & Ghahramani 2016), and between layers.
    symbol_dropout (float): The share of symbols whose embeddings are dropped in a batch (Gal & Ghahramani 2016).
    label_smoothing (float): The share of each target that all symbols share in training (Szegedy et al. 2016). Not with `copy`.
    scheduled_sampling (float): The share of the true symbols in the decoder's input that are replaced by what it would have
        written there itself, in two sweeps (Bengio et al. 2015; Mihaylova & Martins 2019).
    precision (str): As in `spacy_rnn.RNNEncoder.v1`.
    RETURNS (Model[PairBatch, Floats1d]): The model, from B pairs to the log-probability of each target [M], in nats.
    RAISES (ValueError): If an argument is out of its range, or two exclude each other.
    """
    _check_settings(target, attention, input_feeding, copy, label_smoothing, hidden_width, bidirectional)
    refuse_backward(source, "source")
    refuse_backward(target, "target")
    for name, rate in (("dropout", dropout), ("scheduled_sampling", scheduled_sampling)):
        check_rate(name, rate)
    has_attention = attention != "none"
    settings: Any = {"cell": cell, "dropout": dropout, "locked_dropout": True, "precision": precision}
    encoder = build_rnn(hidden_width, width, depth=encoder_depth, bidirectional=bidirectional, **settings)
    read_width = width + (hidden_width if input_feeding else 0)
    embed = build_symbol_embed(width, symbol_dropout=symbol_dropout)
    n_states = len(get_cell(cell).states) * encoder_depth
    nodes: List[Optional[Model]] = [
        build_symbol_embed(width, symbol_dropout=symbol_dropout),
        encoder,
        build_bridge(cell, decoder_depth, hidden_width, n_states * hidden_width),
        embed,
        build_rnn(hidden_width, read_width, depth=decoder_depth, **settings),
        build_full_softmax(hidden_width, tied=embed if tied else None, label_smoothing=label_smoothing),
        build_cross_attention(attention, hidden_width, hidden_width) if has_attention else None,
        build_attentional(hidden_width, hidden_width, hidden_width) if has_attention else None,
        build_copy_gate(read_width, hidden_width, hidden_width) if copy else None,
    ]
    return Model(
        "seq2seq",
        forward,
        init=init,
        layers=[node for node in nodes if node is not None],
        refs=dict(zip(_NODES, nodes, strict=True)),
        dims={"nV": None},
        attrs={
            "source": source,
            "target": source if target is None else target,
            "shares_symbols": target is None,
            "features": [],
            "input_feeding": input_feeding,
            "dropout": dropout,
            "scheduled_sampling": scheduled_sampling,
        },
    )


def init(model: Model[PairBatch, Floats1d], X: object = None, Y: object = None) -> None:
    n_source, n_target = count_source_symbols(model), len(model.attrs["target"])
    set_symbol_count(model.get_ref("source_embed"), n_source)
    for node in (model, model.get_ref("embed"), model.get_ref("head")):
        set_symbol_count(node, n_target)
    for name in _NODES:
        layer: Optional[Model] = model.maybe_get_ref(name)
        if layer is not None:
            layer.initialize()
    forget_gradients(model)


def count_source_symbols(model: Model) -> int:
    """Count what an encoder may read: the symbols, and the features that stand before them.

    model (Model): An encoder-decoder.
    RETURNS (int): How many there are.
    """
    return len(model.attrs["source"]) + len(model.attrs["features"])


def decoder_of(model: Model) -> Decoder:
    """Give the layers of the decoder.

    model (Model): An encoder-decoder.
    RETURNS (Decoder): Its layers.
    """
    nodes: Any = {name: model.maybe_get_ref(name) for name in Decoder._fields if name != "is_fed"}
    return Decoder(**nodes, is_fed=model.attrs["input_feeding"])


def forward(model: Model[PairBatch, Floats1d], X: PairBatch, is_train: bool) -> Tuple[Floats1d, Callable]:
    if not is_train:
        return score_pairs(model, X)[0], no_backprop
    log_probabilities, run_backprop = _begin(model, X, None, deferred=True)

    def backprop(dY: Floats1d) -> PairBatch:
        run_backprop(-dY)
        return X

    return log_probabilities, backprop


def begin_update(
    model: Model[PairBatch, Floats1d], batch: PairBatch, weights: Optional[Floats1d] = None
) -> Tuple[Floats1d, Callable[[], None]]:
    """Score a batch for training, as `Transduces` says.

    model (Model[PairBatch, Floats1d]): The model.
    batch (PairBatch): The batch.
    weights (Optional[Floats1d]): [M], what each target's loss counts; 1 if None.
    RETURNS (Tuple[Floats1d, Callable]): The log-probabilities [M], and a function that adds the gradients.
    RAISES (ValueError): If the batch does not fit.
    """
    log_probabilities, run_backprop = _begin(model, batch, weights, deferred=False)
    return log_probabilities, lambda: run_backprop(weights)


def _begin(
    model: Model[PairBatch, Floats1d], batch: PairBatch, weights: Optional[Floats1d], deferred: bool
) -> Tuple[Floats1d, Callable[[Optional[Floats1d]], None]]:
    """Score a batch. If it is deferred, what each target's loss counts is known in backpropagation only."""
    sources, targets = _check(model, batch)
    decoder, dropout = decoder_of(model), model.attrs["dropout"]
    encoded, encode_backprop = begin_encode(model.get_ref("source_embed"), model.get_ref("encoder"), sources, dropout)
    joined, join_backprop = join_states(model, encoded.state)
    state, bridge_backprop = model.get_ref("bridge")(joined, True)
    source, look_backprop = _look_at(decoder, encoded)
    if model.attrs["scheduled_sampling"]:
        targets = sample_inputs(decoder, targets, state, source, None, model.attrs["scheduled_sampling"])
    log_probabilities, decode_backprop = begin_decode(decoder, targets, state, source, None, dropout, weights, deferred=deferred)

    def backprop(weights: Optional[Floats1d]) -> None:
        gradient: DecoderGradient = decode_backprop(weights)
        d_rows = None if gradient.d_memory is None else look_backprop(gradient.d_memory)
        encode_backprop(d_rows, join_backprop(bridge_backprop(gradient.d_state)))

    return log_probabilities, backprop


def score_pairs(model: Model[PairBatch, Floats1d], batch: PairBatch) -> Tuple[Floats1d, Optional[Floats1d]]:
    """Find the log-probability of given targets, and what was looked at.

    model (Model[PairBatch, Floats1d]): The model.
    batch (PairBatch): The batch.
    RETURNS (Tuple[Floats1d, Optional[Floats1d]]): The log-probabilities [M]; and the attention of each target to each symbol of
        its source, target after target, [P], if there is attention.
    RAISES (ValueError): If the batch does not fit.
    """
    sources, targets = _check(model, batch)
    state, source = _read(model, sources)
    return score_targets(decoder_of(model), targets, state, source, None)


def begin(model: Model[PairBatch, Floats1d], counts_coverage: bool = False) -> StepwiseDecoder:
    """Give the decoder with the weights as they are, as `Transduces` says.

    model (Model[PairBatch, Floats1d]): The model.
    counts_coverage (bool): Whether it is counted how much attention each symbol of a source has had.
    RETURNS (StepwiseDecoder): A `spacy_rnn.generation.NextSymbol`, whose `start` takes a `SourceBatch` as its context.
    RAISES (ValueError): If there is no attention that could be counted.
    """
    if counts_coverage and model.maybe_get_ref("attention") is None:
        raise ValueError("coverage is about attention, which the model does not have: set coverage = 0, or give it attention")

    def start(n: int, context: Any) -> DecoderState:
        if not isinstance(context, SourceBatch):
            raise ValueError(f"an encoder-decoder writes from a source, a SourceBatch, got {type(context).__name__}")
        sources = check_sources(context, count_source_symbols(model))
        if len(sources.lengths) != n:
            raise ValueError(f"expected a source for each of {n} sequences, got {len(sources.lengths)}")
        hidden, source = _read(model, sources)
        fed = None
        if model.attrs["input_feeding"]:
            fed = cast(Floats2d, model.ops.xp.zeros((n, model.get_ref("rnn").get_dim("nO")), dtype="float32"))
        return DecoderState(hidden, numpy.arange(n), source, fed=fed)

    return StepwiseDecoder(decoder_of(model), start, counts_coverage=counts_coverage)


def _read(model: Model, sources: SourceBatch) -> Tuple[State, Optional[Source]]:
    """Read sources: the decoder's initial state, and what it looks at."""
    encoded = encode(model.get_ref("source_embed"), model.get_ref("encoder"), sources)
    state = model.get_ref("bridge").predict(join_states(model, encoded.state)[0])
    return state, _look_at(decoder_of(model), encoded)[0]


def _look_at(decoder: Decoder, encoded: Encoded) -> Tuple[Optional[Source], Callable]:
    if decoder.attention is None:
        return None, no_backprop
    return look_at(decoder, encoded.rows, encoded.sources.lengths, encoded.sources.numbers)


def _check(model: Model, batch: PairBatch) -> Tuple[SourceBatch, SymbolBatch]:
    sources = check_sources(batch.sources, count_source_symbols(model))
    targets = SymbolBatch(*check_batch(batch.targets, model.get_dim("nV")))
    if len(sources.lengths) != len(targets.lengths):
        raise ValueError(f"expected a target for each of {len(sources.lengths)} sources, got {len(targets.lengths)}")
    return sources, targets


def _check_settings(
    target: Optional[Symbols],
    attention: str,
    input_feeding: bool,
    copy: bool,
    label_smoothing: float,
    hidden_width: int,
    bidirectional: bool,
) -> None:
    if attention not in (*KINDS, "none"):
        raise ValueError(f"attention must be one of {', '.join(KINDS)} or none, got {attention!r}")
    has_attention = attention != "none"
    if hidden_width < 1:
        raise ValueError(f"hidden_width must be at least 1, got {hidden_width}")
    if bidirectional and hidden_width % 2:
        raise ValueError(f"hidden_width is shared by two directions, so it must be even, got {hidden_width}")
    for name, is_set in (("input_feeding", input_feeding), ("copy", copy)):
        if is_set and not has_attention:
            raise ValueError(f"{name} is about what attention has found: set attention to 'general', or {name} = false")
    if copy and target is not None:
        raise ValueError("copy is for symbols that are read and written alike: set target = null, or copy = false")
    if copy and label_smoothing:
        raise ValueError("label_smoothing is about symbols that are written, not copied: set it to 0, or copy = false")


def _check_saved(model: Model) -> None:
    for name, expected in (("source_embed", count_source_symbols(model)), ("embed", len(model.attrs["target"]))):
        found = model.get_ref(name).maybe_get_dim("nV")
        if found is not None and found != expected:
            raise ValueError(f"it has {expected} symbols for {name!r}, but weights of {found}")
    if model.attrs["shares_symbols"]:
        if model.attrs["source"] != model.attrs["target"]:
            raise ValueError("by the config its source and target are the same symbols, but not in the file")
        # Loading has made two of one, which would be learned apart.
        model.attrs["target"] = model.attrs["source"]


def copies(model: Model) -> bool:
    """Say whether symbols are copied, as `Transduces` says.

    model (Model): An encoder-decoder.
    RETURNS (bool): Whether they are.
    """
    return model.maybe_get_ref("gate") is not None


def attends(model: Model) -> bool:
    """Say whether there is attention, as `Transduces` says.

    model (Model): An encoder-decoder.
    RETURNS (bool): Whether there is.
    """
    return model.maybe_get_ref("attention") is not None


declare(
    forward,
    Transduces(begin, begin_update, score_pairs, copies, attends),
    Drops(("dropout", "scheduled_sampling")),
    Saved(no_parameters, _check_saved, learned=["source", "target", "features"]),
)
