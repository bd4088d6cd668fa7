"""Callbacks for a config's `[initialize]` block."""

from pathlib import Path
from typing import Callable, Optional

from spacy.language import Language
from spacy.training import Corpus
from thinc.api import Model


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
