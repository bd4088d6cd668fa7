import pytest
import spacy
from contextual_pipelines import TEXTS, make_pipeline
from spacy.tokens import Doc


@pytest.fixture
def lm(tmp_path):
    """The path of a pipeline with two language models."""
    make_pipeline().to_disk(tmp_path / "lm")
    return tmp_path / "lm"


@pytest.fixture
def docs():
    """Texts with empty ones, characters that the models have never seen, and white space as tokens."""
    nlp = spacy.blank("en")
    texts = [*TEXTS, "", "Ünknown çharacters", "a\n\nb", "The cat sat on the mat."]
    return [nlp.make_doc(text) for text in texts] + [Doc(nlp.vocab, words=["no", "space", "."], spaces=[True, False, False])]
