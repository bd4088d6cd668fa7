import numpy
import pytest
import spacy
from spacy.tokens import Doc
from thinc.api import fix_random_seed


@pytest.fixture(autouse=True)
def fixed_seed():
    """Initial weights and dropout masks are the same in every run."""
    fix_random_seed(0)


@pytest.fixture
def docs():
    """Texts of different lengths, among them one without tokens and one of a single token."""
    vocab = spacy.blank("xx").vocab
    texts = ["a good film", "", "bad", "the worst film of the year , by far", "a year of good films"]
    return [Doc(vocab, words=text.split()) for text in texts]


@pytest.fixture
def resolve():
    """Build a model from its configuration, through spaCy's registry."""

    def build(config):
        fix_random_seed(0)
        return spacy.registry.resolve({"model": config})["model"]

    return build


@pytest.fixture
def as_arrays():
    """The arrays that a model gives for texts, one a text."""

    def convert(Y):
        return [numpy.asarray(array) for array in Y]

    return convert
