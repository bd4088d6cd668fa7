import numpy
import pytest
from spacy.attrs import LOWER
from spacy.tokens import Doc
from spacy.vocab import Vocab
from thinc.api import Ragged, fix_random_seed


@pytest.fixture(autouse=True)
def fixed_seed():
    """Initial weights and dropout masks are the same in every run."""
    fix_random_seed(0)


@pytest.fixture
def make_docs():
    """Make texts of words separated by spaces, with one vocabulary."""
    vocab = Vocab(lex_attr_getters={LOWER: str.lower})

    def make(*texts):
        return [Doc(vocab, words=text.split()) for text in texts]

    return make


@pytest.fixture
def as_ragged():
    """Join rows [n, width] of several sequences to a batch."""

    def join(sequences):
        lengths = numpy.asarray([len(rows) for rows in sequences], dtype="int32")
        return Ragged(numpy.concatenate(sequences), lengths)

    return join


@pytest.fixture
def make_batch(as_ragged):
    """Draw a batch of rows with given lengths."""

    def make(lengths, width, dtype="float64", seed=0):
        rng = numpy.random.default_rng(seed)
        return as_ragged([rng.normal(size=(n, width)).astype(dtype) for n in lengths])

    return make


@pytest.fixture
def randomize():
    """Give a model's parameters random values, in float64 unless told otherwise."""

    def draw(model, dtype="float64", seed=0, scale=0.6):
        rng = numpy.random.default_rng(seed)
        for node in model.walk():
            for name in node.param_names:
                shape = node.get_param(name).shape
                node.set_param(name, rng.normal(scale=scale, size=shape).astype(dtype))
        return model

    return draw


@pytest.fixture
def check_parameter_gradients(difference_error):
    """Compare the gradients of all of a model's parameters with central differences of the loss."""

    def check(model, loss):
        for node in model.walk():
            for name in node.param_names:
                error = difference_error(loss, node.get_param(name), node.get_grad(name))
                assert error < 1e-6, f"{name} of {node.name}"

    return check
