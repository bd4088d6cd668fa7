"""`rnn_tagger` and `rnn_pos_tagger`: what they learn, write, and refuse."""

import numpy
import pytest
import spacy
import srsly
from spacy.tokens import Doc, Span
from spacy.training import Example
from thinc.api import Adam, fix_random_seed

TAGGERS = ["rnn_tagger", "rnn_pos_tagger"]
ATTR = {"rnn_tagger": "tag", "rnn_pos_tagger": "pos"}
# Two labels that the training sentences hold for "a" and "book", for either component.
LABELS = {"rnn_tagger": ("DT", "NN"), "rnn_pos_tagger": ("DET", "NOUN")}

both = pytest.mark.parametrize("factory", TAGGERS)


def labels_of(doc, factory):
    return [getattr(token, f"{ATTR[factory]}_") for token in doc]


def annotated(nlp, factory, words, labels, predicted=None):
    """An example whose reference has one label for each word, "" for none."""
    reference = Doc(nlp.vocab, words=words)
    for token, label in zip(reference, labels, strict=True):
        setattr(token, f"{ATTR[factory]}_", label)
    return Example(Doc(nlp.vocab, words=predicted or words), reference)


def gradient_rows(component, examples):
    """How far the scores of each token are from the truth, under even scores."""
    n = len(component.labels)
    scores = [numpy.full((len(example.x), n), 1 / n, dtype="f") for example in examples]
    return component.get_loss(examples, scores)[1]


@pytest.fixture(scope="module", params=TAGGERS)
def trained(request, make_nlp):
    nlp, examples = make_nlp(request.param, n_updates=40)
    return request.param, nlp, examples


def test_it_learns_its_training_sentences(trained, annotate):
    factory, nlp, examples = trained
    for example, doc in zip(examples, annotate(nlp, [[t.text for t in eg.y] for eg in examples]), strict=True):
        assert labels_of(doc, factory) == labels_of(example.y, factory)


def test_it_writes_one_attribute_and_nothing_else(trained):
    factory, nlp, _ = trained
    words = ["They", "book", "a", "small", "room"]
    doc = Doc(
        nlp.vocab,
        words=words,
        heads=[1, 1, 4, 4, 1],
        deps=["nsubj", "ROOT", "det", "amod", "obj"],
        lemmas=["they", "book", "a", "small", "room"],
        morphs=["Number=Plur", "", "", "", "Number=Sing"],
    )
    doc.ents = [Span(doc, 4, 5, "PLACE")]
    doc.cats = {"good": 1.0}
    attrs = ["ORTH", "LEMMA", "MORPH", "TAG", "POS", "HEAD", "DEP", "ENT_IOB", "ENT_TYPE", "SENT_START", "SPACY"]
    before = doc.to_array(attrs)
    doc = nlp(doc)
    changed = [attr for attr, old, new in zip(attrs, before.T, doc.to_array(attrs).T, strict=True) if (old != new).any()]
    assert changed == [ATTR[factory].upper()]
    assert doc.cats == {"good": 1.0}


def test_it_declares_what_it_assigns(trained):
    factory, nlp, _ = trained
    attr = f"token.{ATTR[factory]}"
    assert nlp.analyze_pipes()["summary"][factory]["assigns"] == [attr]
    assert nlp.get_factory_meta(factory).assigns == [attr]


def test_its_score_is_the_share_of_right_labels(trained):
    factory, nlp, _ = trained
    key = f"{ATTR[factory]}_acc"
    assert nlp.get_factory_meta(factory).default_score_weights == {key: 1.0}
    first, second = LABELS[factory]
    words = ["They", "book", "a", "small", "room"]
    predicted = labels_of(nlp(Doc(nlp.vocab, words=words)), factory)
    # One wrong, one without annotation: 3 of 4.
    gold = [first if predicted[0] != first else second, "", *predicted[2:]]
    scores = nlp.evaluate([annotated(nlp, factory, words, gold)])
    assert scores[key] == pytest.approx(3 / 4)
    other = {"tag_acc", "pos_acc"} - {key}
    assert not other & set(scores)


@both
@pytest.mark.parametrize("overwrite", [False, True])
def test_overwrite_decides_over_labels_that_are_there(factory, overwrite, make_nlp):
    nlp, _ = make_nlp(factory, n_updates=40, overwrite=overwrite)
    wrong, _ = LABELS[factory]
    words = ["They", "book", "a", "small", "room"]
    learned = labels_of(nlp(Doc(nlp.vocab, words=words)), factory)
    doc = Doc(nlp.vocab, words=words)
    setattr(doc[4], f"{ATTR[factory]}_", wrong)
    assert labels_of(nlp(doc), factory) == (learned if overwrite else [*learned[:4], wrong])
    assert learned[4] != wrong


@both
@pytest.mark.parametrize("overwrite", [False, True])
def test_each_text_of_a_batch_gets_its_own_labels(factory, overwrite, make_nlp):
    nlp, _ = make_nlp(factory, overwrite=overwrite)
    component = nlp.get_pipe(factory)
    first, second = LABELS[factory]
    n = len(component.labels)
    # For each token the number of the label that is predicted, and the label that is there already.
    texts = [[], [(0, "")], [(2, ""), (1, second), (n - 1, "")], [], [(1, first), (0, second)], [(n - 1, "")] * 20, []]
    docs = [annotated(nlp, factory, ["a"] * len(text), [label for _, label in text]).y for text in texts]
    component.set_annotations(docs, [numpy.asarray([i for i, _ in text], dtype="int64") for text in texts])
    for doc, text in zip(docs, texts, strict=True):
        assert labels_of(doc, factory) == [label if label and not overwrite else component.labels[i] for i, label in text]


@both
def test_labels_are_predicted_from_the_highest_scores(factory, make_nlp):
    nlp, _ = make_nlp(factory, n_updates=5)
    component = nlp.get_pipe(factory)
    texts = [[], ["They"], ["book", "a", "small", "room"], [], ["They", "book"] * 50, []]
    docs = [Doc(nlp.vocab, words=words) for words in texts]
    predicted = component.predict(docs)
    for doc, tag_ids in zip(docs, predicted, strict=True):
        scores = component.model.predict([doc])[0] if len(doc) else numpy.zeros((0, 1))
        assert tag_ids.tolist() == scores.argmax(axis=1).tolist() == component.predict([doc])[0].tolist()
    for empty in ([], docs[:1], [docs[0], docs[3]]):
        assert [tag_ids.tolist() for tag_ids in component.predict(empty)] == [[] for _ in empty]
        component.set_annotations(empty, component.predict(empty))


@both
@pytest.mark.parametrize("lengths", [[2, 1], [1, 2, 1], [3], [2]], ids=str)
def test_predictions_of_other_tokens_are_refused(factory, lengths, make_nlp):
    nlp, _ = make_nlp(factory)
    docs = [Doc(nlp.vocab, words=["a"]), Doc(nlp.vocab, words=["a", "book"])]
    with pytest.raises(ValueError):
        nlp.get_pipe(factory).set_annotations(docs, [numpy.zeros(length, dtype="int64") for length in lengths])


def test_predictions_may_be_lists_and_of_one_text(make_nlp):
    nlp, _ = make_nlp("rnn_tagger")
    component = nlp.get_pipe("rnn_tagger")
    doc = Doc(nlp.vocab, words=["a", "book"])
    component.set_annotations(doc, [[1, 0]])
    assert labels_of(doc, "rnn_tagger") == [component.labels[1], component.labels[0]]


def test_labels_are_written_to_a_vocabulary_that_lacked_them(make_nlp, component_config):
    nlp, examples = make_nlp("rnn_tagger", n_updates=40)
    other = spacy.blank("xx")
    component = other.add_pipe("rnn_tagger", config=component_config("rnn_tagger"))
    component.from_bytes(nlp.get_pipe("rnn_tagger").to_bytes(exclude=["vocab"]), exclude=["vocab"])
    assert "VBP" not in other.vocab.strings
    assert labels_of(other("They book a small room"), "rnn_tagger") == labels_of(examples[0].y, "rnn_tagger")


@both
def test_label_smoothing_moves_the_target(factory, make_nlp):
    first, _ = LABELS[factory]
    rows = {}
    for smoothing in (0.0, 0.2):
        nlp, _ = make_nlp(factory, label_smoothing=smoothing)
        component = nlp.get_pipe(factory)
        rows[smoothing] = gradient_rows(component, [annotated(nlp, factory, ["a"], [first])])[0][0]
    n, i = len(component.labels), component.labels.index(first)
    hard, smooth = numpy.eye(n)[i], numpy.full(n, 0.2 / (n - 1))
    smooth[i] = 0.8
    numpy.testing.assert_allclose(rows[0.0], 1 / n - hard, atol=1e-6)
    numpy.testing.assert_allclose(rows[0.2], 1 / n - smooth, atol=1e-6)


@both
@pytest.mark.parametrize("smoothing", [-0.1, 0.5, 1.0])
def test_label_smoothing_out_of_range_is_refused(factory, smoothing, make_nlp):
    with pytest.raises(ValueError, match="smoothing"):
        make_nlp(factory, n_updates=1, label_smoothing=smoothing)


def test_a_negative_tag_is_no_label(make_nlp, component_config):
    nlp = spacy.blank("xx")
    component = nlp.add_pipe("rnn_tagger", config=component_config("rnn_tagger"))
    examples = [annotated(nlp, "rnn_tagger", ["a", "book"], ["DT", "!NN"]), annotated(nlp, "rnn_tagger", ["go"], ["VB"])]
    nlp.initialize(lambda: examples)
    assert component.labels == ("DT", "NN", "VB")


@pytest.mark.parametrize("prefix", ["!", "not-"])
def test_a_negative_tag_pushes_only_its_own_score_down(prefix, make_nlp):
    nlp, _ = make_nlp("rnn_tagger", neg_prefix=prefix)
    component = nlp.get_pipe("rnn_tagger")
    row = gradient_rows(component, [annotated(nlp, "rnn_tagger", ["book"], [f"{prefix}NN"])])[0][0]
    i = component.labels.index("NN")
    assert row[i] == pytest.approx(1 / len(component.labels))
    assert not numpy.delete(row, i).any()


def test_without_a_prefix_no_tag_is_negative(make_nlp):
    nlp, _ = make_nlp("rnn_tagger", neg_prefix="", n_updates=30)
    assert labels_of(nlp(Doc(nlp.vocab, words=["They", "book", "a", "small", "room"])), "rnn_tagger")[4] == "NN"


def test_a_negative_tag_is_unlearned(make_nlp):
    nlp, examples = make_nlp("rnn_tagger", n_updates=30)
    words = ["They", "book", "a", "small", "room"]
    assert labels_of(nlp(Doc(nlp.vocab, words=words)), "rnn_tagger")[4] == "NN"
    negative = [annotated(nlp, "rnn_tagger", words, ["", "", "", "", "!NN"])]
    optimizer = Adam(0.02)
    for _ in range(20):
        nlp.update(negative, sgd=optimizer)
    assert labels_of(nlp(Doc(nlp.vocab, words=words)), "rnn_tagger")[4] != "NN"


def test_a_negative_tag_and_label_smoothing_work_together(make_nlp):
    nlp, _ = make_nlp("rnn_tagger", label_smoothing=0.1)
    component = nlp.get_pipe("rnn_tagger")
    row = gradient_rows(component, [annotated(nlp, "rnn_tagger", ["book"], ["!NN"])])[0][0]
    i = component.labels.index("NN")
    assert row[i] > 0
    assert not numpy.delete(row, i).any()


@both
def test_a_token_without_annotation_has_no_gradient(factory, make_nlp):
    nlp, _ = make_nlp(factory)
    first, second = LABELS[factory]
    example = annotated(nlp, factory, ["a", "good", "book"], [first, "", second])
    rows = gradient_rows(nlp.get_pipe(factory), [example])[0]
    assert [bool(row.any()) for row in rows] == [True, False, True]


# The words as the pipeline has them, the gold words and labels (0 and 1 are the component's two), and the label that a
# pipeline's token learns; None where it learns nothing.
ALIGNMENTS = {
    "one token, two labels": (["can't", "stop"], ["ca", "n't", "stop"], [0, 1, 1], [None, 1]),
    "one token, twice the same label": (["can't", "stop"], ["ca", "n't", "stop"], [0, 0, 1], [0, 1]),
    "two tokens, one label": (["ca", "n't", "stop"], ["can't", "stop"], [0, 1], [0, 0, 1]),
    "a token that gold data lack": (["stop", "ca", "n't"], ["stop", "can't"], [1, 0], [1, 0, 0]),
}


@both
@pytest.mark.parametrize("case", ALIGNMENTS.values(), ids=ALIGNMENTS.keys())
def test_other_token_boundaries_are_aligned(factory, case, make_nlp):
    predicted, gold, labels, expected = case
    nlp, _ = make_nlp(factory)
    component = nlp.get_pipe(factory)
    names = LABELS[factory]
    example = annotated(nlp, factory, gold, [names[i] for i in labels], predicted)
    rows = gradient_rows(component, [example])[0]
    # The truth is where the gradient is negative.
    found = [component.labels[row.argmin()] if row.any() else None for row in rows]
    assert found == [None if i is None else names[i] for i in expected]
    nlp.update([example], sgd=Adam(0.01))


@both
def test_documents_without_annotation_change_no_gradient(factory, make_nlp, gradients):
    nlp, examples = make_nlp(factory, n_updates=2)
    blank = annotated(nlp, factory, ["Nobody", "knows", "this"], ["", "", ""])
    component = nlp.get_pipe(factory)
    alone = gradients(component, examples)
    among = gradients(component, [blank, *examples, blank])
    assert any(array.any() for array in alone)
    for a, b in zip(alone, among, strict=True):
        numpy.testing.assert_allclose(a, b, atol=1e-5)


@both
def test_a_batch_without_annotation_has_no_loss_and_no_gradient(factory, make_nlp, gradients):
    nlp, _ = make_nlp(factory, n_updates=2)
    blanks = [annotated(nlp, factory, ["Nobody", "knows"], ["", ""]), annotated(nlp, factory, ["this"], [""])]
    component = nlp.get_pipe(factory)
    assert component.update(blanks)[factory] == 0.0
    assert not any(array.any() for array in gradients(component, blanks))


@both
def test_initialization_finds_labels_after_the_first_examples(factory, component_config):
    nlp = spacy.blank("xx")
    component = nlp.add_pipe(factory, config=component_config(factory))
    first, second = LABELS[factory]
    examples = [annotated(nlp, factory, ["a"], [first]) for _ in range(15)] + [annotated(nlp, factory, ["book"], [second])]
    nlp.initialize(lambda: examples)
    assert component.labels == (first, second)
    assert component.label_data == (first, second)


@both
def test_labels_come_from_a_file(factory, component_config, make_examples, tmp_path):
    labels = [*LABELS[factory], "X"]
    srsly.write_json(tmp_path / "labels.json", labels)
    nlp = spacy.blank("xx")
    nlp.add_pipe(factory, config=component_config(factory))
    reader = {"@readers": "spacy.read_labels.v1", "path": str(tmp_path / "labels.json")}
    nlp.config["initialize"]["components"] = {factory: {"labels": reader}}
    nlp.initialize(lambda: make_examples(nlp, factory))
    assert nlp.get_pipe(factory).labels == tuple(labels)
    assert nlp.get_pipe(factory).model.get_dim("nO") == len(labels)


@both
def test_labels_are_added_before_initialization_and_once(factory, component_config, make_examples):
    nlp = spacy.blank("xx")
    component = nlp.add_pipe(factory, config=component_config(factory))
    assert [component.add_label("X"), component.add_label("X")] == [1, 0]
    nlp.initialize(lambda: make_examples(nlp, factory))
    assert component.labels[0] == "X"
    assert len(set(component.labels)) == len(component.labels) == component.model.get_dim("nO")
    assert component.add_label("X") == 0


@both
@pytest.mark.parametrize("label", [3, None, ("NOUN",)], ids=repr)
def test_a_label_must_be_a_string(factory, label, component_config):
    component = spacy.blank("xx").add_pipe(factory, config=component_config(factory))
    with pytest.raises(ValueError, match="E187|universal"):
        component.add_label(label)
    assert component.labels == ()


@both
def test_no_label_can_be_added_after_initialization(factory, make_nlp):
    nlp, _ = make_nlp(factory)
    component = nlp.get_pipe(factory)
    before = component.labels
    with pytest.raises(ValueError, match="E922"):
        component.add_label("X")
    assert component.labels == before


@pytest.mark.parametrize("label", ["NN", "noun", "", "CONJ", "EOL", "!NOUN"])
def test_the_pos_tagger_takes_universal_tags_only(label, component_config):
    nlp = spacy.blank("xx")
    component = nlp.add_pipe("rnn_pos_tagger", config=component_config("rnn_pos_tagger"))
    with pytest.raises(ValueError, match=f"{label!r}.*ADJ, ADP, ADV.*SPACE") as error:
        component.add_label(label)
    assert "rnn_tagger" in str(error.value)


@pytest.mark.parametrize("label", ["CONJ", "EOL"])
def test_the_pos_tagger_refuses_gold_data_of_other_tags(label, component_config):
    nlp = spacy.blank("xx")
    nlp.add_pipe("rnn_pos_tagger", config=component_config("rnn_pos_tagger"))
    with pytest.raises(ValueError, match=f"'{label}'.*NOUN"):
        nlp.initialize(lambda: [annotated(nlp, "rnn_pos_tagger", ["and", "so"], [label, "ADV"])])


def test_the_pos_tagger_knows_all_universal_tags(component_config):
    component = spacy.blank("xx").add_pipe("rnn_pos_tagger", config=component_config("rnn_pos_tagger"))
    universal = "ADJ ADP ADV AUX CCONJ DET INTJ NOUN NUM PART PRON PROPN PUNCT SCONJ SYM VERB X SPACE"
    assert [component.add_label(label) for label in universal.split()] == [1] * 18


@both
def test_an_unseen_label_is_refused_in_training(factory, make_nlp, parameters):
    nlp, _ = make_nlp(factory)
    component = nlp.get_pipe(factory)
    before = parameters(component.model)
    with pytest.raises(ValueError, match=f"'{factory}'.*INTJ.*{LABELS[factory][0]}"):
        nlp.update([annotated(nlp, factory, ["Oh"], ["INTJ"])], sgd=Adam(0.1))
    for a, b in zip(before, parameters(component.model), strict=True):
        assert (a == b).all()


@both
def test_it_does_not_run_before_initialization(factory, component_config):
    nlp = spacy.blank("xx")
    component = nlp.add_pipe(factory, config=component_config(factory))
    component.add_label("X")
    with pytest.raises(ValueError, match="E109"):
        nlp("They book a room")
    with pytest.raises(ValueError, match="E109"):
        component.predict([nlp.make_doc("They book a room")])
    with pytest.raises(ValueError, match="E109"):
        component.predict([nlp.make_doc("")])
    with pytest.raises(ValueError, match="E109"):
        list(nlp.pipe(["They book a room"]))
    with pytest.raises(ValueError, match="E109"):
        component.update([annotated(nlp, factory, ["They"], ["X"])])


@both
def test_no_examples_are_refused(factory, component_config, make_examples):
    nlp = spacy.blank("xx")
    component = nlp.add_pipe(factory, config=component_config(factory))
    for labels in (None, ["X"]):
        with pytest.raises((ValueError, TypeError), match="E930|E923|E143"):
            component.initialize(lambda: [], nlp=nlp, labels=labels)
    with pytest.raises(ValueError, match="E143"):
        component.initialize(lambda: [annotated(nlp, factory, ["They"], [""])], nlp=nlp)


@both
def test_rehearsal_holds_a_model_to_what_it_was(factory, make_nlp):
    nlp, examples = make_nlp(factory, n_updates=30)
    component = nlp.get_pipe(factory)
    optimizer = nlp.resume_training()
    optimizer.learn_rate = 0.01
    docs = [eg.x for eg in examples]
    before = component.model.begin_update(docs)[0]
    first, second = LABELS[factory]
    for _ in range(5):
        nlp.update([annotated(nlp, factory, ["They", "book"], [first, second])], sgd=optimizer)

    def distance():
        after = component.model.begin_update(docs)[0]
        return sum(numpy.abs(a - b).mean() for a, b in zip(before, after, strict=True))

    drifted = distance()
    for _ in range(60):
        losses = nlp.rehearse(examples, sgd=optimizer)
    assert losses[factory] > 0
    assert distance() < 0.5 * drifted


@both
@pytest.mark.parametrize("rate, random", [(0.0, False), (0.5, True)])
def test_the_encoder_keeps_its_own_dropout(factory, rate, random, make_nlp, component_config):
    # A table has no dropout, so all there is is the encoder's.
    tok2vec = {
        "@architectures": "spacy.Tok2Vec.v2",
        "embed": {"@architectures": "spacy_rnn.Embed.v1", "width": 8, "size": 50},
        "encode": {
            "@architectures": "spacy_rnn.RNNEncoder.v1",
            "width": 8,
            "depth": 2,
            "dropout": rate,
            "recurrent_dropout": rate,
        },
    }
    nlp, examples = make_nlp(factory, n_updates=5, config=component_config(factory, tok2vec))
    losses = []
    for seed, drop in [(0, 0.0), (1, 0.0), (2, 0.9)]:
        fix_random_seed(seed)
        losses.append(nlp.get_pipe(factory).update(examples, drop=drop)[factory])
    assert (len(set(losses)) == 3) if random else (len(set(losses)) == 1)


@both
def test_gradients_accumulate_until_the_update_is_finished(factory, make_nlp, gradients, parameters):
    nlp, examples = make_nlp(factory, n_updates=2)
    component = nlp.get_pipe(factory)
    before = parameters(component.model)
    whole = gradients(component, examples)
    halves = [a + b for a, b in zip(gradients(component, examples[:2]), gradients(component, examples[2:]), strict=True)]
    for a, b in zip(whole, halves, strict=True):
        numpy.testing.assert_allclose(a, b, atol=1e-5)
    assert all((a == b).all() for a, b in zip(before, parameters(component.model), strict=True))
    component.finish_update(Adam(0.01))
    assert any((a != b).any() for a, b in zip(before, parameters(component.model), strict=True))
