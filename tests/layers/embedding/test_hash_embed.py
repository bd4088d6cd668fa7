"""The hash embedding, beside spaCy's own."""

import copy
import pickle

import numpy
import pytest
import srsly
from many_threads import call_in_threads
from numpy.testing import assert_allclose, assert_array_equal
from spacy.attrs import LOWER, ORTH
from spacy.ml.models.tok2vec import MultiHashEmbed
from spacy.tokens import Doc
from spacy.vectors import Vectors
from spacy.vocab import Vocab
from thinc.api import SGD, Adam, NumpyOps, RAdam, fix_random_seed, set_dropout_rate

from spacy_rnn.layers import build_hash_embed, clear_cache

WIDTH = 6
TEXTS = ["a b a c", "", "B b a", "new", "", "a b a c d e A"]
ATTRS = {"three": (["ORTH", "LOWER", "SHAPE"], [30, 20, 10]), "one": (["LOWER"], [20]), "by number": ([ORTH, "LOWER"], [30, 20])}
# Tables too large to be compared by value.
LARGE = (["ORTH", "LOWER", "SHAPE"], [1000, 800, 900])
every_structure = pytest.mark.parametrize("static", [False, True], ids=["", "static vectors"])


@pytest.fixture
def vocab():
    """A vocabulary in which some words have a vector."""
    vocab = Vocab(lex_attr_getters={LOWER: str.lower})
    rng = numpy.random.default_rng(0)
    for word in "a b c A B".split():
        vocab.set_vector(word, rng.normal(size=4).astype("float32"))
    return vocab


@pytest.fixture
def make_docs(vocab):
    return lambda *texts: [Doc(vocab, words=text.split()) for text in texts]


@pytest.fixture
def docs(make_docs):
    return make_docs(*TEXTS)


def build(build_model, docs, attrs=None, static=False, **settings):
    names, rows = ATTRS.get(attrs, LARGE)
    fix_random_seed(0)
    return build_model(WIDTH, names, rows, static, **settings).initialize(X=docs)


@pytest.fixture
def pair(docs):
    """(attributes, static vectors) -> spaCy's layer and ours, initialized with the same seed."""
    return lambda attrs=None, static=False: (
        build(MultiHashEmbed, docs, attrs, static),
        build(build_hash_embed, docs, attrs, static),
    )


def parameters(model):
    return [(node, name) for node in model.walk() for name in node.param_names]


def assert_gives(model, docs, expected):
    for rows, expected_rows in zip(model.predict(docs), expected, strict=True):
        assert rows.dtype == "float32"
        assert_allclose(rows, expected_rows, rtol=0, atol=1e-5)


def spacys(model, docs, static=False):
    """What spaCy's layer gives with the same parameters."""
    return build(MultiHashEmbed, docs, static=static).from_bytes(model.to_bytes()).predict(docs)


def gradient_of(Y, seed=0):
    rng = numpy.random.default_rng(seed)
    return [rng.normal(size=rows.shape).astype("float32") for rows in Y]


@every_structure
@pytest.mark.parametrize("attrs", ATTRS)
def test_the_same_seed_gives_the_parameters_and_outputs_of_spacys(pair, docs, attrs, static):
    theirs, ours = pair(attrs, static)
    assert ours.to_bytes() == theirs.to_bytes()
    expected = theirs.predict(docs)
    for _ in range(2):
        assert_gives(ours, docs, expected)
    # Also of texts that it has seen in part.
    more = [*docs[::-1], *docs[:2], Doc(docs[0].vocab, words=["other", "a"])]
    assert_gives(ours, more, theirs.predict(more))


@every_structure
@pytest.mark.parametrize("attrs", ATTRS)
def test_bytes_are_loaded_both_ways(pair, docs, attrs, static, randomize):
    theirs, ours = pair(attrs, static)
    for source, target in [(theirs, ours), (ours, theirs)]:
        randomize(source, dtype="float32", seed=1 if source is ours else 2)
        target.predict(docs)
        target.from_bytes(source.to_bytes())
        assert target.to_bytes() == source.to_bytes()
        assert_gives(target, docs, source.predict(docs))


@every_structure
@pytest.mark.parametrize("drop", [0.0, 0.3])
@pytest.mark.parametrize("attrs", ATTRS)
def test_training_is_that_of_spacys(pair, make_docs, attrs, static, drop):
    """Outputs and gradients, with the same dropout drawn for the same seed. All words have a vector: see the next test."""
    docs = make_docs("a b a c", "", "B b a", "", "a b a c A")
    results = []
    for model in pair(attrs, static):
        set_dropout_rate(model, drop)
        fix_random_seed(1)
        Y, backprop = model.begin_update(docs)
        assert backprop(gradient_of(Y)) == []
        results.append((Y, [node.get_grad(name) for node, name in parameters(model)]))
    (Y, gradients), (our_Y, our_gradients) = results
    for rows, our_rows in zip(Y, our_Y, strict=True):
        assert_allclose(our_rows, rows, rtol=0, atol=1e-5)
    for gradient, our_gradient in zip(gradients, our_gradients, strict=True):
        assert numpy.linalg.norm(our_gradient - gradient) <= 1e-5 * numpy.linalg.norm(gradient)


@every_structure
@pytest.mark.parametrize("attrs", ATTRS)
def test_gradient_matches_central_differences(docs, attrs, static, randomize, check_parameter_gradients):
    """Also of words without a vector, whose gradient spaCy takes from the last vector of the table."""
    model = build(build_hash_embed, docs, attrs, static)
    for node in model.walk():
        # Thinc's own product is of float32 only.
        node.ops = NumpyOps(use_blis=False)
    randomize(model)
    rng = numpy.random.default_rng(1)
    dY = [rng.normal(size=(len(doc), WIDTH)) for doc in docs]

    def loss():
        clear_cache(model)
        return sum((y * dy).sum() for y, dy in zip(model.predict(docs), dY, strict=True))

    model.begin_update(docs)[1](dY)
    check_parameter_gradients(model, loss)


def test_training_is_the_same_in_every_run(docs):
    results = []
    for _ in range(2):
        model = build(build_hash_embed, docs * 10)
        optimizer = Adam(0.01)
        for step in range(3):
            Y, backprop = model.begin_update(docs * 10)
            backprop(gradient_of(Y, step))
            model.finish_update(optimizer)
        results.append(model.to_bytes())
    assert results[0] == results[1]


def test_dropout_is_drawn_for_each_token(make_docs):
    """Of the vector; that of a table drops the same columns in all rows, which spaCy's does, too."""
    docs = make_docs("a " * 200, "a")
    model = build(build_hash_embed, docs)
    (expected,) = {rows.tobytes() for rows in numpy.concatenate(model.predict(docs))}
    expected = numpy.frombuffer(expected, dtype="float32")
    set_dropout_rate(model, 0.25)
    for node in model.walk():
        if node.name == "hashembed":
            node.attrs["dropout_rate"] = 0.0
    Y, backprop = model.begin_update(docs)
    rows = numpy.concatenate(Y)
    assert len(numpy.unique(rows != 0, axis=0)) > 10
    assert_allclose(rows, numpy.where(rows != 0, expected / 0.75, 0), rtol=1e-5)
    assert abs((rows == 0).mean() - 0.25) < 0.05
    # The gradient goes where something came from: the bias of the last layer is added to all.
    backprop([numpy.ones_like(y) for y in Y])
    (norm,) = [node for node in model.walk() if node.name == "layernorm"]
    assert_allclose(norm.get_grad("b"), (rows != 0).sum(axis=0) / 0.75, rtol=1e-5)
    assert_gives(model, docs[1:], [expected[numpy.newaxis]])


def set_parameter(model, docs):
    node, name = parameters(model)[0]
    node.set_param(name, node.get_param(name) + 1)


def initialize(model, docs):
    fix_random_seed(5)
    model.initialize(X=docs)


def load_bytes(model, docs):
    model.from_bytes(build(MultiHashEmbed, docs).initialize(X=docs).to_bytes())


def write_and_clear(model, docs):
    for node, name in parameters(model):
        node.get_param(name)[:] += 0.1
    clear_cache(model)


def train(optimizer):
    def step(model, docs):
        Y, backprop = model.begin_update(docs)
        backprop(gradient_of(Y))
        model.finish_update(optimizer())

    return step


def train_late(model, docs):
    """Predict before the step, which writes into the arrays. Only the tables learn."""
    Y, backprop = model.begin_update(docs)
    model.predict(docs)
    backprop(gradient_of(Y))
    for node, name in parameters(model):
        if node.name != "hashembed":
            node.set_grad(name, node.get_grad(name) * 0)
    model.predict(docs)
    model.finish_update(SGD(0.1, L2=0.0, use_averages=False))


def decay(model, docs):
    """A step without a gradient."""
    for node, name in parameters(model):
        node.set_grad(name, node.get_param(name) * 0)
    model.finish_update(SGD(0.1, L2=1.0, use_averages=False))


CHANGES = {
    "set_param": set_parameter,
    "initialize": initialize,
    "from_bytes": load_bytes,
    "in place": write_and_clear,
    "Adam": train(lambda: Adam(0.1)),
    "RAdam": train(lambda: RAdam(0.1)),
    "SGD": train(lambda: SGD(0.1)),
    "SGD of the tables": train_late,
    "weight decay": decay,
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_kept_vectors_are_forgotten_when_a_parameter_changes(docs, change):
    model = build(build_hash_embed, docs)
    for _ in range(3):
        before = model.predict(docs)
        change(model, docs)
        assert_gives(model, docs, spacys(model, docs))
        if change is not load_bytes and change is not initialize:
            assert not numpy.allclose(model.predict(docs)[0], before[0], atol=1e-4)


def test_kept_vectors_are_forgotten_when_parameters_are_used_for_a_while(docs):
    """Those are the averages of an optimizer, which goes on to write into them, even when there was nothing to learn."""
    model = build(build_hash_embed, docs)
    optimizer = Adam(0.1)
    for step in range(4):
        Y, backprop = model.begin_update(docs if step < 2 else [])
        backprop(gradient_of(Y))
        model.finish_update(optimizer)
        own = model.to_bytes()
        for _ in range(2):
            with model.use_params(optimizer.averages):
                assert model.to_bytes() != own
                assert_gives(model, docs, spacys(model, docs))
            if step != 2:
                assert_gives(model, docs, spacys(model, docs))


def test_kept_vectors_are_forgotten_when_a_step_without_a_gradient_moves_the_averages(docs):
    model = build(build_hash_embed, docs)
    optimizer = Adam(0.1)
    train(lambda: optimizer)(model, docs)
    for _ in range(3):
        with model.use_params(optimizer.averages):
            assert_gives(model, docs, spacys(model, docs))
        # As spaCy does after a batch without a token.
        model.finish_update(optimizer)


def test_vectors_are_kept_until_the_cache_is_cleared(docs):
    """Writing into an array is what it cannot see."""
    model = build(build_hash_embed, docs)
    before = model.predict(docs)
    for node, name in parameters(model):
        if name == "E":
            node.get_param(name)[:] *= -1
    assert_gives(model, docs, before)
    clear_cache(model)
    assert_gives(model, docs, spacys(model, docs))
    assert not numpy.allclose(model.predict(docs)[0], before[0], atol=1e-4)


@pytest.mark.parametrize("cache_size", [0, 1, 3, 5, 100])
def test_no_more_vectors_are_kept_than_the_size_of_the_cache(docs, make_docs, cache_size):
    model = build(build_hash_embed, docs, cache_size=cache_size)
    theirs = build(MultiHashEmbed, docs)
    rng = numpy.random.default_rng(0)
    for _ in range(20):
        batch = make_docs(*[" ".join(rng.choice(list("abcdefghABCDEFGH"), size=n)) for n in rng.integers(0, 6, size=3)])
        assert_gives(model, batch, theirs.predict(batch))
        assert len(model.attrs["cache"]) <= cache_size


@pytest.mark.parametrize(
    "duplicate", [lambda model: model.copy(), copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))]
)
def test_copies_share_no_vectors(docs, duplicate):
    model = build(build_hash_embed, docs)
    expected = model.predict(docs)
    other = duplicate(model)
    assert len(other.attrs["cache"]) == 0
    for node, name in parameters(other):
        node.get_param(name)[:] += 0.1
    assert_gives(other, docs, spacys(other, docs))
    assert_gives(model, docs, expected)


def test_kept_vectors_are_not_saved(docs, tmp_path):
    model = build(build_hash_embed, docs)
    before = model.to_bytes()
    model.predict(docs)
    assert len(model.attrs["cache"]) > 0
    assert model.to_bytes() == before
    kept = len(pickle.dumps(model))
    clear_cache(model)
    assert len(pickle.dumps(model)) == kept
    assert not any("cache" in attrs for attrs in srsly.msgpack_loads(before)["attrs"])


@every_structure
@pytest.mark.parametrize("texts", [[], [""], ["", "", ""], ["", "a", ""], ["a"]], ids=str)
def test_hardly_anything_is_embedded_and_learned(docs, make_docs, texts, static):
    model = build(build_hash_embed, docs, static=static)
    batch = make_docs(*texts)
    shapes = [(len(doc), WIDTH) for doc in batch]
    for _ in range(2):
        assert [rows.shape for rows in model.predict(batch)] == shapes
    set_dropout_rate(model, 0.2)
    Y, backprop = model.begin_update(batch)
    assert [rows.shape for rows in Y] == shapes
    assert backprop(Y) == []
    model.finish_update(Adam(0.01))
    assert all(numpy.isfinite(node.get_param(name)).all() for node, name in parameters(model))


@every_structure
@pytest.mark.parametrize("texts", [[""], ["", ""]], ids=str)
def test_texts_without_tokens_are_enough_to_initialize(docs, make_docs, texts, static):
    model = build(build_hash_embed, make_docs(*texts), static=static)
    assert [rows.shape for rows in model.predict(docs)] == [(len(doc), WIDTH) for doc in docs]


def test_a_part_of_a_text_is_embedded_as_the_text(docs):
    model = build(build_hash_embed, docs)
    (expected,) = model.predict([docs[5]])
    for _ in range(2):
        (rows,) = model.predict([docs[5][2:5]])
        assert_allclose(rows, expected[2:5], atol=1e-5)
        clear_cache(model)


def test_attributes_that_are_not_of_the_word_count(vocab):
    """Those of the token can be different each time."""
    model = build_hash_embed(WIDTH, ["ORTH", "POS"], [20, 20], False)
    noun, verb = (Doc(vocab, words=["book"], pos=[pos]) for pos in ("NOUN", "VERB"))
    model.initialize(X=[noun])
    (first,), (second,) = model.predict([noun]), model.predict([verb])
    assert not numpy.allclose(first, second)
    assert_array_equal(model.predict([noun])[0], first)
    noun[0].pos_ = "VERB"
    assert_allclose(model.predict([noun])[0], second, atol=1e-5)


def add_vector(vocab):
    vocab.set_vector("new", numpy.ones(4, dtype="float32"))


def exchange_table(vocab):
    vocab.vectors.data = vocab.vectors.data + 1


def exchange_vectors(vocab):
    keys = list(vocab.vectors.keys())[::-1]
    vocab.vectors = Vectors(strings=vocab.strings, data=vocab.vectors.data, keys=keys)


def forget_vectors(vocab):
    vocab.vectors.clear()


@pytest.mark.parametrize("change", [add_vector, exchange_table, exchange_vectors, forget_vectors], ids=lambda f: f.__name__)
def test_kept_vectors_are_forgotten_when_the_static_vectors_change(docs, vocab, change):
    model = build(build_hash_embed, docs, static=True)
    theirs = build(MultiHashEmbed, docs, static=True)
    before = model.predict(docs)
    change(vocab)
    expected = theirs.predict(docs)
    assert_gives(model, docs, expected)
    assert any(not numpy.allclose(a, b, atol=1e-4) for a, b in zip(before, expected, strict=True))


def test_texts_of_another_vocabulary_have_its_static_vectors(docs):
    other = Vocab(lex_attr_getters={LOWER: str.lower})
    for word in "a b new".split():
        other.set_vector(word, numpy.full(4, len(word), dtype="float32"))
    others = [Doc(other, words=text.split()) for text in TEXTS]
    model, theirs = build(build_hash_embed, docs, static=True), build(MultiHashEmbed, docs, static=True)
    for _ in range(2):
        assert_gives(model, docs, theirs.predict(docs))
        assert_gives(model, others, theirs.predict(others))


def test_words_are_told_apart_by_their_static_vectors(make_docs):
    """Even where the attributes are the same."""
    docs = make_docs("a A b B new New")
    model = build(build_hash_embed, docs, "one", static=True)
    theirs = build(MultiHashEmbed, docs, "one", static=True)
    (rows,) = model.predict(docs)
    assert_gives(model, docs, theirs.predict(docs))
    assert not numpy.allclose(rows[0], rows[1])
    assert_allclose(rows[4], rows[5], atol=1e-5)


def test_floret_vectors_are_used(docs):
    rng = numpy.random.default_rng(0)
    vocab = Vocab(lex_attr_getters={LOWER: str.lower})
    data = rng.normal(size=(20, 4)).astype("float32")
    vocab.vectors = Vectors(strings=vocab.strings, data=data, mode="floret", minn=1, maxn=2, hash_count=2, attr="LOWER")
    texts = [Doc(vocab, words=text.split()) for text in TEXTS]
    theirs, model = build(MultiHashEmbed, texts, static=True), build(build_hash_embed, texts, static=True)
    for _ in range(2):
        assert_gives(model, texts, theirs.predict(texts))


@pytest.mark.parametrize("vectors", [None, 3])
def test_missing_or_other_static_vectors_are_refused(docs, vectors):
    model = build(build_hash_embed, docs, static=True)
    other = Vocab()
    if vectors:
        other.set_vector("a", numpy.ones(vectors, dtype="float32"))
    with pytest.raises(ValueError, match=f"width 4.*width {vectors or 0}.*include_static_vectors"):
        model.predict([Doc(other, words=["a"])])


@pytest.mark.parametrize("words", [["a"], []])
def test_a_vocabulary_without_static_vectors_is_refused_at_initialization(words):
    with pytest.raises(ValueError, match="has none.*include_static_vectors"):
        build(build_hash_embed, [Doc(Vocab(), words=words)], static=True)


class Proxy:
    """What keeps the parameters in other processes, as spaCy's training on several machines does."""

    def __init__(self, model):
        self.params = {(node.id, name): node.get_param(name) for node, name in parameters(model)}

    def get_param(self, model_id, name):
        return self.params[model_id, name]


def test_nothing_is_kept_when_other_processes_hold_the_parameters(docs):
    model = build(build_hash_embed, docs)
    before = model.predict(docs)
    proxy = Proxy(model)
    for node in model.walk():
        node._params.proxy = proxy
    tables = [array for (_, name), array in proxy.params.items() if name == "E"]
    for array in tables:
        array *= -1
    after = model.predict(docs)
    assert not numpy.allclose(after[0], before[0], atol=1e-4)
    for array in tables:
        array *= -1
    assert_allclose(model.predict(docs)[0], before[0], atol=1e-4)


@pytest.mark.parametrize("cache_size", [3, 100])
def test_threads_predict_with_one_model(make_docs, cache_size):
    rng = numpy.random.default_rng(0)
    words = list("abcdefghABCDEFGH")
    batches = [make_docs(*[" ".join(rng.choice(words, size=n)) for n in rng.integers(0, 8, size=4)]) for _ in range(20)]
    model = build(build_hash_embed, batches[0], cache_size=cache_size)
    theirs = build(MultiHashEmbed, batches[0])
    expected = [theirs.predict(batch) for batch in batches]

    def predict(seed):
        for i in numpy.random.default_rng(seed).integers(0, len(batches), size=100):
            assert_gives(model, batches[i], expected[i])
            if i == 0:
                clear_cache(model)

    call_in_threads(predict, 3)


def test_the_gradient_of_a_prediction_is_refused(docs):
    model = build(build_hash_embed, docs)
    Y, backprop = model(docs, is_train=False)
    with pytest.raises(ValueError, match="begin_update"):
        backprop(Y)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"attrs": ["COLOUR"]}, "attrs.*COLOUR"),
        ({"attrs": [], "rows": []}, "attrs.*one or several"),
        ({"rows": [10, 10]}, "rows.*1 numbers, got 2"),
        ({"rows": [0]}, r"at least 1.*\[0\]"),
        ({"width": 0}, "width.*at least 1, got 0"),
        ({"cache_size": -1}, "cache_size.*at least 0, got -1"),
    ],
    ids=str,
)
def test_arguments_out_of_range_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        build_hash_embed(**{"width": 3, "attrs": ["ORTH"], "rows": [10], "include_static_vectors": False, **arguments})
