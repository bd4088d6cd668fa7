"""Token vectors whose directions are run apart."""

import numpy
import pytest
from numpy.testing import assert_allclose
from spacy.ml.models.tok2vec import build_Tok2Vec_model
from spacy.tokens import Doc
from thinc.api import Linear, chain, ragged2list

from spacy_rnn.layers import build_embed, build_layer_norm, build_list2ragged, build_rnn, with_rows
from spacy_rnn.models.encoder import build_bilstm_encoder, build_cnn, build_rnn_encoder
from spacy_rnn.models.pretraining.encoding import check_tok2vec, read_apart, reader_width
from spacy_rnn.models.tok2vec import build_tok2vec

NORMALIZES = chain(build_list2ragged(), with_rows(build_layer_norm(8)), ragged2list())


def make_docs(vocab):
    return [Doc(vocab, words=text.split()) for text in ("the cat sat on the mat", "", "a", "the dog saw a cat")]


@pytest.mark.parametrize("depth", [2, 3])
def test_readers_know_only_what_they_have_read(vocab, make_tok2vec, depth):
    tok2vec = make_tok2vec(depth=depth)
    words = "the cat sat on a mat".split()
    forward, backward = numpy.split(read_apart(tok2vec, [Doc(vocab, words=words)], False)[0].rows, 2)
    for t in range(6):
        changed = Doc(vocab, words=[*words[:t], "shapes", *words[t + 1 :]])
        new_forward, new_backward = numpy.split(read_apart(tok2vec, [changed], False)[0].rows, 2)
        assert_allclose(new_forward[:t], forward[:t], atol=1e-6)
        assert_allclose(new_backward[t + 1 :], backward[t + 1 :], atol=1e-6)
        if words[t] == "a":
            # A word that the embedding knows.
            assert numpy.abs(new_forward[t:] - forward[t:]).max(axis=1).min() > 1e-4
            assert numpy.abs(new_backward[: t + 1] - backward[: t + 1]).max(axis=1).min() > 1e-4


def test_one_layer_reads_what_the_token_vectors_say(vocab, make_tok2vec):
    tok2vec = make_tok2vec(layer_norm=False)
    docs = make_docs(vocab)
    readers, _ = read_apart(tok2vec, docs, False)
    assert readers.n_directions == 2
    assert readers.lengths.tolist() == [6, 0, 1, 5]
    assert_allclose(numpy.hstack(numpy.split(readers.rows, 2)), numpy.concatenate(tok2vec.predict(docs)), atol=1e-6)


def test_an_encoder_of_one_direction_has_one_reader(vocab, make_tok2vec):
    tok2vec = make_tok2vec(bidirectional=False, depth=2)
    assert reader_width(tok2vec) == (8, 1)
    docs = make_docs(vocab)
    readers, _ = read_apart(tok2vec, docs, False)
    assert_allclose(readers.rows, numpy.concatenate(tok2vec.predict(docs)), atol=1e-6)


def test_half_of_the_width_is_that_of_a_reader(make_tok2vec):
    assert reader_width(make_tok2vec()) == (4, 2)


def test_texts_without_tokens_have_no_rows(vocab, make_tok2vec):
    readers, backprop = read_apart(make_tok2vec(depth=2), [Doc(vocab)], True)
    assert readers.rows.shape == (0, 4)
    backprop(readers.rows)


def test_encoders_of_both_tok2vecs_are_taken():
    for encode in (build_rnn_encoder(8, 3, dropout=0.1, variational_dropout=0.1), build_bilstm_encoder(8, 2, 0.1)):
        for build in (build_tok2vec, build_Tok2Vec_model):
            check_tok2vec(build(build_embed(8), encode))


@pytest.mark.parametrize(
    "tok2vec, message",
    [
        (lambda: build_embed(8), "Tok2Vec.v1"),
        (lambda: build_tok2vec(build_embed(8), chain(Linear(8, 8), Linear(8, 8))), "Tok2Vec.v1"),
        (lambda: build_tok2vec(build_embed(8), build_cnn(8)), "'convolution' of the encoder"),
        (
            lambda: build_tok2vec(build_embed(8), build_rnn_encoder(8, 2, residual=False, highway=True)),
            "'highway' of the encoder",
        ),
        (lambda: build_tok2vec(chain(build_embed(8), build_rnn(8, 8)), build_rnn_encoder(8)), "'rnn' of the embedding"),
        (lambda: build_tok2vec(build_embed(8), build_bilstm_encoder(8, 0, 0.0)), "Tok2Vec.v1"),
        (lambda: build_tok2vec(build_embed(8), NORMALIZES), "no recurrent layer"),
    ],
)
def test_other_token_vectors_are_refused_with_what_to_use(tok2vec, message):
    with pytest.raises(ValueError, match=message) as error:
        check_tok2vec(tok2vec())
    assert "spacy.PretrainCharacters.v1" in str(error.value)
