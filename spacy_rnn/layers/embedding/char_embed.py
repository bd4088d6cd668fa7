"""Word vectors from characters, by a recurrent network."""

from typing import Any, Callable, List, NamedTuple, Optional, Tuple, Union, cast

import numpy
from spacy.attrs import ORTH
from spacy.tokens import Doc
from spacy.vocab import Vocab
from thinc.api import Dropout, HashEmbed, Model, Ops
from thinc.types import Floats2d, Ints1d, Ragged

from ...recurrence import Table, TableRows
from ..capabilities import GivesRows, ReadsCharacters, RowWise, declare, find
from ..ops import use_engine_products
from ..plain.pool import build_pool
from ..ragged.sums import sum_rows
from ..ragged.taken import TakenRows
from ..recurrent.rnn import build_rnn
from ..saved import Saved, no_parameters, require_same
from .network import Embedded, EmbedsAttributes, SideBySide, TokenNetwork, predict_in_pieces
from .parts import embed_ids, project_static, side_by_side
from .per_type import embed_tokens, predict_tokens
from .rows import as_lists, embed_rows
from .static import IncludeStatic, build_static, check_static, lookup_attrs, size_static, static_in_use, static_sources
from .unique import distinct_rows
from .vector_cache import VectorCache

# The seed of the characters' hashes is a part of the parameters: it must not depend on what else was built before.
_SEED = 0
# How many characters are read at a time when nothing is learned.
_PIECE_CHARACTERS = 8192


def build_char_embed(
    width: int,
    *,
    char_width: int = 32,
    cell: str = "lstm",
    rows: int = 2000,
    include_static_vectors: IncludeStatic = False,
    embed: Optional[Model[List[Doc], List[Floats2d]]] = None,
    cache_size: int = 100_000,
    max_characters: int = 256,
) -> Model[List[Doc], List[Floats2d]]:
    """Embed words by a bidirectional recurrent network over their characters.

    A word's vector is the last states of the network over its Unicode characters (Ling et al. 2015, "Finding function in form",
    equation 1, without its projection). It is computed once for each distinct word of a batch; in prediction it is cached across
    batches, as in `spacy_rnn.HashEmbed.v1`.

    width (int): The width of a word's vector, both directions together.
    char_width (int): The width of a character's vector.
    cell (str): "elman_tanh", "elman_relu", "gru", "gru_reset_before", "lstm" or "lstm_peephole".
    rows (int): The number of rows of the table of characters. It is a hash embedding: characters need not be known beforehand.
    include_static_vectors (Union[bool, str]): Whether a projection of the vocabulary's vectors, of the same width, stands beside
        that. With "auto" it does if there are vectors when the layer is initialized, and a word that has none as it is written
        has that of its lower case.
    embed (Optional[Model[List[Doc], List[Floats2d]]]): Another embedding whose vectors stand beside these, e.g. of whole words.
    cache_size (int): How many vectors are kept at most; with 0 none.
    max_characters (int): How many characters of a word are read, at least 2: of a longer one the first and the last half of so
        many, as if its middle were not there. It bounds the memory and the time that one word can take.
    RETURNS (Model[List[Doc], List[Floats2d]]): The layer, from texts of n tokens to rows [n, nO], nO = width · (2 with static
        vectors, else 1) + the width of embed.
    RAISES (ValueError): If an argument is out of its range. When the layer is initialized or run: if the vocabulary's vectors
        are missing or of another width.
    """
    if width < 2 or width % 2:
        raise ValueError(f"width is shared by two directions, so it must be even and at least 2, got {width}")
    if char_width < 1 or rows < 1:
        raise ValueError(f"char_width and rows must be at least 1, got {char_width} and {rows}")
    if cache_size < 0:
        raise ValueError(f"cache_size must be at least 0, got {cache_size}")
    if max_characters < 2:
        raise ValueError(f"max_characters is shared by the start and the end of a word, so at least 2, got {max_characters}")
    layers: List[Model] = [
        HashEmbed(nO=char_width, nV=rows, seed=_SEED),
        build_rnn(nO=width, nI=char_width, cell=cell, bidirectional=True),
        build_pool("last", bidirectional=True, nI=width),
        Dropout(),
    ]
    static = build_static(width, include_static_vectors)
    beside_characters = [layer for layer in (static, embed) if layer is not None]
    layers.extend(beside_characters)
    widths = [width, *(layer.maybe_get_dim("nO") for layer in beside_characters)]
    return Model(
        "char_embed",
        forward,
        init=init,
        layers=layers,
        dims={"nO": None if None in widths else sum(cast(List[int], widths))},
        # Thinc does not save an attribute that is no plain data. A copy of a model has no references, but attributes.
        attrs={
            "cache": VectorCache(cache_size),
            "static": static is not None,
            "embed": embed is not None,
            "max_characters": max_characters,
        },
    )


def init(
    model: Model[List[Doc], List[Floats2d]],
    X: Optional[List[Doc]] = None,
    Y: object = None,
) -> None:
    network = CharNetwork.of(model)
    static = _projection(model)
    for layer in network.layers():
        if layer is not static:
            layer.initialize()
    if static is not None:
        size_static(static, X)
        static.initialize(X=X)
    network = CharNetwork.of(model)
    width = network.width
    for embed in beside(model):
        embed.initialize(X=X)
        width += embed.get_dim("nO")
    model.set_dim("nO", width)


def forward(model: Model[List[Doc], List[Floats2d]], docs: List[Doc], is_train: bool) -> Tuple[List[Floats2d], Callable]:
    return as_lists(model.ops, *forward_rows(model, docs, is_train))


def forward_rows(model: Model[List[Doc], List[Floats2d]], docs: List[Doc], is_train: bool) -> Tuple[Ragged, Callable]:
    use_engine_products(model)
    everything = None if is_train else token_network(model)
    if everything is not None:
        return predict_tokens(everything, model.attrs["cache"], docs)
    network = CharNetwork.of(model)
    Y, char_backprop = embed_tokens(network, model.attrs["cache"], docs, is_train)
    others = beside(model)
    if not others:
        return Y, char_backprop
    other, other_backprop = embed_rows(others[0], docs, is_train)
    ops, width, lengths = model.ops, network.width, Y.lengths

    def backprop(dY: Ragged) -> List[Doc]:
        d_rows = cast(Floats2d, dY.dataXd)
        char_backprop(Ragged(ops.as_contig(d_rows[:, :width]), lengths))
        other_backprop(Ragged(ops.as_contig(d_rows[:, width:]), lengths))
        return []

    return Ragged(ops.xp.hstack([Y.dataXd, other.dataXd]), lengths), backprop


def beside(model: Model) -> List[Model]:
    """Give the other embedding that stands beside that of the characters.

    model (Model): A model made by `build_char_embed`.
    RETURNS (List[Model]): It alone, or nothing.
    """
    return model.layers[-1:] if model.attrs["embed"] else []


def token_network(model: Model) -> Optional[TokenNetwork]:
    """Give what computes a token's whole vector when nothing is learned.

    model (Model): A model made by `build_char_embed`.
    RETURNS (Optional[TokenNetwork]): It; None if the other embedding is not known to be a function of attributes alone.
    """
    parts: List[TokenNetwork] = [CharNetwork.of(model)]
    for embed in beside(model):
        embeds_attributes = find(embed, EmbedsAttributes)
        part = None if embeds_attributes is None else embeds_attributes.network(embed)
        if part is None:
            return None
        parts.append(part)
    return parts[0] if len(parts) == 1 else SideBySide(tuple(parts))


class CharNetwork(NamedTuple):
    """The layers of a character embedding.

    table (Model): The hash embedding of characters.
    rnn (Model): The recurrent network over a word's characters.
    pool (Model): From its states to the last ones.
    dropout (Model): The dropout of a token's vector.
    static (Optional[Model]): The projection of the static vectors, if there are any.
    max_characters (int): How many characters of a word are read.
    """

    table: Model
    rnn: Model
    pool: Model
    dropout: Model
    static: Optional[Model]
    max_characters: int

    @classmethod
    def of(cls, model: Model) -> "CharNetwork":
        """Find the layers.

        model (Model): A model made by `build_char_embed`.
        RETURNS (CharNetwork): Its layers.
        """
        table, rnn, pool, dropout = model.layers[:4]
        return cls(table, rnn, pool, dropout, static_in_use(_projection(model)), model.attrs["max_characters"])

    @property
    def ops(self) -> Ops:
        """RETURNS (Ops): The backend of the parameters."""
        return self.table.ops

    @property
    def width(self) -> int:
        """RETURNS (int): The width of a vector."""
        return self.rnn.get_dim("nO") * (1 if self.static is None else 2)

    def columns(self, vocab: Vocab) -> List[Union[int, str]]:
        """List the attributes: the word itself, and those that static vectors are looked up by if there are any.

        vocab (Vocab): The vocabulary of the texts.
        RETURNS (List[int]): spaCy's numbers of the attributes.
        """
        return [ORTH, *lookup_attrs(self.static, vocab)]

    def layers(self) -> List[Model]:
        """RETURNS (List[Model]): Everything with parameters."""
        return [self.table, self.rnn, *self.rnn.layers, self.pool, *([self.static] if self.static else [])]

    def reads_vocabulary(self) -> bool:
        """RETURNS (bool): True, since the attribute of a word does not say what its characters are."""
        return True

    def sources(self, vocab: Vocab) -> Optional[List[Any]]:
        """List what vectors are computed from besides words and parameters.

        vocab (Vocab): The vocabulary of the texts.
        RETURNS (Optional[List[Any]]): The number of characters read, and the static vectors if they are projected; None if these
            may change unnoticed.
        """
        static = static_sources(self.static, vocab)
        return None if static is None else [self.max_characters, *static]

    def predict(self, keys: numpy.ndarray, vocab: Vocab) -> Floats2d:
        """Compute the vectors of words when nothing is learned, some at a time.

        keys (numpy.ndarray): uint64 [D, 1 to 3], D >= 1: the words, and what static vectors are looked up by.
        vocab (Vocab): The vocabulary of the texts.
        RETURNS (Floats2d): The vectors [D, width].
        RAISES (ValueError): If the static vectors have not the width the network was initialized with.
        """
        lengths = numpy.asarray([len(vocab.strings[key]) for key in keys[:, 0].tolist()], dtype="int64")
        return predict_in_pieces(self, keys, vocab, numpy.minimum(lengths, self.max_characters), _PIECE_CHARACTERS)

    def embed(self, keys: numpy.ndarray, vocab: Vocab, is_train: bool) -> Embedded:
        """Compute the vectors of words, all but their dropout.

        keys (numpy.ndarray): uint64 [D, 1 to 3], D >= 1: the words, and what static vectors are looked up by.
        vocab (Vocab): The vocabulary of the texts.
        is_train (bool): Whether there is going to be a gradient.
        RETURNS (Tuple[Floats2d, Callable]): The vectors [D, width], and a function from their gradient that increments those of
            the parameters.
        RAISES (ValueError): If the static vectors have not the width the network was initialized with.
        """
        words = [_without_middle(vocab.strings[key], self.max_characters) for key in keys[:, 0].tolist()]
        parts = [self._read(words, is_train)]
        if self.static is not None:
            parts.append(project_static(self.static, keys[:, 1:], vocab.vectors, is_train))
        return side_by_side(self.ops, parts)

    def _read(self, words: List[str], is_train: bool) -> Embedded:
        """Run the recurrent network over the characters of words."""
        ops = self.ops
        lengths = numpy.asarray([len(word) for word in words], dtype="int32")
        characters = code_points(words)
        first, inverse = distinct_rows(characters.reshape(-1, 1))
        distinct, table_backprop = embed_ids(self.table, characters[first], is_train)
        taken = TableRows(Table(distinct), inverse)
        X = Ragged(taken.take(), cast(Ints1d, lengths)) if is_train else TakenRows(taken, cast(Ints1d, lengths))
        states, rnn_backprop = self.rnn(X, is_train)
        Y, pool_backprop = self.pool(states, is_train)

        def backprop(dY: Floats2d) -> None:
            dX = rnn_backprop(pool_backprop(dY))
            table_backprop(sum_rows(ops, ops.as_contig(dX.dataXd), inverse, len(first)))

        return Y, backprop


def _projection(model: Model) -> Optional[Model]:
    return model.layers[4] if model.attrs["static"] else None


def _without_middle(word: str, size: int) -> str:
    """Give a word of at most so many characters."""
    return word if len(word) <= size else word[: size - size // 2] + word[-(size // 2) :]


def code_points(words: List[str]) -> numpy.ndarray:
    """Give the Unicode code points of words, one word after the other.

    words (List[str]): The words.
    RETURNS (numpy.ndarray): uint64 [characters].
    """
    encoded = "".join(words).encode("utf-32-le", errors="surrogatepass")
    return numpy.frombuffer(encoded, dtype="<u4").astype("uint64")


def _check(model: Model) -> None:
    network = CharNetwork.of(model)
    check_static(_projection(model))
    require_same(network.table, "nO", network.rnn, "nI")
    require_same(network.rnn, "nO", network.pool, "nI")
    nO, parts = model.maybe_get_dim("nO"), [network.rnn, *model.layers[4:]]
    widths = [part.get_dim("nO") for part in parts if part.has_dim("nO")]
    if nO is not None and len(widths) == len(parts) and sum(widths) != nO:
        raise ValueError(f"its width nO = {nO} is not that of the vectors side by side, {widths}")


# The recurrent layer mixes the characters of one word.
declare(
    forward,
    RowWise(layers=beside),
    GivesRows(forward_rows),
    EmbedsAttributes(token_network),
    ReadsCharacters(),
    Saved(no_parameters, _check),
)
