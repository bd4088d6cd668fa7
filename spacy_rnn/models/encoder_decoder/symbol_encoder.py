"""The encoder of an encoder-decoder: an embedding of symbols and recurrent layers."""

from typing import Callable, NamedTuple, Optional, Tuple, cast

from thinc.api import Model
from thinc.types import Floats2d, Ints1d, Ragged

from ...layers.capabilities import State
from ...layers.plain.sequence_dropout import draw_sequence_mask
from ...layers.ragged.taken import TakenRows
from ...layers.recurrent.scanning import begin_scan, scan
from ...recurrence import Table, TableRows
from ...text.symbols import SourceBatch
from ..symbols import as_lengths, as_symbols, distinct_symbols


class Encoded(NamedTuple):
    """What an encoder has read.

    rows (Floats2d): [N, nE], a row for each symbol.
    state (Dict[str, Floats3d]): The state after the last symbol of each direction: [depth · directions, B, nH] by name.
    sources (SourceBatch): What was read.
    """

    rows: Floats2d
    state: State
    sources: SourceBatch


EncodeBackprop = Callable[[Optional[Floats2d], State], None]


def check_sources(sources: SourceBatch, n_symbols: int) -> SourceBatch:
    """Refuse what is no batch of sources.

    sources (SourceBatch): The batch.
    n_symbols (int): How many symbols the encoder knows.
    RETURNS (SourceBatch): Symbols int64 [N] and lengths int32 [B], on the host.
    RAISES (ValueError): If there is no such symbol, or the lengths do not fit.
    """
    numbers = as_symbols(sources.numbers, n_symbols)
    lengths = as_lengths(sources.lengths)
    if int(lengths.sum()) != len(numbers):
        raise ValueError(f"lengths add up to {int(lengths.sum())}, but there are {len(numbers)} symbols of sources")
    return SourceBatch(numbers, lengths)


def encode(embed: Model, rnn: Model, sources: SourceBatch) -> Encoded:
    """Read sources.

    embed (Model): The embedding.
    rnn (Model): The recurrent layers.
    sources (SourceBatch): The sources, checked.
    RETURNS (Encoded): What was read.
    """
    distinct, index = distinct_symbols(sources.numbers, embed.get_dim("nV"))
    table = cast(Floats2d, embed.predict(cast(Ints1d, distinct)))
    Y, state = scan(rnn, TakenRows(TableRows(Table(table), index), cast(Ints1d, sources.lengths)))
    return Encoded(cast(Floats2d, Y.dataXd), state, sources)


def begin_encode(embed: Model, rnn: Model, sources: SourceBatch, dropout: float) -> Tuple[Encoded, EncodeBackprop]:
    """Read sources, for training.

    embed (Model): The embedding.
    rnn (Model): The recurrent layers.
    sources (SourceBatch): The sources, checked.
    dropout (float): The share of the embedding's columns that is dropped, the same in all rows of a sequence.
    RETURNS (Tuple[Encoded, Callable]): What was read; and a function (gradient of the rows or None, that of the state) that
        increments the gradients of the parameters.
    """
    numbers, lengths = sources.numbers, cast(Ints1d, sources.lengths)
    mask: Optional[Floats2d] = None
    if dropout:
        rows, embed_backprop = embed.begin_update(cast(Ints1d, numbers))
        mask = draw_sequence_mask(embed.ops, sources.lengths, embed.get_dim("nO"), dropout)
        X = Ragged(rows * mask, lengths)
    else:
        distinct, index = distinct_symbols(numbers, embed.get_dim("nV"))
        table, embed_backprop = embed.begin_update(cast(Ints1d, distinct))
        X = TakenRows(TableRows(Table(table), index), lengths, table_gradient=True)
    (Y, state), rnn_backprop = begin_scan(rnn, X)
    encoded = Encoded(cast(Floats2d, Y.dataXd), state, sources)

    def backprop(d_rows: Optional[Floats2d], d_state: State) -> None:
        if d_rows is None:
            d_rows = embed.ops.xp.zeros_like(encoded.rows)
        dX = rnn_backprop(Ragged(d_rows, lengths), d_state)[0].dataXd
        embed_backprop(dX if mask is None else dX * mask)

    return encoded, backprop
