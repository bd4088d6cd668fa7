"""Pipelines and configs with `spacy.TorchBiLSTMEncoder.v1`, moved to this package's encoder, and back."""

from typing import Any, Iterator, List, Tuple, Union, cast

import spacy
from spacy.language import Language
from spacy.util import load_model_from_config, replace_model_node
from thinc.api import Config, Model

from ..layers.capabilities import Chains, IsRnn, JoinsRows, Pads, SplitsRows, find
from ..models import build_bilstm_encoder
from .layers import load_torch, to_torch

TORCH = "spacy.TorchBiLSTMEncoder.v1"
OURS = "spacy_rnn.BiLSTMEncoder.v1"
# What torch's encoder does not do.
_TORCHS = {"layer_norm": False, "residual": False}
_TARGETS = {"spacy_rnn": (TORCH, OURS), "torch": (OURS, TORCH)}


def convert_config(config: Union[Config, dict], to: str = "spacy_rnn") -> Config:
    """Exchange the bidirectional LSTM encoders of a config: one line of each, since their settings are the same.

    This package's adds a layer's input to its normalized output, so that components learn faster from it. `layer_norm = false`
    and `residual = false`, which torch's does not have, make it the same model.

    config (Union[Config, dict]): A config, e.g. one to train with.
    to (str): "spacy_rnn" to put `spacy_rnn.BiLSTMEncoder.v1` in place of `spacy.TorchBiLSTMEncoder.v1`, "torch" for the other
        way round.
    RETURNS (Config): A copy with the encoders exchanged.
    RAISES (ValueError): If there is no such target.
    """
    old, new = _names(to)
    converted = config.copy() if isinstance(config, Config) else Config(config).copy()
    _rename(converted, old, new)
    return converted


def convert_pipeline(nlp: Language, to: str = "spacy_rnn") -> Language:
    """Replace the bidirectional LSTM encoders in all components of a trained pipeline, keeping the weights.

    The result is saved with `to_disk` and used like any other pipeline.

    nlp (Language): The pipeline, which stays as it is.
    to (str): "spacy_rnn" to put `spacy_rnn.BiLSTMEncoder.v1` in place of `spacy.TorchBiLSTMEncoder.v1`, "torch" for the other
        way round.
    RETURNS (Language): A copy with the encoders exchanged. It gives the same predictions for a text alone; torch's encoder gives
        others for a text among longer ones.
    RAISES (ValueError): If there is no such target, if no component's config names such an encoder, if an encoder normalizes
        outputs or adds inputs and torch's is to take its place, or if a component's model is not what its config says.
    RAISES (ImportError): If torch is not installed.
    """
    old, new = _names(to)
    copy = load_model_from_config(nlp.config.copy(), meta=nlp.meta).from_bytes(nlp.to_bytes())
    n_converted = sum(_convert_component(copy, name, old, new) for name in copy.component_names)
    if not n_converted:
        components = ", ".join(nlp.component_names) or "none"
        raise ValueError(f"no component of the pipeline has an encoder {old}; its components: {components}")
    return copy


def _convert_component(nlp: Language, name: str, old: str, new: str) -> int:
    """Exchange the encoders of a component and of its config; give back how many there were in the config."""
    named = [block for block in _blocks(nlp.config.interpolate()["components"][name], old) if block["depth"] > 0]
    if old == OURS and any(block.get(key, True) for block in named for key in _TORCHS):
        raise ValueError(
            f"'{name}' has an encoder {OURS} with layer_norm = true or residual = true, for which {TORCH} has no counterpart"
        )
    if named:
        model: Model = cast(Any, nlp.get_pipe(name)).model
        found = _find_encoders(model, old)
        if len(found) != len(named):
            raise ValueError(
                f"the config of '{name}' names {len(named)} encoders {old}, but its model has {len(found)} such as those"
            )
        for encoder in found:
            replace_model_node(model, encoder, _to_ours(encoder) if new == OURS else _to_torchs(encoder))
    return _rename(nlp.get_pipe_config(name), old, new, **(_TORCHS if new == OURS else {}))


def _find_encoders(model: Model, architecture: str) -> List[Model]:
    """Find the encoders that an architecture has made, but for those of depth 0, which have no layers."""
    is_one = _is_torchs if architecture == TORCH else _is_ours
    return [node for node in model.walk() if is_one(node)]


def _is_torchs(node: Model) -> bool:
    # Two wrappers, as spaCy makes them: the inner one alone is not the encoder.
    if not find(node, Pads) or not find(node.layers[0], Pads):
        return False
    module = getattr(next(iter(node.layers[0].layers[0].shims), None), "_model", None)
    return getattr(module, "mode", None) == "LSTM" and getattr(module, "bidirectional", False)


def _is_ours(node: Model) -> bool:
    kinds = (JoinsRows, IsRnn, SplitsRows)
    if not find(node, Chains) or len(node.layers) != len(kinds):
        return False
    if not all(find(layer, kind) for layer, kind in zip(node.layers, kinds, strict=True)):
        return False
    rnn = node.layers[1]
    same_width = rnn.maybe_get_dim("nI") == rnn.maybe_get_dim("nO")
    return rnn.attrs["cell"] == "lstm" and rnn.attrs["bidirectional"] and not rnn.attrs["residual"] and same_width


def _to_ours(encoder: Model) -> Model:
    module: Any = encoder.layers[0].layers[0].shims[0]._model
    converted = build_bilstm_encoder(module.input_size, module.num_layers, module.dropout, **_TORCHS)
    converted.layers[1].initialize()
    load_torch(converted.layers[1], module)
    return converted


def _to_torchs(encoder: Model) -> Model:
    rnn = encoder.layers[1]
    build = spacy.registry.get("architectures", TORCH)
    converted = build(width=rnn.get_dim("nO"), depth=rnn.attrs["depth"], dropout=rnn.attrs["dropout"])
    converted.layers[0].layers[0].shims[0]._model.load_state_dict(to_torch(rnn).state_dict())
    return converted


def _names(to: str) -> Tuple[str, str]:
    if to not in _TARGETS:
        raise ValueError(f"a pipeline or config is converted to one of {', '.join(_TARGETS)}, got {to!r}")
    return _TARGETS[to]


def _rename(config: Any, old: str, new: str, **settings: Any) -> int:
    blocks = list(_blocks(config, old))
    for block in blocks:
        block.update({"@architectures": new, **settings})
        if new == TORCH:
            for key in _TORCHS:
                block.pop(key, None)
    return len(blocks)


def _blocks(config: Any, architecture: str) -> Iterator[dict]:
    """Give all blocks of a config that name an architecture."""
    if isinstance(config, dict):
        if config.get("@architectures") == architecture:
            yield config
        for value in config.values():
            yield from _blocks(value, architecture)
