"""Encoders that leave tokens out, where there has to be a row for each token."""

import pytest
import spacy
from spacy.tokens import Doc

LISTENERS = ["rnn_tagger", "rnn_pos_tagger", "rnn_ner", "rnn_textcat", "rnn_textcat_multilabel"]
TOK2VECS = ["spacy.Tok2Vec.v2", "spacy_rnn.Tok2Vec.v1"]
every_listener = pytest.mark.parametrize("factory", LISTENERS)
every_tok2vec = pytest.mark.parametrize("tok2vec", TOK2VECS)


@pytest.fixture
def truncated(tok2vec_config):
    """(architecture of the tok2vec) -> one that reads four tokens of each text."""

    def build(architecture):
        config = {**tok2vec_config(), "@architectures": architecture}
        return {**config, "encode": {"@architectures": "spacy_rnn.Truncate.v1", "max_length": 4, "encode": config["encode"]}}

    return build


@every_tok2vec
@every_listener
def test_a_component_that_listens_is_refused(factory, tok2vec, truncated, component_config, listener_config):
    nlp = spacy.blank("xx")
    nlp.add_pipe("tok2vec", "shared", config={"model": truncated(tok2vec)})
    for upstream in ("*", "shared"):
        with pytest.raises(ValueError, match=f"'{factory}' listens to 'shared'.*Truncate.v1.*take the layer out"):
            nlp.add_pipe(factory, config=component_config(factory, {**listener_config, "upstream": upstream}))
    nlp.add_pipe(factory, config=component_config(factory, {**listener_config, "upstream": "other"}))


@every_tok2vec
@every_listener
def test_it_is_refused_when_the_encoder_came_later(factory, tok2vec, truncated, component_config, listener_config, make_examples):
    nlp = spacy.blank("xx")
    nlp.add_pipe(factory, config=component_config(factory, listener_config))
    nlp.add_pipe("tok2vec", "shared", config={"model": truncated(tok2vec)}, first=True)
    examples = make_examples(nlp, factory)
    with pytest.raises(ValueError, match=f"'{factory}' listens to 'shared'.*Truncate.v1.*take the layer out"):
        nlp.get_pipe(factory).initialize(lambda: examples, nlp=nlp)


def test_a_shared_encoder_alone_is_refused(truncated, make_examples):
    nlp = spacy.blank("xx")
    nlp.add_pipe("tok2vec", config={"model": truncated("spacy_rnn.Tok2Vec.v1")})
    with pytest.raises(ValueError, match="Truncate.v1 leaves tokens out.*take it out of the encoder"):
        nlp.initialize(lambda: make_examples(nlp))


def test_spacys_own_listeners_are_refused(truncated, component_config, listener_config, make_examples):
    nlp = spacy.blank("xx")
    nlp.add_pipe("tok2vec", config={"model": truncated("spacy_rnn.Tok2Vec.v1")})
    nlp.add_pipe("tagger", config=component_config("tagger", listener_config))
    with pytest.raises(ValueError, match="Truncate.v1 leaves tokens out"):
        nlp.initialize(lambda: make_examples(nlp))


@pytest.mark.parametrize("factory", LISTENERS[:3])
def test_a_component_that_labels_tokens_has_none(factory, truncated, component_config):
    for tok2vec in TOK2VECS:
        with pytest.raises(ValueError, match=f"'{factory}' labels every token.*Truncate.v1.*take that layer out"):
            spacy.blank("xx").add_pipe(factory, config=component_config(factory, truncated(tok2vec)))


@every_tok2vec
@pytest.mark.parametrize("factory", LISTENERS[3:])
@pytest.mark.parametrize("architecture", ["spacy_rnn.TextCat.v1", "spacy.TextCatReduce.v1"])
def test_text_categorizers_with_their_own_read_the_first_tokens(
    architecture, factory, tok2vec, truncated, make_nlp, component_config
):
    config = component_config(factory, truncated(tok2vec))
    if architecture != "spacy_rnn.TextCat.v1":
        pooling = {f"use_reduce_{each}": each == "mean" for each in ("first", "last", "max", "mean")}
        model = {"@architectures": architecture, "exclusive_classes": factory == "rnn_textcat", **pooling}
        config = {"model": {**model, "tok2vec": truncated(tok2vec)}}
    nlp, _ = make_nlp(factory, n_updates=3, config=config)
    words = "A lovely warm film".split()
    short, long = (nlp(Doc(nlp.vocab, words=each)).cats for each in (words, [*words, "but", "cold"]))
    assert short == pytest.approx(long, abs=1e-6)
    loaded = spacy.util.load_model_from_config(nlp.config, auto_fill=False).from_bytes(nlp.to_bytes())
    assert loaded(Doc(loaded.vocab, words=[*words, "x"])).cats == pytest.approx(long, abs=1e-6)
