"""The reach of gradients, measured from Python."""

import numpy
import pytest
import spacy

from spacy_rnn.evaluation import cut_pieces, measure_cells, measure_layer, measure_pipeline
from spacy_rnn.layers import build_rnn

WORDS = "They book a room and we read a book in the old house by the new river".split()


def test_cells_are_averaged_over_layers():
    reaches = measure_cells(["gru"], width=6, distance=10, n_samples=3, seed=4)
    single = [measure_cells(["gru"], width=6, distance=10, n_samples=1, seed=4 + i)["gru"].norms for i in range(3)]
    assert list(reaches) == ["gru"] and reaches["gru"].norms.shape == (11,)
    numpy.testing.assert_allclose(reaches["gru"].norms, numpy.exp(numpy.log(single).mean(axis=0)), rtol=1e-6)


def test_pieces_have_the_length_of_the_distance(pipelines):
    nlp = spacy.load(pipelines("rnn_tagger"))
    pieces = cut_pieces(nlp, WORDS, distance=4, n_pieces=5)
    assert [[token.text for token in piece] for piece in pieces] == [WORDS[i : i + 5] for i in (0, 5, 10)]
    reaches = measure_pipeline(nlp, pieces)
    assert set(reaches) == {"rnn_tagger (lstm), forward", "rnn_tagger (lstm), backward"}
    assert all(reach.norms.shape == (5,) and (reach.norms > 0).all() for reach in reaches.values())


def test_a_pipeline_and_its_texts_stay_as_they_are(pipelines):
    nlp = spacy.load(pipelines("rnn_tagger"))
    pieces = cut_pieces(nlp, WORDS, distance=4)
    model = nlp.get_pipe("rnn_tagger").model
    (rnn,) = [node for node in model.walk() if node.name == "rnn"]
    rnn.attrs["dropout"] = 0.25
    texts, parameters = [piece.to_bytes() for piece in pieces], model.to_bytes()
    forwards = [node._func for node in model.walk()]
    measure_pipeline(nlp, pieces)
    assert rnn.attrs["dropout"] == 0.25
    assert not [name for node in model.walk() for name in node.param_names if node.has_grad(name)]
    assert [piece.to_bytes() for piece in pieces] == texts
    assert model.to_bytes() == parameters
    assert [node._func for node in model.walk()] == forwards


def test_gradients_that_wait_for_their_step_are_kept():
    rnn = build_rnn(4, 3, cell="gru").initialize()
    for node in rnn.walk():
        for name in node.param_names:
            node.set_grad(name, numpy.full_like(node.get_param(name), 2.0))
    measure_layer(rnn, numpy.ones((5, 3), dtype="float32"))
    assert all((node.get_grad(name) == 2.0).all() for node in rnn.walk() for name in node.param_names)


def test_dropout_is_not_applied():
    rows = numpy.random.default_rng(0).normal(size=(6, 3)).astype("float32")
    rnn = build_rnn(4, 3, cell="gru", depth=2, dropout=0.5, recurrent_dropout=0.5).initialize()
    first, second = (measure_layer(rnn, rows) for _ in range(2))
    numpy.testing.assert_array_equal(first.norms, second.norms)
    assert first.before == second.before


def test_what_cannot_be_measured_is_refused(pipelines):
    nlp = spacy.load(pipelines("rnn_tagger"))
    with pytest.raises(ValueError, match="there is no cell 'gnu': expected one of elman_tanh"):
        measure_cells(["gnu"])
    with pytest.raises(ValueError, match="distance must be at least 1, got 0"):
        measure_cells(["gru"], distance=0)
    with pytest.raises(ValueError, match="only 17 words: a distance of 17 takes 18"):
        cut_pieces(nlp, WORDS, distance=17)
    with pytest.raises(ValueError, match="at least one text"):
        measure_pipeline(nlp, [])
    with pytest.raises(ValueError, match="none without tokens"):
        measure_pipeline(nlp, [nlp.make_doc("")])
    with pytest.raises(ValueError, match="no component that can be taken here: it has none at all"):
        measure_pipeline(spacy.blank("xx"), [nlp.make_doc("a")])
    with pytest.raises(ValueError, match=r"rows of a sequence.*\(0, 3\)"):
        measure_layer(build_rnn(4, 3).initialize(), numpy.zeros((0, 3), dtype="float32"))
