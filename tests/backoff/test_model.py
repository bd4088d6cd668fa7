"""Scores of a back-off model."""

import copy
import pickle

import numpy
import pytest
import srsly
from hypothesis import given, settings
from hypothesis import strategies as st
from language_models import as_batch, step_through
from numpy.testing import assert_allclose, assert_array_equal

from spacy_rnn.backoff import BackoffModel, engine, reference
from spacy_rnn.generation import LanguageModel
from spacy_rnn.native import library

SMOOTHINGS = ["kneser_ney", "witten_bell", "add_k", "none"]
each_order = pytest.mark.parametrize("order", [1, 2, 3, 5, 16])


@each_order
@pytest.mark.parametrize("smoothing", SMOOTHINGS)
def test_scores_are_those_of_steps(functions, train, texts, order, smoothing):
    model: LanguageModel = train(texts[:40], order, 9, smoothing)
    held = [*texts[40:45], [], [8, 0, 7, 8]]
    scores = model.score(*as_batch(held))
    assert scores.log_probabilities.dtype == numpy.float32
    assert_array_equal(scores.log_probabilities, step_through(model, held))


@each_order
def test_states_are_carried(functions, train, texts, order):
    model = train(texts[:40], order, 9)
    text = sum(texts[40:], [])
    inputs, targets, lengths = as_batch([text])
    whole = model.score(inputs, targets, lengths)
    found, state, begin = [], None, 0
    for n in (1, 3, 0, 2, len(inputs) - 6):
        part = model.score(inputs[begin : begin + n], targets[begin : begin + n], numpy.array([n]), state)
        found.append(part.log_probabilities)
        state, begin = part.state, begin + n
    assert_array_equal(numpy.concatenate(found), whole.log_probabilities)
    assert_array_equal(state, whole.state)
    assert state.shape == (1, order - 1)
    assert_array_equal(state[0], inputs[len(inputs) - order + 1 :] if order > 1 else [])
    _, stepped = model.step(inputs[-1:], model.score(inputs[:-1], targets[:-1], lengths - 1).state)
    assert_array_equal(stepped, state)


def test_a_sequence_depends_on_no_other(functions, train, texts):
    model = train(texts[:40], 4, 9)
    alone = [model.score(*as_batch([text])).log_probabilities for text in texts[40:]]
    assert_array_equal(numpy.concatenate(alone), model.score(*as_batch(texts[40:])).log_probabilities)
    rows, _ = model.step(numpy.array([3, 4]), numpy.array([[1, 4, 5], [-1, -1, 1]]))
    assert_array_equal(rows[1:], model.step(numpy.array([4]), numpy.array([[-1, -1, 1]]))[0])


def test_a_new_text_forgets_the_one_before(functions, train, texts):
    model = train(texts, 4, 9)
    inputs, targets, lengths = as_batch(texts[:9])
    in_a_row = model.score(inputs, targets, numpy.array([lengths.sum()]))
    assert_array_equal(in_a_row.log_probabilities, model.score(inputs, targets, lengths).log_probabilities)


@pytest.mark.skipif(library is None, reason="needs the compiled engine")
@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.lists(st.sampled_from([0, 3, 4, 5, 6]), max_size=12), min_size=1, max_size=8),
    st.lists(st.lists(st.sampled_from([0, 2, 3, 4, 5, 6]), max_size=12), min_size=1, max_size=4),
    st.integers(1, 5),
    st.sampled_from(SMOOTHINGS),
)
def test_compiled_and_reference_agree(train, texts, held, order, smoothing):
    found = []
    for functions in (library, reference):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(engine, "functions", functions)
            model = train(texts, order, 7, smoothing)
            state = numpy.array([[3, -1, 0, 6][: order - 1] + [4] * max(0, order - 5)], "int32").repeat(len(held), axis=0)
            scores = model.score(*as_batch(held), state)
            rows, after = model.step(numpy.full(len(held), 5), scores.state)
            found.append([*scores, rows, after, model.log_probabilities, model.backoffs])
    for one, other in zip(*found, strict=True):
        assert_array_equal(one, other)


def test_reorder(train, texts):
    model = train(texts, 4, 9)
    state = numpy.arange(12, dtype="int32").reshape(4, 3) % 9
    taken = model.reorder(state, numpy.array([2, 0, 2]))
    assert_array_equal(taken, state[[2, 0, 2]])
    assert_array_equal(model.reorder(state, numpy.array([True, False, False, True])), state[[0, 3]])
    taken[:] = 0
    assert state[2].any()


def test_a_step_writes_to_no_state(functions, train, texts):
    model = train(texts, 4, 9)
    state = model.start(2)
    before = state.copy()
    model.step(numpy.array([1, 1]), state)
    model.score(*as_batch(texts[:2]), state)
    assert_array_equal(state, before)


def test_bytes_and_pickles(functions, train, texts):
    model = train(texts[:40], 4, 9, prune=[0, 0, 1])
    model.score(*as_batch(texts[:2]))
    expected = model.score(*as_batch(texts[40:]))
    for other in (BackoffModel.from_bytes(model.to_bytes()), pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        assert_array_equal(other.score(*as_batch(texts[40:])).log_probabilities, expected.log_probabilities)
        assert other.to_bytes() == model.to_bytes()


def test_size(train):
    random = numpy.random.default_rng(0)
    model = train(random.integers(3, 60, size=(50, 400)), 5, 60)
    assert model.n_bytes <= 24 * sum(model.trie.sizes)


def damage(data, name, change):
    fields = srsly.msgpack_loads(data)
    fields[name] = change(fields[name])
    return srsly.msgpack_dumps(fields)


def with_value(index, value):
    def change(array):
        array = array.copy()
        array[index] = value
        return array

    return change


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("sizes", lambda sizes: sizes[:-1]),
        ("sizes", lambda sizes: [sizes[0], sizes[1] + 1, sizes[2] - 1]),
        ("sizes", lambda sizes: [-1, *sizes[1:]]),
        ("sizes", lambda sizes: "many"),
        ("symbols", with_value(-1, 9)),
        ("symbols", with_value(12, -1)),
        ("symbols", with_value(2, 5)),
        ("symbols", lambda array: array[:-1]),
        ("symbols", lambda array: array.astype("int64")),
        ("symbols", lambda array: array[::-1]),
        ("first", with_value(0, 0)),
        ("first", with_value(-1, 2**32 - 1)),
        ("first", with_value(5, 2**32 - 1)),
        ("first", lambda array: array[:-1]),
        ("first", lambda array: array.reshape(-1, 1)),
        ("log_probabilities", with_value(7, numpy.nan)),
        ("log_probabilities", with_value(7, 0.1)),
        ("log_probabilities", lambda array: array[1:]),
        ("backoffs", with_value(7, numpy.nan)),
        ("backoffs", with_value(7, numpy.inf)),
        ("backoffs", lambda array: None),
        ("more", lambda _: 1),
    ],
)
def test_damaged_fields(functions, train, texts, name, change):
    fields = srsly.msgpack_loads(train(texts, 3, 9).to_bytes())
    fields[name] = change(fields.get(name))
    with pytest.raises(ValueError, match="back-off model"):
        BackoffModel.from_bytes(srsly.msgpack_dumps(fields))


def test_damaged_bytes(functions, train, texts):
    """Whatever byte is another one, the model loads or is refused."""
    data = train(texts[:9], 3, 9).to_bytes()
    random = numpy.random.default_rng(0)
    for at in random.integers(0, len(data), size=300):
        other = bytearray(data)
        other[at] ^= 1 << int(random.integers(8))
        try:
            model = BackoffModel.from_bytes(bytes(other))
        except ValueError:
            continue
        rows, _ = model.step(numpy.array([3]), model.start(1))
        assert rows.shape == (1, model.n_symbols)
    for end in (0, 1, len(data) // 2, len(data) - 1):
        with pytest.raises(ValueError, match="back-off model"):
            BackoffModel.from_bytes(data[:end])


@pytest.mark.parametrize(
    ("inputs", "targets", "lengths", "state", "what"),
    [
        ([1, 9], [3, 3], [2], None, "inputs: there is no symbol 9"),
        ([1, 3], [3, -1], [2], None, "targets: there is no symbol -1"),
        ([1, 3], [3], [2], None, "lengths add up to 2, but there are 2 inputs and 1 targets"),
        ([1, 3], [3, 2], [1], None, "lengths add up to 1"),
        ([1, 3], [3, 2], [3, -1], None, "lengths: expected whole numbers"),
        ([1.0, 3.0], [3, 2], [2], None, "inputs: expected integers"),
        ([1, 3], [3, 2], [2], [[1]], "expected the state of 1 sequences"),
        ([1, 3], [3, 2], [2], [[1, 3], [1, 3]], "expected the state of 1 sequences"),
        ([1, 3], [3, 2], [2], [[1, 9]], "a state has symbols"),
    ],
)
def test_bad_batches(functions, train, texts, inputs, targets, lengths, state, what):
    model = train(texts, 3, 9)
    state = None if state is None else numpy.array(state, "int32")
    with pytest.raises(ValueError, match=what):
        model.score(numpy.array(inputs), numpy.array(targets), numpy.array(lengths), state)


def test_bad_steps(functions, train, texts):
    model = train(texts, 3, 9)
    with pytest.raises(ValueError, match="symbols: there is no symbol 9"):
        model.step(numpy.array([9]), model.start(1))
    with pytest.raises(ValueError, match="expected the state of 2 sequences"):
        model.step(numpy.array([3, 4]), model.start(1))


def test_nothing(functions, train, texts):
    model = train(texts, 3, 9)
    none = numpy.zeros(0, "int32")
    scores = model.score(none, none, none)
    assert scores.log_probabilities.shape == (0,)
    assert scores.state.shape == (0, 2)
    assert model.step(none, model.start(0))[0].shape == (0, 9)


def test_sums_of_a_larger_model(train, texts):
    model = train(texts, 5, 9)
    state = model.score(*as_batch(texts[:30])).state
    rows, _ = model.step(numpy.arange(30) % 6 + 3, state)
    assert_allclose(numpy.exp(rows.astype("float64")).sum(axis=1), 1, atol=2e-6)
