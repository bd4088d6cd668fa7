"""`summary`: the layers of a pipeline's models, and their parameters."""

from contextlib import suppress
from pathlib import Path
from typing import Any, Mapping

from spacy.language import Language
from spacy.tokens import Doc
from thinc.api import Model
from wasabi import msg

from ..evaluation.components import find_trainable, get_model
from ..layers import count_parameters, summary
from .errors import CommandError
from .loading import load_config, load_pipeline


def summarize(name: str, overrides: Mapping[str, Any]) -> None:
    """Print the layers of each trainable component.

    name (str): A config, the directory of a pipeline, or the name of an installed one.
    overrides (Mapping[str, Any]): Settings that replace a config's, by their dotted names.
    RAISES (CommandError): If it cannot be loaded, or has no trainable component.
    """
    is_config = Path(name).suffix == ".cfg"
    if overrides and not is_config:
        raise CommandError("Settings can be replaced in a config only", f"{name} is no .cfg file.")
    nlp = load_config(Path(name), overrides) if is_config else load_pipeline(name)
    components = find_trainable(nlp)
    if not components:
        raise CommandError(f"{name} has no trainable component", "There is nothing to count.")
    total, unknown = 0, False
    for component in components:
        model = get_model(nlp, component)
        if is_config:
            _allocate(model, nlp)
        msg.divider(f"{component} ({nlp.get_pipe_meta(component).factory})")
        print(summary(model))
        number, complete = count_parameters(model)
        total += number
        unknown |= not complete
    print(f"{total:,} parameters" + (", and those that are not known yet" if unknown else ""))
    if unknown:
        msg.text(
            "What is shown as ? depends on the training data, e.g. on its labels: it is known when the pipeline has been "
            "initialized, and is not counted here."
        )


def _allocate(model: Model, nlp: Language) -> None:
    """Initialize a model as far as its config alone says how large it is."""
    # How a layer says that it needs data differs from one to the other; those before it are allocated by then.
    with suppress(Exception):
        model.initialize(X=[Doc(nlp.vocab, words=["word"])])
