"""A learned vocabulary and its embedding table."""

from typing import Any, Callable, List, Mapping, NamedTuple, Optional, Tuple, Union, cast

import numpy
from spacy.attrs import intify_attr
from spacy.tokens import Doc
from spacy.vocab import Vocab
from thinc.api import Model, Ops, uniform_init
from thinc.types import Floats2d, Ints1d, Ragged

from ...text.vocabulary import N_SPECIAL, UNKNOWN, Vocabulary, WordCounter
from ..capabilities import Drops, GivesRows, LearnsVocabulary, RowWise, declare
from ..learning import learn_vocabulary
from ..ops import use_engine_products
from ..plain.dropout import check_rate
from ..ragged.sums import sum_rows
from ..saved import Saved, Shapes
from .network import Embedded, EmbedsAttributes
from .parts import project_static, project_tokens, side_by_side
from .rows import as_lists
from .static import IncludeStatic, build_static, check_static, lookup_attrs, size_static, static_in_use, static_sources


def build_embed(
    width: int,
    *,
    size: int = 10000,
    attr: str = "LOWER",
    min_count: int = 1,
    word_dropout: float = 0.0,
    include_static_vectors: IncludeStatic = False,
) -> Model[List[Doc], List[Floats2d]]:
    """Embed words with a table that has one row for each of the most frequent words of the training data.

    It multiplies a one-hot vector by a matrix. The vocabulary is learned when the model is initialized. If every word has a row
    (min_count = 1), words that are first met in a later update take rows that are still free; otherwise they stay unknown.

    width (int): The width of the vectors.
    size (int): The number of rows: the most frequent words, and one row each for padding, unknown words, start and end.
    attr (str): The token attribute that counts as the word: "ORTH", "LOWER", "NORM", "LEMMA", …
    min_count (int): How often a word occurs at least that has a row of its own. With 2 the row of unknown words learns from the
        words that occur once, so that it means something when the model is used.
    word_dropout (float): The share of tokens that count as unknown words in training, at a rate that belongs to the architecture
        (Iyyer et al. 2015, section 2.3, where they have no vector at all).
    include_static_vectors (Union[bool, str]): Whether a projection of the vocabulary's vectors, of the same width, stands beside
        the rows of the table. With "auto" it does if there are vectors when the layer is initialized, and a word that has none as
        it is written has that of its lower case.
    RETURNS (Model[List[Doc], List[Floats2d]]): The layer, from texts of n tokens to rows [n, nO], nO = width · (2 with static
        vectors, else 1).
    RAISES (ValueError): If the attribute is unknown, the width or min_count is below 1, the size leaves no room for a word,
        word_dropout is not in [0, 1), or include_static_vectors is something else. When the layer is initialized or run: if the
        vocabulary's vectors are missing or of another width.
    """
    if not intify_attr(attr):
        raise ValueError(f"attr must be a token attribute such as LOWER, got {attr!r}")
    if width < 1:
        raise ValueError(f"width must be at least 1, got {width}")
    if min_count < 1:
        raise ValueError(f"min_count must be at least 1, got {min_count}")
    check_rate("word_dropout", word_dropout)
    if size <= N_SPECIAL:
        raise ValueError(f"size counts {N_SPECIAL} special entries, so it must be at least {N_SPECIAL + 1}, got {size}")
    static = build_static(width, include_static_vectors)
    return Model(
        "rnn_embed",
        forward,
        init=init,
        layers=[] if static is None else [static],
        dims={"nO": width * (1 if static is None else 2) if include_static_vectors != "auto" else None, "nV": size},
        params={"E": None},
        attrs={
            "width": width,
            "attr": attr,
            "min_count": min_count,
            "word_dropout": word_dropout,
            "vocabulary": Vocabulary(),
        },
    )


def init(
    model: Model[List[Doc], List[Floats2d]],
    X: Optional[List[Doc]] = None,
    Y: object = None,
) -> None:
    if X:
        learn_vocabulary(model, X)
    model.set_param("E", uniform_init(model.ops, (model.get_dim("nV"), model.attrs["width"])))
    for static in model.layers:
        size_static(static, X)
        static.initialize(X=X)
    model.set_dim("nO", _total_width(model))


def forward(model: Model[List[Doc], List[Floats2d]], docs: List[Doc], is_train: bool) -> Tuple[List[Floats2d], Callable]:
    return as_lists(model.ops, *forward_rows(model, docs, is_train))


def forward_rows(model: Model[List[Doc], List[Floats2d]], docs: List[Doc], is_train: bool) -> Tuple[Ragged, Callable]:
    use_engine_products(model)
    ops, E = model.ops, cast(Floats2d, model.get_param("E"))
    lengths = numpy.asarray([len(doc) for doc in docs], dtype="int32")
    keys = [doc.to_array([intify_attr(model.attrs["attr"])]).reshape(-1) for doc in docs]
    ids = model.attrs["vocabulary"].rows(numpy.concatenate(keys or [numpy.zeros(0, dtype="uint64")]))
    if is_train and model.attrs["min_count"] == 1 and (ids == UNKNOWN).any():
        _add_new_words(model, docs, keys)
        ids = model.attrs["vocabulary"].rows(numpy.concatenate(keys))
    if is_train and model.attrs["word_dropout"]:
        # Thinc seeds NumPy's generator too, whatever the parameters are on; the words are on the host.
        ids[numpy.random.uniform(size=len(ids)) < model.attrs["word_dropout"]] = UNKNOWN

    static = _static(model)
    parts: List[Embedded] = [(E[ops.xp.asarray(ids)], lambda d_rows: model.inc_grad("E", sum_rows(ops, d_rows, ids, E.shape[0])))]
    if static is not None:
        parts.append(project_tokens(static, docs, is_train))
    Y, parts_backprop = side_by_side(ops, parts)

    def backprop(dY: Ragged) -> List[Doc]:
        if ids.size:
            parts_backprop(ops.as_contig(cast(Floats2d, dY.dataXd)))
        return []

    return Ragged(Y, cast(Ints1d, lengths)), backprop


def _static(model: Model) -> Optional[Model]:
    """Give the projection of static vectors in use."""
    return static_in_use(model.layers[0] if model.layers else None)


def _total_width(model: Model) -> int:
    """Give the width of a row and the projection beside it."""
    return model.attrs["width"] * (1 if _static(model) is None else 2)


class WordNetwork(NamedTuple):
    """A table of words, as a function of attributes.

    model (Model): A model made by `build_embed`.
    """

    model: Model

    @property
    def ops(self) -> Ops:
        """RETURNS (Ops): The backend of the table."""
        return self.model.ops

    @property
    def width(self) -> int:
        """RETURNS (int): The width of a vector."""
        return self.model.get_dim("nO")

    def columns(self, vocab: Vocab) -> List[Union[int, str]]:
        """List the attributes.

        vocab (Vocab): The vocabulary of the texts.
        RETURNS (List[int]): spaCy's numbers of the one that counts as the word, and of those that static vectors are looked up by
            if there are any.
        """
        return [intify_attr(self.model.attrs["attr"]), *lookup_attrs(_static(self.model), vocab)]

    def layers(self) -> List[Model]:
        """RETURNS (List[Model]): Everything with parameters."""
        return [self.model, *self.model.layers]

    def sources(self, vocab: Vocab) -> Optional[List[Any]]:
        """List what vectors are taken from besides the table.

        vocab (Vocab): The vocabulary of the texts.
        RETURNS (Optional[List[Any]]): The layer's own vocabulary, and how many words it has, since some may be added; and the
            static vectors if they are projected. None if these may change unnoticed.
        """
        vocabulary: Vocabulary = self.model.attrs["vocabulary"]
        static = static_sources(_static(self.model), vocab)
        return None if static is None else [vocabulary, len(vocabulary.words), *static]

    def reads_vocabulary(self) -> bool:
        """RETURNS (bool): Whether there are static vectors: words are found by their hashes."""
        return _static(self.model) is not None

    def predict(self, keys: numpy.ndarray, vocab: Vocab) -> Floats2d:
        """Take vectors from the table.

        keys (numpy.ndarray): uint64 [D, 1 to 3], the words, and what static vectors are looked up by.
        vocab (Vocab): The vocabulary of the texts.
        RETURNS (Floats2d): The vectors [D, nO].
        RAISES (ValueError): If the static vectors have not the width the layer was initialized with.
        """
        ops, static = self.ops, _static(self.model)
        rows = cast(Floats2d, self.model.get_param("E"))[ops.xp.asarray(self.model.attrs["vocabulary"].rows(keys[:, 0]))]
        if static is None:
            return rows
        return ops.xp.hstack([rows, project_static(static, keys[:, 1:], vocab.vectors, False)[0]])


def _add_new_words(model: Model, docs: List[Doc], keys: List[numpy.ndarray]) -> None:
    """Give unknown words rows, those first that come first, as long as there are any."""
    vocabulary: Vocabulary = model.attrs["vocabulary"]
    n_free = model.get_dim("nV") - N_SPECIAL - len(vocabulary.words)
    if n_free > 0:
        unknown = {
            doc.vocab.strings[key]: None
            for doc, words in zip(docs, keys, strict=True)
            for key in words[vocabulary.rows(words) == UNKNOWN].tolist()
        }
        vocabulary.add(list(unknown)[:n_free])


def _begin_vocabulary(model: Model) -> WordCounter:
    return WordCounter(model.attrs["attr"])


def _set_vocabulary(model: Model, counter: WordCounter) -> None:
    model.attrs["vocabulary"] = Vocabulary.from_counts(counter.counts, model.get_dim("nV"), model.attrs["min_count"])


def _shapes(dims: Mapping[str, int], attrs: Mapping[str, Any]) -> Shapes:
    return {"E": (dims["nV"], attrs["width"])}


def _check(model: Model) -> None:
    n_words, n_rows = len(model.attrs["vocabulary"].words), model.get_dim("nV")
    if n_words + N_SPECIAL > n_rows:
        raise ValueError(f"its vocabulary has {n_words} words, but its table only {n_rows} rows")
    check_static(_static(model))
    nO, width = model.maybe_get_dim("nO"), model.attrs["width"]
    if model.has_param("E") and nO != _total_width(model):
        raise ValueError(f"its width nO = {nO} is not that of its rows, {width}, and static vectors side by side")


declare(
    forward,
    RowWise(),
    GivesRows(forward_rows),
    EmbedsAttributes(WordNetwork),
    LearnsVocabulary(_begin_vocabulary, _set_vocabulary),
    Drops(("word_dropout",)),
    Saved(_shapes, _check, learned=["vocabulary"]),
)
