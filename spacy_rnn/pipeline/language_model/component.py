"""Language models: `rnn_lm` learns to predict texts, scores them, and writes."""

import math
from typing import Any, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple, Union

import numpy
from spacy import util
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example, validate_examples, validate_get_examples
from spacy.vocab import Vocab
from thinc.api import Model, set_dropout_rate, to_numpy

from ..annotation.surprisal import (
    UNKNOWN_RULES,
    ScoredText,
    TotalScore,
    register_surprisal,
    score_text,
    store_surprisals,
    sum_by_token,
)
from ..defaults import language_model
from ..pipe import RNNPipe
from ..schedules import Plateau
from .carried import Carried, read_examples
from .writing import (
    Prompt,
    Written,
    as_prompts,
    as_stops,
    as_written,
    check_prompt,
    encode_prompts,
    encode_stops,
    number_prompts,
    stream_text,
)

# Scores that are not shown while a model is trained.
SCORES = ("lm_bits_per_word", "lm_unknown", "lm_count_end")

# What stands for infinity in scores.
_INFINITE = 1e308

SETTINGS: Dict[str, Any] = {
    "model": language_model(),
    "store_perplexity": False,
    "store_surprisal": False,
    "unknown": "symbol",
    "unknown_types": 1_000_000,
    "count_end": True,
    "carry_over": False,
    "reset_probability": 0.02,
    "eval_streams": 0,
}


class RNNLanguageModel(RNNPipe):
    """A language model in a pipeline."""

    def __init__(
        self,
        vocab: Vocab,
        model: Model,
        name: str = "rnn_lm",
        *,
        store_perplexity: bool,
        store_surprisal: bool,
        unknown: str,
        unknown_types: int,
        count_end: bool,
        carry_over: bool,
        reset_probability: float,
        eval_streams: int,
    ) -> None:
        """Make the component.

        vocab (Vocab): The shared vocabulary.
        model (Model): A model that declares `PredictsSymbols`.
        name (str): The component's name.
        store_perplexity (bool): Whether `doc._.rnn_perplexity` is set.
        store_surprisal (bool): Whether `token._.rnn_surprisal` is set.
        unknown (str): What an unknown symbol counts in scores: "symbol", "skip" or "spread".
        unknown_types (int): With "spread": among how many symbols its probability is shared.
        count_end (bool): Whether the end of a text counts in scores.
        carry_over (bool): Whether the state of a stream goes from one text to the next.
        reset_probability (float): How often, in training, a stream's state is forgotten.
        eval_streams (int): How many streams `nlp.evaluate` reads texts in; 0 to read each by itself.
        RAISES (ValueError): If an argument is out of its range, or the model is no language model.
        """
        # Imported here because importing a factory must stay cheap.
        from ...layers.capabilities import PredictsSymbols, find

        predicts = find(model, PredictsSymbols)
        if predicts is None:
            raise ValueError(
                f"'{name}' needs a language model, e.g. spacy_rnn.RNNLM.v1, but {model.name!r} does not predict symbols: set "
                "components.*.model"
            )
        if unknown not in UNKNOWN_RULES:
            raise ValueError(f"'{name}': unknown must be one of {', '.join(UNKNOWN_RULES)}, got {unknown!r}")
        if unknown_types < 1:
            raise ValueError(f"'{name}': unknown_types must be at least 1, got {unknown_types}")
        if eval_streams < 0:
            raise ValueError(f"'{name}': eval_streams must be at least 0, got {eval_streams}")
        if not 0 <= reset_probability <= 1:
            raise ValueError(f"'{name}': reset_probability must be from 0 to 1, got {reset_probability}")
        self.vocab, self.model, self.name, self._predicts = vocab, model, name, predicts
        self.cfg: Dict[str, Any] = {}
        self.unknown, self.unknown_types, self.count_end = unknown, unknown_types, count_end
        self.carry_over, self.reset_probability, self.eval_streams = carry_over, reset_probability, eval_streams
        self.store_perplexity, self.store_surprisal = store_perplexity, store_surprisal
        self._rehearsal_model = None
        self._carried = Carried()
        # The score of the last evaluation, until a learning rate has been told it.
        self._unreported: Optional[float] = None
        if store_perplexity or store_surprisal:
            register_surprisal()

    @property
    def symbols(self) -> Any:
        """RETURNS (Symbols): What the model reads and writes."""
        return self.model.attrs["symbols"]

    def begin(self) -> Any:
        """Give the model with its weights as they are, to be run step by step.

        RETURNS (LanguageModel): What functions of `spacy_rnn.generation` take.
        RAISES (ValueError): spaCy's E109, if the component has not been initialized.
        """
        self.prepare_update()
        return self._predicts.begin(self.model)

    def initialize(self, get_examples: Any, *, nlp: Optional[Language] = None, labels: Optional[Dict[str, Any]] = None) -> None:
        """Learn the symbols of a corpus, and make the weights. An n-gram model is trained by it, also if symbols are given.

        get_examples (Callable[[], Iterable[Example]]): Gives the training texts.
        nlp (Optional[Language]): The pipeline.
        labels (Optional[Dict[str, Any]]): Symbols that were learned before, as `label_data` gives them.
        RAISES (ValueError): If there are no texts, or no symbols in them; or if the symbols that are given are damaged, or were
            learned under other settings.
        """
        from ...layers import learn_vocabulary, take_vocabulary

        validate_get_examples(get_examples, f"{type(self).__name__}.initialize")
        if labels is None:
            learn_vocabulary(self.model, (example.predicted for example in get_examples()))
        else:
            take_vocabulary(self.model, labels, lambda: (example.predicted for example in get_examples()))
        self.model.initialize()
        self._carried = Carried()

    def __call__(self, doc: Doc) -> Doc:
        """Set what the component is to store.

        doc (Doc): A text.
        RETURNS (Doc): The same.
        """
        if self._stores:
            self.set_annotations([doc], self.predict([doc]))
        return doc

    def pipe(self, stream: Iterable[Doc], *, batch_size: int = 128) -> Iterator[Doc]:
        """Set what the component is to store.

        stream (Iterable[Doc]): Texts.
        batch_size (int): How many are read at a time.
        YIELDS (Doc): The same, in their order.
        """
        if not self._stores:
            yield from stream
            return
        error_handler = self.get_error_handler()
        for docs in util.minibatch(stream, size=batch_size):
            try:
                self.set_annotations(docs, self.predict(docs))
                yield from docs
            except Exception as error:
                error_handler(self.name, self, docs, error)

    @property
    def _stores(self) -> bool:
        return self.store_perplexity or self.store_surprisal

    def predict(self, docs: Iterable[Doc]) -> List[ScoredText]:
        """Score texts.

        docs (Iterable[Doc]): The texts.
        RETURNS (List[ScoredText]): The scores of each.
        RAISES (ValueError): spaCy's E109, if the component has not been initialized.
        """
        return self._score_docs(list(docs))

    def _score_docs(self, docs: List[Doc], n_streams: int = 0) -> List[ScoredText]:
        texts = [self.symbols.encode(doc) for doc in docs]
        log_probabilities = self._score([text.numbers for text in texts], n_streams) if docs else []
        rule = (self.unknown, self.unknown_types, self.count_end)
        backward = self.symbols.backward
        return [score_text(*each, *rule, backward=backward) for each in zip(docs, texts, log_probabilities, strict=True)]

    def _score(self, numbers: Sequence[numpy.ndarray], n_streams: int) -> List[numpy.ndarray]:
        """Give the log-probability of each symbol of texts and of their ends: of each text by itself if there are no streams."""
        from ...text.symbols import batch_texts

        # A stream that is read backward comes to the last text first.
        order = slice(None, None, -1 if self.symbols.backward else 1)
        inputs, targets, lengths = batch_texts(numbers[order])
        read = lengths
        if n_streams:
            borders = len(inputs) * numpy.arange(n_streams + 1) // n_streams
            if not self.carry_over:
                borders = numpy.concatenate([borders, numpy.cumsum(lengths)])
            read = numpy.diff(numpy.unique(borders)).astype("int32")
        scores = self.begin().score(inputs, targets, read)
        return numpy.split(to_numpy(scores.log_probabilities), numpy.cumsum(lengths)[:-1])[order]

    def set_annotations(self, docs: Iterable[Doc], scores: Iterable[ScoredText]) -> None:
        """Set `doc._.rnn_perplexity` and `token._.rnn_surprisal`, as far as they are to be stored.

        docs (Iterable[Doc]): Texts.
        scores (Iterable[ScoredText]): What `predict` has given for them.
        """
        for doc, scored in zip(docs, scores, strict=True):
            if self.store_perplexity:
                doc._.rnn_perplexity = scored.perplexity
            if self.store_surprisal:
                store_surprisals(doc, sum_by_token(doc, scored))

    def run_update(self, examples: Iterable[Example], **settings: Any) -> Dict[str, float]:
        """Learn from a batch, with the model ready.

        Examples of `spacy_rnn.batch_by_streams.v1` are pieces of streams, which go on in the state that the pieces before have
        ended in. Others are whole texts.

        examples (Iterable[Example]): The batch.
        **settings (Any): `drop`, `sgd` and `losses`, as in `update`.
        RETURNS (Dict[str, float]): The losses: this one's is the mean of a symbol, in nats.
        RAISES (ValueError): If the loss is not a number. The weights are as before.
        """
        losses: Dict[str, float] = {} if settings["losses"] is None else settings["losses"]
        losses.setdefault(self.name, 0.0)
        examples = list(examples)
        validate_examples(examples, f"{type(self).__name__}.update")
        carry, begin_update = self._predicts.carry, self._predicts.begin_update
        if carry is None or begin_update is None:
            # Says whether it has learned from a corpus.
            self.begin()
            return losses
        set_dropout_rate(self.model, settings["drop"])
        reading = read_examples(examples, self.symbols, self.carry_over)
        if not len(reading.batch.inputs):
            return losses
        before = carry(self.model, None, numpy.full(len(reading.before), -1), None)
        for state, index in self._carried.find(reading.before, self.reset_probability):
            before = carry(self.model, state, index, before)
        scores, backprop = begin_update(self.model, reading.batch, before, reading.weights)
        backprop()
        loss = -float(scores.log_probabilities.mean())
        if math.isnan(loss):
            raise ValueError(
                f"'{self.name}' could not learn: its loss is {loss}, so hidden units or gradients have grown without bound; use "
                'a lower learning rate or grad_clip, or another cell where it is "elman_relu", whose units may do so'
            )
        self._carried.keep(reading.after, scores.state)
        if settings["sgd"] is not None:
            self.finish_update(settings["sgd"])
        losses[self.name] += loss
        return losses

    def finish_update(self, sgd: Any) -> None:
        """Update the weights. If the learning rate waits for a plateau, it is told the score of an evaluation.

        sgd (Optimizer): The optimizer.
        """
        super().finish_update(sgd)
        learn_rate = getattr(sgd, "schedules", {}).get("learn_rate")
        if isinstance(learn_rate, Plateau) and self._unreported is not None:
            learn_rate.report(self._unreported)
        self._unreported = None

    def get_loss(self, examples: Iterable[Example], scores: Sequence[ScoredText]) -> Tuple[float, List[numpy.ndarray]]:
        """Find the loss of texts that were scored.

        examples (Iterable[Example]): The texts.
        scores (Sequence[ScoredText]): What `predict` has given for them.
        RETURNS (Tuple[float, List[numpy.ndarray]]): The mean loss of a symbol, in nats; and its gradient with regard to the
            log-probabilities of each text.
        """
        n = sum(len(scored.surprisals) for scored in scores)
        total = sum(float(scored.surprisals.sum(dtype="float64")) for scored in scores) * float(numpy.log(2.0))
        gradients = [numpy.full(len(scored.surprisals), -1.0 / n, dtype="float32") for scored in scores]
        return (total / n if n else 0.0), gradients

    def rehearse(self, examples: Iterable[Example], **settings: Any) -> Dict[str, float]:
        """Do nothing: what a language model knows does not depend on labels that others learn.

        examples (Iterable[Example]): A batch.
        **settings (Any): `drop`, `sgd` and `losses`, as in `update`.
        RETURNS (Dict[str, float]): The losses, unchanged.
        """
        losses = settings.get("losses")
        return {} if losses is None else losses

    def score(self, examples: Iterable[Union[Example, Doc, str]], **settings: Any) -> Any:
        """Score texts.

        examples (Iterable[Union[Example, Doc, str]]): Texts; or examples, as `nlp.evaluate` gives them. The words of a string
            are what stands between white space.
        **settings (Any): Not used; spaCy gives some to every component.
        RETURNS (Union[List[ScoredText], Dict[str, Any]]): Of texts, the scores of each. Of examples, those of all together:
            "lm_bits_per_char", "lm_bits_per_word", "lm_perplexity" of a word; "lm_score", the geometric mean of the probability
            of a character, from 0 to 1, for early stopping; "lm_unknown", the rule for what is unknown, and "lm_count_end",
            whether the ends of texts count. What is infinite is 1e308, and a score of nothing None.
        RAISES (ValueError): spaCy's E109, if the component has not been initialized; or if these are no texts.
        """
        if isinstance(examples, (str, Doc)) or not isinstance(examples, Iterable):
            raise ValueError(f"'{self.name}' scores a list of texts, e.g. [text], got {type(examples).__name__}")
        texts = list(examples)
        if any(isinstance(text, Example) for text in texts):
            scores = self._evaluate([text.predicted if isinstance(text, Example) else self._as_doc(text) for text in texts])
            self._unreported = scores["lm_score"]
            return scores
        return self.predict([self._as_doc(text) for text in texts])

    def _as_doc(self, text: Any) -> Doc:
        from ..corpus.reader import split_text

        if isinstance(text, (Doc, str)):
            return text if isinstance(text, Doc) else split_text(text, self.vocab)
        raise ValueError(f"'{self.name}' scores texts: expected str, Doc or Example, got {type(text).__name__}")

    def _evaluate(self, docs: List[Any]) -> Dict[str, Any]:
        if self.eval_streams:
            scored = self._score_docs(docs, self.eval_streams)
        else:
            scored = [each for batch in util.minibatch(docs, 256) for each in self.predict(batch)]
        total = TotalScore()
        for each in scored:
            total = total.add(each)
        return {
            "lm_score": _as_score(2.0**-total.bits_per_character),
            "lm_bits_per_char": _as_score(total.bits_per_character),
            "lm_bits_per_word": _as_score(total.bits_per_word),
            "lm_perplexity": _as_score(total.perplexity),
            "lm_unknown": self.unknown,
            "lm_count_end": self.count_end,
        }

    def generate(
        self,
        prompts: Union[Prompt, Sequence[Prompt]] = "",
        *,
        n: int = 1,
        max_symbols: int = 200,
        stop: Sequence[str] = (),
        seed: int = 0,
        replace_unknown: bool = False,
        **sampling: Any,
    ) -> List[Written]:
        """Go on from prompts. What is written does not depend on the others: one that is there twice goes on in the same way.

        A model whose symbols are read backward writes what comes before a prompt, up to the beginning of the text.

        prompts (Union[str, Doc, Sequence[Union[str, Doc]]]): The prompts; an empty one is the beginning of a text, or its end if
            it is read backward.
        n (int): How many texts are written for each.
        max_symbols (int): The largest number of symbols after a prompt. A text may end before.
        stop (Sequence[str]): Strings that end a text.
        seed (int): What random numbers begin with.
        replace_unknown (bool): Whether what the model has never seen is read as unknown.
        **sampling (Any): How symbols are drawn, as `spacy_rnn.generation.Sampling` takes it: temperature, top_k, top_p, min_p,
            typical_p, repetition_penalty, no_repeat_ngram, greedy.
        RETURNS (List[Written]): The texts, n for each prompt, in the order of the prompts.
        RAISES (ValueError): If a prompt has symbols that the model has never seen, or a setting is out of its range.
        """
        from ...generation import Sampling, Stopping, generate

        model, prompts, stops = self.begin(), as_prompts(prompts), as_stops(stop)
        stopping = Stopping(max_symbols, sequences=encode_stops(self.symbols, stops))
        encoded = encode_prompts(self.symbols, prompts, replace_unknown)
        settings: Dict[str, Any] = {"n": n, "seed": seed, "indices": number_prompts(encoded)}
        found = generate(model, encoded, sampling=Sampling(**sampling), stopping=stopping, **settings)
        return [as_written(self.symbols, prompts[i // n], each, stops) for i, each in enumerate(found)]

    def stream(
        self,
        prompt: Prompt = "",
        *,
        max_symbols: int = 200,
        stop: Sequence[str] = (),
        seed: int = 0,
        replace_unknown: bool = False,
        **sampling: Any,
    ) -> Iterator[str]:
        """Go on from a prompt, and give the text of `generate` as it comes.

        prompt (Union[str, Doc]): The prompt.
        max_symbols, stop, seed, replace_unknown, **sampling: As `generate` takes them.
        RETURNS (Iterator[str]): Pieces of the text in the order in which they are written: each stands after those before, or,
            if the model's symbols are read backward, before them.
        RAISES (ValueError): As `generate` does; what is wrong with the arguments is said at once.
        """
        from ...generation import Sampling, Stopping, stream

        model, stops = self.begin(), as_stops(stop)
        stopping = Stopping(max_symbols, sequences=encode_stops(self.symbols, stops))
        encoded = encode_prompts(self.symbols, [check_prompt(prompt)], replace_unknown)
        settings: Dict[str, Any] = {"seed": seed, "indices": number_prompts(encoded)}
        produced = stream(model, encoded, sampling=Sampling(**sampling), stopping=stopping, **settings)
        return stream_text(self.symbols, prompt, produced, stops)

    def search(
        self,
        prompts: Union[Prompt, Sequence[Prompt]] = "",
        *,
        width: int = 5,
        n: int = 1,
        max_symbols: int = 200,
        stop: Sequence[str] = (),
        alpha: float = 0.6,
        no_repeat_ngram: int = 0,
        replace_unknown: bool = False,
    ) -> List[Written]:
        """Find the most probable texts that go on from prompts, by beam search.

        prompts (Union[str, Doc, Sequence[Union[str, Doc]]]): The prompts.
        width (int): How many texts are kept at each step.
        n (int): How many are returned for each prompt, at most.
        max_symbols, stop, replace_unknown: As `generate` takes them.
        alpha (float): How much longer texts are favoured (Wu et al. 2016); 0 not to.
        no_repeat_ngram (int): How many symbols in a row must not come twice; 0 for none.
        RETURNS (List[Written]): The best texts of each prompt, the best first, in the order of the prompts.
        RAISES (ValueError): As `generate` does.
        """
        from ...generation import LengthNormalization, Stopping, beam_search

        model, prompts, stops = self.begin(), as_prompts(prompts), as_stops(stop)
        found = beam_search(
            model,
            encode_prompts(self.symbols, prompts, replace_unknown),
            width=width,
            n_best=n,
            normalization=LengthNormalization(alpha=alpha),
            stopping=Stopping(max_symbols, sequences=encode_stops(self.symbols, stops)),
            no_repeat_ngram=no_repeat_ngram,
        )
        pairs = zip(prompts, found, strict=True)
        return [as_written(self.symbols, prompt, each, stops) for prompt, hypotheses in pairs for each in hypotheses]

    def check_labels(self) -> None:
        """Do nothing: a language model has symbols in place of labels, which are saved and checked with its model."""

    @property
    def label_data(self) -> Dict[str, Any]:
        """RETURNS (Dict[str, Any]): The symbols that have been learned, for `init labels`."""
        return self.symbols.to_data()


def _as_score(value: float) -> Optional[float]:
    """Give a score that spaCy can save: JSON has neither infinity nor what is not a number."""
    return None if numpy.isnan(value) else min(value, _INFINITE)


@Language.factory(
    "rnn_lm",
    assigns=["doc._.rnn_perplexity", "token._.rnn_surprisal"],
    default_config=SETTINGS,
    default_score_weights={"lm_score": 1.0, "lm_bits_per_char": 0.0, "lm_perplexity": 0.0, **dict.fromkeys(SCORES)},
)
def make_rnn_lm(
    nlp: Language,
    name: str,
    model: Model,
    store_perplexity: bool,
    store_surprisal: bool,
    unknown: str,
    unknown_types: int,
    count_end: bool,
    carry_over: bool,
    reset_probability: float,
    eval_streams: int,
) -> RNNLanguageModel:
    """Make a language model.

    nlp (Language): The pipeline.
    name (str): The component's name.
    model (Model): The model: `spacy_rnn.RNNLM.v1`, `spacy_rnn.FeedForwardLM.v1`, `spacy_rnn.NGramLM.v1` or a mixture.
    store_perplexity (bool): Whether `doc._.rnn_perplexity` is set, the perplexity of a word.
    store_surprisal (bool): Whether `token._.rnn_surprisal` is set: bits, summed over what a word is made of and the white space
        after it.
    unknown (str): What an unknown symbol counts in scores. "symbol": the probability of anything unknown. "skip": it is left out.
        "spread": that probability is shared among `unknown_types` symbols.
    unknown_types (int): How many unknown symbols there are, with "spread".
    count_end (bool): Whether the end of a text counts in scores, as one more character and word.
    carry_over (bool): Whether the state of a stream goes from one text to the next, in training and with `eval_streams`: for
        texts that follow each other, such as the lines of an article. Otherwise each begins anew, as in a pipeline.
    reset_probability (float): How often, in training, the state of a stream is forgotten between two updates, so that the model
        meets the state in which texts begin even if they are few, or state is carried over.
    eval_streams (int): With 0, `nlp.evaluate` reads each text by itself, as the component does in a pipeline. Otherwise texts
        follow each other in so many streams, read side by side, as in training: one long text takes less time.
    RETURNS (RNNLanguageModel): The component.
    """
    return RNNLanguageModel(
        nlp.vocab,
        model,
        name,
        store_perplexity=store_perplexity,
        store_surprisal=store_surprisal,
        unknown=unknown,
        unknown_types=unknown_types,
        count_end=count_end,
        carry_over=carry_over,
        reset_probability=reset_probability,
        eval_streams=eval_streams,
    )
