"""What recurrent and feed-forward language models have in common."""

import numpy
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from spacy.tokens import Doc
from spacy.vocab import Vocab
from thinc.api import fix_random_seed

from spacy_rnn.generation import LanguageModel
from spacy_rnn.layers import learn_vocabulary, use_engine_products
from spacy_rnn.layers.capabilities import PredictsSymbols, find
from spacy_rnn.models.feedforward_lm import build_feedforward_lm
from spacy_rnn.models.rnn_lm import build_rnn_lm
from spacy_rnn.text.symbols import END, START, SymbolBatch
from spacy_rnn.text.symbols.characters import build_characters

VOCAB = Vocab()
TEXTS = ["the cat sat on the mat", "a cat", "", "that hat, the fat rat!"]
SMALL = {"width": 5, "hidden_width": 7}
BUILDERS = {
    "lstm": lambda **more: build_rnn_lm(build_characters(), **SMALL, **more),
    "gru, deep": lambda **more: build_rnn_lm(build_characters(), cell="gru", depth=2, **SMALL, **more),
    "elman": lambda **more: build_rnn_lm(build_characters(), cell="elman_tanh", **SMALL, **more),
    "tied": lambda **more: build_rnn_lm(build_characters(), tied=True, **SMALL, **more),
    "adaptive": lambda **more: build_rnn_lm(build_characters(), output="adaptive", cutoffs=[6, 12], **SMALL, **more),
    "feed-forward": lambda **more: build_feedforward_lm(build_characters(), window=3, **SMALL, **more),
    "direct": lambda **more: build_feedforward_lm(build_characters(), window=4, direct=True, **SMALL, **more),
}
every_model = pytest.mark.parametrize("name", BUILDERS)


def build(name, **more):
    fix_random_seed(0)
    model = BUILDERS[name](**more)
    learn_vocabulary(model, [Doc(VOCAB, words=[text], spaces=[False]) for text in TEXTS if text])
    model.initialize()
    use_engine_products(model)
    return model


def batch_of(model, texts=TEXTS):
    numbers = [model.attrs["symbols"].encode(text).numbers for text in texts]
    inputs = numpy.concatenate([numpy.append(START, each) for each in numbers])
    targets = numpy.concatenate([numpy.append(each, END) for each in numbers])
    return SymbolBatch(inputs, targets, numpy.asarray([len(each) + 1 for each in numbers], dtype="int32"))


def begin(model) -> LanguageModel:
    return find(model, PredictsSymbols).begin(model)


def by_sequence(array, lengths):
    return numpy.split(array, numpy.cumsum(lengths)[:-1])


@every_model
def test_a_step_gives_probabilities_and_a_score_is_what_steps_give(name):
    model = build(name)
    lm, batch = begin(model), batch_of(model)
    scores = by_sequence(lm.score(*batch).log_probabilities, batch.lengths)
    for inputs, targets, expected in zip(
        by_sequence(batch.inputs, batch.lengths), by_sequence(batch.targets, batch.lengths), scores, strict=True
    ):
        state, found = lm.start(1), []
        for symbol, target in zip(inputs, targets, strict=True):
            log_probabilities, state = lm.step(numpy.asarray([symbol]), state)
            assert log_probabilities.shape == (1, lm.n_symbols)
            assert_allclose(numpy.exp(log_probabilities).sum(), 1.0, rtol=1e-5)
            found.append(log_probabilities[0, target])
        assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@every_model
def test_a_score_does_not_depend_on_the_batch(name):
    model = build(name)
    lm, batch = begin(model), batch_of(model)
    together = by_sequence(lm.score(*batch).log_probabilities, batch.lengths)
    for text, expected in zip(TEXTS, together, strict=True):
        assert_array_equal(lm.score(*batch_of(model, [text])).log_probabilities, expected)


@every_model
def test_a_text_in_pieces_is_scored_as_the_whole(name):
    model = build(name)
    lm, batch = begin(model), batch_of(model, TEXTS[:1])
    whole = lm.score(*batch)
    state, found = None, []
    for piece in (slice(0, 1), slice(1, 9), slice(9, 10), slice(10, None)):
        inputs = batch.inputs[piece]
        scores = lm.score(inputs, batch.targets[piece], numpy.asarray([len(inputs)], dtype="int32"), state)
        found.append(scores.log_probabilities)
        state = scores.state
    assert_allclose(numpy.concatenate(found), whole.log_probabilities, rtol=1e-5, atol=1e-6)


@every_model
def test_states_are_reordered_and_never_written_to(name):
    model = build(name)
    lm = begin(model)
    _, state = lm.step(numpy.asarray([START, 5, 7]), lm.start(3))
    reordered = lm.reorder(state, numpy.asarray([2, 0, 0]))
    expected, _ = lm.step(numpy.asarray([4, 6, 8]), state)
    found, _ = lm.step(numpy.asarray([8, 4, 6]), reordered)
    assert_array_equal(found[:2], expected[[2, 0]])
    again, _ = lm.step(numpy.asarray([4, 6, 8]), state)
    assert_array_equal(again, expected)


@every_model
def test_gradients_are_exact(name):
    """Central differences of the weighted sum of losses, in float64."""
    model = build(name)
    for node in model.walk():
        for param in node.param_names:
            node.set_param(param, node.get_param(param).astype("float64"))
    batch = batch_of(model)
    weights = numpy.random.RandomState(1).uniform(0, 2, len(batch.inputs))
    begin_update = find(model, PredictsSymbols).begin_update
    state = find(model, PredictsSymbols).carry(model, None, numpy.full(len(TEXTS), -1))

    def loss():
        scores, _ = begin_update(model, batch, state, weights)
        return -float((weights * scores.log_probabilities).sum())

    _, backprop = begin_update(model, batch, state, weights)
    assert not any(node.has_grad(param) for node in model.walk() for param in node.param_names), "nothing is added before"
    backprop()
    for node in model.walk():
        for param in node.param_names:
            array, gradient = node.get_param(param), node.get_grad(param)
            assert gradient.shape == array.shape
            for index in list(numpy.ndindex(array.shape))[:: max(1, array.size // 25)]:
                value, step = array[index], 1e-5
                array[index] = value + step
                above = loss()
                array[index] = value - step
                below = loss()
                array[index] = value
                assert_allclose(
                    gradient[index], (above - below) / (2 * step), rtol=1e-4, atol=1e-6, err_msg=f"{node.name}.{param}"
                )


@every_model
def test_the_layer_backpropagates_what_the_update_does(name):
    model, other = build(name), build(name)
    batch = batch_of(model)
    Y, backprop = model.begin_update(batch)
    assert_allclose(Y, model.predict(batch), rtol=1e-4, atol=1e-5)
    backprop(numpy.full_like(Y, -0.5))
    _, update_backprop = find(other, PredictsSymbols).begin_update(other, batch, None, numpy.full(len(Y), 0.5, dtype="float32"))
    update_backprop()
    for node, other_node in zip(model.walk(), other.walk(), strict=True):
        for param in node.param_names:
            assert_allclose(node.get_grad(param), other_node.get_grad(param), rtol=1e-3, atol=1e-5)


@every_model
def test_sequences_go_on_where_they_are_carried(name):
    model = build(name)
    capability = find(model, PredictsSymbols)
    first, second = batch_of(model, ["the cat", "a hat"]), batch_of(model, ["rat", "mat", "fat"])
    scores, _ = capability.begin_update(model, first, None, None)
    state = capability.carry(model, scores.state, numpy.asarray([1, -1, 0]))
    found, _ = capability.begin_update(model, second, state, None)
    parts = by_sequence(found.log_probabilities, second.lengths)
    lm = begin(model)
    for i, before in enumerate([1, None, 0]):
        own = batch_of(model, [["rat", "mat", "fat"][i]])
        state = None if before is None else lm.reorder(lm.score(*first).state, numpy.asarray([before]))
        assert_allclose(parts[i], lm.score(*own, state).log_probabilities, rtol=1e-4, atol=1e-5)


@every_model
def test_saved_and_loaded(name):
    model, other = build(name), BUILDERS[name]()
    other.from_bytes(model.to_bytes())
    batch = batch_of(model)
    assert other.attrs["symbols"] == model.attrs["symbols"]
    assert_array_equal(other.predict(batch), model.predict(batch))


@every_model
@pytest.mark.parametrize(
    "batch, words",
    [
        (SymbolBatch(numpy.asarray([1, 99]), numpy.asarray([4, 5]), numpy.asarray([2])), ["symbols are numbered", "99"]),
        (SymbolBatch(numpy.asarray([1, 4]), numpy.asarray([4, -1]), numpy.asarray([2])), ["symbols are numbered", "-1"]),
        (SymbolBatch(numpy.asarray([1, 4]), numpy.asarray([4]), numpy.asarray([2])), ["2 inputs", "1 targets"]),
        (SymbolBatch(numpy.asarray([1, 4]), numpy.asarray([4, 5]), numpy.asarray([3])), ["add up to 3"]),
        (SymbolBatch(numpy.asarray([1.0, 4.0]), numpy.asarray([4, 5]), numpy.asarray([2])), ["whole numbers", "float64"]),
    ],
)
def test_what_is_no_batch_is_refused(name, batch, words):
    model = build(name)
    for run in (lambda: begin(model).score(*batch), lambda: model.begin_update(batch)):
        with pytest.raises(ValueError) as error:
            run()
        assert all(word in str(error.value) for word in words), str(error.value)


@every_model
def test_symbols_are_learned_before_weights_are_made(name):
    with pytest.raises(ValueError, match="no characters yet"):
        BUILDERS[name]().initialize()


@pytest.mark.parametrize(
    "options, words",
    [
        ({"output": "half"}, ["output must be one of", "'half'"]),
        ({"output": "adaptive", "tied": True}, ["cannot be tied"]),
        ({"cutoffs": [10, 20]}, ["cutoffs", "[10, 20]", "'full'"]),
        ({"dropout": 1.0}, ["dropout", "below 1"]),
        ({"input_dropout": -0.1}, ["input_dropout"]),
        ({"symbol_dropout": 2}, ["symbol_dropout"]),
        ({"width": 0}, ["width"]),
        ({"hidden_width": 0}, ["hidden_width"]),
        ({"cell": "lstmm"}, ["lstmm"]),
    ],
)
def test_bad_settings_are_refused(options, words):
    with pytest.raises(ValueError) as error:
        build_rnn_lm(build_characters(), **options)
    assert all(word in str(error.value) for word in words), str(error.value)


@pytest.mark.parametrize("options", [{"dropout": 1.0}, {"symbol_dropout": -1}, {"width": 0}, {"hidden_width": 0}, {"window": 0}])
def test_bad_settings_of_a_window_are_refused(options):
    (name,) = options
    with pytest.raises(ValueError, match=f"^{name} "):
        build_feedforward_lm(build_characters(), **options)


def test_dropout_is_drawn_in_training_only():
    rates = ("dropout", "input_dropout", "recurrent_dropout", "weight_dropout", "symbol_dropout")
    for rate in rates:
        model = build("lstm", **{rate: 0.5})
        batch = batch_of(model)
        assert_array_equal(model.predict(batch), model.predict(batch))
        fix_random_seed(1)
        one = model.begin_update(batch)[0]
        assert not numpy.allclose(one, model.predict(batch), atol=1e-6), rate
        fix_random_seed(1)
        assert_array_equal(model.begin_update(batch)[0], one)


def test_a_long_text_is_scored_in_bounded_parts(monkeypatch):
    model = build("lstm")
    batch = batch_of(model, [TEXTS[0] * 5, "a", TEXTS[3] * 9, ""])
    expected = begin(model).score(*batch)
    monkeypatch.setattr("spacy_rnn.models.rnn_lm._SCORED_ROWS", 16)
    found = begin(model).score(*batch)
    assert_allclose(found.log_probabilities, expected.log_probabilities, rtol=1e-4, atol=1e-5)
    for name, array in expected.state.items():
        assert_allclose(found.state[name], array, rtol=1e-4, atol=1e-5)


def test_what_stands_before_the_start_of_a_text_is_not_seen_through_a_window():
    model = build("feed-forward")
    lm = begin(model)
    one, two = batch_of(model, ["the cat"]), batch_of(model, ["a hat"])
    joined = SymbolBatch(*(numpy.concatenate(pair) for pair in zip(one[:2], two[:2], strict=True)), one.lengths + two.lengths)
    assert_array_equal(lm.score(*joined).log_probabilities[-len(two.inputs) :], lm.score(*two).log_probabilities)
