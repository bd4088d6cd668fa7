"""Small pipelines and texts, and what several tests need to look at them."""

import numpy
import pytest
import spacy
from spacy.tokens import Doc, Span
from spacy.training import Example
from thinc.api import fix_random_seed

# Words, token.tag, token.pos; then for the first sentences the heads, dependencies, and entities.
SENTENCES = [
    ("They book a small room", "PRP VBP DT JJ NN", "PRON VERB DET ADJ NOUN"),
    ("A good book sleeps there", "DT JJ NN VBZ RB", "DET ADJ NOUN VERB ADV"),
    ("Anna paints old boats quickly", "NNP VBZ JJ NNS RB", "PROPN VERB ADJ NOUN ADV"),
    ("We walk to London today", "PRP VBP IN NNP NN", "PRON VERB ADP PROPN NOUN"),
]
HEADS = [[1, 1, 4, 4, 1], [2, 2, 3, 3, 3], [1, 1, 3, 1, 1], [1, 1, 1, 2, 1]]
DEPS = [
    "nsubj ROOT det amod obj",
    "det amod nsubj ROOT advmod",
    "nsubj ROOT amod obj advmod",
    "nsubj ROOT prep pobj npadvmod",
]
ENTS = [[], [], [(0, 1, "PERSON")], [(3, 4, "PLACE"), (4, 5, "DATE")]]

# Texts, and which of two classes they belong to.
REVIEWS = [
    ("A lovely warm film", "good"),
    ("Funny , clever and warm", "good"),
    ("I laughed at every scene", "good"),
    ("A dull cold film", "bad"),
    ("Boring , slow and cold", "bad"),
    ("I slept through every scene", "bad"),
]


@pytest.fixture(autouse=True)
def seed():
    fix_random_seed(0)


@pytest.fixture(scope="session")
def tok2vec_config():
    """(encoder arguments) -> the config of a tiny token-to-vector model."""

    def build(**encode):
        return {
            "@architectures": "spacy.Tok2Vec.v2",
            "embed": {
                "@architectures": "spacy.MultiHashEmbed.v2",
                "width": 8,
                "attrs": ["NORM", "SHAPE"],
                "rows": [100, 20],
                "include_static_vectors": False,
            },
            "encode": {"@architectures": "spacy_rnn.RNNEncoder.v1", "width": 8, **encode},
        }

    return build


@pytest.fixture(scope="session")
def listener_config():
    return {"@architectures": "spacy.Tok2VecListener.v1", "width": 8, "upstream": "*"}


@pytest.fixture(scope="session")
def component_config(tok2vec_config):
    """(factory, tok2vec=…, further model arguments) -> the component's config with a tiny model."""

    def build(factory, tok2vec=None, **model):
        tok2vec = tok2vec or tok2vec_config()
        if "textcat" in factory:
            # What is left out would be that of the default model.
            model = {"exclusive_classes": factory == "rnn_textcat", "dropout": 0.0, "linear_model": None, **model}
            return {"model": {"@architectures": "spacy_rnn.TextCat.v1", "tok2vec": tok2vec, **model}}
        return {"model": {"@architectures": "spacy.Tagger.v2", "tok2vec": tok2vec, **model}}

    return build


@pytest.fixture(scope="session")
def make_examples():
    """(nlp, factory) -> annotated examples for the component."""

    def make(nlp, factory="all"):
        if "textcat" in factory:
            examples = []
            for text, label in REVIEWS:
                reference = Doc(nlp.vocab, words=text.split())
                reference.cats = {name: float(name == label) for name in ("good", "bad")}
                examples.append(Example(Doc(nlp.vocab, words=text.split()), reference))
            return examples
        examples = []
        for (text, tags, pos), heads, deps, ents in zip(SENTENCES, HEADS, DEPS, ENTS, strict=True):
            words = text.split()
            annotation = {"tags": tags.split(), "pos": pos.split()}
            if factory == "all":
                annotation.update(heads=heads, deps=deps.split(), morphs=[f"Odd={len(word) % 2}" for word in words])
            reference = Doc(nlp.vocab, words=words, **annotation)
            if factory in ("all", "rnn_ner"):
                reference.ents = [Span(reference, *ent) for ent in ents]
            if factory == "all":
                reference.spans["sc"] = list(reference.ents)
            examples.append(Example(Doc(nlp.vocab, words=words), reference))
        return examples

    return make


@pytest.fixture
def annotated(make_examples):
    """(nlp) -> examples with all annotation that any component learns from."""

    def make(nlp):
        examples = make_examples(nlp)
        for i, example in enumerate(examples):
            example.reference.cats = {"good": float(i % 2), "bad": float(i % 2 == 0)}
        return examples

    return make


@pytest.fixture(scope="session")
def learn():
    """(nlp, examples, n_updates) -> the pipeline and its examples, initialized and trained."""

    def run(nlp, examples, n_updates):
        optimizer = nlp.initialize(lambda: examples)
        optimizer.learn_rate = 0.02
        for _ in range(n_updates):
            nlp.update(examples, sgd=optimizer)
        return nlp, examples

    return run


@pytest.fixture(scope="session")
def make_nlp(component_config, make_examples, learn):
    """(factory, n_updates=…, component arguments) -> a pipeline of one component, initialized and trained, and its examples."""

    def make(factory, n_updates=0, config=None, **settings):
        fix_random_seed(0)
        nlp = spacy.blank("xx")
        nlp.add_pipe(factory, config={**(config or component_config(factory)), **settings})
        return learn(nlp, make_examples(nlp, factory), n_updates)

    return make


@pytest.fixture(scope="session")
def annotate():
    """(nlp, texts) -> the texts as lists of words, run through the pipeline."""

    def run(nlp, texts):
        return list(nlp.pipe([Doc(nlp.vocab, words=words) for words in texts]))

    return run


@pytest.fixture(scope="session")
def output():
    """(doc) -> everything that the components of this package can write to it."""

    def read(doc):
        return [(token.tag_, token.pos_, token.ent_iob_, token.ent_type_) for token in doc], dict(doc.cats)

    return read


@pytest.fixture(scope="session")
def parameters():
    """(model) -> copies of its parameters, in the order of its nodes."""

    def read(model):
        return [numpy.array(node.get_param(name)) for node in model.walk() for name in node.param_names if node.has_param(name)]

    return read


@pytest.fixture(scope="session")
def gradients():
    """(component, examples) -> the gradients of one update without an optimizer, zeros where there is none."""

    def read(component, examples):
        for node in component.model.walk():
            for name in node.grad_names:
                node.set_grad(name, numpy.zeros_like(node.get_param(name)))
        component.update(examples, sgd=None)
        return [
            numpy.array(node.get_grad(name)) if node.has_grad(name) else numpy.zeros_like(node.get_param(name))
            for node in component.model.walk()
            for name in node.param_names
        ]

    return read
