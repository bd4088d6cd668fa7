"""Vocabularies that layers learn from the training data."""

from typing import Any, Callable, Iterable

from spacy.tokens import Doc
from thinc.api import Model

from .capabilities import LearnsVocabulary, find, find_all


def learn_vocabulary(model: Model, docs: Iterable[Doc]) -> None:
    """Learn the vocabulary of every layer of an initialized model that has one.

    Initialization itself learns it from the texts that the model is given, which are only ten in most spaCy components.

    model (Model): The model.
    docs (Iterable[Doc]): The training texts.
    """
    nodes = [(node, capability) for node in find_all(model, LearnsVocabulary) if (capability := find(node, LearnsVocabulary))]
    counters = [capability.begin(node) for node, capability in nodes]
    for doc in docs if nodes else ():
        for counter in counters:
            counter.add(doc)
    for (node, capability), counter in zip(nodes, counters, strict=True):
        capability.end(node, counter)


def take_vocabulary(model: Model, learned: Any, get_docs: Callable[[], Iterable[Doc]]) -> None:
    """Give every layer of a model that takes it a vocabulary that was learned before.

    model (Model): The model.
    learned (Any): The vocabulary, in plain data.
    get_docs (Callable[[], Iterable[Doc]]): Gives the training texts, each time it is called.
    RAISES (ValueError): If it is no vocabulary of such a layer, or was learned under other settings.
    """
    for node in find_all(model, LearnsVocabulary):
        capability = find(node, LearnsVocabulary)
        if capability is not None and capability.take is not None:
            capability.take(node, learned, get_docs)
