"""Pipelines whose language models are mixed."""

from typing import Any, Dict, Iterable, Iterator, List, Mapping, Optional, Tuple

import numpy
from spacy import util
from spacy.language import Language
from spacy.tokens import Doc

from .component import RNNLanguageModel

# Texts are scored together until they have so many symbols.
_BATCH_SYMBOLS = 1 << 16


# The name of the member that `cache` adds.
CACHE = "cache"


def mix_language_models(
    members: Mapping[str, Tuple[Language, str]],
    texts: Iterable[Doc],
    name: str = "lm",
    *,
    cache: Optional[Mapping[str, Any]] = None,
) -> Tuple[Language, Dict[str, float]]:
    """Make a pipeline whose language model is a mixture of those of others, with weights that fit texts best (by EM).

    members (Mapping[str, Tuple[Language, str]]): By any names, pipelines, and the name of the component `rnn_lm` of each.
    texts (Iterable[Doc]): Texts that no member has been trained on.
    name (str): The name of the new component. Its settings but for the model are those of the first member, and so are language,
        norms of words and tokenizer.
    cache (Optional[Mapping[str, Any]]): The settings of a cache, as `spacy_rnn.CacheLM.v1` takes them, that is one more member,
        "cache"; none if None.
    RETURNS (Tuple[Language, Dict[str, float]]): The pipeline, and the weight of each member.
    RAISES (ValueError): If there are fewer than two members, one is no language model or has learned nothing yet, they have other
        symbols, a setting is out of its range, or there are no texts.
    """
    # Imported here because importing a factory must stay cheap.
    from ...models.mixture_lm import interpolate

    if len(members) + (cache is not None) < 2 or not members:
        raise ValueError(f"a mixture needs two language models at least, got {len(members)}")
    if cache is not None and CACHE in members:
        raise ValueError(f"a member of a mixture is called {CACHE!r}, as its cache: give it another name")
    for member, component in members.values():
        # Says which has learned nothing yet.
        _component(member, component).begin()
    first, first_name = next(iter(members.values()))
    nlp = _like(first)
    settings = {key: value for key, value in _settings(first, first_name).items() if key != "factory"}
    models = {key: _settings(member, component)["model"] for key, (member, component) in members.items()}
    if cache is not None:
        models[CACHE] = {
            **cache,
            "@architectures": "spacy_rnn.CacheLM.v1",
            "symbols": _settings_of_symbols(settings["model"]),
        }
    settings["model"] = {"@architectures": "spacy_rnn.MixtureLM.v1", "members": models}
    mixture: Any = nlp.add_pipe("rnn_lm", name=name, config=settings)
    for key, layer in zip(mixture.model.attrs["weights"], mixture.model.layers, strict=True):
        if key in members:
            layer.from_bytes(_component(*members[key]).model.to_bytes())
        else:
            layer.attrs["symbols"].from_data(_component(first, first_name).symbols.to_data())
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


def _settings_of_symbols(model: Mapping[str, Any]) -> Any:
    """Give the settings of the symbols of a model, which are those of its first member if it is a mixture."""
    while "members" in model:
        model = model["members"][min(model["members"])]
    return model["symbols"]


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
