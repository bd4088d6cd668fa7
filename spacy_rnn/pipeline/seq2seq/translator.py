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


class Translator:
    """An encoder-decoder, and the symbols of its sources and targets."""

    def __init__(self, model: Model, transduces: Any, vocab: Vocab, lower: bool) -> None:
        """Begin.

        model (Model): An encoder-decoder.
        transduces (Transduces): What it has declared.
        vocab (Vocab): The pipeline's vocabulary.
        lower (bool): Whether everything is read in lower case.
        """
        self.model, self._transduces, self._vocab, self._lower = model, transduces, vocab, lower

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

        for counter, symbols, text in zip(counters, (self.source, self.target), (source, target), strict=True):
            prepared = self._prepare(symbols, text)
            counter.add(split_text(prepared, self._vocab) if isinstance(prepared, str) else prepared)

    def end_learning(self, counters: Tuple[Any, Any]) -> None:
        """Learn the symbols that were counted, in place of those there are.

        counters (Tuple[SymbolCounter, SymbolCounter]): What has counted them.
        RAISES (ValueError): If there are none.
        """
        self.source.end(counters[0])
        if self.target is not self.source:
            self.target.end(counters[1])

    def encode_source(self, source: Doc) -> Any:
        """Turn a source into symbols.

        source (Doc): The source.
        RETURNS (SymbolText): Its symbols.
        """
        return self.source.encode(self._prepare(self.source, source))

    def encode_pairs(self, sources: Sequence[numpy.ndarray], targets: Sequence[str]) -> "PairBatch":
        """Give what the model learns from.

        sources (Sequence[numpy.ndarray]): The symbols of each source; one at least.
        targets (Sequence[str]): Their targets.
        RETURNS (PairBatch): Both as symbols.
        """
        from ...text.symbols import PairBatch, batch_texts

        numbers = [self.target.encode(self._prepare(self.target, target)).numbers for target in targets]
        return PairBatch(_batch(sources), batch_texts(numbers))

    def search(self, sources: Sequence[numpy.ndarray], search: Search, n: int) -> List[List["Hypothesis"]]:
        """Find the best outputs. They depend on their source alone.

        sources (Sequence[numpy.ndarray]): The symbols of each source.
        search (Search): How outputs are searched for.
        n (int): How many are found for each, at most.
        RETURNS (List[List[Hypothesis]]): The outputs of each source, best first.
        """
        from ...generation import LengthNormalization, Stopping, beam_search
        from ...text.symbols import START, UNKNOWN

        if not sources:
            return []
        decoder = self._transduces.begin(self.model, counts_coverage=search.coverage > 0)
        return beam_search(
            decoder,
            [[]] * len(sources),
            width=search.width,
            n_best=n,
            normalization=LengthNormalization(alpha=search.alpha),
            coverage=search.coverage,
            stopping=Stopping(search.max_symbols),
            forbidden=(START,) if self._transduces.copies(self.model) else (START, UNKNOWN),
            context=_batch(sources),
        )

    def as_output(self, source: Doc, found: List["Hypothesis"], with_attention: bool) -> Output:
        """Make the output of a source.

        source (Doc): The source.
        found (List[Hypothesis]): The best outputs, one at least.
        with_attention (bool): Whether it is said what the model has looked at, if it has attention.
        RETURNS (Output): The best output, and the others as alternatives.
        """
        from ...text.symbols import UNKNOWN

        texts = [self.target.decode(one.content) for one in found]
        attention: Optional[Attention] = None
        if with_attention or UNKNOWN in found[0].content:
            attention = self.attend(source, found[0].content)
        if attention is not None and UNKNOWN in found[0].content and self._transduces.copies(self.model):
            texts[0] = self._copy_unknown(source, found[0].content, attention)
        alternatives = [(text, one.score) for text, one in zip(texts[1:], found[1:], strict=True)]
        return Output(texts[0], found[0].score, alternatives, attention if with_attention else None)

    def attend(self, source: Doc, content: numpy.ndarray) -> Optional[Attention]:
        """Say what the model looks at, as it writes.

        source (Doc): The source.
        content (numpy.ndarray): Integers [n], the symbols that are written, without the end.
        RETURNS (Optional[Attention]): The attention of each symbol, and of the end; None if the model has none.
        """
        from ...text.symbols import PairBatch, batch_texts

        read = self.encode_source(source)
        _, weights = self._transduces.score(self.model, PairBatch(_batch([read.numbers]), batch_texts([content])))
        if weights is None:
            return None
        text = source.text
        sources = [text[start:end] for start, end in zip(read.starts.tolist(), read.ends.tolist(), strict=True)]
        targets = [*(self.target.decode([symbol]) for symbol in content), END_NAME]
        return Attention(sources, targets, self.model.ops.to_numpy(weights).reshape(len(targets), len(sources)))

    def _copy_unknown(self, source: Doc, content: numpy.ndarray, attention: Attention) -> str:
        """Write an output with unknown symbols: each is the unknown symbol of the source that it has looked at most."""
        from ...text.symbols import UNKNOWN

        is_unknown = self.encode_source(source).numbers == UNKNOWN
        parts: List[str] = []
        last = 0
        for i in numpy.flatnonzero(content == UNKNOWN):
            place = int(numpy.where(is_unknown, attention.weights[i], -1.0).argmax())
            parts += [self.target.decode(content[last:i]), attention.sources[place]]
            last = i + 1
        parts.append(self.target.decode(content[last:]))
        return (" " if self.target.unit == "word" else "").join(part for part in parts if part)

    def _prepare(self, symbols: Any, text: Union[str, Doc]) -> Union[str, Doc]:
        """Give a text as symbols read it: its tokens, or a string."""
        if isinstance(text, Doc) and not symbols.reads_tokens:
            text = text.text
        if not self._lower:
            return text
        if isinstance(text, str):
            return text.lower()
        return Doc(text.vocab, words=[token.lower_ for token in text], spaces=[bool(token.whitespace_) for token in text])


def _batch(sources: Sequence[numpy.ndarray]) -> "SourceBatch":
    from ...text.symbols import SourceBatch

    return SourceBatch(numpy.concatenate(sources), numpy.asarray([len(each) for each in sources], dtype="int32"))
