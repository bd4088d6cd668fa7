"""Texts as an encoder-decoder reads them, and as it writes them."""

from typing import TYPE_CHECKING, Any, List, NamedTuple, Optional, Sequence, Tuple, Union

import numpy
from spacy.tokens import Doc
from spacy.vocab import Vocab
from thinc.api import Model

from ..annotation.output import Attention, Output

if TYPE_CHECKING:
    from ...generation import Hypothesis
    from ...text.symbols import PairBatch, SourceBatch

# What stands for the end of an output where attention is shown.
END_NAME = "</s>"


class Search(NamedTuple):
    """How outputs are searched for.

    width (int): That of the beam; 1 is greedy.
    alpha (float): How much longer outputs are favoured (Wu et al. 2016, equation 14).
    coverage (float): How much outputs are favoured that have looked at all of the source (the same equation's β).
    max_symbols (int): The largest number of symbols of an output.
    """

    width: int
    alpha: float
    coverage: float
    max_symbols: int


class SourceText(NamedTuple):
    """A source as it is read.

    text (str): The text, in lower case if that is how it is read.
    numbers (numpy.ndarray): Integers [n], its symbols.
    starts, ends (numpy.ndarray): Integers [n], where each symbol begins and ends in the text.
    """

    text: str
    numbers: numpy.ndarray
    starts: numpy.ndarray
    ends: numpy.ndarray

    def cut(self, n: int) -> "SourceText":
        """Take the first symbols.

        n (int): How many at most.
        RETURNS (SourceText): The beginning.
        """
        return SourceText(self.text, self.numbers[:n], self.starts[:n], self.ends[:n])

    def written(self, i: int) -> str:
        """Say how a symbol is written in the text.

        i (int): Which symbol.
        RETURNS (str): That part of the text.
        """
        return self.text[self.starts[i] : self.ends[i]]


class Translator:
    """An encoder-decoder, and the symbols of its sources and targets."""

    def __init__(self, model: Model, transduces: Any, lower: bool) -> None:
        """Begin.

        model (Model): An encoder-decoder.
        transduces (Transduces): What it has declared.
        lower (bool): Whether everything is read in lower case.
        """
        self.model, self._transduces, self._lower = model, transduces, lower

    @property
    def source(self) -> Any:
        """RETURNS (Symbols): What is read."""
        return self.model.attrs["source"]

    @property
    def target(self) -> Any:
        """RETURNS (Symbols): What is written: the same object if both are the same symbols."""
        return self.model.attrs["target"]

    def begin_learning(self) -> Tuple[Any, Any]:
        """RETURNS (Tuple[SymbolCounter, SymbolCounter]): What counts the symbols of sources and of targets, which may be one."""
        source = self.source.begin()
        return source, source if self.target is self.source else self.target.begin()

    def count(self, counters: Tuple[Any, Any], source: Doc, target: str) -> None:
        """Count the symbols of a pair.

        counters (Tuple[SymbolCounter, SymbolCounter]): What counts them.
        source (Doc): A source.
        target (str): Its target.
        """
        # Imported here because importing a factory must stay cheap.
        from ..corpus.reader import split_text

        counters[0].add(self._lower_words(source) if self._lower else source)
        # The vocabulary of the sources has norms of its own, which a target that is no `Doc` is not read by.
        counters[1].add(split_text(self._lower_text(target), Vocab()))

    def end_learning(self, counters: Tuple[Any, Any]) -> None:
        """Learn the symbols that were counted, in place of those there are.

        counters (Tuple[SymbolCounter, SymbolCounter]): What has counted them.
        RAISES (ValueError): If there are none.
        """
        self.source.end(counters[0])
        if self.target is not self.source:
            self.target.end(counters[1])

    def read(self, source: Doc) -> SourceText:
        """Turn a source into symbols.

        source (Doc): The source.
        RETURNS (SourceText): Its symbols, and where they are.
        """
        text: Union[str, Doc]
        if self.source.reads_tokens:
            text = self._lower_words(source) if self._lower else source
        else:
            text = self._lower_text(source.text)
        return SourceText(text if isinstance(text, str) else text.text, *self.source.encode(text))

    def encode_pairs(self, sources: Sequence[SourceText], targets: Sequence[str]) -> "PairBatch":
        """Give what the model learns from.

        sources (Sequence[SourceText]): The sources; one at least.
        targets (Sequence[str]): Their targets.
        RETURNS (PairBatch): Both as symbols.
        """
        from ...text.symbols import PairBatch, batch_texts

        numbers = [self.target.encode(self._lower_text(target)).numbers for target in targets]
        return PairBatch(_batch(sources), batch_texts(numbers))

    def search(self, sources: Sequence[SourceText], search: Search, n: int) -> List[List["Hypothesis"]]:
        """Find the best outputs. They depend on their source alone.

        sources (Sequence[SourceText]): The sources, each of one symbol at least.
        search (Search): How outputs are searched for.
        n (int): How many are found for each, at most.
        RETURNS (List[List[Hypothesis]]): The outputs of each source, best first.
        """
        from ...text.symbols import START, UNKNOWN

        found: List[List[Hypothesis]] = [[] for _ in sources]
        copies = self._transduces.copies(self.model)
        # What is unknown is written where there is something unknown to be copied.
        has_unknown = [copies and bool((source.numbers == UNKNOWN).any()) for source in sources]
        for is_written, forbidden in ((False, (START, UNKNOWN)), (True, (START,))):
            part = [i for i in range(len(sources)) if has_unknown[i] == is_written]
            if part:
                for i, hypotheses in zip(part, self._search([sources[i] for i in part], search, n, forbidden), strict=True):
                    found[i] = hypotheses
        return found

    def _search(
        self, sources: Sequence[SourceText], search: Search, n: int, forbidden: Tuple[int, ...]
    ) -> List[List["Hypothesis"]]:
        from ...generation import LengthNormalization, Stopping, beam_search

        return beam_search(
            self._transduces.begin(self.model, counts_coverage=search.coverage > 0),
            [[]] * len(sources),
            width=search.width,
            n_best=n,
            normalization=LengthNormalization(alpha=search.alpha),
            coverage=search.coverage,
            stopping=Stopping(search.max_symbols),
            forbidden=forbidden,
            context=_batch(sources),
        )

    def as_output(self, source: SourceText, found: List["Hypothesis"], with_attention: bool) -> Output:
        """Make the output of a source.

        source (SourceText): The source.
        found (List[Hypothesis]): The best outputs, one at least.
        with_attention (bool): Whether it is said what the model has looked at, if it has attention.
        RETURNS (Output): The best output, and the others as alternatives: those that are written otherwise.
        """
        text, attention = self._write(source, found[0], with_attention)
        alternatives = {text: found[0].score}
        for one in found[1:]:
            alternatives.setdefault(self._write(source, one, False)[0], one.score)
        return Output(text, found[0].score, list(alternatives.items())[1:], attention)

    def _write(self, source: SourceText, one: "Hypothesis", with_attention: bool) -> Tuple[str, Optional[Attention]]:
        """Write an output, in which each unknown symbol is the one of the source that it has looked at most."""
        from ...text.symbols import UNKNOWN

        is_unknown = one.content == UNKNOWN
        weights = self._attend(source, one) if with_attention or is_unknown.any() else None
        if weights is None:
            return self.target.decode(one.content), None
        copied = numpy.where(source.numbers == UNKNOWN, weights, -1.0).argmax(axis=1)
        names = [
            source.written(copied[i]) if unknown else self.target.decode([symbol])
            for i, (symbol, unknown) in enumerate(zip(one.content.tolist(), is_unknown.tolist(), strict=True))
        ]
        text = self._join(one.content, is_unknown, names)
        if not with_attention:
            return text, None
        targets = [*names, END_NAME][: len(weights)]
        return text, Attention([source.written(i) for i in range(len(source.numbers))], targets, weights)

    def _attend(self, source: SourceText, one: "Hypothesis") -> Optional[numpy.ndarray]:
        """Say what the model has looked at: float [m, n], of each symbol, and of the end if there is one; None if it has not."""
        from ...text.symbols import PairBatch, batch_texts

        pair = PairBatch(_batch([source]), batch_texts([one.content]))
        _, weights = self._transduces.score(self.model, pair)
        if weights is None:
            return None
        return self.model.ops.to_numpy(weights).reshape(-1, len(source.numbers))[: len(one.symbols)]

    def _join(self, content: numpy.ndarray, is_unknown: numpy.ndarray, names: List[str]) -> str:
        """Write symbols, some of which were unknown."""
        parts: List[str] = []
        last = 0
        for i in numpy.flatnonzero(is_unknown).tolist():
            parts += [self.target.decode(content[last:i]), names[i]]
            last = i + 1
        parts.append(self.target.decode(content[last:]))
        return (" " if self.target.unit == "word" else "").join(part for part in parts if part)

    def _lower_text(self, text: str) -> str:
        return text.lower() if self._lower else text

    def _lower_words(self, doc: Doc) -> Doc:
        words, spaces = [token.text.lower() for token in doc], [bool(token.whitespace_) for token in doc]
        return Doc(doc.vocab, words=words, spaces=spaces)


def _batch(sources: Sequence[SourceText]) -> "SourceBatch":
    from ...text.symbols import SourceBatch

    lengths = numpy.asarray([len(source.numbers) for source in sources], dtype="int32")
    return SourceBatch(numpy.concatenate([source.numbers for source in sources]), lengths)
