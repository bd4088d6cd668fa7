"""A text from a text: `rnn_seq2seq` learns from pairs, and writes by beam search."""

import math
from typing import TYPE_CHECKING, Any, Callable, Dict, Iterable, List, Optional, Sequence, Tuple, Union

from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example, validate_get_examples
from spacy.vocab import Vocab
from thinc.api import Model

from ..annotation.output import Output, get_output, register_output, set_output
from ..corpus.parallel import find_place
from ..defaults import seq2seq_model
from .transducer import TransducerPipe, find_transduces
from .translator import Search, SourceText, Translator

if TYPE_CHECKING:
    from ...text.symbols import PairBatch

# Texts that are translated at a time: the states of their hypotheses are what takes memory.
_BATCH = 64

SETTINGS: Dict[str, Any] = {
    "model": seq2seq_model(),
    "lower": False,
    "max_length": 500,
    "cut": False,
    "beam_width": 5,
    "alpha": 0.6,
    "coverage": 0.0,
    "max_symbols": 200,
    "n_alternatives": 0,
    "store_attention": False,
    "scorer": {"@scorers": "spacy_rnn.seq2seq_scorer.v1"},
}


class RNNSeq2Seq(TransducerPipe):
    """An encoder-decoder of texts in a pipeline."""

    def __init__(
        self,
        vocab: Vocab,
        model: Model,
        name: str = "rnn_seq2seq",
        *,
        lower: bool,
        max_length: int,
        cut: bool,
        beam_width: int,
        alpha: float,
        coverage: float,
        max_symbols: int,
        n_alternatives: int,
        store_attention: bool,
        scorer: Optional[Callable],
    ) -> None:
        """Make the component: see `make_rnn_seq2seq`.

        RAISES (ValueError): If an argument is out of its range, or the model is no encoder-decoder of symbols.
        """
        transduces = find_transduces(name, model)
        least = {"max_length": 1, "beam_width": 1, "alpha": 0, "coverage": 0, "max_symbols": 1, "n_alternatives": 0}
        given = (max_length, beam_width, alpha, coverage, max_symbols, n_alternatives)
        for (setting, smallest), value in zip(least.items(), given, strict=True):
            if not smallest <= value < math.inf:
                raise ValueError(f"'{name}': {setting} must be a number of at least {smallest}, got {value}")
        if coverage and not transduces.attends(model):
            raise ValueError(f"'{name}': coverage is about attention, which the model does not have: set coverage = 0")
        if n_alternatives >= beam_width:
            raise ValueError(
                f"'{name}': a beam of {beam_width} finds at most {beam_width - 1} alternatives, got n_alternatives = "
                f"{n_alternatives}: widen the beam"
            )
        self.vocab, self.model, self.name, self._transduces = vocab, model, name, transduces
        self.cfg: Dict[str, Any] = {"lower": lower}
        self.max_length, self.cut = max_length, cut
        self.settings = Search(beam_width, alpha, coverage, max_symbols)
        self.n_alternatives, self.store_attention, self.scorer = n_alternatives, store_attention, scorer
        self._rehearsal_model = None
        register_output()

    @property
    def translator(self) -> Translator:
        """RETURNS (Translator): What reads and writes texts by the model and the settings as they are."""
        return Translator(self.model, self._transduces, self.cfg["lower"])

    def initialize(
        self, get_examples: Callable[[], Iterable[Example]], *, nlp: Optional[Language] = None, labels: Optional[Any] = None
    ) -> None:
        """Learn the symbols of a corpus, and make the weights.

        get_examples (Callable[[], Iterable[Example]]): Gives the training pairs, all of which are read.
        nlp (Optional[Language]): The pipeline.
        labels (Optional[Any]): Not used: there are no labels.
        RAISES (ValueError): If no text has a target, a target is empty, or a source has more symbols than `max_length` and is
            not to be cut.
        """
        validate_get_examples(get_examples, f"{type(self).__name__}.initialize")
        translator, n_pairs = self.translator, 0
        counters = translator.begin_learning()
        for example in get_examples():
            target = self._target_of(example)
            if target is not None:
                translator.count(counters, example.predicted, target)
                n_pairs += 1
        if not n_pairs:
            raise ValueError(
                f"'{self.name}' has nothing to learn from: no text of the training corpus has a target; read pairs of texts by "
                "spacy_rnn.ParallelCorpus.v1, or set reference._.rnn_output"
            )
        translator.end_learning(counters)
        if not self.cut:
            for example in get_examples():
                self._read(translator, example.predicted, find_place(example))
        self.model.initialize()

    def _target_of(self, example: Example) -> Optional[str]:
        """Give the target of a text, None if it has none."""
        gold = get_output(example.reference)
        if gold is not None and not gold.text.strip():
            raise ValueError(
                f"'{self.name}': the target of {find_place(example)} is empty: correct or remove the pair, or set "
                "reference._.rnn_output = None"
            )
        return None if gold is None else gold.text

    def _read(self, translator: Translator, doc: Doc, place: str) -> SourceText:
        """Read a source, no more of it than is allowed."""
        source = translator.read(doc)
        n = len(source.numbers)
        if n > self.max_length and not self.cut:
            raise ValueError(
                f"'{self.name}': {place} has {n} {translator.source.unit}s, but max_length = {self.max_length}: raise it, split "
                "the text, or set cut = true to have only the beginning read"
            )
        return source.cut(self.max_length)

    def predict(self, docs: Iterable[Doc]) -> List[Output]:
        """Write a text for each text.

        docs (Iterable[Doc]): The texts.
        RETURNS (List[Output]): What was written. It does not depend on the other texts.
        RAISES (ValueError): spaCy's E109, if the component has not been initialized; if a text is too long.
        """
        found = self._translate(list(docs), self.settings, 1 + self.n_alternatives, self.store_attention)
        return [Output("") if output is None else output for output in found]

    def _translate(self, docs: Sequence[Doc], search: Search, n: int, with_attention: bool) -> List[Optional[Output]]:
        """Translate texts in batches of like length; None for those without symbols."""

        def run(model: Model, docs: List[Doc]) -> List[Optional[Output]]:
            translator = self.translator
            outputs: List[Optional[Output]] = [None] * len(docs)
            sources = [self._read(translator, doc, f"a text that begins with {doc.text[:40]!r}") for doc in docs]
            lengths = [len(source.numbers) for source in sources]
            order = sorted((i for i in range(len(docs)) if lengths[i]), key=lambda i: lengths[i])
            for first in range(0, len(order), _BATCH):
                part = order[first : first + _BATCH]
                found = translator.search([sources[i] for i in part], search, n)
                for i, hypotheses in zip(part, found, strict=True):
                    outputs[i] = translator.as_output(sources[i], hypotheses, with_attention)
            return outputs

        outputs: List[Optional[Output]] = self.run_model(list(docs), run)
        return outputs

    def translate(
        self,
        texts: Sequence[Union[str, Doc]],
        *,
        width: Optional[int] = None,
        n: int = 1,
        with_attention: bool = False,
    ) -> List[List[Output]]:
        """Write texts for texts that need not go through the pipeline.

        texts (Sequence[Union[str, Doc]]): The texts. The words of a string are what stands between white space.
        width (Optional[int]): That of the beam; as the component is set if None.
        n (int): How many outputs are given for each, at most.
        with_attention (bool): Whether it is said what the model has looked at.
        RETURNS (List[List[Output]]): The outputs of each text, the best first; nothing for one without symbols.
        RAISES (ValueError): spaCy's E109, if the component has not been initialized; if these are no texts, one is too long, or
            there are more outputs than the beam is wide.
        """
        from ..corpus.reader import split_text

        if isinstance(texts, (str, Doc)):
            raise ValueError(f"'{self.name}' translates a list of texts, e.g. [text], got {type(texts).__name__}")
        wrong = [text for text in texts if not isinstance(text, (str, Doc))]
        if wrong:
            raise ValueError(f"'{self.name}' translates texts, strings or Docs, got {type(wrong[0]).__name__}")
        search = self.settings if width is None else self.settings._replace(width=width)
        if not 1 <= n <= search.width:
            raise ValueError(f"'{self.name}': a beam of {search.width} finds from 1 to {search.width} outputs, not {n}")
        docs = [text if isinstance(text, Doc) else split_text(text, self.vocab) for text in texts]
        found = self._translate(docs, search, n, with_attention)
        return [[] if best is None else [best._replace(alternatives=[]), *_others(best)] for best in found]

    def set_annotations(self, docs: Iterable[Doc], outputs: Iterable[Output]) -> None:
        """Set `doc._.rnn_output`.

        docs (Iterable[Doc]): Texts.
        outputs (Iterable[Output]): What `predict` has given for them.
        """
        for doc, output in zip(docs, outputs, strict=True):
            set_output(doc, output)

    def encode_gold(self, examples: Iterable[Example], is_train: bool) -> Optional["PairBatch"]:
        """Give what a batch teaches.

        examples (Iterable[Example]): The batch.
        is_train (bool): Not used: what is learned from is what the loss is found of.
        RETURNS (Optional[PairBatch]): Its pairs; None if there are none.
        RAISES (ValueError): If a target is empty, or a source too long.
        """
        translator = self.translator
        sources, targets = self._gold_of(translator, examples)
        return translator.encode_pairs(sources, targets) if sources else None

    def _gold_of(self, translator: Translator, examples: Iterable[Example]) -> Tuple[List[SourceText], List[str]]:
        """Give the sources and targets of a batch; texts without a target, or without symbols, are left out."""
        sources: List[SourceText] = []
        targets: List[str] = []
        for example in examples:
            target = self._target_of(example)
            if target is None:
                continue
            source = self._read(translator, example.predicted, find_place(example))
            if len(source.numbers):
                sources.append(source)
                targets.append(target)
        return sources, targets


def _others(best: Output) -> List[Output]:
    return [Output(text, score) for text, score in best.alternatives]


@Language.factory(
    "rnn_seq2seq",
    assigns=["doc._.rnn_output"],
    default_config=SETTINGS,
    default_score_weights={"bleu": 1.0, "chrf": 0.0, "exact": 0.0},
)
def make_rnn_seq2seq(
    nlp: Language,
    name: str,
    model: Model,
    lower: bool,
    max_length: int,
    cut: bool,
    beam_width: int,
    alpha: float,
    coverage: float,
    max_symbols: int,
    n_alternatives: int,
    store_attention: bool,
    scorer: Optional[Callable],
) -> RNNSeq2Seq:
    """Make an encoder-decoder of texts, e.g. a translator. Its output is `doc._.rnn_output`.

    nlp (Language): The pipeline, of the language of the sources.
    name (str): The component's name.
    model (Model): An encoder-decoder, e.g. `spacy_rnn.Seq2Seq.v1`.
    lower (bool): Whether sources and targets are read in lower case.
    max_length (int): The largest number of symbols of a source.
    cut (bool): Whether a longer source is cut; it is refused otherwise.
    beam_width (int): How many outputs are kept at each step of the search; 1 is greedy.
    alpha (float): How much longer outputs are favoured (Wu et al. 2016, "Google's neural machine translation system", equation
        14); 0 not to.
    coverage (float): β of the same equation: how much outputs are favoured that have looked at all of the source; 0 not to.
    max_symbols (int): The largest number of symbols of an output.
    n_alternatives (int): How many other outputs are kept, with their scores.
    store_attention (bool): Whether it is kept what the model has looked at.
    scorer (Optional[Callable]): The scoring method.
    RETURNS (RNNSeq2Seq): The component.
    RAISES (ValueError): If an argument is out of its range, or the model is no encoder-decoder.
    """
    return RNNSeq2Seq(
        nlp.vocab,
        model,
        name,
        lower=lower,
        max_length=max_length,
        cut=cut,
        beam_width=beam_width,
        alpha=alpha,
        coverage=coverage,
        max_symbols=max_symbols,
        n_alternatives=n_alternatives,
        store_attention=store_attention,
        scorer=scorer,
    )
