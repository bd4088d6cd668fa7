"""Callbacks for a config's `[initialize]` block."""

from pathlib import Path
from typing import Callable, Optional

from spacy.language import Language
from spacy.tokens import DocBin
from spacy.training import Corpus
from thinc.api import Model

# A batch has the square root of this many times the corpus' words: 316 of 20,000, 1,000 of 200,000, 5,000 of 5,000,000.
_SHARE = 5


def build_learn_vocabulary(path: Optional[Path]) -> Callable[[Language], Language]:
    """Let every `Embed` layer of a pipeline learn its words from a whole corpus, as `[initialize.after_init]`.

    The components of this package do it by themselves; spaCy's own, a shared `tok2vec` among them, initialize a model with ten
    texts.

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
        for _, component in nlp.pipeline:
            model = getattr(component, "model", None)
            if isinstance(model, Model):
                learn_vocabulary(model, (example.x for example in corpus(nlp)))
        return nlp

    return learn_vocabularies


def build_fit_to_corpus(
    path: Optional[Path], epochs: float, min_steps: int = 1500, max_steps: int = 10_000, min_batch: int = 100
) -> Callable[[Language], Language]:
    """Set the size of the batches and the number of steps by the size of the corpus, as `[initialize.before_init]`.

    Of `training.batcher.size` (in words), `training.max_steps` and `training.optimizer.learn_rate.total_steps` those are set that
    are 0; others stay. A batch grows with the square root of the corpus' words: a small corpus is read in many steps, a large one
    has no need for that. The steps of the learning rate are those of the training, so that it falls to zero (`warmup_linear.v1`)
    with the last one. The numbers are saved in the trained pipeline's config.

    path (Optional[Path]): The training corpus, in spaCy's binary format: a file, or a folder of some. With None nothing is set.
    epochs (float): The number of passes over the corpus, within the bounds of the number of steps.
    min_steps (int): The number of steps at least.
    max_steps (int): The number of steps at most.
    min_batch (int): The number of words of a batch at least.
    RETURNS (Callable[[Language], Language]): The callback.
    RAISES (ValueError): If an argument is out of its range; when it is called, if the corpus has no words.
    """
    if epochs <= 0:
        raise ValueError(f"epochs must be greater than 0, got {epochs}")
    if not 1 <= min_steps <= max_steps:
        raise ValueError(f"min_steps and max_steps must be 1 <= min_steps <= max_steps, got {min_steps} and {max_steps}")
    if min_batch < 1:
        raise ValueError(f"min_batch must be at least 1, got {min_batch}")

    def fit_to_corpus(nlp: Language) -> Language:
        if path is None:
            return nlp
        training = nlp.config["training"]
        batcher, learn_rate = training["batcher"], training["optimizer"].get("learn_rate")
        if 0 in (batcher.get("size"), training["max_steps"]):
            n_words = _count_words(Path(path))
            batch = (_SHARE * n_words) ** 0.5
            if batcher.get("size") == 0:
                batcher["size"] = max(min_batch, round(batch))
            if training["max_steps"] == 0:
                steps = epochs * n_words / (batcher["size"] if isinstance(batcher.get("size"), int) else batch)
                training["max_steps"] = max(min_steps, min(max_steps, round(steps)))
        # A reference to max_steps would not do: `nlp.resume_training` reads this block alone.
        if isinstance(learn_rate, dict) and learn_rate.get("total_steps") == 0:
            learn_rate["total_steps"] = training["max_steps"]
        return nlp

    return fit_to_corpus


def _count_words(path: Path) -> int:
    """Count the tokens of a corpus."""
    files = sorted(path.glob("**/*.spacy")) if path.is_dir() else [path]
    n_words = sum(sum(len(tokens) for tokens in DocBin().from_disk(file).tokens) for file in files)
    if not n_words:
        raise ValueError(f"batches and steps are set by the size of the training corpus, but {path} has no words")
    return n_words
