"""Encoders that read a sequence piece by piece, with carried state: streams, and sequences too long for memory."""

from functools import partial
from numbers import Integral
from typing import Any, Callable, Dict, Iterable, Iterator, List, Mapping, Optional, Sequence, Tuple

from thinc.api import Model
from thinc.types import Floats2d, Ragged

from ..layers import find_mixing
from ..layers.capabilities import Recurrent, State, find, with_forwards

Encoder = Model[List[Floats2d], List[Floats2d]]


def scan_encoder(
    model: Encoder,
    Xs: List[Floats2d],
    states: Optional[List[State]] = None,
    n_ahead: Optional[Sequence[int]] = None,
    session: Optional["EncoderSession"] = None,
) -> Tuple[List[Floats2d], List[State]]:
    """Run an encoder over the next piece of some streams, and return the state to go on with.

    Every layer runs over the piece and its look ahead. Its forward direction starts in the carried state and hands on the one
    after the piece; its backward direction starts at the end of the look ahead, in its own state. With forward directions only,
    pieces of any size give what the whole stream would have given. With two directions, the state that the first layer carries
    is that of the whole stream; its output lacks what comes after the look ahead, and so do the input and the state of the
    layers above. If the first piece's look ahead reaches to the end of the stream, nothing is lacking.

    model (Model[List[Floats2d], List[Floats2d]]): The encoder: layers made by `build_rnn`, or declared to be `Recurrent`, and
        layers that treat each row by itself.
    Xs (List[Floats2d]): The rows of each stream's next piece and of the look ahead behind it, [n, nI].
    states (Optional[List[Dict[str, Floats3d]]]): What the call for the pieces before has returned; None before the first.
    n_ahead (Optional[Sequence[int]]): How many of each stream's rows are the look ahead; they belong to the next piece as well.
        No rows if None.
    session (Optional[EncoderSession]): Of this encoder, for many small pieces: weights are then not looked at in each call.
    RETURNS (Tuple[List[Floats2d], List[Dict[str, Floats3d]]]): The outputs of the pieces, [n - n_ahead, nO]; and for each
        recurrent layer, from the first to the last, its state as in `scan`.
    RAISES (ValueError): If the encoder has a layer that cannot be cut, e.g. a convolution; or if the states, the numbers of rows
        or the session do not fit.
    """
    if session is None:
        check_encoder(model)
    elif session.model is not model:
        raise ValueError("the session is that of another encoder: begin one with this encoder")
    ahead = [0] * len(Xs) if n_ahead is None else list(n_ahead)
    run = _Run(states, ahead, {} if session is None else session.layers)
    Ys = with_forwards(model, run.choose).predict(Xs)
    if states is not None and len(states) != len(run.after):
        raise ValueError(f"the encoder has {len(run.after)} recurrent layers, and takes a state for each, got {len(states)}")
    return [Y[: len(Y) - n] for Y, n in zip(Ys, ahead, strict=True)], run.after


def encode_stream(model: Encoder, chunks: Iterable[Floats2d], *, piece: int, lookahead: int) -> Iterator[Floats2d]:
    """Encode a stream of rows, in memory for a piece, the look ahead and a chunk.

    model (Model[List[Floats2d], List[Floats2d]]): The encoder, as in `scan_encoder`.
    chunks (Iterable[Floats2d]): The rows as they come, some [n, nI] at a time.
    piece (int): How many rows are encoded at a time, at least 1.
    lookahead (int): How many rows behind a piece a backward direction sees at least, where the stream has as many. An encoder
        without a backward direction needs none, and waits for none.
    RETURNS (Iterator[Floats2d]): The outputs [n, nO], a piece at a time; the last piece and its look ahead together.
    RAISES (ValueError): If the encoder has a layer that cannot be cut, or if a number is out of its range.
    """
    check_encoder(model)
    check_sizes(piece, lookahead)
    # Sums of NumPy's small integers overflow.
    return _encode(model, iter(chunks), int(piece), int(lookahead) if reads_backward(model) else 0)


def check_encoder(model: Model) -> None:
    """Refuse an encoder that cannot carry state.

    model (Model): The encoder.
    RAISES (ValueError): If it has a layer that is neither recurrent nor treats each row by itself.
    """
    mixing = find_mixing(model, [Recurrent])
    if mixing is not None:
        raise ValueError(
            f"the layer {mixing.name!r} cannot read a stream piece by piece: it is neither one of this package's recurrent "
            "layers nor known to treat each row by itself. Run the encoder over whole sequences; or, if every row of its output "
            "depends on one row of its input alone, say so: spacy_rnn.layers.declare(forward, RowWise())"
        )


def check_sizes(piece: int, lookahead: int) -> None:
    """Check the sizes that a stream is cut by.

    piece (int): How many rows are encoded at a time.
    lookahead (int): How many rows behind them are looked at.
    RAISES (ValueError): If one is no whole number or too small.
    """
    for name, value, least in (("piece", piece, 1), ("lookahead", lookahead, 0)):
        if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
            raise ValueError(f"{name} must be a whole number, at least {least}, got {value!r}")


def reads_backward(model: Model) -> bool:
    """Tell whether a model has a recurrent layer with a backward direction.

    model (Model): Any model.
    RETURNS (bool): Whether it has.
    """
    return any((recurrent := find(node, Recurrent)) and recurrent.is_bidirectional(node) for node in model.walk())


class EncoderSession:
    """An encoder that reads many pieces with the same weights. What changes them meanwhile may or may not show."""

    def __init__(self, model: Encoder) -> None:
        """Begin.

        model (Model[List[Floats2d], List[Floats2d]]): The encoder.
        RAISES (ValueError): If it has a layer that cannot be cut, or no weights yet.
        """
        check_encoder(model)
        self.model = model
        self.layers: Dict[int, Any] = {}
        for layer in model.walk():
            recurrent = find(layer, Recurrent)
            if recurrent is not None:
                self.layers[layer.id] = recurrent.begin(layer)


class _Run:
    """One run over a piece.

    It has the states before the piece, those after it as far as the layers have run, the look ahead, and what layers have in
    common with other runs."""

    def __init__(self, before: Optional[List[State]], n_ahead: List[int], sessions: Mapping[int, Any]) -> None:
        self.sessions = sessions
        self.before = before
        self.after: List[State] = []
        self.n_ahead = n_ahead

    def choose(self, layer: Model) -> Optional[Callable]:
        """Give the forward function of a recurrent layer; None for others."""
        recurrent = find(layer, Recurrent)
        return None if recurrent is None else partial(self._forward, recurrent, layer)

    def _forward(self, recurrent: Recurrent, layer: Model, _: Model, X: Ragged, is_train: bool) -> Tuple[Ragged, Callable]:
        """Run a recurrent layer, the next in the order in which they run."""
        start: Optional[State] = None
        if self.before is not None and len(self.after) < len(self.before):
            start = recurrent.restart_backward(layer, self.before[len(self.after)], len(self.n_ahead))
        Y, state = recurrent.scan(layer, X, start, self.n_ahead, self.sessions.get(layer.id))
        self.after.append(state)
        return Y, _no_backprop


def _no_backprop(dY: Ragged) -> Ragged:
    raise ValueError("a stream is read for prediction, and keeps nothing to backpropagate with")


def _encode(model: Encoder, chunks: Iterator[Floats2d], piece: int, lookahead: int) -> Iterator[Floats2d]:
    session = EncoderSession(model)
    states: Optional[List[State]] = None
    waiting: List[Floats2d] = []
    n_waiting = 0
    for chunk in chunks:
        waiting.append(chunk)
        n_waiting += len(chunk)
        while n_waiting >= piece + lookahead:
            rows = join_parts(model, waiting)
            (Y,), states = scan_encoder(model, [rows[: piece + lookahead]], states, [lookahead], session)
            waiting, n_waiting = [rows[piece:]], n_waiting - piece
            yield Y
    if n_waiting:
        yield scan_encoder(model, [join_parts(model, waiting)], states, session=session)[0][0]


def join_parts(model: Model, parts: List[Floats2d]) -> Floats2d:
    """Join the parts of a stream that have been read so far.

    model (Model): The model that reads the stream.
    parts (List[Floats2d]): At least one, some rows [n, width] each.
    RETURNS (Floats2d): All rows; the part itself if there is one only.
    """
    return parts[0] if len(parts) == 1 else model.ops.xp.concatenate(parts)
