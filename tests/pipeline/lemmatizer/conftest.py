"""A toy language of regular plurals and past forms, and small lemmatizers for it."""

import random
import warnings

import pytest
import spacy
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import Adam, fix_random_seed

SYLLABLES = ["bo", "ka", "ti", "mu", "re", "no", "sa", "li"]
MODEL = {
    "@architectures": "spacy_rnn.Seq2Seq.v1",
    "width": 16,
    "hidden_width": 32,
    "cell": "gru",
    "attention": "general",
    "copy": True,
    "source": {"@misc": "spacy_rnn.Characters.v1"},
    "target": None,
}


def make_stem(rng, n=3):
    return "".join(rng.choice(SYLLABLES) for _ in range(n)) + rng.choice("kptm")


def make_words(n, seed=0, sizes=(1, 2, 3)):
    """(form, tag, lemma): nouns with plurals in -s, verbs with past forms in -ed, and names that stay."""
    rng, words = random.Random(seed), []
    for _ in range(n):
        stem = make_stem(rng, rng.choice(sizes))
        noun, name = rng.random() < 0.5, rng.random() < 0.1
        if name:
            words.append((stem.title() + "s", "PROPN", stem.title() + "s"))
        elif noun:
            words.append((stem + "s", "NOUN", stem))
        else:
            words.append((stem + "ed", "VERB", stem))
    return words


@pytest.fixture(scope="session")
def toy_words():
    return make_words


@pytest.fixture(scope="session")
def as_examples():
    """(nlp, words, tags on the predicted texts?) -> examples of ten words each."""

    def make(nlp, words, tagged=False):
        examples = []
        for start in range(0, len(words), 10):
            forms, tags, lemmas = (list(column) for column in zip(*words[start : start + 10], strict=True))
            predicted = Doc(nlp.vocab, words=forms, pos=tags if tagged else None)
            examples.append(Example(predicted, Doc(nlp.vocab, words=forms, pos=tags, lemmas=lemmas)))
        return examples

    return make


@pytest.fixture(scope="session")
def make_lemmatizer(as_examples):
    """(n_updates, further settings) -> a pipeline of one lemmatizer, trained on the toy language."""

    def make(n_updates=0, words=None, model=None, **settings):
        fix_random_seed(0)
        nlp = spacy.blank("xx")
        nlp.add_pipe("rnn_lemmatizer", config={"gold_tags": True, "model": {**MODEL, **(model or {})}, **settings})
        examples = as_examples(nlp, words or make_words(400))
        nlp.initialize(lambda: examples)
        optimizer = Adam(0.01)
        rng = random.Random(0)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for _ in range(n_updates):
                nlp.update(rng.sample(examples, min(10, len(examples))), sgd=optimizer)
        return nlp

    return make


@pytest.fixture(scope="session")
def trained(make_lemmatizer):
    """A pipeline that has learned the toy language. Tests leave it as it is."""
    return make_lemmatizer(150)


@pytest.fixture(scope="session")
def lemmas_of():
    """(nlp, words with tags) -> their lemmas, all in one text."""

    def run(nlp, words):
        doc = Doc(nlp.vocab, words=[word[0] for word in words], pos=[word[1] for word in words])
        return [token.lemma_ for token in nlp(doc)]

    return run
