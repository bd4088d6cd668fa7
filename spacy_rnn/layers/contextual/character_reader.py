"""The states of a language model of characters, at given places of texts."""

from typing import Any, Callable, Dict, Optional, Sequence, Tuple, cast

import numpy
from thinc.api import Model, Ops
from thinc.types import Floats2d, Ints1d, Ragged

from ...recurrence import Table, TableRows
from ...text.symbols import START, Symbols
from ...text.symbols.characters import Characters, build_characters
from ..embedding.symbol_embed import build_symbol_embed
from ..ops import use_engine_products
from ..plain.dropout import drop_nothing
from ..ragged.cut import cut_batch
from ..ragged.sums import sum_rows
from ..ragged.taken import TakenRows
from ..recurrent.rnn import build_rnn
from ..recurrent.scanning import scan
from ..weights import load_weights

# Time steps whose states are in memory at a time when nothing is learned.
_PIECE = 16384
_NETWORK = ("cell", "depth", "residual")


class CharacterReader:
    """The network of a language model that reads texts character by character, forward or backward, without its output."""

    def __init__(self, symbols: Symbols, embed: Model, rnn: Model) -> None:
        """Take a network.

        symbols (Symbols): The characters. They say whether texts are read from their end.
        embed (Model): The embedding of the characters, with its weights.
        rnn (Model): The recurrent layer over them, with its weights.
        RAISES (ValueError): If the symbols are no characters.
        """
        if not isinstance(symbols, Characters):
            raise ValueError(f"words are embedded by the states of a model of characters, but this one predicts {symbols.unit}s")
        self.symbols, self.embed, self.rnn = symbols, embed, rnn
        self._table: Optional[Table] = None

    @property
    def width(self) -> int:
        """RETURNS (int): The number of units of the last recurrent layer."""
        return self.rnn.get_dim("nO")

    @property
    def ops(self) -> Ops:
        """RETURNS (Ops): The backend of the weights."""
        return self.rnn.ops

    def layers(self) -> Tuple[Model, Model]:
        """RETURNS (Tuple[Model, Model]): Everything with parameters."""
        return self.embed, self.rnn

    def freeze(self) -> None:
        """Promise that the weights do not change any more. Engines then keep what they compute from the embedding."""
        self._table = Table(self.embed.get_param("E"))

    def to_ops(self, ops: Ops) -> None:
        """Move the weights to where other arrays are.

        ops (Ops): Their backend.
        """
        for layer in self.layers():
            if ops.device_type == "gpu":
                layer.to_gpu(ops.device_id)
            else:
                layer.to_cpu()
                use_engine_products(layer)
        if self._table is not None:
            self.freeze()

    def places(self, starts: numpy.ndarray, ends: numpy.ndarray, length: int) -> numpy.ndarray:
        """Say after how many characters words have been read, and nothing behind them in the order of reading.

        starts (numpy.ndarray): Integers [n], where words begin, in characters.
        ends (numpy.ndarray): Integers [n], where they end.
        length (int): The number of characters of the text.
        RETURNS (numpy.ndarray): Integers [n].
        """
        return length - starts if self.symbols.backward else ends

    def read(self, texts: Sequence[str], places: Sequence[numpy.ndarray]) -> Floats2d:
        """Give states, when nothing is learned.

        Texts are read some at a time. Longer ones are read in pieces, with the state carried from one to the next.

        texts (Sequence[str]): The texts.
        places (Sequence[numpy.ndarray]): Integers [n] for each: after how many characters, from 0 to all.
        RETURNS (Floats2d): The states [N, width], text after text.
        """
        numbers, lengths, wanted = self._encode(texts, places)
        table = self._table or Table(self.embed.get_param("E"))
        states = self.ops.alloc2f(len(wanted), self.width)
        order = numpy.argsort(wanted, kind="stable")
        in_order = wanted[order]
        state: Any = None
        for part in cut_batch(lengths, _PIECE):
            X = TakenRows(TableRows(table, numbers[part.rows]), cast(Ints1d, part.lengths))
            if part.is_whole:
                rows = self.rnn.predict(X)
            else:
                rows, state = scan(self.rnn, X, None if part.is_first else state)
            first, last = numpy.searchsorted(in_order, [part.rows[0], part.rows[-1] + 1])
            xp = self.ops.xp
            taken = xp.asarray(in_order[first:last] - part.rows[0])
            states[xp.asarray(order[first:last])] = xp.take(cast(Floats2d, rows.dataXd), taken, axis=0)
        return states

    def begin_update(self, texts: Sequence[str], places: Sequence[numpy.ndarray]) -> Tuple[Floats2d, Callable[[Floats2d], None]]:
        """Give states, to learn from them.

        texts (Sequence[str]): The texts.
        places (Sequence[numpy.ndarray]): As in `read`.
        RETURNS (Tuple[Floats2d, Callable]): The states [N, width]; and a function from their gradient that increments those of
            the parameters.
        """
        ops, xp = self.ops, self.ops.xp
        numbers, lengths, wanted = self._encode(texts, places)
        if not len(wanted):
            return ops.alloc2f(0, self.width), lambda d_states: None
        table, embed_backprop = self.embed.begin_update(cast(Ints1d, numpy.arange(len(self.symbols))))
        X = TakenRows(TableRows(Table(table), numbers), cast(Ints1d, lengths), table_gradient=True)
        Y, rnn_backprop = self.rnn.begin_update(X)

        def backprop(d_states: Floats2d) -> None:
            dY = sum_rows(ops, ops.as_contig(d_states), wanted, len(numbers))
            embed_backprop(rnn_backprop(Ragged(dY, Y.lengths)).dataXd)

        return xp.take(cast(Floats2d, Y.dataXd), xp.asarray(wanted), axis=0), backprop

    def _encode(
        self, texts: Sequence[str], places: Sequence[numpy.ndarray]
    ) -> Tuple[numpy.ndarray, numpy.ndarray, numpy.ndarray]:
        """Give what is read, int64 [T]; the length of each sequence, int32 [B]; and which states are wanted, int64 [N]."""
        encoded = [self.symbols.encode(text).numbers for text in texts]
        lengths = numpy.asarray([len(each) + 1 for each in encoded], dtype="int32")
        begins = numpy.cumsum(lengths, dtype="int64") - lengths
        nothing = numpy.zeros(0, dtype="int64")
        numbers = numpy.concatenate([nothing, *(part for each in encoded for part in ([START], each))])
        wanted = numpy.concatenate([nothing, *(begin + own for begin, own in zip(begins, places, strict=True))])
        return numbers.astype("int64"), lengths, wanted.astype("int64")

    def to_data(self) -> Dict[str, Any]:
        """RETURNS (Dict[str, Any]): Everything, in plain data."""
        return {
            "symbols": self.symbols.to_data(),
            "width": self.embed.get_dim("nO"),
            "hidden_width": self.width,
            **{name: self.rnn.attrs[name] for name in _NETWORK},
            "embed": self.embed.to_bytes(),
            "rnn": self.rnn.to_bytes(),
        }

    @classmethod
    def from_data(cls, data: Dict[str, Any]) -> "CharacterReader":
        """Make a network of what was saved.

        data (Dict[str, Any]): What `to_data` has given.
        RETURNS (CharacterReader): The network.
        RAISES (ValueError): If the weights do not fit each other. Damaged data can raise anything.
        """
        symbols = build_characters(**data["symbols"]["settings"])
        symbols.from_data(data["symbols"])
        embed = build_symbol_embed(data["width"], len(symbols))
        network = {name: data[name] for name in _NETWORK}
        rnn = build_rnn(data["hidden_width"], data["width"], locked_dropout=True, **network)
        for layer, weights in ((embed, data["embed"]), (rnn, data["rnn"])):
            load_weights(layer, weights)
            drop_nothing(layer)
            use_engine_products(layer)
        return cls(symbols, embed, rnn)

    @classmethod
    def of(cls, symbols: Symbols, embed: Model, rnn: Model) -> "CharacterReader":
        """Copy the network of a language model, without its dropout.

        symbols (Symbols): Its symbols.
        embed (Model): The embedding of its symbols.
        rnn (Model): Its recurrent layer.
        RETURNS (CharacterReader): The network.
        RAISES (ValueError): If the symbols are no characters, or there are no weights yet.
        """
        return cls.from_data(cls(symbols, embed, rnn).to_data())
