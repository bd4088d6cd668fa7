"""`doc._.rnn_attention`: what it is, when it is there, and how long it stays."""

import copy
import json
import pickle

import numpy
import pytest
import spacy
from spacy.tokens import Doc, DocBin

from spacy_rnn.pipeline.annotation.attention import read_attention

CATEGORIZERS = ["rnn_textcat", "rnn_textcat_multilabel"]
TEXTS = [["A", "lovely", "warm", "film"], ["dull"], [], ["Boring", ",", "slow"] * 4, [" "]]

both = pytest.mark.parametrize("factory", CATEGORIZERS)


@pytest.fixture
def make_attending(make_nlp, component_config):
    """(factory) -> a trained pipeline that stores attention."""

    def make(factory="rnn_textcat", tok2vec=None, pooling="attention", n_updates=5):
        config = {**component_config(factory, tok2vec, pooling=pooling), "store_attention": True}
        return make_nlp(factory, n_updates=n_updates, config=config)[0]

    return make


def attention(nlp, texts):
    return [read_attention(doc) for doc in nlp.pipe([Doc(nlp.vocab, words=words) for words in texts])]


@pytest.mark.parametrize("pooling", ["attention", ["max", "attention"]], ids=str)
@both
def test_every_token_has_its_share(factory, pooling, make_attending):
    nlp = make_attending(factory, pooling=pooling)
    for words, shares in zip(TEXTS, attention(nlp, TEXTS), strict=True):
        assert type(shares) is numpy.ndarray and shares.dtype == "float32" and shares.shape == (len(words),)
        assert (shares >= 0).all()
        if words:
            assert shares.sum() == pytest.approx(1.0, abs=1e-6)
            # An array of its own, not a part of the batch's.
            assert shares.base is None


def test_shares_are_those_the_texts_are_pooled_with(make_attending):
    nlp = make_attending()
    model = nlp.get_pipe("rnn_textcat").model
    doc = nlp(Doc(nlp.vocab, words=TEXTS[0]))
    (rows,) = model.get_ref("tok2vec").predict([doc])
    output = model.get_ref("output_layer")
    scores = output.get_param("W") @ (read_attention(doc) @ rows) + output.get_param("b")
    expected = numpy.exp(scores) / numpy.exp(scores).sum()
    assert [doc.cats[label] for label in nlp.get_pipe("rnn_textcat").labels] == pytest.approx(expected.tolist(), abs=1e-5)


def test_shares_differ_between_tokens_and_not_between_batches(make_attending):
    nlp = make_attending(n_updates=40)
    for words, shares in zip(TEXTS, attention(nlp, TEXTS), strict=True):
        numpy.testing.assert_allclose(attention(nlp, [words])[0], shares, atol=1e-6)
        if len(set(words)) > 1:
            assert shares.max() > 1.01 * shares.min()


def test_texts_without_tokens_alone(make_attending):
    nlp = make_attending()
    assert [shares.shape for shares in attention(nlp, [[], []])] == [(0,), (0,)]
    assert attention(nlp, []) == []


def test_tokens_that_are_cut_off_have_no_share(make_attending, tok2vec_config):
    tok2vec = tok2vec_config()
    tok2vec["encode"] = {"@architectures": "spacy_rnn.Truncate.v1", "encode": tok2vec["encode"], "max_length": 3}
    (shares,) = attention(make_attending(tok2vec=tok2vec), [TEXTS[3]])
    assert shares[:3].sum() == pytest.approx(1.0, abs=1e-6)
    assert (shares[:3] > 0).all() and not shares[3:].any()


def test_attention_over_a_shared_model(component_config, tok2vec_config, listener_config, make_examples):
    nlp = spacy.blank("xx")
    nlp.add_pipe("tok2vec", config={"model": tok2vec_config()})
    config = component_config("rnn_textcat", listener_config, pooling="attention")
    nlp.add_pipe("rnn_textcat", config={**config, "store_attention": True})
    nlp.initialize(lambda: make_examples(nlp, "rnn_textcat"))
    for words, shares in zip(TEXTS, attention(nlp, TEXTS), strict=True):
        assert shares.sum() == pytest.approx(float(bool(words)), abs=1e-6)
        numpy.testing.assert_allclose(attention(nlp, [words])[0], shares, atol=1e-6)


@both
def test_nothing_is_stored_unless_it_is_asked_for(factory, make_nlp, component_config):
    nlp, _ = make_nlp(factory, config=component_config(factory, pooling="attention"))
    assert not nlp("A warm film").user_data
    nlp.get_pipe(factory).store_attention = True
    assert len(nlp("A warm film")._.rnn_attention) == 3
    nlp.get_pipe(factory).store_attention = False
    assert not nlp("A warm film").user_data


@pytest.mark.parametrize("pooling", ["max", ["mean", "last"]], ids=str)
@both
def test_a_model_without_attention_is_refused(factory, pooling, make_nlp, component_config):
    config = component_config(factory, pooling=pooling)
    with pytest.raises(ValueError, match=f"'{factory}' has no attention.*TextCat.v1.*store_attention = false"):
        spacy.blank("xx").add_pipe(factory, config={**config, "store_attention": True})
    nlp, _ = make_nlp(factory, config=config)
    with pytest.raises(ValueError, match="no attention to store"):
        nlp.get_pipe(factory).store_attention = True
    assert not nlp.get_pipe(factory).store_attention


def test_a_model_of_spacy_is_refused():
    bow = {"@architectures": "spacy.TextCatBOW.v3", "exclusive_classes": True, "length": 256, "ngram_size": 1}
    config = {"model": {**bow, "no_output_layer": False}, "store_attention": True}
    with pytest.raises(ValueError, match="no attention to store"):
        spacy.blank("xx").add_pipe("rnn_textcat", config=config)


def test_it_survives_being_stored_with_the_text(make_attending):
    nlp = make_attending()
    doc = nlp("A warm film")
    docs = [
        Doc(nlp.vocab).from_bytes(doc.to_bytes()),
        *DocBin(store_user_data=True, docs=[doc]).get_docs(nlp.vocab),
        doc.copy(),
        pickle.loads(pickle.dumps(doc)),
        Doc(nlp.vocab).from_json(json.loads(json.dumps(doc.to_json(underscore=["rnn_attention"])))),
    ]
    for other in docs:
        assert read_attention(other).dtype == "float32"
        assert other._.rnn_attention == doc._.rnn_attention == read_attention(doc).tolist()
    (without,) = DocBin(docs=[doc]).get_docs(nlp.vocab)
    with pytest.raises(ValueError, match="store_user_data=True"):
        read_attention(without)


def test_a_loaded_or_copied_pipeline_stores_it_too(make_attending, tmp_path):
    nlp = make_attending()
    expected = nlp("A warm film")._.rnn_attention
    nlp.to_disk(tmp_path)
    for loaded in (spacy.load(tmp_path), pickle.loads(pickle.dumps(nlp)), copy.deepcopy(nlp)):
        numpy.testing.assert_array_equal(loaded("A warm film")._.rnn_attention, expected)
    off = spacy.load(tmp_path, config={"components": {"rnn_textcat": {"store_attention": False}}})
    assert not off("A warm film").user_data


def test_two_processes_give_what_one_gives(make_attending):
    nlp = make_attending()
    texts = ["A warm film", "", "dull", "cold and slow"] * 3
    one = [doc._.rnn_attention for doc in nlp.pipe(texts, batch_size=4)]
    two = [doc._.rnn_attention for doc in nlp.pipe(texts, batch_size=4, n_process=2)]
    for shares, others in zip(one, two, strict=True):
        numpy.testing.assert_allclose(others, shares, atol=1e-6)


def test_a_new_process_reads_what_another_has_stored(make_attending, tmp_path, python):
    nlp = make_attending()
    DocBin(store_user_data=True, docs=[nlp("A warm film")]).to_disk(tmp_path / "docs.spacy")
    code = f"""
import spacy
from spacy.tokens import DocBin
from spacy_rnn.pipeline.annotation.attention import read_attention
(doc,) = DocBin().from_disk({str(tmp_path / "docs.spacy")!r}).get_docs(spacy.blank("xx").vocab)
print(read_attention(doc).sum())
"""
    process = python("-c", code)
    assert float(process.stdout) == pytest.approx(1.0, abs=1e-6), process.stderr


def test_attention_of_other_tokens_is_refused(make_attending):
    doc = make_attending()("A warm film")
    with doc.retokenize() as retokenizer:
        retokenizer.merge(doc[0:2])
    with pytest.raises(ValueError, match="that of 3 tokens, but the text has 2"):
        read_attention(doc)
