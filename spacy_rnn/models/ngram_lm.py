"""N-gram language models."""

import struct
import tempfile
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, List, Optional, Sequence, Tuple, Union, cast

import numpy
from spacy.attrs import LENGTH, NORM, SPACY
from spacy.tokens import Doc
from spacy.vocab import Vocab
from thinc.api import Model
from thinc.model import deserialize_attr, serialize_attr
from thinc.types import Floats1d

from ..backoff import (
    DEFAULT_MEMORY,
    DISCOUNT_FALLBACK,
    BackoffModel,
    NGramCounter,
    check_order,
    check_prune,
    check_smoothing,
    estimate,
    read_arpa,
    write_arpa,
)
from ..layers.capabilities import LearnsVocabulary, PredictsSymbols, declare
from ..layers.saved import Saved, no_parameters
from ..text.symbols import N_SPECIAL, Characters, SymbolBatch, Symbols, Words, escape_name, unescape_name
from .symbols import check_saved_symbols, count_symbols, symbols_of

# Bytes of texts that are kept in memory between the two passes over a corpus.
_IN_MEMORY = 1 << 26


class NGrams:
    """What an n-gram model has learned.

    model (Optional[BackoffModel]): The n-grams; None before any have been counted.
    """

    def __init__(self, model: Optional[BackoffModel] = None) -> None:
        """Keep n-grams.

        model (Optional[BackoffModel]): The n-grams, if there are any.
        """
        self.model = model


def build_ngram_lm(
    symbols: Symbols,
    *,
    order: int = 5,
    smoothing: str = "kneser_ney",
    k: float = 1.0,
    prune: Sequence[int] = (),
    discount_fallback: Optional[Sequence[float]] = DISCOUNT_FALLBACK,
    max_memory: int = DEFAULT_MEMORY,
) -> Model[SymbolBatch, Floats1d]:
    """Build an n-gram language model. It learns from a corpus as a whole, when it is initialized.

    The corpus is read once: its texts are kept in a temporary file until the symbols are known, and then counted.

    symbols (Symbols): The symbols: `spacy_rnn.Characters.v1`, `spacy_rnn.Words.v1` or `spacy_rnn.Subwords.v1`.
    order (int): The order of the longest n-grams, 1 to 16.
    smoothing (str): "kneser_ney" (modified, interpolated: Chen & Goodman 1999), "witten_bell", "add_k", or "none" (maximum
        likelihood: what has not been seen after a context that has is impossible).
    k (float): What "add_k" adds to each count.
    prune (Sequence[int]): By order, n-grams that occur so often or less are left out, as by `lmplz --prune`: 0 for unigrams, and
        no number lower than the one before. The last one stands for all higher orders.
    discount_fallback (Optional[Sequence[float]]): The discounts of "kneser_ney" where they cannot be estimated, as of characters,
        few of which occur once: of counts 1, 2, and 3 or more. If None, that is an error.
    max_memory (int): Bytes that counting may take; beyond it uses temporary files.
    RETURNS (Model[SymbolBatch, Floats1d]): The model, from N inputs and targets to the log-probability of each target [N].
    RAISES (ValueError): If an argument is out of its range.
    """
    check_order(order)
    check_smoothing(smoothing, k, discount_fallback)
    check_prune(prune, order)
    settings: Dict[str, Any] = {"order": order, "smoothing": smoothing, "k": k, "prune": list(prune), "max_memory": max_memory}
    settings["discount_fallback"] = None if discount_fallback is None else list(discount_fallback)
    return Model("ngram_lm", forward, init=init, attrs={"symbols": symbols, "ngrams": NGrams(), **settings})


def init(model: Model[SymbolBatch, Floats1d], X: object = None, Y: object = None) -> None:
    begin(model)


def forward(model: Model[SymbolBatch, Floats1d], X: SymbolBatch, is_train: bool) -> Tuple[Floats1d, Callable]:
    return begin(model).score(*X).log_probabilities, _no_backprop


def begin(model: Model[SymbolBatch, Floats1d]) -> BackoffModel:
    """Give the n-grams of a language model.

    model (Model[SymbolBatch, Floats1d]): The model.
    RETURNS (BackoffModel): The n-grams, which do not change any more.
    RAISES (ValueError): If none have been counted.
    """
    ngrams: NGrams = model.attrs["ngrams"]
    if ngrams.model is None:
        raise ValueError(
            f"the language model {model.name!r} has no n-grams yet: it counts them in the training corpus when it is initialized "
            "(spacy_rnn.layers.learn_vocabulary; with symbols that are known, take_vocabulary)"
        )
    return ngrams.model


def save_arpa(model: Model[SymbolBatch, Floats1d], path: Union[str, Path]) -> None:
    """Write an n-gram model as an ARPA file.

    model (Model[SymbolBatch, Floats1d]): The model.
    path (Union[str, Path]): The file; compressed if its name ends in .gz.
    RAISES (ValueError): If it has no n-grams yet.
    RAISES (OSError): If the file cannot be written.
    """
    write_arpa(path, begin(model), symbols_of(model).names())


def load_arpa(model: Model[SymbolBatch, Floats1d], path: Union[str, Path]) -> None:
    """Read an n-gram model from an ARPA file, e.g. one of KenLM's.

    model (Model[SymbolBatch, Floats1d]): A model, whose smoothing and order do not matter. Its symbols are those of the file, or
        words or characters that are not known yet: these become the file's.
    path (Union[str, Path]): The file; compressed if its name ends in .gz.
    RAISES (ValueError): If it is no such file, or has other symbols.
    RAISES (OSError): If it cannot be read.
    """
    symbols = symbols_of(model)
    if len(symbols) > N_SPECIAL:
        model.attrs["ngrams"] = NGrams(read_arpa(path, symbols.names(), normalize=_as_ours).model)
        return
    if not isinstance(symbols, (Words, Characters)):
        raise ValueError(
            f"{path}: {symbols.unit}s cannot be learned from an ARPA file: let the model learn them from a corpus first"
        )
    names, ngrams = read_arpa(path, normalize=_as_ours)
    learned = [unescape_name(name) for name in names[N_SPECIAL:]]
    if isinstance(symbols, Words):
        symbols.set_learned(learned)
    else:
        wrong = next((name for name in learned if len(name) != 1), None)
        if wrong is not None:
            raise ValueError(f"{path}: expected characters, but {wrong!r} is none: load the file into a model of words")
        symbols.set_learned([ord(name) for name in learned])
    model.attrs["ngrams"] = NGrams(ngrams)


def _as_ours(name: str) -> str:
    """Give the name of a symbol that others may have written otherwise, such as a word with a backslash."""
    return escape_name(unescape_name(name))


class CorpusCounter:
    """Count the symbols of a corpus, and keep its texts until they are known."""

    def __init__(self, symbols: Symbols) -> None:
        """Begin to count.

        symbols (Symbols): What is counted.
        """
        self._symbols, self.counter = symbols, symbols.begin()
        self._file = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115
        self._vocabs: List[Vocab] = []

    def add(self, doc: Doc) -> None:
        """Count the symbols of a text, and keep it.

        doc (Doc): The text.
        RAISES (OSError): If the temporary file cannot be written.
        """
        self.counter.add(doc)
        text = doc.text.encode("utf8", "surrogatepass")
        number, lengths, spaces, norms = 0, numpy.zeros(0, "uint32"), numpy.zeros(0, "bool"), numpy.zeros(0, "uint64")
        if self._symbols.reads_tokens:
            number = self._number(doc.vocab)
            tokens = doc.to_array([LENGTH, SPACY, NORM])
            lengths, spaces, norms = tokens[:, 0].astype("uint32"), tokens[:, 1].astype("bool"), tokens[:, 2].astype("uint64")
        self._file.write(struct.pack("<QQQ", number, len(text), len(lengths)))
        for part in (text, lengths.tobytes(), spaces.tobytes(), norms.tobytes()):
            self._file.write(part)

    def count(self, order: int, max_memory: int) -> Any:
        """Count the n-grams of the texts, once their symbols are known.

        order (int): The highest order.
        max_memory (int): Bytes that this may take.
        RETURNS (NGramCounts): How often each occurs.
        RAISES (OSError): If a temporary file cannot be written.
        """
        counter = NGramCounter(order, len(self._symbols), max_memory=max_memory)
        self._file.seek(0)
        while head := self._file.read(24):
            number, n_bytes, n_tokens = struct.unpack("<QQQ", head)
            text = self._file.read(n_bytes).decode("utf8", "surrogatepass")
            lengths = numpy.frombuffer(self._file.read(4 * n_tokens), "uint32")
            spaces = numpy.frombuffer(self._file.read(n_tokens), "bool")
            norms = numpy.frombuffer(self._file.read(8 * n_tokens), "uint64")
            whole = self._make_doc(number, text, lengths, spaces, norms) if self._symbols.reads_tokens else text
            counter.add(self._symbols.encode(whole).numbers)
        self._file.close()
        return counter.finish()

    def _number(self, vocab: Vocab) -> int:
        for number, each in enumerate(self._vocabs):
            if each is vocab:
                return number
        self._vocabs.append(vocab)
        return len(self._vocabs) - 1

    def _make_doc(self, number: int, text: str, lengths: numpy.ndarray, spaces: numpy.ndarray, norms: numpy.ndarray) -> Doc:
        ends = numpy.cumsum(lengths + spaces) - spaces
        words = [text[end - n : end] for n, end in zip(lengths.tolist(), ends.tolist(), strict=True)]
        # A tokenizer may give a token another norm than the word has in the vocabulary.
        return Doc(self._vocabs[number], words=words, spaces=spaces.tolist()).from_array([NORM], cast(Any, norms.reshape(-1, 1)))


def _begin_corpus(model: Model) -> CorpusCounter:
    return CorpusCounter(symbols_of(model))


def _end_corpus(model: Model, counter: CorpusCounter) -> None:
    attrs = model.attrs
    symbols_of(model).end(counter.counter)
    _estimate(model, counter.count(attrs["order"], attrs["max_memory"]))


def _take_symbols(model: Model, learned: Any, get_docs: Callable[[], Iterable[Doc]]) -> None:
    attrs, symbols = model.attrs, symbols_of(model)
    symbols.from_data(learned)
    counter = NGramCounter(attrs["order"], count_symbols(model), max_memory=attrs["max_memory"])
    for doc in get_docs():
        counter.add(symbols.encode(doc).numbers)
    _estimate(model, counter.finish())


def _estimate(model: Model, counts: Any) -> None:
    settings = {name: model.attrs[name] for name in ("smoothing", "k", "prune", "discount_fallback")}
    model.attrs["ngrams"] = NGrams(estimate(counts, **settings))


def _no_backprop(dY: Floats1d) -> SymbolBatch:
    raise ValueError("an n-gram model learns by counting, not by backpropagation")


def _check(model: Model) -> None:
    ngrams: NGrams = model.attrs["ngrams"]
    if ngrams.model is not None:
        check_saved_symbols(model, ngrams.model.n_symbols)


@serialize_attr.register(NGrams)
def _serialize(_: NGrams, value: NGrams, name: str, model: Model) -> bytes:
    return b"" if value.model is None else value.model.to_bytes()


@deserialize_attr.register(NGrams)
def _deserialize(_: NGrams, value: bytes, name: str, model: Model) -> NGrams:
    if not value:
        return NGrams()
    try:
        return NGrams(BackoffModel.from_bytes(value))
    except ValueError as error:
        raise ValueError(f"the attribute {name} of layer {model.name!r}: {error}") from error


declare(
    forward,
    PredictsSymbols(begin),
    LearnsVocabulary(_begin_corpus, _end_corpus, _take_symbols),
    Saved(no_parameters, _check, learned=["symbols", "ngrams"]),
)
