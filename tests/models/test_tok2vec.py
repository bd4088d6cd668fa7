"""Token vectors: the architecture, beside spaCy's own, and in pipelines."""

import copy
import pickle

import numpy
import pytest
import spacy
from numpy.testing import assert_allclose
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import load_model_from_config
from thinc.api import Adam, fix_random_seed, set_dropout_rate

HASH = {"width": 12, "attrs": ["NORM", "SHAPE"], "rows": [1000, 50], "include_static_vectors": False}
EMBEDDINGS = {
    "hash": {"@architectures": "spacy_rnn.HashEmbed.v1", **HASH},
    "hash, no cache": {"@architectures": "spacy_rnn.HashEmbed.v1", **HASH, "cache_size": 0},
    "spaCy's": {"@architectures": "spacy.MultiHashEmbed.v2", **HASH},
    "vocabulary": {"@architectures": "spacy_rnn.Embed.v1", "width": 12, "size": 20},
    "characters": {
        "@architectures": "spacy_rnn.CharEmbed.v1",
        "width": 4,
        "embed": {"@architectures": "spacy_rnn.Embed.v1", "width": 8, "size": 20},
    },
}
ENCODERS = {
    "RNN": {"@architectures": "spacy_rnn.RNNEncoder.v1", "width": 8},
    "deep": {"@architectures": "spacy_rnn.RNNEncoder.v1", "width": 12, "depth": 2, "dropout": 0.2, "recurrent_dropout": 0.2},
    "BiLSTM": {"@architectures": "spacy_rnn.BiLSTMEncoder.v1", "width": 12, "depth": 1, "dropout": 0.0},
    "CNN": {"@architectures": "spacy_rnn.CNN.v1", "width": 8},
    "none": {"@architectures": "spacy_rnn.BiLSTMEncoder.v1", "width": 12, "depth": 0, "dropout": 0.0},
    "spaCy's": {"@architectures": "spacy.MaxoutWindowEncoder.v2", "width": 12, "depth": 1, "window_size": 1, "maxout_pieces": 2},
}
every_embedding = pytest.mark.parametrize("embed", EMBEDDINGS)
every_encoder = pytest.mark.parametrize("encode", ENCODERS)


def as_spacys(embed):
    return {key: value for key, value in embed.items() if key != "cache_size"} | {
        "@architectures": embed["@architectures"].replace("spacy_rnn.HashEmbed.v1", "spacy.MultiHashEmbed.v2")
    }


@pytest.fixture
def pair(resolve, docs):
    """(embedding, encoder) -> spaCy's model of the same parts, with spaCy's hash embedding, and ours; initialized."""

    def build(embed, encode):
        ours = {"@architectures": "spacy_rnn.Tok2Vec.v1", "embed": EMBEDDINGS[embed], "encode": ENCODERS[encode]}
        theirs = {"@architectures": "spacy.Tok2Vec.v2", "embed": as_spacys(EMBEDDINGS[embed]), "encode": ENCODERS[encode]}
        models = []
        for config in (theirs, ours):
            model = resolve(config)
            models.append(model.initialize(X=docs))
        return models

    return build


def gradients(model):
    return [node.get_grad(name) for node in model.walk() for name in node.param_names]


def assert_close(arrays, others):
    for array, other in zip(arrays, others, strict=True):
        assert array.shape == other.shape
        assert_allclose(array, other, rtol=0, atol=1e-5)


@pytest.mark.slow
@every_embedding
@every_encoder
def test_the_same_seed_gives_the_parameters_and_outputs_of_spacys(pair, docs, embed, encode):
    theirs, ours = pair(embed, encode)
    assert ours.to_bytes() == theirs.to_bytes()
    assert ours.ref_names == theirs.ref_names
    assert ours.get_dim("nO") == theirs.get_dim("nO")
    expected = theirs.predict(docs)
    for _ in range(2):
        assert_close(ours.predict(docs), expected)


@every_embedding
@every_encoder
def test_training_is_that_of_spacys(pair, docs, embed, encode):
    results = []
    for model in pair(embed, encode):
        set_dropout_rate(model, 0.2)
        fix_random_seed(1)
        Y, backprop = model.begin_update(docs)
        rng = numpy.random.default_rng(0)
        assert backprop([rng.normal(size=rows.shape).astype("float32") for rows in Y]) == []
        results.append((Y, gradients(model)))
    (Y, grads), (our_Y, our_grads) = results
    assert_close(our_Y, Y)
    for gradient, our_gradient in zip(grads, our_grads, strict=True):
        assert_allclose(our_gradient, gradient, rtol=0, atol=1e-5 * max(numpy.abs(gradient).max(), 1))


@every_encoder
def test_bytes_are_loaded_both_ways(pair, docs, encode):
    theirs, ours = pair("hash", encode)
    for source, target in [(theirs, ours), (ours, theirs)]:
        for node in source.walk():
            for name in node.param_names:
                node.set_param(name, node.get_param(name) + 0.1)
        target.predict(docs)
        target.from_bytes(source.to_bytes())
        assert_close(target.predict(docs), source.predict(docs))


@pytest.mark.parametrize("n_empty", [0, 1, 3])
@pytest.mark.parametrize("encode", ["RNN", "deep", "BiLSTM", "CNN"])
def test_batches_without_tokens(pair, docs, encode, n_empty):
    _, model = pair("hash", encode)
    empty = [docs[1]] * n_empty
    width = model.get_dim("nO")
    assert [rows.shape for rows in model.predict(empty)] == [(0, width)] * n_empty
    Y, backprop = model.begin_update(empty)
    assert [rows.shape for rows in Y] == [(0, width)] * n_empty
    assert backprop(Y) == []
    assert not any(node.has_grad(name) and node.get_grad(name).any() for node in model.walk() for name in node.param_names)


@pytest.mark.parametrize("embed", ["hash", "vocabulary", "characters"])
@pytest.mark.parametrize("encode", ["RNN", "deep", "BiLSTM", "CNN"])
@pytest.mark.parametrize("texts", [None, [""], ["", ""]], ids=str)
def test_initialization_needs_no_tokens(resolve, docs, embed, encode, texts):
    model = resolve({"@architectures": "spacy_rnn.Tok2Vec.v1", "embed": EMBEDDINGS[embed], "encode": ENCODERS[encode]})
    model.initialize(X=None if texts is None else [Doc(docs[0].vocab) for _ in texts])
    assert [rows.shape for rows in model.predict(docs)] == [(len(doc), model.get_dim("nO")) for doc in docs]


@pytest.mark.parametrize(
    "duplicate", [lambda model: model.copy(), copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))]
)
def test_a_copy_gives_the_same(pair, docs, duplicate):
    """Also one of `Model.copy`, which has lost its references."""
    _, model = pair("hash", "RNN")
    assert_close(duplicate(model).predict(docs), model.predict(docs))


# Words and tags.
SENTENCES = [("a good film", "D A N"), ("bad", "A"), ("the worst film of the year", "D A N P D N"), ("of good", "P N"), ("", "")]


def make_examples(nlp):
    return [
        Example(
            Doc(nlp.vocab, words=words.split()),
            Doc(nlp.vocab, words=words.split(), tags=tags.split(), pos=["X"] * len(tags.split())),
        )
        for words, tags in SENTENCES
    ]


@pytest.fixture
def make_nlp():
    """(shared) -> a trained pipeline of two components, over one `tok2vec` or with one each, and its examples."""

    def make(shared, n_updates=40):
        fix_random_seed(0)
        nlp = spacy.blank("xx")
        tok2vec = {"@architectures": "spacy_rnn.Tok2Vec.v1", "embed": EMBEDDINGS["hash"], "encode": ENCODERS["RNN"]}
        if shared:
            nlp.add_pipe("tok2vec", config={"model": tok2vec})
            tok2vec = {"@architectures": "spacy.Tok2VecListener.v1", "width": 8, "upstream": "*"}
        for name in ("rnn_tagger", "senter"):
            nlp.add_pipe(name, config={"model": {"@architectures": "spacy.Tagger.v2", "tok2vec": tok2vec}})
        examples = make_examples(nlp)
        optimizer = nlp.initialize(lambda: examples)
        optimizer.learn_rate = 0.02
        for _ in range(n_updates):
            nlp.update(examples, sgd=optimizer)
        return nlp, examples

    return make


def tags(nlp, texts):
    return [[token.tag_ for token in doc] for doc in nlp.pipe(texts, batch_size=2)]


@pytest.mark.parametrize("shared", [True, False], ids=["shared", "own"])
def test_components_learn(make_nlp, shared):
    nlp, _ = make_nlp(shared)
    expected = [tags.split() for _, tags in SENTENCES]
    texts = [words for words, _ in SENTENCES]
    for _ in range(2):
        assert tags(nlp, texts) == expected
    scores = nlp.evaluate(make_examples(nlp))
    assert scores["tag_acc"] == 1.0


# A listener of spaCy's that has learned holds what no pickle takes.
@pytest.mark.slow
@pytest.mark.parametrize(
    "how, shared", [("bytes", True), ("bytes", False), ("disk", True), ("disk", False), ("pickle", False), ("copy", False)]
)
def test_a_saved_pipeline_gives_the_same(make_nlp, tmp_path, how, shared):
    nlp, _ = make_nlp(shared)
    texts = [words for words, _ in SENTENCES] * 3
    expected = tags(nlp, texts)
    if how == "bytes":
        loaded = load_model_from_config(nlp.config, auto_fill=False).from_bytes(nlp.to_bytes())
    elif how == "disk":
        nlp.to_disk(tmp_path)
        loaded = spacy.load(tmp_path)
    else:
        loaded = pickle.loads(pickle.dumps(nlp)) if how == "pickle" else copy.deepcopy(nlp)
    assert tags(loaded, texts) == expected
    # Both go on learning, each for itself.
    before = nlp.to_bytes()
    for _ in range(3):
        loaded.update(make_examples(loaded), sgd=Adam(0.05))
    assert nlp.to_bytes() == before
    assert loaded.to_bytes() != before
    assert tags(nlp, texts) == expected


@pytest.mark.parametrize("shared", [True, False], ids=["shared", "own"])
def test_two_processes_give_what_one_gives(make_nlp, shared):
    nlp, _ = make_nlp(shared)
    texts = [words for words, _ in SENTENCES] * 5
    one = tags(nlp, texts)
    two = [[token.tag_ for token in doc] for doc in nlp.pipe(texts, n_process=2, batch_size=4)]
    assert two == one


def test_predictions_follow_the_training(make_nlp):
    """As in `spacy train`, which evaluates with the averages of the parameters between updates."""
    nlp, examples = make_nlp(True, n_updates=0)
    docs = [example.x for example in examples]
    optimizer = nlp.resume_training(sgd=Adam(0.05))
    model = nlp.get_pipe("tok2vec").model
    plain = spacy.registry.resolve(
        {"model": {"@architectures": "spacy.Tok2Vec.v2", "embed": EMBEDDINGS["spaCy's"], "encode": ENCODERS["RNN"]}}
    )["model"]
    for _ in range(4):
        nlp.update(examples, sgd=optimizer, annotates=["tok2vec"])
        assert_close(model.predict(docs), plain.from_bytes(model.to_bytes()).predict(docs))
        with nlp.use_params(optimizer.averages):
            assert_close(model.predict(docs), plain.from_bytes(model.to_bytes()).predict(docs))
        nlp.update(examples, sgd=None)
        assert_close(model.predict(docs), plain.from_bytes(model.to_bytes()).predict(docs))


def test_replacing_listeners_changes_no_output(make_nlp):
    nlp, _ = make_nlp(True)
    texts = [words for words, _ in SENTENCES]
    expected = tags(nlp, texts)
    nlp.replace_listeners("tok2vec", "rnn_tagger", ["model.tok2vec"])
    nlp.replace_listeners("tok2vec", "senter", ["model.tok2vec"])
    nlp.remove_pipe("tok2vec")
    assert tags(nlp, texts) == expected
