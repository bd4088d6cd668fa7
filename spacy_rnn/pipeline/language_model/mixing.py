"""Pipelines whose language models are mixed."""

from typing import Any, Dict, Iterable, Iterator, List, Mapping, Tuple

import numpy
from spacy import util
from spacy.language import Language
from spacy.tokens import Doc

from .component import RNNLanguageModel

# Texts are scored together until they have so many symbols.
_BATCH_SYMBOLS = 1 << 16


def mix_language_models(
    members: Mapping[str, Tuple[Language, str]], texts: Iterable[Doc], name: str = "lm"
) -> Tuple[Language, Dict[str, float]]:
    """Make a pipeline whose language model is a mixture of those of others, with weights that fit texts best (by EM).

    members (Mapping[str, Tuple[Language, str]]): By any names, pipelines, and the name of the component `rnn_lm` of each.
    texts (Iterable[Doc]): Texts that no member has been trained on.
    name (str): The name of the new component. Its settings but for the model are those of the first member, and so are language,
        norms of words and tokenizer.
    RETURNS (Tuple[Language, Dict[str, float]]): The pipeline, and the weight of each member.
    RAISES (ValueError): If there are fewer than two members, one is no language model or has learned nothing yet, they have other
        symbols, or there are no texts.
    """
    # Imported here because importing a factory must stay cheap.
    from ...models.mixture_lm import interpolate

    if len(members) < 2:
        raise ValueError(f"a mixture needs two language models at least, got {len(members)}")
    for member, component in members.values():
        # Says which has learned nothing yet.
        _component(member, component).begin()
    first, first_name = next(iter(members.values()))
    nlp = _like(first)
    settings = {key: value for key, value in _settings(first, first_name).items() if key != "factory"}
    settings["model"] = {
        "@architectures": "spacy_rnn.MixtureLM.v1",
        "members": {key: _settings(member, component)["model"] for key, (member, component) in members.items()},
    }
    mixture: Any = nlp.add_pipe("rnn_lm", name=name, config=settings)
    for key, layer in zip(mixture.model.attrs["weights"], mixture.model.layers, strict=True):
        member, component = members[key]
        layer.from_bytes(_component(member, component).model.to_bytes())
    weights = interpolate(mixture.model, _batches(mixture, texts))
    return nlp, weights


def _like(nlp: Language) -> Language:
    """Make an empty pipeline of the same language and tokenizer, and with it of the same norms of words."""
    config = {"nlp": {**nlp.config.interpolate()["nlp"], "pipeline": []}}
    found = util.get_lang_class(str(nlp.lang)).from_config(config)
    tokenizer: Any = found.tokenizer
    if hasattr(tokenizer, "from_bytes"):
        original: Any = nlp.tokenizer
        tokenizer.from_bytes(original.to_bytes())
    return found


def _settings(nlp: Language, name: str) -> Dict[str, Any]:
    """Give the settings of a component, without the variables of a config that the mixture will not have."""
    _component(nlp, name)
    return nlp.config.interpolate()["components"][name]


def _component(nlp: Language, name: str) -> RNNLanguageModel:
    component = nlp.get_pipe(name)
    if not isinstance(component, RNNLanguageModel):
        raise ValueError(f"'{name}' is no language model: a mixture is made of components rnn_lm")
    return component


def _batches(mixture: RNNLanguageModel, texts: Iterable[Doc]) -> Iterator[Any]:
    """Give texts as symbols, many at a time."""
    from ...text.symbols import batch_texts

    symbols = mixture.model.layers[0].attrs["symbols"]
    batch: List[numpy.ndarray] = []
    n_symbols = 0
    for doc in texts:
        batch.append(symbols.encode(doc).numbers)
        n_symbols += len(batch[-1]) + 1
        if n_symbols >= _BATCH_SYMBOLS:
            yield batch_texts(batch)
            batch, n_symbols = [], 0
    if batch:
        yield batch_texts(batch)
