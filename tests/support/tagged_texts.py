"""Texts with tags, as examples."""

from spacy.tokens import Doc
from spacy.training import Example


def annotated(nlp, texts):
    """Examples of (words, tags), "-" for a token without annotation."""
    examples = []
    for text, tags in texts:
        words = text.split()
        reference = Doc(nlp.vocab, words=words, tags=["" if tag == "-" else tag for tag in tags.split()])
        examples.append(Example(Doc(nlp.vocab, words=words), reference))
    return examples
