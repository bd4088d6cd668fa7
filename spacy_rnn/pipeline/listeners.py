"""Which shared encoder a component listens to, and whether it can."""

from itertools import takewhile
from typing import Optional, Set

from spacy.language import Language
from spacy.pipeline.tok2vec import Tok2Vec, Tok2VecListener
from thinc.api import Model


def find_shared_encoder(nlp: Language, name: str, *, include_disabled: bool = False) -> Optional[Tok2Vec]:
    """Find the component whose token vectors another component reads.

    The rule is spaCy's (`Language._link_components`): a listener is linked to the components before its own that have its
    `upstream_name`, or to all of them if that is "*". Each of these overwrites what the one before has handed on, so the nearest
    one counts. A component whose listeners were replaced (`nlp.replace_listeners`) reads none.

    nlp (Language): The pipeline.
    name (str): The name of the component that listens.
    include_disabled (bool): Whether disabled components count. They must while a pipeline is initialized: `spacy train` disables
        frozen components meanwhile.
    RETURNS (Optional[Tok2Vec]): The component; None if there is none, or if it comes later.
    RAISES (KeyError): spaCy's E001, if the pipeline has no component of this name.
    """
    model = getattr(nlp.get_pipe(name), "model", None)
    if not isinstance(model, Model):
        return None
    names = _upstream_names(model)
    found = None
    for each, component in takewhile(lambda named: named[0] != name, nlp.components):
        counts = include_disabled or each not in nlp.disabled
        if counts and isinstance(component, Tok2Vec) and names & {"*", each}:
            found = component
    return found


def require_whole_texts(nlp: Language, name: str, model: Model) -> None:
    """Refuse a component that listens to an encoder which leaves tokens out: spaCy keeps a vector for each token of a text.

    nlp (Language): The pipeline, which the component may not be part of yet.
    name (str): The component's name.
    model (Model): Its model.
    RAISES (ValueError): If there is a `spacy_rnn.Truncate.v1` in the encoder.
    """
    # Imported here because importing a factory must stay cheap.
    from ..layers.capabilities import Truncates, find_all

    names = _upstream_names(model)
    for each, component in takewhile(lambda named: named[0] != name, nlp.components):
        if isinstance(component, Tok2Vec) and names & {"*", each} and find_all(component.model, Truncates):
            raise ValueError(
                f"'{name}' listens to '{each}', which leaves tokens out by spacy_rnn.Truncate.v1, but a shared encoder has to "
                f"give a vector for each token: take the layer out of '{each}', or give a text categorizer an encoder of its own"
            )


def _upstream_names(model: Model) -> Set[str]:
    return {node.upstream_name for node in model.walk() if isinstance(node, Tok2VecListener)}
