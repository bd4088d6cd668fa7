"""Recurrent networks for spaCy, without torch."""

from importlib.metadata import version

__version__ = version("spacy-rnn")
