"""`spacy pretrain` with the objective of this package, and training from its weights."""

import pytest
import spacy
import srsly
from spacy.cli.train import train
from spacy.tokens import DocBin
from spacy.training.pretrain import pretrain
from spacy.util import load_model_from_config

COMPONENTS = [
    "rnn_pos_tagger",
    "tok2vec",
    *(pytest.param(name, marks=pytest.mark.slow) for name in ("rnn_ner", "rnn_textcat")),
]
TEXTS = ["They book a small room", "We book the good hotel", "A small boat sleeps there", "The good room was small"]


def tok2vec_config(**embed):
    words = {"@architectures": "spacy_rnn.Embed.v1", "width": 8, "size": 100, "include_static_vectors": False, **embed}
    characters = {"@architectures": "spacy_rnn.CharEmbed.v1", "width": 8, "char_width": 4, "include_static_vectors": "auto"}
    encode = {"@architectures": "spacy_rnn.RNNEncoder.v1", "width": 16, "depth": 2, "variational_dropout": 0.1}
    return {"@architectures": "spacy_rnn.Tok2Vec.v1", "embed": {**characters, "embed": words}, "encode": encode}


def model_config(name, tok2vec):
    tagger = {"@architectures": "spacy.Tagger.v2", "normalize": False, "tok2vec": tok2vec}
    if name == "rnn_ner":
        return {"@architectures": "spacy_rnn.CRF.v1", "scores": tagger, "constraints": "BILUO"}
    textcat = {"@architectures": "spacy_rnn.TextCat.v1", "exclusive_classes": True, "linear_model": None, "tok2vec": tok2vec}
    return textcat if name == "rnn_textcat" else tagger


@pytest.fixture
def make_config(tmp_path):
    """(name of a component) -> a config that pretrains its token vectors and trains it, with files beside it."""

    def make(name, **embed):
        nlp = spacy.blank("en")
        if name == "tok2vec":
            nlp.add_pipe(name, config={"model": tok2vec_config(**embed)})
            listener = {"@architectures": "spacy.Tok2VecListener.v1", "width": 16, "upstream": "tok2vec"}
            nlp.add_pipe("rnn_pos_tagger", config={"model": model_config("rnn_pos_tagger", listener)})
        else:
            nlp.add_pipe(name, config={"model": model_config(name, tok2vec_config(**embed))})
        (tmp_path / "raw.txt").write_text("\n".join(TEXTS * 10 + ["Some word zebra"]))
        (tmp_path / "dev.txt").write_text("\n".join(TEXTS))
        config = nlp.config.interpolate()
        readers = {
            part: {"@readers": "spacy_rnn.TextCorpus.v1", "path": str(tmp_path / f"{part}.txt")} for part in ("raw", "dev")
        }
        config["corpora"].update({"pretrain": readers["raw"], "pretrain_dev": readers["dev"]})
        config["pretraining"] = {
            "max_epochs": 8,
            "dropout": 0.1,
            "n_save_every": None,
            "n_save_epoch": None,
            "component": name,
            "layer": "" if name == "tok2vec" else "tok2vec",
            "corpus": "corpora.pretrain",
            "batcher": {"@batchers": "spacy.batch_by_words.v1", "size": 50, "tolerance": 0.2, "discard_oversize": False},
            "optimizer": {"@optimizers": "Adam.v1", "learn_rate": 0.02},
            "objective": {
                "@architectures": "spacy_rnn.PretrainLM.v1",
                "corpus": readers["raw"],
                "dev": readers["dev"],
                "tokenizer": {"@tokenizers": "spacy.Tokenizer.v1"},
                "eval_frequency": 3,
                "n_samples": 20,
                "best": str(tmp_path / "best.bin"),
            },
        }
        (tmp_path / "out").mkdir()
        return config

    return make


def make_corpus(path):
    """Annotate some texts for each of the components."""
    nlp = spacy.blank("en")
    docs = [nlp.make_doc(f"{text} gnu") for text in TEXTS]
    for i, doc in enumerate(docs):
        for token in doc:
            token.pos_ = "NOUN" if token.is_lower else "PRON"
        doc.set_ents([doc.char_span(0, len(doc[0].text), label="WHO")])
        doc.cats = {"good": float(i % 2), "bad": float(i % 2 == 0)}
    DocBin(docs=docs, store_user_data=True).to_disk(path)


@pytest.mark.parametrize("name", COMPONENTS)
def test_training_starts_from_the_best_of_the_pretrained_weights(name, make_config, tmp_path):
    config = make_config(name)
    pretrain(config.copy(), tmp_path / "out", silent=True)
    lines = list(srsly.read_jsonl(tmp_path / "best.jsonl"))
    best = min(lines, key=lambda line: line["perplexity"])
    assert best["perplexity"] < 0.5 * lines[0]["perplexity"]
    # The last evaluation is that of the end: 8 times all tokens.
    assert lines[-1]["words"] == 8 * 203
    saved = [path.read_bytes() for path in sorted((tmp_path / "out").glob("model*.bin"))]
    assert len(saved) == 9
    assert (tmp_path / "best.bin").read_bytes() in saved or best["updates"] % 3 == 0
    # The words of the pretraining texts go with their vectors into training.
    make_corpus(tmp_path / "train.spacy")
    config["initialize"]["init_tok2vec"] = str(tmp_path / "best.bin")
    for part in ("train", "dev"):
        config["corpora"][part]["path"] = str(tmp_path / "train.spacy")
    block = config["components"][name]["model"]
    for holder in ("scores", "tok2vec"):
        block = block.get(holder, block)
    block["encode"]["variational_dropout"] = 0.3
    config["training"].update({"max_steps": 2, "eval_frequency": 2})
    callback = {"@callbacks": "spacy_rnn.learn_vocabulary.v1", "path": str(tmp_path / "train.spacy")}
    config["initialize"]["after_init"] = callback if name == "tok2vec" else None
    nlp = load_model_from_config(config)
    corpus = spacy.util.resolve_dot_names(nlp.config.interpolate(), ["corpora.train"])[0]
    nlp.initialize(lambda: corpus(nlp))
    model = nlp.get_pipe(name).model
    tok2vec = model if name == "tok2vec" else model.get_ref("tok2vec")
    # The weights are those, the dropout rate is that of the config.
    initialized = tok2vec.to_bytes()
    assert tok2vec.from_bytes((tmp_path / "best.bin").read_bytes()).to_bytes() == initialized
    assert {node.attrs["rate"] for node in tok2vec.walk() if "rate" in node.attrs} == {0.3}
    words = next(node.attrs["vocabulary"].words for node in tok2vec.walk() if "vocabulary" in node.attrs)
    assert "zebra" in words
    assert "gnu" not in words
    config.to_disk(tmp_path / "config.cfg")
    train(tmp_path / "config.cfg", tmp_path / "trained")
    assert spacy.load(tmp_path / "trained" / "model-last")("They book a zebra")


def test_a_table_of_another_size_is_refused(make_config, tmp_path):
    config = make_config("rnn_pos_tagger")
    config["pretraining"]["max_epochs"] = 1
    pretrain(config.copy(), tmp_path / "out", silent=True)
    config["components"]["rnn_pos_tagger"]["model"]["tok2vec"]["embed"]["embed"]["size"] = 50
    config["initialize"]["init_tok2vec"] = str(tmp_path / "best.bin")
    make_corpus(tmp_path / "train.spacy")
    nlp = load_model_from_config(config)
    docs = list(DocBin().from_disk(tmp_path / "train.spacy").get_docs(nlp.vocab))
    with pytest.raises(ValueError, match="rnn_embed.* from 50 to 100"):
        nlp.initialize(lambda: [spacy.training.Example(doc, doc) for doc in docs])
