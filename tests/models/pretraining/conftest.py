"""A small pretraining objective and its texts."""

import pytest
import spacy
from spacy.util import registry

TEXTS = [
    "the cat sat on the mat .",
    "the dog sat on the rug .",
    "a cat saw the dog , and a dog saw the cat",
    "on the mat sat a cat .",
]


@pytest.fixture
def vocab():
    return spacy.blank("en").vocab


@pytest.fixture
def texts():
    return list(TEXTS)


@pytest.fixture
def corpus(texts):
    """Reads the texts with a pipeline's tokenizer."""
    return lambda nlp: [nlp.make_doc(text) for text in texts]


@pytest.fixture
def make_tok2vec(vocab):
    """(encoder arguments) -> token vectors of words, initialized as spaCy does it."""

    def make(embed=None, encode=None, **settings):
        embed = embed or {"@architectures": "spacy_rnn.Embed.v1", "width": 8, "size": 50, "include_static_vectors": False}
        encode = encode or {"@architectures": "spacy_rnn.RNNEncoder.v1", "width": 8, **settings}
        config = {"@architectures": "spacy_rnn.Tok2Vec.v1", "embed": embed, "encode": encode}
        tok2vec = registry.resolve({"model": config})["model"]
        tok2vec.initialize(X=[spacy.blank("en").tokenizer("Give it a doc to infer shapes")])
        return tok2vec

    return make
