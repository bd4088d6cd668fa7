"""Callbacks for a config's `[initialize]` block."""

from math import inf
from pathlib import Path
from typing import Any, Callable, Iterable, Mapping, Optional

from spacy.language import Language
from spacy.training import Corpus, Example
from spacy.util import registry
from thinc.api import Model

# A batch has the square root of this many times the corpus' words: 316 of 20,000, 1,000 of 200,000, 5,000 of 5,000,000.
_SHARE = 5


def build_learn_vocabulary(path: Optional[Path]) -> Callable[[Language], Language]:
    """Let every `Embed` layer of a pipeline learn its words from a whole corpus, as `[initialize.after_init]`.

    The components of this package do it by themselves; spaCy's own, a shared `tok2vec` among them, initialize a model with ten
    texts. A component with pretrained weights (`init_tok2vec`) keeps the words that these are for.

    path (Optional[Path]): The training corpus, in spaCy's binary format.
    RETURNS (Callable[[Language], Language]): The callback.
    RAISES (ValueError): When it is called without a path.
    """

    def learn_vocabularies(nlp: Language) -> Language:
        # Imported here because importing a factory must stay cheap.
        from ..layers import learn_vocabulary

        if path is None:
            raise ValueError("spacy_rnn.learn_vocabulary.v1 needs the path of the training corpus: set paths.train")
        corpus = Corpus(path, gold_preproc=True)
        pretrained = _pretrained(nlp)
        for name, component in nlp.pipeline:
            model = getattr(component, "model", None)
            if isinstance(model, Model) and name != pretrained:
                learn_vocabulary(model, (example.x for example in corpus(nlp)))
        return nlp

    return learn_vocabularies


def build_fit_to_corpus(
    epochs: float, min_steps: int = 1500, max_steps: int = 10_000, min_batch: int = 100
) -> Callable[[Language], Language]:
    """Set the size of the batches and the number of steps by the size of the corpus, as `[initialize.before_init]`.

    Of `training.batcher.size` (in words), `training.max_steps` and `training.optimizer.learn_rate.total_steps` those are set that
    are 0; others stay. A batch grows with the square root of the corpus' words: a small corpus is read in many steps, a large one
    has no need for that. The steps of the learning rate are those of the training, so that it falls to zero with the last one
    (`spacy_rnn.warmup_linear.v1`). The numbers are saved in the trained pipeline's config.

    The steps of an epoch are counted in words with `spacy.batch_by_words.v1`, in texts with `spacy.batch_by_sequence.v1`. With
    `spacy_rnn.batch_by_streams.v1` the corpus is cut into streams as in training, which are counted. For subwords,
    which are learned first, that is `[initialize.after_init]`.

    The corpus is what `training.train_corpus` names, read as it is in training. Nothing is set if its path is null: then it is
    not the config that trains.

    epochs (float): The number of passes over the corpus, within the bounds of the number of steps; `training.max_epochs` if that
        is less.
    min_steps (int): The number of steps at least.
    max_steps (int): The number of steps at most.
    min_batch (int): The number of words of a batch at least.
    RETURNS (Callable[[Language], Language]): The callback.
    RAISES (ValueError): If an argument is out of its range; when it is called, if the corpus has no words, is streamed
        (`max_epochs = -1`), or if batches are counted neither in words, texts nor streams.
    """
    if not 0 < epochs < inf:
        raise ValueError(f"epochs must be a number greater than 0, got {epochs}")
    if not 1 <= min_steps <= max_steps:
        raise ValueError(f"min_steps and max_steps must be 1 <= min_steps <= max_steps, got {min_steps} and {max_steps}")
    if min_batch < 1:
        raise ValueError(f"min_batch must be at least 1, got {min_batch}")

    def fit_to_corpus(nlp: Language) -> Language:
        training = nlp.config["training"]
        batcher, learn_rate = training["batcher"], training["optimizer"].get("learn_rate")
        if 0 in (batcher.get("size"), training["max_steps"]):
            read = _find_corpus(nlp)
            if read is None:
                return nlp
            steps = _steps_of_an_epoch(nlp, read, min_batch)
            if training["max_steps"] == 0:
                training["max_steps"] = max(min_steps, min(max_steps, round(epochs * steps)))
                if training["max_epochs"] > 0:
                    training["max_steps"] = min(training["max_steps"], max(1, round(training["max_epochs"] * steps)))
        # A reference to max_steps would not do: `nlp.resume_training` reads this block alone.
        if isinstance(learn_rate, dict) and learn_rate.get("total_steps") == 0:
            learn_rate["total_steps"] = training["max_steps"]
        return nlp

    return fit_to_corpus


def _pretrained(nlp: Language) -> Optional[str]:
    """Name the component whose token vectors have been pretrained; None if there is none."""
    config = nlp.config.interpolate()
    if not config.get("pretraining") or not config["initialize"].get("init_tok2vec"):
        return None
    return config["pretraining"]["component"]


def _steps_of_an_epoch(nlp: Language, read: Callable[[Language], Iterable[Example]], min_batch: int) -> float:
    """Count the steps of a pass over a corpus, and set the size of the batches if it is 0."""
    batcher = nlp.config["training"]["batcher"]
    if batcher.get("@batchers", "").startswith("spacy_rnn.batch_by_streams."):
        return _count_stream_batches(nlp, read)
    if batcher.get("size") == 0 or _is_by(batcher, "words"):
        _require_words(batcher)
        n_words = _count_words(nlp, read)
        batch = max(min_batch, round((_SHARE * n_words) ** 0.5))
        if batcher.get("size") == 0:
            batcher["size"] = batch
        return n_words / (batcher["size"] if isinstance(batcher["size"], int) else batch)
    if not _is_by(batcher, "sequence") or not isinstance(batcher.get("size"), int):
        raise ValueError(
            "training.max_steps is found by counting the batches of an epoch, but these cannot be counted: "
            f"{batcher.get('@batchers', '')} with size {batcher.get('size')}. Set training.max_steps and "
            "training.optimizer.learn_rate.total_steps, or a size of spacy.batch_by_words.v1 or spacy.batch_by_sequence.v1"
        )
    return sum(1 for _ in read(nlp)) / batcher["size"]


def _is_by(batcher: Mapping[str, Any], unit: str) -> bool:
    """Say whether this is spaCy's batcher by words, or that by texts ("sequence")."""
    return bool(batcher.get("@batchers", "").startswith(f"spacy.batch_by_{unit}."))


def _count_stream_batches(nlp: Language, read: Callable[[Language], Iterable[Example]]) -> int:
    """Count the batches of streams of a corpus."""
    # Imported here because importing a callback must stay cheap.
    from ..layers.capabilities import PredictsSymbols, find
    from ..text.streams import piece_of

    models = [getattr(component, "model", None) for _, component in nlp.pipeline]
    symbols = [
        model.attrs["symbols"] for model in models if isinstance(model, Model) and find(model, PredictsSymbols) is not None
    ]
    batcher = registry.resolve({"batcher": nlp.config.interpolate()["training"]["batcher"]})["batcher"]
    n_batches = 0
    for n_batches, batch in enumerate(batcher(list(read(nlp))), 1):  # noqa: B007
        pieces = [piece for example in batch if (piece := piece_of(example.reference)) is not None]
        # How many pieces a stream has is only known exactly once it has been turned into symbols.
        for piece in (piece for piece in pieces if piece.number == 0):
            for each in symbols:
                try:
                    piece.take(each)
                except ValueError as error:
                    raise ValueError(
                        f"the steps of an epoch are counted in {each.unit}s, but: {error}. What is learned first is counted "
                        "later: move [initialize.before_init] to [initialize.after_init]"
                    ) from error
    return n_batches


def _find_corpus(nlp: Language) -> Optional[Callable[[Language], Iterable[Example]]]:
    """Give what reads the corpus that a config trains on, None if its path is null."""
    config = nlp.config.interpolate()
    block: Any = config
    for part in config["training"]["train_corpus"].split("."):
        block = block[part]
    if block.get("path", "") is None:
        return None
    if config["training"]["max_epochs"] < 0:
        raise ValueError(
            "batches and steps are set by the size of the training corpus, but it is streamed (max_epochs = -1): "
            "set training.batcher.size, training.max_steps and training.optimizer.learn_rate.total_steps"
        )
    return registry.resolve({"corpus": block})["corpus"]


def _count_words(nlp: Language, read: Callable[[Language], Iterable[Example]]) -> int:
    """Count the annotated tokens of a corpus."""
    n_words = sum(len(example.reference) for example in read(nlp))
    if not n_words:
        raise ValueError("batches and steps are set by the size of the training corpus, but it has no words")
    return n_words


def _require_words(batcher: Mapping[str, Any]) -> None:
    if not _is_by(batcher, "words"):
        name = batcher.get("@batchers", "")
        raise ValueError(f"the size that is found is a number of words, as spacy.batch_by_words.v1 takes it: set that of {name}")
