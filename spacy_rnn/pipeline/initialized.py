"""What the trainable components share."""

from typing import Callable, Iterable, Iterator

from spacy.errors import Errors
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import Model


def require_initialized(name: str, model: Model) -> None:
    """Refuse to run a model whose parameters have not been allocated.

    name (str): The component's name.
    model (Model): Its model.
    RAISES (ValueError): spaCy's E109, if a parameter is missing.
    """
    for node in model.walk():
        for param in node.param_names:
            if node.has_param(param) is None:
                raise ValueError(Errors.E109.format(name=name))


def learn_vocabularies(model: Model, get_examples: Callable[[], Iterable[Example]]) -> None:
    """Let the `Embed` layers of a model learn their words from all examples, not only from those that spaCy initializes with.

    model (Model): The model.
    get_examples (Callable[[], Iterable[Example]]): Gives the training examples.
    """
    if any(node.name == "rnn_embed" for node in model.walk()):
        # Imported here because importing a factory must stay cheap.
        from ..layers import learn_vocabulary

        learn_vocabulary(model, _predicted(get_examples()))


def _predicted(examples: Iterable[Example]) -> Iterator[Doc]:
    for example in examples:
        yield example.predicted
