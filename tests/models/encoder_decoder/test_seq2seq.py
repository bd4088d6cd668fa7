"""Encoder-decoders."""

import numpy
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from spacy.tokens import Doc
from spacy.vocab import Vocab
from thinc.api import fix_random_seed

from spacy_rnn.layers import use_engine_products
from spacy_rnn.layers.capabilities import Transduces, find
from spacy_rnn.models.encoder_decoder.seq2seq import build_seq2seq
from spacy_rnn.text.symbols import PairBatch, SourceBatch, batch_texts
from spacy_rnn.text.symbols.characters import build_characters

VOCAB = Vocab()
PAIRS = [("cats", "cat"), ("a", "an"), ("women's", "woman"), ("went", "go"), ("x", "long and longer")]
SMALL = {"width": 5, "hidden_width": 6}
SETTINGS = {
    "general": {},
    "dot": {"attention": "dot", "cell": "lstm"},
    "additive": {"attention": "additive", "cell": "elman_tanh"},
    "no attention": {"attention": "none", "cell": "lstm"},
    "deep": {"encoder_depth": 2, "decoder_depth": 2},
    "one direction": {"bidirectional": False, "tied": True},
    "fed": {"input_feeding": True},
    "fed, additive, deep lstm": {"input_feeding": True, "attention": "additive", "decoder_depth": 2, "cell": "lstm"},
    "copying": {"copy": True},
    "copying, fed": {"copy": True, "input_feeding": True, "attention": "dot"},
    "smoothed": {"label_smoothing": 0.2},
}
every_model = pytest.mark.parametrize("name", SETTINGS)


def learn(symbols, texts):
    counter = symbols.begin()
    for text in texts:
        counter.add(Doc(VOCAB, words=[text], spaces=[False]))
    symbols.end(counter)
    return symbols


def build(name, **more):
    settings = {**SMALL, **SETTINGS[name], **more}
    fix_random_seed(0)
    shared = settings.get("copy", False)
    source, target = build_characters(), None if shared else build_characters()
    learn(source, [text for pair in PAIRS for text in (pair if shared else pair[:1])])
    if target is not None:
        learn(target, [pair[1] for pair in PAIRS])
    model = build_seq2seq(source, target, **settings)
    model.attrs["features"] = ["NOUN", "VERB"]
    model.initialize()
    use_engine_products(model)
    return model


def sources_of(model, texts):
    symbols = model.attrs["source"]
    numbers = [numpy.append(len(symbols) + i % 2, symbols.encode(text).numbers) for i, text in enumerate(texts)]
    return SourceBatch(numpy.concatenate(numbers), numpy.asarray([len(each) for each in numbers], dtype="int32"))


def batch_of(model, pairs=PAIRS):
    targets = batch_texts([model.attrs["target"].encode(target).numbers for _, target in pairs])
    return PairBatch(sources_of(model, [source for source, _ in pairs]), targets)


def begin(model, **settings):
    return find(model, Transduces).begin(model, **settings)


@every_model
def test_gradients_are_exact(name):
    """Central differences of the weighted sum of losses, in float64."""
    model = build(name)
    for node in model.walk():
        for param in node.param_names:
            node.set_param(param, node.get_param(param).astype("float64"))
    # Step by step takes longer.
    batch = batch_of(model, PAIRS[1:4] if model.attrs["input_feeding"] else PAIRS)
    weights = numpy.random.RandomState(1).uniform(0, 2, len(batch.targets.inputs))
    begin_update = find(model, Transduces).begin_update
    smoothing = SETTINGS[name].get("label_smoothing", 0.0)

    def loss():
        log_probabilities, _ = begin_update(model, batch, weights)
        loss = -(1 - smoothing) * float((weights * log_probabilities).sum())
        if smoothing:
            loss -= smoothing / len(model.attrs["target"]) * float((weights * all_log_probabilities(model, batch)).sum())
        return loss

    _, backprop = begin_update(model, batch, weights)
    assert not any(node.has_grad(param) for node in model.walk() for param in node.param_names), "nothing is added before"
    backprop()
    arrays = [(node.get_param(param), node.get_grad(param)) for node in model.walk() for param in node.param_names]
    for array, gradient in arrays:
        assert gradient.shape == array.shape
    names = [f"{node.name}.{param}" for node in model.walk() for param in node.param_names]
    for along, directions in directions_of(arrays, names, apart=not smoothing):
        expected = sum(float((gradient * direction).sum()) for (_, gradient), direction in zip(arrays, directions, strict=True))
        found = []
        for step in (1e-5, -2e-5, 1e-5):
            for (array, _), direction in zip(arrays, directions, strict=True):
                array += step * direction
            found.append(loss())
        assert_allclose(expected, (found[0] - found[1]) / 2e-5, rtol=1e-4, atol=1e-6, err_msg=along)


def directions_of(arrays, names, apart):
    """Directions among all parameters: along all of them; and if apart, along each parameter, and the entry that counts most."""
    random = numpy.random.RandomState(2)
    for _ in range(4):
        yield "all", [random.normal(size=array.shape) for array, _ in arrays]
    for i, name in enumerate(names if apart else ()):
        zeros = [numpy.zeros_like(array) for array, _ in arrays]
        zeros[i] = random.normal(size=zeros[i].shape)
        yield name, zeros
        zeros[i] = numpy.zeros_like(zeros[i])
        entry = numpy.unravel_index(numpy.abs(arrays[i][1]).argmax(), zeros[i].shape)
        zeros[i][entry] = 1
        yield f"{name}, an entry", zeros


def all_log_probabilities(model, batch):
    """The sum of the log-probabilities of all symbols, for each target."""
    total = 0
    for symbol in range(len(model.attrs["target"])):
        targets = batch.targets._replace(targets=numpy.full_like(batch.targets.targets, symbol))
        total = total + find(model, Transduces).score(model, batch._replace(targets=targets))[0]
    return total


@every_model
def test_steps_give_what_the_sweep_gives(name):
    model = build(name)
    batch = batch_of(model)
    expected, _ = find(model, Transduces).score(model, batch)
    assert_allclose(model.predict(batch), expected)
    decoder = begin(model)
    for b, part in enumerate(numpy.split(numpy.arange(len(expected)), numpy.cumsum(batch.targets.lengths)[:-1])):
        state = decoder.reorder(decoder.start(len(PAIRS), batch.sources), numpy.asarray([b]))
        for row in part:
            scores, state = decoder.step(batch.targets.inputs[row : row + 1], state)
            assert_allclose(numpy.exp(scores).sum(), 1.0, rtol=1e-5)
            assert_allclose(scores[0, batch.targets.targets[row]], expected[row], rtol=1e-4, atol=1e-5)


# Dropout between the layers of the decoder, step by step as well.
@pytest.mark.parametrize("rate", [0.0, 0.5])
@every_model
def test_a_pair_does_not_depend_on_the_batch(name, rate):
    model = build(name, dropout=rate)
    score = find(model, Transduces).score
    batch = batch_of(model)
    together = numpy.split(score(model, batch)[0], numpy.cumsum(batch.targets.lengths)[:-1])
    offset = 0
    for i, expected in enumerate(together):
        n = int(batch.sources.lengths[i])
        own = SourceBatch(batch.sources.numbers[offset : offset + n], batch.sources.lengths[i : i + 1])
        offset += n
        alone = PairBatch(own, batch_texts([model.attrs["target"].encode(PAIRS[i][1]).numbers]))
        assert_array_equal(score(model, alone)[0], expected)


@every_model
def test_it_can_learn_other_symbols(name):
    model = build(name)
    find(model, Transduces).begin_update(model, batch_of(model))[1]()
    for symbols in ("source", "target"):
        learn(model.attrs[symbols], ["a quick brown fox jumps over the lazy dog"])
    model.initialize()
    Y, backprop = find(model, Transduces).begin_update(model, batch_of(model))
    backprop()
    for node in model.walk():
        for param in node.param_names:
            assert node.get_grad(param).shape == node.get_param(param).shape
