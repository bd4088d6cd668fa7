"""Pretraining by predicting the next and the previous word: what stands in `[pretraining.objective]`."""

from collections import deque
from pathlib import Path
from typing import Any, Callable, Iterable, Iterator, List, Optional, Sequence, Tuple, Union

from spacy.language import Language
from spacy.tokens import Doc
from spacy.util import get_lang_class
from spacy.vocab import Vocab
from thinc.api import Model, Ops

from ...layers import learn_vocabulary
from .encoding import check_tok2vec
from .language_model import Prediction, build_language_model
from .progress import Progress, by_direction, check_best
from .targets import build_targets

Corpus = Callable[[Language], Iterable[Any]]


def build_pretrain_lm(
    corpus: Corpus,
    dev: Optional[Corpus] = None,
    tokenizer: Optional[Callable[[Language], Any]] = None,
    predict: str = "word",
    size: int = 30_000,
    min_count: int = 1,
    attr: str = "ORTH",
    output: str = "sampled",
    n_samples: int = 1024,
    cutoffs: Optional[Sequence[int]] = None,
    n_characters: int = 4,
    layer_dropout: float = 1.0,
    eval_frequency: int = 1000,
    best: Optional[Union[str, Path]] = None,
) -> Callable[[Vocab, Model], Model]:
    """Pretrain token vectors as language models of two directions, for `spacy pretrain` (Peters et al. 2018).

    At every token the next one is predicted from what the encoder has read forward, and the previous one from what it has read
    backward, in all its layers: `spacy_rnn.layers.directions.begin_apart`. Both share the layer that predicts. The weights are
    those of the encoder as it is trained afterwards. The gradient is that of the mean over all predictions of a batch; the loss
    that spaCy prints is the sum over the words, in nats, of the mean of both directions.

    The words that are predicted and those of embeddings (`spacy_rnn.Embed.v1`) are learned from the corpus when training begins.

    corpus (Callable[[Language], Iterable[Any]]): The texts, e.g. `${corpora.pretrain}`.
    dev (Optional[Callable[[Language], Iterable[Any]]]): Texts apart. Their perplexity, exact whatever the output, is printed
        every `eval_frequency` updates, and whenever spaCy saves weights: after each epoch and at the end.
    tokenizer (Optional[Callable[[Language], Any]]): The pipeline's tokenizer, `${nlp.tokenizer}`; that of the language if None.
    predict (str): What is predicted of a token: the "word"; or "characters", the bytes that it begins and ends with, for
        languages of very many words.
    size (int): How many words are known, the most frequent ones.
    min_count (int): How often a word that is known occurs at least.
    attr (str): The token attribute that counts as the word.
    output (str): "sampled", "adaptive" or "full", as in `spacy_rnn.RNNLM.v1`.
    n_samples (int): With "sampled": how many words are drawn for a batch.
    cutoffs (Optional[Sequence[int]]): With "adaptive": how many of the most frequent words come before each cluster; found by
        itself if None.
    n_characters (int): With "characters": how many bytes are predicted, from both ends, as in `spacy.PretrainCharacters.v1`.
    layer_dropout (float): What the dropout rates that the layers have themselves are multiplied by, e.g. `word_dropout` and
        `variational_dropout`: below 1 where there is more text than with labels. The saved weights have the rates of the config.
    eval_frequency (int): How many updates there are from one evaluation to the next; 0 for none in between.
    best (Optional[Union[str, Path]]): Where the weights of lowest dev perplexity are written, for `[initialize] init_tok2vec`.
        A line for each evaluation is added to the file of the same name that ends with `.jsonl`.
    RETURNS (Callable[[Vocab, Model], Model]): What makes the model around token vectors.
    RAISES (ValueError): If an argument is out of its range, or best cannot be written to or has no dev texts. When it is called:
        if the corpus has no words, or the token vectors are of layers that cannot be trained so.
    """
    targets = build_targets(predict, n_characters, size, min_count, attr, output, n_samples, cutoffs)
    if eval_frequency < 0:
        raise ValueError(f"eval_frequency must not be negative, got {eval_frequency}")
    if not 0 <= layer_dropout <= 1:
        raise ValueError(f"layer_dropout is what rates are multiplied by, from 0 to 1, got {layer_dropout}")
    if best is not None and dev is None:
        raise ValueError(
            "the best weights are those of lowest dev perplexity: set dev in [pretraining.objective], or best = null"
        )
    if best is not None:
        check_best(Path(best))

    def build(vocab: Vocab, tok2vec: Model) -> Model:
        check_tok2vec(tok2vec)
        nlp = get_lang_class(vocab.lang)(vocab, create_tokenizer=tokenizer)
        # Before the training texts, which may take minutes.
        dev_docs = None if dev is None else list(_read(nlp, dev))
        docs = targets.learn(_read(nlp, corpus))
        learn_vocabulary(tok2vec, docs)
        # Without such an embedding, nothing has been read yet.
        deque(docs, maxlen=0)
        model = build_language_model(tok2vec, targets, layer_dropout)
        progress = None
        if dev_docs is not None:
            progress = Progress(model, dev_docs, eval_frequency, None if best is None else Path(best))
            model.before_saving = progress.evaluate
        model.attrs["loss"] = _Loss(progress)
        return model

    return build


class _Loss:
    """The loss of a batch, as spaCy asks for it."""

    def __init__(self, progress: Optional[Progress]) -> None:
        self._progress = progress

    def __call__(self, ops: Ops, docs: List[Doc], prediction: Prediction) -> Tuple[float, None]:
        loss = -float(by_direction(prediction).mean())
        if self._progress is not None:
            self._progress.add(loss, sum(len(doc) for doc in docs))
        return loss, None


def _read(nlp: Language, corpus: Corpus) -> Iterator[Doc]:
    """Read texts. spaCy's readers of plain text give examples, others texts."""
    for each in corpus(nlp):
        yield each if isinstance(each, Doc) else each.reference
