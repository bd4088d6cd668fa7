"""Trained categorizers, and a strict reader of HTML."""

from html.parser import HTMLParser

import pytest
import spacy
from spacy.training import Example
from thinc.api import fix_random_seed

REVIEWS = [
    ("A lovely warm film", "good"),
    ("Funny , clever and warm", "good"),
    ("I laughed at every scene", "good"),
    ("A dull cold film", "bad"),
    ("Boring , slow and cold", "bad"),
    ("I slept through every scene", "bad"),
]


@pytest.fixture(scope="session")
def make_nlp():
    """(encoder, pooling=…, shared=…, component settings) -> a trained pipeline with one text categorizer."""

    def make(encode, pooling="attention", shared=False, factory="rnn_textcat", **settings):
        fix_random_seed(0)
        nlp = spacy.blank("xx")
        embed = {"@architectures": "spacy_rnn.HashEmbed.v1", "width": 8, "attrs": ["NORM"], "rows": [200]}
        tok2vec = {
            "@architectures": "spacy_rnn.Tok2Vec.v1",
            "embed": {**embed, "include_static_vectors": False},
            "encode": encode,
        }
        if shared:
            nlp.add_pipe("tok2vec", config={"model": tok2vec})
            tok2vec = {"@architectures": "spacy.Tok2VecListener.v1", "width": 8, "upstream": "*"}
        model = {"@architectures": "spacy_rnn.TextCat.v1", "pooling": pooling, "tok2vec": tok2vec, "linear_model": None}
        exclusive = factory == "rnn_textcat"
        nlp.add_pipe(factory, config={"model": {**model, "exclusive_classes": exclusive}, **settings})
        examples = [
            Example.from_dict(nlp.make_doc(text), {"cats": {each: float(each == label) for each in ("good", "bad")}})
            for text, label in REVIEWS
        ]
        optimizer = nlp.initialize(lambda: examples)
        optimizer.learn_rate = 0.02
        for _ in range(20):
            nlp.update(examples, sgd=optimizer)
        return nlp

    return make


@pytest.fixture(scope="session")
def nlp(make_nlp):
    return make_nlp({"@architectures": "spacy_rnn.RNNEncoder.v1", "width": 8}, store_attention=True)


class Page(HTMLParser):
    """HTML, read; elements have to be closed in the order in which they were opened.

    elements (list): Name, attributes and text of each element, in the order in which they begin.
    """

    def __init__(self, html):
        super().__init__()
        self.elements = []
        self._open = []
        self.feed(html)
        self.close()
        assert not self._open

    def handle_starttag(self, tag, attrs):
        assert len({name for name, _ in attrs}) == len(attrs)
        element = {"tag": tag, "text": "", **dict(attrs)}
        self.elements.append(element)
        if tag not in ("br", "meta"):
            self._open.append(element)

    def handle_endtag(self, tag):
        assert self._open.pop()["tag"] == tag

    def handle_data(self, data):
        for element in self._open:
            element["text"] += data

    def all(self, tag):
        return [element for element in self.elements if element["tag"] == tag]


@pytest.fixture(scope="session")
def read():
    return Page
