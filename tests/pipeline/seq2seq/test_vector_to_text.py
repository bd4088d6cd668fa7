"""Texts from vectors, as a notebook has them written."""

import numpy
import pytest
import spacy
from numpy.testing import assert_allclose
from thinc.api import Adam, Ragged, chain, fix_random_seed

from spacy_rnn.layers import build_pool, build_rnn
from spacy_rnn.models.encoder_decoder.seq2seq import build_seq2seq
from spacy_rnn.models.encoder_decoder.vector_decoder import build_vector_decoder
from spacy_rnn.pipeline.seq2seq.vector_to_text import VectorToText
from spacy_rnn.text.symbols.characters import build_characters
from spacy_rnn.text.symbols.words import build_words

TEXTS = ["three eight one", "two", "one one two", "eight"]
WIDTH = 3


def vectors(n=4):
    return numpy.random.default_rng(0).normal(size=(n, WIDTH)).astype("float32")


def rows():
    return [numpy.random.default_rng(i).normal(size=(n, WIDTH)).astype("float32") for i, n in enumerate((3, 1, 3, 2))]


def build(symbols=None, **settings):
    fix_random_seed(0)
    return VectorToText(build_vector_decoder(symbols or build_words(), width=8, hidden_width=12, **settings))


def build_of_rows():
    return build(encoder=chain(build_rnn(8, cell="gru"), build_pool("last")))


def trained(writer, inputs, n=100, texts=TEXTS):
    writer.learn(inputs, texts)
    optimizer = Adam(0.02)
    losses = [writer.update(inputs, texts, optimizer) for _ in range(n)]
    assert losses[-1] < losses[0] / 5
    return writer


@pytest.mark.parametrize("symbols", [build_words, build_characters])
def test_texts_are_learned_and_written(symbols):
    writer = trained(build(symbols(), feed=True), vectors())
    assert writer.write(vectors()) == TEXTS
    assert writer.write(vectors().tolist(), width=1) == TEXTS
    nlp = spacy.blank("en")
    assert [token.text for token in nlp.make_doc(writer.write(vectors()[:1])[0])] == ["three", "eight", "one"]


def test_rows_of_varying_number_are_read():
    writer = trained(build_of_rows(), rows())
    assert writer.write(rows()) == TEXTS
    lengths = numpy.asarray([len(one) for one in rows()], dtype="int32")
    assert writer.write(Ragged(numpy.concatenate(rows()), lengths)) == TEXTS
    assert [writer.write([one]) for one in rows()] == [[text] for text in TEXTS]


def test_docs_are_texts():
    nlp = spacy.blank("en")
    docs = [nlp.make_doc(text) for text in TEXTS]
    assert trained(build(), vectors(), texts=docs).write(vectors()) == TEXTS


def test_what_was_found_has_its_probability():
    writer = trained(build(), vectors(), n=30)
    found = writer.search(vectors(), width=4, n_best=3)
    for i, texts in enumerate(found):
        assert len(texts) == 3
        assert sorted(texts, key=lambda one: -one.log_probability) == texts
        for one in texts:
            assert_allclose(writer.score(vectors()[i : i + 1], [one.text]), [one.log_probability], rtol=1e-3, atol=1e-4)


def test_many_vectors_are_written_piece_by_piece(monkeypatch):
    writer = trained(build(), vectors())
    of_rows = trained(build_of_rows(), rows())
    expected = writer.score(vectors(), TEXTS)
    monkeypatch.setattr("spacy_rnn.pipeline.seq2seq.vector_to_text._BATCH", 3)
    assert writer.write(vectors()) == of_rows.write(rows()) == TEXTS
    assert writer.score(vectors(), TEXTS) == expected
    assert writer.write(numpy.zeros((0, WIDTH))) == writer.score(numpy.zeros((0, WIDTH)), []) == []


def test_gradients_accumulate_without_an_optimizer():
    writer = build()
    writer.learn(vectors(), TEXTS)
    bridge = writer.model.get_ref("bridge")
    weights = bridge.get_param("W").copy()
    writer.update(vectors(), TEXTS)
    once = bridge.get_grad("W").copy()
    writer.update(vectors(), TEXTS)
    assert_allclose(bridge.get_grad("W"), 2 * once, rtol=1e-5, atol=1e-7)
    assert (bridge.get_param("W") == weights).all()


def test_saved_and_loaded(tmp_path):
    writer = trained(build(), vectors())
    writer.to_disk(tmp_path / "new" / "model")
    assert build().from_disk(tmp_path / "new" / "model").write(vectors()) == TEXTS
    loaded = build().from_bytes(writer.to_bytes())
    assert loaded.score(vectors(), TEXTS) == writer.score(vectors(), TEXTS)
    assert loaded.to_bytes() == writer.to_bytes()


@pytest.mark.parametrize(
    ("make", "data", "message"),
    [
        (build, b"", "could not be loaded: .*model"),
        (build, b"damaged", "could not be loaded: .*model"),
        (lambda: build(cell="lstm"), None, "could not be loaded: .*model"),
        (lambda: build(feed=True), None, "feed"),
        (lambda: build(build_characters()), None, "characters"),
        (lambda: build(vector_width=WIDTH + 1), None, "dimension nI is 4, but in the file 3"),
    ],
)
def test_a_file_of_something_else_is_refused(tmp_path, make, data, message):
    writer = build()
    writer.learn(vectors(), TEXTS)
    writer.to_disk(tmp_path / "model")
    if data is not None:
        (tmp_path / "model").write_bytes(data)
    with pytest.raises(ValueError, match=message):
        make().from_disk(tmp_path / "model")
    with pytest.raises(FileNotFoundError):
        make().from_disk(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("inputs", "texts", "message"),
    [
        (vectors(3), TEXTS, "got 3 vectors and 4 texts"),
        (vectors(5), TEXTS, "got 5 vectors and 4 texts"),
        (vectors(), [*TEXTS[:3], ""], "text 3 is empty"),
        (vectors(), ["one", " ", *TEXTS[2:]], "text 1 is empty"),
        (vectors(), "four", "put it into a list"),
        (vectors(), [1, 2, 3, 4], "text 0: expected a str or a Doc, got int"),
        (vectors(0), [], "at least, got none"),
        (numpy.where(numpy.arange(4)[:, None] == 2, numpy.nan, vectors()), TEXTS, "vector 2 holds nan"),
        (vectors()[:, :, None], TEXTS, "two-dimensional"),
        (
            [numpy.zeros((2, 3)), numpy.zeros((2, 4)), numpy.zeros((1, 3)), numpy.zeros((1, 3))],
            TEXTS,
            "sequence 1: expected rows",
        ),
        (rows(), TEXTS, "need an encoder|got a Ragged"),
    ],
)
def test_bad_input_is_refused(inputs, texts, message):
    with pytest.raises(ValueError, match=message):
        build().learn(inputs, texts)
    writer = build()
    writer.learn(vectors(), TEXTS)
    with pytest.raises(ValueError, match=message):
        writer.update(inputs, texts, Adam(0.01))


def test_other_widths_are_refused():
    writer = build()
    writer.learn(vectors(), TEXTS)
    for run in (writer.write, lambda wide: writer.update(wide, TEXTS), lambda wide: writer.score(wide, TEXTS)):
        with pytest.raises(ValueError, match="width 3 here, got vectors of width 5"):
            run(numpy.zeros((4, 5)))


def test_an_unlearned_model_is_refused():
    for run in (lambda w: w.write(vectors()), lambda w: w.update(vectors(), TEXTS), lambda w: w.score(vectors(), TEXTS)):
        with pytest.raises(ValueError, match="learn|initialize"):
            run(build())


def test_it_can_learn_anew():
    writer = trained(build(), vectors())
    before = writer.to_bytes()
    with pytest.raises(ValueError, match="vector 0 holds nan"):
        writer.learn(vectors() * numpy.nan, ["other", "words", "than", "these"])
    assert writer.to_bytes() == before
    writer.update(vectors(), TEXTS)
    texts = ["a b c d e f", "c", "b a", "f"]
    assert trained(writer, vectors(), texts=texts).write(vectors()) == texts


def test_other_models_are_refused():
    for model in (build_seq2seq(build_words()), build_rnn(2, 2)):
        with pytest.raises(ValueError, match="VectorDecoder"):
            VectorToText(model)


def test_a_loss_that_is_no_number():
    """Nothing is learned from it."""
    writer = trained(build(), vectors())
    bridge = writer.model.get_ref("bridge")
    weights = bridge.get_param("W").copy()
    bridge.set_param("b", bridge.get_param("b") * numpy.nan)
    with pytest.raises(ValueError, match="the loss is not a number, and nothing is learned from it"):
        writer.update(vectors(), TEXTS, Adam(0.1))
    assert (bridge.get_param("W") == weights).all()


def test_scores_with_dropout_between_layers():
    """Dropout is for training: the score of a text is the same in each call, and alone."""
    writer = build(depth=2, dropout=0.5)
    writer.learn(vectors(), TEXTS)
    assert writer.score(vectors(), TEXTS) == [writer.score([vectors()[i]], TEXTS[i : i + 1])[0] for i in range(4)]
