"""A shared encoder with pretrained weights that is frozen at first, as spaCy can freeze it, and then trained with the rest."""

from pathlib import Path

import pytest
import spacy
from spacy.cli.train import train
from spacy.tokens import DocBin
from spacy.training.initialize import init_nlp
from spacy.training.pretrain import pretrain
from spacy.util import load_config

CONFIG = Path(__file__).parent.parent.parent / "configs" / "textcat_unfreezing.cfg"
SMALL = {
    "components.tok2vec.model.embed.width": 4,
    "components.tok2vec.model.embed.char_width": 4,
    "components.tok2vec.model.embed.embed.width": 8,
    "components.tok2vec.model.embed.embed.size": 100,
    "components.tok2vec.model.encode.width": 16,
}
TRAINED = {"training.max_steps": 40, "training.eval_frequency": 40, "training.optimizer.learn_rate.initial_rate": 0.02}


@pytest.fixture
def paths(make_examples, tmp_path):
    """Pretrain the config's encoder; give the paths of its weights, and of the texts."""
    docs = [example.reference for example in make_examples(spacy.blank("en"), "rnn_textcat")]
    DocBin(docs=docs).to_disk(tmp_path / "train.spacy")
    (tmp_path / "raw.txt").write_text("\n".join(doc.text for doc in docs))
    texts = {f"paths.{name}": str(tmp_path / "train.spacy") for name in ("train", "dev")}
    weights = {"paths.init_tok2vec": str(tmp_path / "best.bin")}
    raw = {f"paths.raw_{name}": str(tmp_path / "raw.txt") for name in ("text", "dev")}
    objective = {"pretraining.objective.min_count": 1, "pretraining.objective.n_samples": 10}
    (tmp_path / "out").mkdir()
    overrides = {**SMALL, **raw, **weights, **objective}
    pretrain(load_config(CONFIG, overrides=overrides, interpolate=True), tmp_path / "out")
    return {**texts, **weights}


def weights_of(nlp):
    return {name: nlp.get_pipe(name).model.to_bytes() for name in nlp.pipe_names}


def test_a_frozen_encoder_keeps_its_weights_and_learns_in_a_second_training(paths, tmp_path):
    train(CONFIG, tmp_path / "first", overrides={**SMALL, **paths, **TRAINED})
    first = spacy.load(tmp_path / "first" / "model-last")
    frozen = weights_of(first)
    first.get_pipe("tok2vec").model.from_bytes((tmp_path / "best.bin").read_bytes())
    assert weights_of(first) == frozen
    corpus = list(DocBin().from_disk(tmp_path / "train.spacy").get_docs(first.vocab))
    assert all(first(doc.text).cats[max(doc.cats, key=doc.cats.get)] > 0.5 for doc in corpus)

    second = load_config(CONFIG)
    for name in second["nlp"]["pipeline"]:
        second["components"][name] = {"source": str(tmp_path / "first" / "model-last")}
    second["training"].update(frozen_components=[], annotating_components=[])
    second.to_disk(tmp_path / "second.cfg")
    overrides = {**paths, **TRAINED, "paths.init_tok2vec": None, "training.optimizer.learn_rate.initial_rate": 0.002}
    begun = init_nlp(load_config(tmp_path / "second.cfg", overrides=overrides))
    assert weights_of(begun) == weights_of(first)
    train(tmp_path / "second.cfg", tmp_path / "second", overrides=overrides)
    trained = weights_of(spacy.load(tmp_path / "second" / "model-last"))
    assert all(trained[name] != weights for name, weights in weights_of(first).items())
