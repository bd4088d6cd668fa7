"""Beam search with decoders finds what a beam finds that is written by the textbook, in float64."""

import numpy
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from textbook_beam import textbook_beam
from thinc.api import fix_random_seed

from spacy_rnn.generation import LengthNormalization, Stopping, beam_search
from spacy_rnn.layers import use_engine_products
from spacy_rnn.layers.capabilities import Transduces, find
from spacy_rnn.models.encoder_decoder.seq2seq import build_seq2seq
from spacy_rnn.text.symbols import SourceBatch
from spacy_rnn.text.symbols.characters import build_characters

MODELS = {
    "general": {},
    "dot, lstm": {"attention": "dot", "cell": "lstm", "decoder_depth": 2},
    "additive": {"attention": "additive", "tied": True},
    "no attention": {"attention": "none", "bidirectional": False},
    "fed": {"input_feeding": True},
    "copying": {"copy": True},
    "copying, fed": {"copy": True, "input_feeding": True, "attention": "additive"},
}
N_SYMBOLS = 9
LENGTHS = [3, 1, 5, 2, 5]


def build(name, dtype):
    fix_random_seed(3)
    characters = [build_characters() for _ in range(2)]
    for symbols in characters:
        symbols.set_learned([ord("a") + i for i in range(N_SYMBOLS - 3)])
    shared = MODELS[name].get("copy", False)
    model = build_seq2seq(characters[0], None if shared else characters[1], width=5, hidden_width=6, **MODELS[name])
    model.initialize()
    random = numpy.random.RandomState(4)
    for node in model.walk():
        for param in node.param_names:
            # Larger ones, so that the hypotheses of a beam differ in what is probable.
            array = node.get_param(param)
            node.set_param(param, (random.normal(size=array.shape) * 0.9).astype("float32").astype(dtype))
    use_engine_products(model)
    return model


def make_sources(index=(0, 1, 2, 3, 4)):
    random = numpy.random.RandomState(5)
    numbers = [random.choice([0, *range(3, N_SYMBOLS)], n) for n in LENGTHS]
    taken = [numbers[i] for i in index]
    return SourceBatch(numpy.concatenate(taken), numpy.asarray([len(each) for each in taken], dtype="int32"))


def search(model, sources, width, coverage=0.0, n_best=None):
    return beam_search(
        find(model, Transduces).begin(model, counts_coverage=coverage > 0),
        [[]] * len(sources.lengths),
        width=width,
        n_best=n_best or width,
        normalization=LengthNormalization(alpha=0.6),
        coverage=coverage,
        stopping=Stopping(7),
        forbidden=(1,),
        context=sources,
    )


@pytest.mark.parametrize("coverage", [0.0, 0.4])
@pytest.mark.parametrize("name", MODELS)
def test_a_beam_by_the_textbook(name, coverage):
    if coverage and name == "no attention":
        pytest.skip("there is nothing to cover")
    exact = find(model := build(name, "float64"), Transduces).begin(model, counts_coverage=coverage > 0)
    tested = build(name, "float32")
    for width in (1, 2, 5):
        found = search(tested, make_sources(), width, coverage)
        for i, hypotheses in enumerate(found):
            expected = textbook_beam(
                exact,
                [],
                width=width,
                n_best=width,
                kind="wu",
                alpha=0.6,
                coverage=coverage,
                max_symbols=7,
                stops=[2],
                sequences=[],
                forbidden=(1,),
                context=make_sources([i]),
            )
            assert [one.symbols.tolist() for one in hypotheses] == [one["symbols"] for one in expected]
            assert_allclose([one.score for one in hypotheses], [one["score"] for one in expected], rtol=1e-4)
            for one, other in zip(hypotheses, expected, strict=True):
                assert_allclose(one.log_probabilities, other["log_probabilities"], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("width", [1, 4])
@pytest.mark.parametrize("name", MODELS)
def test_alone_and_in_any_batch(name, width):
    """The same to the last bit."""
    model = build(name, "float32")
    coverage = 0.0 if name == "no attention" else 0.3
    together = search(model, make_sources(), width, coverage)
    for index in ([0], [3], [2, 1], [4, 3, 2, 1, 0], [1, 1, 1], list(range(5)) * 5):
        for i, hypotheses in zip(index, search(model, make_sources(index), width, coverage), strict=True):
            for one, expected in zip(hypotheses, together[i], strict=True):
                assert one.score == expected.score
                assert_array_equal(one.symbols, expected.symbols)
                assert_array_equal(one.log_probabilities, expected.log_probabilities)


@pytest.mark.parametrize("name", [name for name in MODELS if name != "no attention"])
def test_coverage_is_that_of_the_attention(name):
    model = build(name, "float64")
    transduces = find(model, Transduces)
    decoder, sources = transduces.begin(model, counts_coverage=True), make_sources()
    state = decoder.start(len(LENGTHS), sources)
    before = state.covered.copy()
    for symbol in (1, 4, 5):
        _, state = decoder.step(numpy.full(len(LENGTHS), symbol), state)
    # Each row has had as much as there were steps.
    assert_allclose(state.covered.sum(axis=1), 3)
    assert not before.any()
    rows = [state.covered[i, :n] for i, n in enumerate(LENGTHS)]
    assert_allclose(decoder.coverage(state), [numpy.log(numpy.minimum(row, 1)).sum() for row in rows])


def test_coverage_does_not_depend_on_the_batch():
    """To the last bit, where other sources are longer."""
    decoder = find(model := build("general", "float32"), Transduces).begin(model, counts_coverage=True)
    lengths = numpy.asarray([11, 9, 60, 17], dtype="int32")
    numbers = numpy.full(lengths.sum(), 3)
    random = numpy.random.RandomState(6)
    state = decoder.start(4, SourceBatch(numbers, lengths))
    state = state._replace(covered=random.uniform(0, 1, state.covered.shape))
    for i, together in enumerate(decoder.coverage(state)):
        alone = decoder.start(1, SourceBatch(numbers[: lengths[i]], lengths[i : i + 1]))
        alone = alone._replace(covered=state.covered[i : i + 1, : lengths[i]].copy())
        assert decoder.coverage(alone) == [together]


def test_coverage_without_attention():
    model = build("no attention", "float32")
    transduces = find(model, Transduces)
    assert not transduces.attends(model) and transduces.attends(build("general", "float32"))
    with pytest.raises(ValueError, match="coverage is about attention, which the model does not have"):
        transduces.begin(model, counts_coverage=True)
    decoder = find(model := build("general", "float32"), Transduces).begin(model)
    with pytest.raises(ValueError, match="coverage is that of a decoder with attention which was begun to count it"):
        decoder.coverage(decoder.start(1, make_sources([0])))


@pytest.mark.parametrize(
    "n, context, message",
    [
        (1, None, "writes from a source, a SourceBatch, got NoneType"),
        (2, make_sources([0]), "expected a source for each of 2 sequences, got 1"),
        (1, SourceBatch(numpy.asarray([99]), numpy.asarray([1])), "symbols are numbered from 0 to 8, got 99"),
        (1, SourceBatch(numpy.asarray([3, 4]), numpy.asarray([1])), "lengths add up to 1, but there are 2 symbols of sources"),
        (1, SourceBatch(numpy.asarray([3]), numpy.asarray([1.0])), "lengths are whole numbers"),
    ],
)
def test_what_is_no_source(n, context, message):
    decoder = find(model := build("general", "float32"), Transduces).begin(model)
    with pytest.raises(ValueError, match=message):
        decoder.start(n, context)
