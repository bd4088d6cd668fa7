"""Encoder-decoders of toy tasks, and their texts."""

import numpy
import pytest
import spacy
from spacy.training import Example
from thinc.api import fix_random_seed

from spacy_rnn.pipeline.annotation.output import Output, set_output

WORDS = {"@misc": "spacy_rnn.Words.v1", "min_count": 1}
CHARACTERS = {"@misc": "spacy_rnn.Characters.v1"}


def pair(nlp, source, target):
    reference = nlp.make_doc(source)
    set_output(reference, Output(target))
    return Example(nlp.make_doc(source), reference)


@pytest.fixture(scope="session")
def pairs():
    """(nlp, [(source, target)]) -> examples."""
    return lambda nlp, texts: [pair(nlp, source, target) for source, target in texts]


@pytest.fixture(scope="session")
def config():
    """(model arguments, **component settings) -> the component's config with a small model, without what regularizes it."""

    def build(model=None, **settings):
        small = {"width": 12, "hidden_width": 24, "dropout": 0.0, "label_smoothing": 0.0, "tied": False}
        symbols = {"source": WORDS, "target": WORDS}
        return {"model": {"@architectures": "spacy_rnn.Seq2Seq.v1", **small, **symbols, **(model or {})}, **settings}

    return build


@pytest.fixture(scope="session")
def learn_pairs(config):
    """(texts, n_updates, model arguments, **component settings) -> a pipeline that has learned them."""

    def learn(texts, n_updates, model=None, rate=0.02, **settings):
        fix_random_seed(0)
        nlp = spacy.blank("xx")
        nlp.add_pipe("rnn_seq2seq", config=config(model, **settings))
        examples = [pair(nlp, source, target) for source, target in texts]
        optimizer = nlp.initialize(lambda: examples)
        optimizer.learn_rate = rate
        for _ in range(n_updates):
            nlp.update(examples, sgd=optimizer)
        return nlp

    return learn


@pytest.fixture(scope="session")
def draw():
    """(symbols, n, longest, seed) -> n rows of symbols."""

    def run(symbols, n, longest=5, seed=0):
        random = numpy.random.RandomState(seed)
        return [[symbols[i] for i in random.randint(0, len(symbols), random.randint(1, longest + 1))] for _ in range(n)]

    return run


@pytest.fixture(scope="session")
def reversed_words(draw):
    """Rows of words, and the same from behind."""
    return [(" ".join(words), " ".join(words[::-1])) for words in draw("abcd", 50)]


@pytest.fixture(scope="session")
def reversing(learn_pairs, reversed_words):
    """A pipeline that writes words from behind. Nothing may be changed in it."""
    return learn_pairs(reversed_words, 60)
