"""How a state develops: what is traced, and its picture."""

import numpy
import pytest
import spacy
from spacy.tokens import Doc

from spacy_rnn.layers import scan
from spacy_rnn.pages import render_states, trace_states

TEXT = "A lovely warm film , funny and slow"
ENCODERS = {
    "both directions": {"@architectures": "spacy_rnn.RNNEncoder.v1", "width": 8},
    "one direction": {"@architectures": "spacy_rnn.RNNEncoder.v1", "width": 8, "bidirectional": False, "cell": "gru"},
    "learned first state": {
        "@architectures": "spacy_rnn.RNNEncoder.v1",
        "width": 8,
        "depth": 2,
        "bidirectional": False,
        "train_initial_state": True,
        "residual": False,
        "layer_norm": False,
        "variational_dropout": 0.0,
    },
    "truncated": {
        "@architectures": "spacy_rnn.Truncate.v1",
        "max_length": 3,
        "encode": {"@architectures": "spacy_rnn.RNNEncoder.v1", "width": 8},
    },
    "no recurrent layer": {"@architectures": "spacy_rnn.CNN.v1", "width": 8},
}
every_encoder = pytest.mark.parametrize("encode", ENCODERS.values(), ids=ENCODERS.keys())


def rnn(nlp):
    nodes = [node for _, pipe in nlp.pipeline for node in pipe.model.walk() if node.name == "rnn"]
    return nodes[0]


@pytest.mark.parametrize("pooling", ["last", ["max", "attention"]], ids=str)
@every_encoder
def test_probabilities_are_those_of_the_text_that_ends_there(make_nlp, encode, pooling):
    nlp = make_nlp(encode, pooling)
    trace = trace_states(nlp, nlp(TEXT))
    words = TEXT.split()
    assert trace.labels == ("good", "bad")
    assert trace.probabilities.shape == (len(words), 2)
    for n, probabilities in enumerate(trace.probabilities, start=1):
        cats = nlp(Doc(nlp.vocab, words=words[:n])).cats
        numpy.testing.assert_allclose(probabilities, [cats["good"], cats["bad"]], atol=1e-5)


def test_one_direction_carries_its_state_from_token_to_token(make_nlp):
    """The trace is what a stream would see: the sweep goes on from the state it ended in."""
    nlp = make_nlp(ENCODERS["one direction"], "last")
    doc = nlp(TEXT)
    trace = trace_states(nlp, doc)
    model = nlp.get_pipe("rnn_textcat").model
    (rows,) = model.get_ref("tok2vec").get_ref("embed").predict([doc])
    output, state, before = model.get_ref("output_layer"), None, numpy.zeros(8)
    for t in range(len(doc)):
        Y, state = scan(rnn(nlp), model.layers[1].predict([rows[t : t + 1]]), state)
        numpy.testing.assert_allclose(trace.probabilities[t], output.predict(Y.data)[0], atol=1e-5)
        assert trace.changes["forward"][t] == pytest.approx(numpy.linalg.norm(Y.data[0] - before), abs=1e-5)
        before = Y.data[0]
    assert set(trace.changes) == {"forward"}


def test_the_backward_direction_moves_from_the_end(make_nlp):
    nlp = make_nlp(ENCODERS["both directions"])
    doc = nlp(TEXT)
    (rows,) = nlp.get_pipe("rnn_textcat").model.get_ref("tok2vec").predict([doc])
    changes = trace_states(nlp, doc).changes["backward"]
    assert changes[-1] == pytest.approx(numpy.linalg.norm(rows[-1, 4:]), abs=1e-5)
    assert changes[0] == pytest.approx(numpy.linalg.norm(rows[0, 4:] - rows[1, 4:]), abs=1e-5)


def test_the_first_change_is_that_of_the_learned_state(make_nlp):
    nlp = make_nlp(ENCODERS["learned first state"])
    doc = nlp(TEXT)
    first = rnn(nlp).layers[-1].get_param("h0")
    assert first.any()
    (rows,) = nlp.get_pipe("rnn_textcat").model.get_ref("tok2vec").predict([doc])
    changes = trace_states(nlp, doc).changes["forward"]
    assert changes[0] == pytest.approx(numpy.linalg.norm(rows[0] - first), abs=1e-5)


def test_tokens_that_are_cut_off_move_nothing(make_nlp, read):
    nlp = make_nlp(ENCODERS["truncated"])
    doc = nlp(TEXT)
    trace = trace_states(nlp, doc)
    assert numpy.isnan(trace.changes["forward"][3:]).all() and not numpy.isnan(trace.changes["backward"][:3]).any()
    numpy.testing.assert_allclose(trace.probabilities[3:], numpy.tile(trace.probabilities[2], (5, 1)), atol=1e-6)
    assert read(render_states(nlp, doc)).all("table")[0]["text"].count("not read") == 2 * 5


def test_a_shared_model_is_traced_like_an_own_one(make_nlp):
    nlp = make_nlp(ENCODERS["both directions"], "last", shared=True)
    doc = nlp(TEXT)
    trace = trace_states(nlp, doc)
    assert set(trace.changes) == {"forward", "backward"}
    for n in (1, 4, 8):
        cats = nlp(Doc(nlp.vocab, words=TEXT.split()[:n])).cats
        numpy.testing.assert_allclose(trace.probabilities[n - 1], [cats["good"], cats["bad"]], atol=1e-5)
    assert trace.changes["forward"][0] == pytest.approx(numpy.linalg.norm(doc.tensor[0, :4]), abs=1e-5)


@pytest.mark.parametrize("place", ["first", "last"])
def test_of_two_shared_models_the_one_that_is_listened_to_is_traced(make_nlp, place):
    nlp = make_nlp(ENCODERS["both directions"], "last", shared=True)
    doc = nlp(TEXT)
    expected = trace_states(nlp, doc)
    # Neither one that comes later counts, nor one that another one overwrites.
    model = make_nlp(ENCODERS["one direction"], shared=True).config["components"]["tok2vec"]["model"]
    nlp.add_pipe("tok2vec", name="other", config={"model": model}, **{place: True}).model.initialize([doc])
    found = trace_states(nlp, doc)
    numpy.testing.assert_allclose(found.probabilities, expected.probabilities, atol=1e-6)
    assert set(found.changes) == {"forward", "backward"}
    for direction, moved in expected.changes.items():
        numpy.testing.assert_allclose(found.changes[direction], moved, atol=1e-5)


def test_the_norm_of_a_token_counts_as_in_the_text(make_nlp):
    nlp = make_nlp(ENCODERS["both directions"])
    doc = nlp("A lovely wrm film")
    doc[2].norm_ = "warm"
    numpy.testing.assert_allclose(
        trace_states(nlp, doc).probabilities, trace_states(nlp, nlp("A lovely warm film")).probabilities, atol=1e-6
    )


def test_tracing_leaves_the_text_as_it_is(nlp):
    doc = nlp(TEXT)
    before = doc.to_bytes()
    render_states(nlp, doc)
    assert doc.to_bytes() == before


def test_every_token_has_a_row_with_its_numbers(nlp, read):
    doc = nlp("<script>alert(1)</script> lovely \n\n dull")
    page = read(render_states(nlp, doc, page=True))
    assert not page.all("script")
    header = [cell["text"] for cell in page.all("th") if cell["scope"] == "col"]
    best = max(doc.cats, key=doc.cats.get)
    other = min(doc.cats, key=doc.cats.get)
    assert header == ["Token", "Change of state, forward", "Change of state, backward", best, other]
    rows = page.all("tr")[1:]
    assert len(rows) == len(doc)
    names = [cell["text"] for cell in page.all("th") if cell["scope"] == "row"]
    assert "".join(names).startswith("<script>") and "⏎⏎␣" in names
    cells = [cell["text"].strip() for cell in page.all("td")]
    trace = trace_states(nlp, doc)
    first = [trace.changes["forward"][0], trace.changes["backward"][0], *sorted(trace.probabilities[0], reverse=True)]
    assert sorted(cells[:4]) == sorted(f"{value:.2f}" for value in first)
    assert len(page.all("strong")) == len(doc)


def test_of_many_classes_the_most_probable_are_shown(make_nlp, read):
    nlp = make_nlp(ENCODERS["both directions"], factory="rnn_textcat_multilabel")
    for i in range(8):
        nlp.get_pipe("rnn_textcat_multilabel").add_label(f"class {i}")
    page = read(render_states(nlp, nlp(TEXT)))
    assert len([cell for cell in page.all("th") if cell["scope"] == "col"]) == 3 + 6
    assert "The 6 most probable of 10 classes." in page.all("caption")[0]["text"]


def test_a_long_text_is_cut_and_says_so(nlp, read):
    doc = nlp("warm dull " * 50)
    page = read(render_states(nlp, doc, max_length=70))
    assert len(page.all("tr")) == 71
    assert "The first 70 of 100 tokens." in page.all("caption")[0]["text"]
    trace = trace_states(nlp, doc, max_length=70)
    assert trace.probabilities.shape == (70, 2) and trace.changes["backward"].shape == (70,)


def test_a_text_without_tokens(nlp, read):
    trace = trace_states(nlp, nlp(""))
    assert trace.probabilities.shape == (0, 2) and trace.changes == {}
    assert "without tokens" in read(render_states(nlp, [nlp("")])).all("figure")[0]["text"]


def test_a_component_that_cannot_be_traced_is_refused(nlp, make_nlp):
    doc = nlp(TEXT)
    with pytest.raises(ValueError, match="'tagger'.*it has rnn_textcat, of the components rnn_textcat"):
        render_states(nlp, doc, component="tagger")
    with pytest.raises(ValueError, match="one text categorizer.*has none"):
        render_states(spacy.blank("xx"), doc)
    both = make_nlp(ENCODERS["both directions"])
    both.add_pipe("rnn_textcat", name="second")
    with pytest.raises(ValueError, match="has rnn_textcat, second: say which one"):
        render_states(both, doc)
    assert "<table" in render_states(both, doc, component="rnn_textcat")
    with pytest.raises(ValueError, match="max_length must be at least 1, got 0"):
        render_states(nlp, doc, max_length=0)


def test_labels_and_titles_are_never_markup(make_nlp, read):
    labels = ["<script>alert('x')</script>", "a\nb", '"quotes" &amp;', "\x07bell", "\u202eoverride"]
    nlp = make_nlp(ENCODERS["both directions"], factory="rnn_textcat_multilabel")
    for label in labels:
        nlp.get_pipe("rnn_textcat_multilabel").add_label(label)
    doc = nlp(TEXT)
    doc.user_data["title"] = "<i>title</i>\x00"
    for minify in (False, True):
        page = read(render_states(nlp, doc, page=True, minify=minify))
        assert not page.all("script") and not page.all("i")
        shown = {cell["text"] for cell in page.all("th") if cell["scope"] == "col"}
        kept = {"<script>alert('x')</script>", "a�b", '"quotes" &amp;', "�bell", "\u202eoverride", "good", "bad"}
        assert len(shown & kept) == 6 and shown - kept == {
            "Token",
            "Change of state, forward",
            "Change of state, backward",
        }
        assert page.all("h2")[0]["text"] == "<i>title</i>�"
