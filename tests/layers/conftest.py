import numpy
import pytest
from spacy.attrs import LOWER
from spacy.tokens import Doc
from spacy.vocab import Vocab
from thinc.api import fix_random_seed
from thinc.types import Ragged


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
def check_parameter_gradients(difference_error):
    """Compare the gradients of all of a model's parameters with central differences of the loss."""

    def check(model, loss):
        for node in model.walk():
            for name in node.param_names:
                error = difference_error(loss, node.get_param(name), node.get_grad(name))
                assert error < 1e-6, f"{name} of {node.name}"

    return check


@pytest.fixture
def check_gradients(check_parameter_gradients, difference_error):
    """Compare all gradients of a layer of rows, that of its input too, with central differences of a loss."""

    def check(model, X):
        Y, backprop = model.begin_update(X)
        weights = numpy.random.default_rng(1).normal(size=Y.data.shape)

        def loss():
            return float((model.predict(X).data * weights).sum())

        dX = backprop(Ragged(weights, X.lengths))
        check_parameter_gradients(model, loss)
        assert difference_error(loss, X.data, dX.data) < 1e-6

    return check
