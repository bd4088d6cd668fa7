"""What the tests of symbols share."""

import pytest
import spacy


@pytest.fixture(scope="session")
def blank():
    """The tokenizer of no language."""
    return spacy.blank("xx")


@pytest.fixture(scope="session")
def learn(blank):
    """Let symbols learn texts: strings, or texts with tokens."""

    def learn(symbols, texts):
        counter = symbols.begin()
        for text in texts:
            counter.add(blank.tokenizer(text) if isinstance(text, str) else text)
        symbols.end(counter)
        return symbols

    return learn
