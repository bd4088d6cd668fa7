"""From a vector to a sequence."""

import numpy
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from spacy.tokens import Doc
from spacy.vocab import Vocab
from thinc.api import Adam, Ragged, Relu, chain, fix_random_seed

from spacy_rnn.generation import beam_search
from spacy_rnn.layers import build_pool, build_rnn, use_engine_products
from spacy_rnn.layers.capabilities import Transduces, find
from spacy_rnn.layers.weights import load_weights
from spacy_rnn.models.encoder_decoder.vector_decoder import build_vector_decoder
from spacy_rnn.models.encoder_decoder.vectors import VectorBatch
from spacy_rnn.text.symbols import batch_texts
from spacy_rnn.text.symbols.words import build_words

WIDTH = 3
TEXTS = ["three eight one", "two", "one one two two three", "eight eight"]
LENGTHS = numpy.asarray([3, 1, 4, 2], dtype="int32")
SMALL = {"width": 5, "hidden_width": 6}


def build_rows_encoder():
    return chain(build_rnn(4, cell="gru", bidirectional=True), build_pool("last", bidirectional=True))


SETTINGS = {
    "bridge": {},
    "bridge, lstm, deep, tied": {"cell": "lstm", "depth": 2, "tied": True},
    "fed": {"feed": True},
    "fed, elman": {"feed": True, "cell": "elman_tanh"},
    "encoder": {"encoder": lambda: Relu(4)},
    "encoder, fed": {"encoder": lambda: chain(Relu(7), Relu(4)), "feed": True},
    "rows": {"encoder": build_rows_encoder},
    "rows, fed": {"encoder": build_rows_encoder, "feed": True, "cell": "lstm"},
    "smoothed": {"label_smoothing": 0.2},
}
every_model = pytest.mark.parametrize("name", SETTINGS)


def words(texts=TEXTS):
    symbols, vocab = build_words(), Vocab()
    counter = symbols.begin()
    for text in texts:
        counter.add(Doc(vocab, words=text.split()))
    symbols.end(counter)
    return symbols


def vectors_of(name):
    rng = numpy.random.default_rng(0)
    if name.startswith("rows"):
        return Ragged(rng.normal(size=(LENGTHS.sum(), WIDTH)).astype("float32"), LENGTHS)
    return rng.normal(size=(len(TEXTS), WIDTH)).astype("float32")


def take(vectors, i):
    if not isinstance(vectors, Ragged):
        return vectors[i : i + 1]
    first = int(vectors.lengths[:i].sum())
    return Ragged(vectors.data[first : first + vectors.lengths[i]], vectors.lengths[i : i + 1])


def unlearned(name, **more):
    settings = {**SMALL, **SETTINGS[name], **more}
    make = settings.pop("encoder", None)
    return build_vector_decoder(settings.pop("target", None) or words(), encoder=make and make(), **settings)


def build(name, **more):
    fix_random_seed(0)
    model = unlearned(name, **more)
    model.initialize(X=batch_of(model, name))
    use_engine_products(model)
    return model


def batch_of(model, name="bridge", vectors=None, texts=TEXTS):
    symbols = model.attrs["target"]
    targets = batch_texts([symbols.encode(text).numbers for text in texts])
    return VectorBatch(vectors_of(name) if vectors is None else vectors, targets)


def transduces(model):
    return find(model, Transduces)


def loss_of(model, batch, weights):
    """The weighted sum of losses in float64, with label smoothing as Szegedy et al. (2016) have it."""
    log_probabilities, _ = transduces(model).begin_update(model, batch, weights)
    smoothing = model.get_ref("head").attrs["label_smoothing"]
    loss = -(1 - smoothing) * float((weights * log_probabilities).sum())
    n_symbols = len(model.attrs["target"])
    for symbol in range(n_symbols if smoothing else 0):
        targets = batch.targets._replace(targets=numpy.full_like(batch.targets.targets, symbol))
        every, _ = transduces(model).score(model, batch._replace(targets=targets))
        loss -= smoothing / n_symbols * float((weights * every).sum())
    return loss


@every_model
def test_gradients_are_exact(name, difference_error):
    """Central differences, in float64: of all parameters, and down to the vectors."""
    model = build(name)
    for node in model.walk():
        for param in node.param_names:
            node.set_param(param, node.get_param(param).astype("float64"))
    batch = batch_of(model, name)
    array = (batch.vectors.data if isinstance(batch.vectors, Ragged) else batch.vectors).astype("float64")
    batch = batch._replace(vectors=Ragged(array, LENGTHS) if isinstance(batch.vectors, Ragged) else array)
    weights = numpy.random.RandomState(1).uniform(0, 2, len(batch.targets.inputs))
    _, backprop = transduces(model).begin_update(model, batch, weights)
    assert not any(node.has_grad(param) for node in model.walk() for param in node.param_names), "nothing is added before"
    gradient = backprop()
    gradients = {
        (node.name, param): (node.get_param(param), node.get_grad(param)) for node in model.walk() for param in node.param_names
    }
    gradients["vectors", "X"] = (array, gradient.data if isinstance(gradient, Ragged) else gradient)
    assert {"bridge", "symbol_embed", "vectors"} <= {node for node, _ in gradients}
    for key, (values, found) in gradients.items():
        assert difference_error(lambda: loss_of(model, batch, weights), values, found, eps=1e-5) < 1e-6, key


@every_model
def test_backpropagation_through_the_model_gives_the_same(name):
    model = build(name)
    batch = batch_of(model, name)
    _, backprop = transduces(model).begin_update(model, batch)
    expected = backprop()
    gradients = {(node.id, param): node.get_grad(param).copy() for node in model.walk() for param in node.param_names}
    for node in model.walk():
        for param in node.param_names:
            node.set_grad(param, node.get_grad(param) * 0)
    Y, backprop = model.begin_update(batch)
    found = backprop(-numpy.ones_like(Y)).vectors
    assert_allclose(*((each.data if isinstance(each, Ragged) else each) for each in (found, expected)), rtol=1e-4, atol=1e-6)
    for node in model.walk():
        for param in node.param_names:
            assert_allclose(node.get_grad(param), gradients[node.id, param], rtol=1e-4, atol=1e-6)


@every_model
def test_steps_give_what_the_sweep_gives(name):
    model = build(name)
    batch = batch_of(model, name)
    expected, attention = transduces(model).score(model, batch)
    assert attention is None
    assert_array_equal(model.predict(batch), expected)
    decoder = transduces(model).begin(model)
    for b, part in enumerate(numpy.split(numpy.arange(len(expected)), numpy.cumsum(batch.targets.lengths)[:-1])):
        state = decoder.reorder(decoder.start(len(TEXTS), batch.vectors), numpy.asarray([b]))
        for row in part:
            scores, state = decoder.step(batch.targets.inputs[row : row + 1], state)
            assert_allclose(numpy.exp(scores).sum(), 1.0, rtol=1e-5)
            assert_allclose(scores[0, batch.targets.targets[row]], expected[row], rtol=1e-4, atol=1e-5)


@every_model
def test_a_vector_does_not_depend_on_the_batch(name):
    model = build(name)
    batch = batch_of(model, name)
    together = numpy.split(transduces(model).score(model, batch)[0], numpy.cumsum(batch.targets.lengths)[:-1])
    decoder = transduces(model).begin(model)
    written = beam_search(decoder, [[]] * len(TEXTS), width=3, context=batch.vectors)
    for i, expected in enumerate(together):
        own = take(batch.vectors, i)
        assert_array_equal(transduces(model).score(model, batch_of(model, vectors=own, texts=TEXTS[i : i + 1]))[0], expected)
        (alone,) = beam_search(decoder, [[]], width=3, context=own)
        assert_array_equal(alone[0].symbols, written[i][0].symbols)
        assert alone[0].score == written[i][0].score


@pytest.mark.parametrize("name", ["bridge", "encoder, fed", "rows, fed"])
def test_saved_weights_are_loaded(name):
    model = build(name)
    loaded = unlearned(name, target=build_words())
    load_weights(loaded, model.to_bytes())
    use_engine_products(loaded)
    batch = batch_of(model, name)
    assert_array_equal(loaded.predict(batch), model.predict(batch))
    with pytest.raises(ValueError, match="width|dimension"):
        load_weights(unlearned(name, vector_width=WIDTH + 1), model.to_bytes())


@pytest.mark.parametrize("name", ["bridge", "rows, fed"])
def test_it_learns_by_heart(name):
    model = build(name)
    batch = batch_of(model, name)
    optimizer = Adam(0.02)
    for _ in range(120):
        _, backprop = transduces(model).begin_update(model, batch)
        backprop()
        model.finish_update(optimizer)
    decoder = transduces(model).begin(model)
    found = beam_search(decoder, [[]] * len(TEXTS), width=2, context=batch.vectors)
    assert [model.attrs["target"].decode(hypotheses[0].content) for hypotheses in found] == TEXTS


def test_widths_are_known_without_a_sample():
    for settings in ({}, {"encoder": lambda: Relu(4)}, {"encoder": lambda: Relu(4), "feed": True}):
        model = unlearned("bridge", vector_width=WIDTH, **settings)
        model.initialize()
        assert len(model.predict(batch_of(model))) == 15


def test_dropout_and_sampled_inputs_change_training_only():
    model = build("fed", dropout=0.5, scheduled_sampling=0.9)
    batch = batch_of(model)
    assert_array_equal(model.predict(batch), model.predict(batch))
    one, another = (transduces(model).begin_update(model, batch)[0] for _ in range(2))
    assert abs(one - another).max() > 1e-3


def test_nothing_gives_nothing():
    model = build("fed")
    empty = numpy.zeros(0, dtype="int64")
    batch = VectorBatch(numpy.zeros((0, WIDTH)), batch_texts([empty])._replace(inputs=empty, targets=empty, lengths=empty))
    assert len(model.predict(batch)) == 0


@pytest.mark.parametrize("kind", [numpy.float64, numpy.float16, numpy.int32, numpy.uint8])
def test_any_numbers_are_taken(kind):
    model = build("bridge")
    vectors = numpy.arange(len(TEXTS) * WIDTH).reshape(-1, WIDTH)
    expected = model.predict(batch_of(model, vectors=vectors.astype("float32")))
    assert_array_equal(model.predict(batch_of(model, vectors=vectors.astype(kind))), expected)
    assert_array_equal(model.predict(batch_of(model, vectors=vectors.tolist())), expected)


def wrong(value, row=2, column=1):
    vectors = vectors_of("bridge").astype("float64")
    vectors[row, column] = value
    return vectors


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        (numpy.zeros((4, WIDTH + 1)), f"width {WIDTH} here, got vectors of width {WIDTH + 1}"),
        (numpy.zeros((4, 0)), f"width {WIDTH} here, got vectors of width 0"),
        (numpy.zeros((3, WIDTH)), "(text for each of 3|vector for each of 4)"),
        (numpy.zeros((5, WIDTH)), "(text for each of 5|vector for each of 4)"),
        (numpy.zeros(WIDTH), "two-dimensional"),
        (numpy.zeros((4, 1, WIDTH)), "two-dimensional"),
        (wrong(numpy.nan), "vector 2 holds nan in column 1"),
        (wrong(numpy.inf, 0, 0), "vector 0 holds inf in column 0"),
        (wrong(-numpy.inf, 3, 2), "vector 3 holds -inf in column 2"),
        # It is infinite in float32.
        (wrong(1e300), "vector 2 holds inf in column 1"),
        (wrong(1e30), "vector 2 holds 1.*e.30 in column 1"),
        (numpy.asarray([["a"] * WIDTH] * 4), "are numbers"),
        (numpy.zeros((4, WIDTH), dtype=complex), "are numbers"),
        (Ragged(numpy.zeros((4, WIDTH), "float32"), numpy.ones(4, "int32")), "got a Ragged"),
        (None, "got none|are numbers"),
    ],
)
def test_bad_vectors_are_refused(vectors, message):
    model = build("bridge")
    for run in (
        lambda: model.predict(batch_of(model)._replace(vectors=vectors)),
        lambda: transduces(model).begin_update(model, batch_of(model)._replace(vectors=vectors)),
        lambda: transduces(model).begin(model).start(len(TEXTS), vectors),
    ):
        with pytest.raises(ValueError, match=message):
            run()


@pytest.mark.parametrize(
    ("rows", "lengths", "message"),
    [
        (numpy.zeros((10, WIDTH + 2)), LENGTHS, f"width {WIDTH} here, got rows of width {WIDTH + 2}"),
        (numpy.full((10, WIDTH), numpy.nan), LENGTHS, "row 0 of sequence 0 holds nan"),
        (
            numpy.where(numpy.arange(10)[:, None] == 6, numpy.inf, numpy.zeros((10, WIDTH))),
            LENGTHS,
            "row 2 of sequence 2 holds inf",
        ),
        (numpy.zeros((9, WIDTH)), LENGTHS, "add up to 10, but there are 9 rows"),
        (numpy.zeros((10, WIDTH)), numpy.asarray([4, 6], "int32"), "text for each of 2"),
    ],
)
def test_bad_rows_are_refused(rows, lengths, message):
    model = build("rows")
    with pytest.raises(ValueError, match=message):
        model.predict(batch_of(model, vectors=Ragged(rows, lengths)))
    with pytest.raises(ValueError, match="from a Ragged of rows"):
        model.predict(batch_of(model, vectors=numpy.zeros((4, WIDTH))))


def test_a_sequence_without_rows_is_a_vector_of_zeros():
    model = build("rows")
    lengths = numpy.asarray([0, 1, 0, 2], dtype="int32")
    rows = Ragged(vectors_of("rows").data[:3], lengths)
    Y = model.predict(batch_of(model, vectors=rows))
    assert numpy.isfinite(Y).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"vector_width": 0}, "vector_width must be at least 1"),
        ({"hidden_width": 0}, "hidden_width must be at least 1"),
        ({"depth": 0}, "depth must be at least 1"),
        ({"dropout": 1.0}, "dropout must be"),
        ({"scheduled_sampling": -0.1}, "scheduled_sampling must be"),
        ({"cell": "perceptron"}, "perceptron"),
    ],
)
def test_bad_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        unlearned("bridge", **settings)


def test_what_is_missing_is_named():
    with pytest.raises(ValueError, match="has no words yet"):
        unlearned("bridge", target=build_words(), vector_width=WIDTH).initialize()
    with pytest.raises(ValueError, match="set vector_width"):
        unlearned("bridge").initialize()
    with pytest.raises(ValueError, match="no weights yet"):
        model = unlearned("bridge")
        model.predict(batch_of(model))
    with pytest.raises(ValueError, match=f"width {WIDTH + 1} here, got vectors of width {WIDTH}"):
        model = unlearned("bridge", vector_width=WIDTH + 1)
        model.initialize(X=batch_of(model))
    with pytest.raises(ValueError, match="need an encoder"):
        model = unlearned("bridge")
        model.initialize(X=batch_of(model, "rows"))
    with pytest.raises(ValueError, match="no .*attention|does not have"):
        model = build("bridge")
        transduces(model).begin(model, counts_coverage=True)
    with pytest.raises(ValueError, match=r"an encoder|a vector of each of 4 inputs"):
        model = unlearned("bridge", encoder=lambda: build_rnn(4))
        model.initialize(X=batch_of(model, "rows"))
        model.predict(batch_of(model, "rows"))
