"""Configs with what was learned from other texts: word vectors, language models, encoders."""

from pathlib import Path
from typing import Any, Dict, Iterator, Mapping, NamedTuple, Optional, Sequence

from spacy.language import Language
from spacy.util import load_config
from thinc.api import Config, Model

from spacy_rnn.layers.contextual.shim import LanguageModelShim

# Rates that rise first, so that what was learned is not lost in the first steps.
_FINE_TUNING = {"@schedules": "spacy_rnn.slanted_triangular.v1", "initial_rate": 0.002, "total_steps": 0}


class Pretrained(NamedTuple):
    """What was learned from other texts.

    vectors (Optional[Path]): A pipeline with static vectors.
    lm (Optional[Path]): A pipeline with language models, as `python -m spacy rnn train-lm` makes it.
    trainable (bool): Whether the language models are trained further.
    encoder (Optional[Path]): Weights of token vectors, as `spacy pretrain` writes them.
    encoder_config (Optional[Path]): The config that they were made with.
    """

    vectors: Optional[Path] = None
    lm: Optional[Path] = None
    trainable: bool = False
    encoder: Optional[Path] = None
    encoder_config: Optional[Path] = None


def with_pretrained(config: Config, pretrained: Pretrained) -> Config:
    """Let a component read what was learned from other texts.

    Language models stand beside what embeds words in the config. Where an encoder was pretrained, the component gets token
    vectors of that kind, in place of its own, with its own dropout, and rates for fine-tuning. With both, the pretrained encoder
    is a component by itself, and the language models stand beside its output, under the encoder of the config, of one layer.

    config (Config): A config with one component.
    pretrained (Pretrained): What was learned.
    RETURNS (Config): Another config.
    """
    config = config.copy()
    (name,) = config["nlp"]["pipeline"]
    holder = _find_tok2vec(config["components"][name]["model"])
    if pretrained.vectors is not None:
        config["paths"]["vectors"] = str(pretrained.vectors)
    if pretrained.encoder is not None and pretrained.encoder_config is not None:
        source = load_config(pretrained.encoder_config)
        (other,) = source["nlp"]["pipeline"]
        tok2vec = _find_tok2vec(source["components"][other]["model"])["tok2vec"]
        _take_rates(tok2vec, holder["tok2vec"])
        config["initialize"]["init_tok2vec"] = str(pretrained.encoder)
        config["training"]["optimizer"]["learn_rate"] = dict(_FINE_TUNING)
        for block in ("corpora", "paths"):
            config[block].update({key: value for key, value in source[block].items() if key not in config[block]})
        own = pretrained.lm is None
        config["pretraining"] = {
            **source["pretraining"],
            "component": name if own else "tok2vec",
            "layer": "tok2vec" if own else "",
        }
        if own:
            holder["tok2vec"] = tok2vec
        else:
            config["nlp"]["pipeline"] = ["tok2vec", name]
            config["components"]["tok2vec"] = {"factory": "tok2vec", "model": tok2vec}
            listener = {"@architectures": "spacy.Tok2VecListener.v1", "width": tok2vec["encode"]["width"], "upstream": "tok2vec"}
            encode = {**holder["tok2vec"]["encode"], "depth": 1}
            embed = _language_models(pretrained, listener)
            holder["tok2vec"] = {"@architectures": "spacy_rnn.Tok2Vec.v1", "embed": embed, "encode": encode}
    elif pretrained.lm is not None:
        holder["tok2vec"]["embed"] = _language_models(pretrained, holder["tok2vec"]["embed"])
    return config


def _language_models(pretrained: Pretrained, embed: Dict[str, Any]) -> Dict[str, Any]:
    """Give the block of language models beside another embedding."""
    return {
        "@architectures": "spacy_rnn.LMEmbed.v1",
        "lm": str(pretrained.lm),
        "trainable": pretrained.trainable,
        "embed": embed,
    }


def _take_rates(tok2vec: Dict[str, Any], other: Mapping[str, Any]) -> None:
    """Give token vectors the dropout rates of others."""
    for name, value in other.items():
        if isinstance(value, dict):
            _take_rates(tok2vec.get(name, {}), value)
        elif name.endswith("dropout") and name in tok2vec:
            tok2vec[name] = value


def _find_tok2vec(model: Dict[str, Any]) -> Dict[str, Any]:
    """Give the block of a model that has a block `tok2vec`."""
    found = next(_blocks_with_tok2vec(model), None)
    if found is None:
        raise ValueError(f"the model {model.get('@architectures')!r} has no block tok2vec")
    return found


def _blocks_with_tok2vec(block: Dict[str, Any]) -> Iterator[Dict[str, Any]]:
    if "tok2vec" in block:
        yield block
    for value in block.values():
        if isinstance(value, dict):
            yield from _blocks_with_tok2vec(value)


def forget_texts(nlp: Language) -> None:
    """Forget the texts that language models have read, as if the next ones were all new.

    nlp (Language): A pipeline.
    """
    models = [pipe.model for _, pipe in nlp.pipeline if isinstance(getattr(pipe, "model", None), Model)]
    for node in (node for model in models for node in model.walk()):
        for shim in node.shims:
            if isinstance(shim, LanguageModelShim) and shim.models is not None:
                shim.models.cache.clear()


def describe(parts: Sequence[str]) -> str:
    """Say what was learned from other texts, for a table.

    parts (Sequence[str]): "vectors", "lm", "encoder", in any order.
    RETURNS (str): In words.
    """
    names = {"vectors": "GloVe", "lm": "language models", "tuned-lm": "language models, fine-tuned", "encoder": "encoder"}
    return " + ".join(names[part] for part in names if part in parts) or "nothing"
