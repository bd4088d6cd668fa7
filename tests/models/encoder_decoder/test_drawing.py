"""What is drawn in training: dropout, and what a decoder reads of what it would have written; and settings that are refused."""

import numpy
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from thinc.api import fix_random_seed

from spacy_rnn.layers.capabilities import Transduces, find
from spacy_rnn.models.encoder_decoder import seq2seq
from spacy_rnn.models.encoder_decoder.sampled_inputs import sample_inputs
from spacy_rnn.models.encoder_decoder.seq2seq import build_seq2seq, decoder_of
from spacy_rnn.text.symbols import END, START, PairBatch, SourceBatch, batch_texts
from spacy_rnn.text.symbols.characters import build_characters

N_SYMBOLS = 12


def symbols():
    made = build_characters()
    made.set_learned([ord("a") + i for i in range(N_SYMBOLS - 3)])
    return made


def build(seed=0, **settings):
    fix_random_seed(seed)
    model = build_seq2seq(symbols(), symbols(), width=5, hidden_width=6, **settings)
    model.initialize()
    return model


def make_batch(n=40):
    random = numpy.random.RandomState(1)
    sources = [random.randint(3, N_SYMBOLS, random.randint(1, 5)) for _ in range(n)]
    targets = [random.randint(3, N_SYMBOLS, random.randint(0, 7)) for _ in range(n)]
    lengths = numpy.asarray([len(each) for each in sources], dtype="int32")
    return PairBatch(SourceBatch(numpy.concatenate(sources), lengths), batch_texts(targets))


@pytest.mark.parametrize("settings", [{}, {"input_feeding": True}, {"attention": "none"}])
@pytest.mark.parametrize("rate", [0.3, 0.7])
def test_some_inputs_are_what_would_have_been_written(settings, rate):
    model, batch = build(**settings), make_batch(300)
    # The start and the end would be written, if they could be.
    head = model.get_ref("head")
    head.set_param("b", head.get_param("b") + numpy.eye(N_SYMBOLS)[[START, END]].sum(axis=0).astype("float32") * 50)
    decoder = decoder_of(model)
    state, source = seq2seq._read(model, seq2seq._check(model, batch)[0])
    sampled = sample_inputs(decoder, batch.targets, state, source, None, rate)
    assert_array_equal(sampled.targets, batch.targets.targets)
    assert_array_equal(sampled.lengths, batch.targets.lengths)
    is_start = batch.targets.inputs == START
    assert_array_equal(sampled.inputs[is_start], batch.targets.inputs[is_start])
    assert not numpy.isin(sampled.inputs[~is_start], [START, END]).any()
    # What it reads at a row is the best of the row before, after the true symbols.
    stepwise = find(model, Transduces).begin(model)
    best, row = [], 0
    for b, n in enumerate(batch.targets.lengths):
        own = stepwise.reorder(stepwise.start(len(batch.sources.lengths), batch.sources), numpy.asarray([b]))
        for symbol in batch.targets.inputs[row : row + n]:
            scores, own = stepwise.step(numpy.asarray([symbol]), own)
            scores[0, [START, END]] = -numpy.inf
            best.append(int(scores[0].argmax()))
        row += n
    before = numpy.asarray([START, *best[:-1]])
    is_sampled = ~is_start & (sampled.inputs != batch.targets.inputs)
    assert_array_equal(sampled.inputs[is_sampled], before[is_sampled])
    could = ~is_start & (before != batch.targets.inputs)
    assert abs(is_sampled.sum() / could.sum() - rate) < 0.08


@pytest.mark.parametrize(
    "settings",
    [
        {"dropout": 0.4},
        {"dropout": 0.4, "input_feeding": True, "symbol_dropout": 0.2},
        {"scheduled_sampling": 0.6, "dropout": 0.2, "encoder_depth": 2},
    ],
)
def test_gradients_of_what_is_drawn(settings):
    """Central differences along directions, with the same draws."""
    model, batch = build(**settings), make_batch(6)
    arrays = [(node, name) for node in model.walk() for name in node.param_names]
    for node, name in arrays:
        node.set_param(name, node.get_param(name).astype("float64"))

    def begin():
        fix_random_seed(7)
        return find(model, Transduces).begin_update(model, batch, None)

    log_probabilities, backprop = begin()
    assert_array_equal(begin()[0], log_probabilities)
    assert not numpy.array_equal(find(model, Transduces).score(model, batch)[0], log_probabilities)
    backprop()
    random = numpy.random.RandomState(3)
    for _ in range(4):
        directions = [random.normal(size=node.get_param(name).shape) for node, name in arrays]
        expected = sum(float((node.get_grad(name) * one).sum()) for (node, name), one in zip(arrays, directions, strict=True))
        found = []
        for step in (1e-6, -2e-6, 1e-6):
            for (node, name), one in zip(arrays, directions, strict=True):
                node.get_param(name)[...] += step * one
            found.append(-float(begin()[0].sum()))
        assert_allclose((found[0] - found[1]) / 2e-6, expected, rtol=1e-4)


@pytest.mark.parametrize("settings", [{}, {"dropout": 0.3, "scheduled_sampling": 0.3, "symbol_dropout": 0.2}])
def test_the_same_seed_gives_the_same_weights(settings):
    def train(seed):
        model, batch = build(seed, **settings), make_batch()
        for _ in range(3):
            _, backprop = find(model, Transduces).begin_update(model, batch, None)
            backprop()
            for node in model.walk():
                for name in node.param_names:
                    node.set_param(name, node.get_param(name) - 0.001 * node.get_grad(name))
                    node.set_grad(name, numpy.zeros_like(node.get_grad(name)))
        return model.to_bytes()

    assert train(5) == train(5) != train(6)


def test_gradients_by_the_layer_are_those_of_an_update():
    """`model.begin_update` is told what each target counts in backpropagation only."""
    model, batch = build(label_smoothing=0.1), make_batch()
    weights = numpy.random.RandomState(2).uniform(0, 1, len(batch.targets.targets)).astype("float32")
    expected, backprop = find(model, Transduces).begin_update(model, batch, weights)
    backprop()
    arrays = [(node, name) for node in model.walk() for name in node.param_names]
    gradients = [node.get_grad(name).copy() for node, name in arrays]
    for node, name in arrays:
        node.set_grad(name, numpy.zeros_like(node.get_grad(name)))
    found, backprop = model.begin_update(batch)
    backprop(-weights)
    assert_allclose(found, expected, rtol=1e-5)
    for (node, name), gradient in zip(arrays, gradients, strict=True):
        assert_allclose(node.get_grad(name), gradient, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"attention": "global"}, "attention must be one of dot, general, additive or none, got 'global'"),
        ({"hidden_width": 7}, "hidden_width is shared by two directions, so it must be even, got 7"),
        ({"hidden_width": 0, "bidirectional": False}, "hidden_width must be at least 1, got 0"),
        ({"attention": "none", "input_feeding": True}, "input_feeding is about what attention has found"),
        ({"attention": "none", "copy": True}, "copy is about what attention has found"),
        ({"copy": True}, "copy is for symbols that are read and written alike: set target = null"),
        ({"copy": True, "target": None, "label_smoothing": 0.1}, "label_smoothing is about symbols that are written, not copied"),
        ({"dropout": 1.0}, "dropout must be"),
        ({"scheduled_sampling": -0.1}, "scheduled_sampling must be"),
        ({"label_smoothing": 1.5}, "label_smoothing"),
        ({"symbol_dropout": 2.0}, "symbol_dropout"),
        ({"cell": "other"}, "cell"),
        ({"encoder_depth": 0}, "depth"),
        ({"decoder_depth": 0}, "depth"),
        ({"width": 0}, "must be at least 1"),
        ({"tied": True, "width": 5, "hidden_width": 6, "precision": "int2"}, "precision"),
    ],
)
def test_settings_that_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        build_seq2seq(symbols(), **{"target": symbols(), **settings})


def test_pairs_that_do_not_fit():
    model, batch = build(), make_batch(4)
    for wrong in (
        batch._replace(targets=batch_texts([numpy.asarray([3])])),
        batch._replace(targets=batch.targets._replace(targets=batch.targets.targets + N_SYMBOLS)),
        batch._replace(sources=batch.sources._replace(numbers=batch.sources.numbers[1:])),
    ):
        for run in (model.predict, model.begin_update, lambda pairs: find(model, Transduces).score(model, pairs)):
            with pytest.raises(ValueError):
                run(wrong)
