"""Which shared encoder a component listens to."""

from itertools import takewhile
from typing import Optional

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
    names = {node.upstream_name for node in model.walk() if isinstance(node, Tok2VecListener)}
    found = None
    for each, component in takewhile(lambda named: named[0] != name, nlp.components):
        counts = include_disabled or each not in nlp.disabled
        if counts and isinstance(component, Tok2Vec) and names & {"*", each}:
            found = component
    return found
