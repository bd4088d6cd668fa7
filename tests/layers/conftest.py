import pytest
from spacy.attrs import LOWER
from spacy.tokens import Doc
from spacy.vocab import Vocab
from thinc.api import fix_random_seed


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
