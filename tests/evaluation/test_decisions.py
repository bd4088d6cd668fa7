"""Decisions are counted as spaCy's scorer counts them."""

import numpy
import pytest
import spacy
from sklearn.metrics import precision_recall_fscore_support
from spacy.scorer import Scorer
from spacy.tokens import Doc, Span
from spacy.training import Example

from spacy_rnn.cli.loading import read_corpus
from spacy_rnn.evaluation.components import annotate
from spacy_rnn.evaluation.decisions import CLASS, CLASSES, ENTITIES, TAG, find_decisions, find_tasks
from spacy_rnn.evaluation.scores import count_binary, score_all, score_labels


@pytest.fixture(scope="module")
def decide(pipelines, corpora):
    """(factory, corpus) -> pipeline, examples and decisions of a trained component."""

    def run(factory, kind):
        nlp = spacy.load(pipelines(factory))
        examples = read_corpus(nlp, corpora(kind))
        examples = annotate(nlp, examples)
        return nlp, examples, find_decisions(nlp, factory, find_tasks(nlp)[factory], examples)

    return run


@pytest.mark.parametrize("factory", ["rnn_tagger", "tagger"])
def test_token_accuracy_is_spacys(decide, factory):
    nlp, examples, found = decide(factory, "tags")
    differing = [example for example in examples if len(example.x) != len(example.y)]
    assert differing, "tokens ought to be cut differently in some texts"
    accuracy = Scorer.score_token_attr(examples, "tag")["tag_acc"]
    assert 0.3 < accuracy < 1
    assert score_all(found.decisions)[0].f == pytest.approx(accuracy, abs=1e-12)


@pytest.mark.parametrize("factory", ["rnn_tagger", "tagger"])
def test_confidence_is_the_probability_of_the_predicted_tag(decide, factory):
    nlp, examples, found = decide(factory, "tags")
    pipe = nlp.get_pipe(factory)
    softmax = next(node for node in pipe.model.walk() if node.name == "softmax")
    softmax.attrs["softmax_normalize"] = True
    expected = [rows.max(axis=1) for rows in pipe.model.predict([examples[0].predicted])][0]
    tokens = {token.idx: token.i for token in examples[0].predicted}
    of_first = [
        d for d in found.decisions if d.text == 0 and d.start in tokens and d.predicted is not None and d.gold is not None
    ]
    assert len(of_first) > 10
    for decision in of_first:
        assert decision.confidence == pytest.approx(expected[tokens[decision.start]], rel=1e-4)


def test_confidence_is_that_of_the_encoder_that_a_tagger_listens_to(corpora):
    listener = {"@architectures": "spacy.Tok2VecListener.v1", "width": 96}
    nlp = spacy.blank("xx")
    for name, factory in (("first", "rnn_tagger"), ("second", "tagger")):
        tok2vec = {**listener, "upstream": name}
        nlp.add_pipe("tok2vec", name=name)
        nlp.add_pipe(factory, config={"model": {"@architectures": "spacy.Tagger.v2", "tok2vec": tok2vec}})
    examples = read_corpus(nlp, corpora("tags"))[:20]
    nlp.initialize(lambda: examples)
    softmax = next(node for node in nlp.get_pipe("rnn_tagger").model.walk() if node.name == "softmax")
    # An output layer begins with zeros, whatever it reads.
    softmax.set_param("W", numpy.random.default_rng(0).normal(size=softmax.get_param("W").shape).astype("float32"))
    confidences = []
    for names in (nlp.pipe_names, ["first", "rnn_tagger"]):
        with nlp.select_pipes(enable=names):
            found = find_decisions(nlp, "rnn_tagger", TAG, annotate(nlp, examples))
        confidences.append(found.probabilities)
    numpy.testing.assert_allclose(*confidences, rtol=1e-4)


def test_a_component_with_a_head_is_asked_for_its_probabilities(pipelines, corpora):
    nlp = spacy.load(pipelines("rnn_tagger"))
    nlp.get_pipe("rnn_tagger").head = Even()
    examples = read_corpus(nlp, corpora("tags"))
    examples = annotate(nlp, examples)
    found = find_decisions(nlp, "rnn_tagger", find_tasks(nlp)["rnn_tagger"], examples)
    assert set(found.probabilities) == {1 / len(nlp.get_pipe("rnn_tagger").labels)}


class Even:
    """A head to which all labels of a token are equally probable."""

    def predict(self, model, scores):
        return numpy.zeros(sum(map(len, scores)), dtype="int64")

    def probabilities(self, model, scores, temperature):
        return numpy.concatenate([numpy.full(rows.shape, 1 / rows.shape[1]) for rows in scores])


def test_scores_that_are_no_probabilities_are_not_taken_for_them(pipelines, corpora):
    nlp = spacy.load(pipelines("tagger"))
    softmax = next(node for node in nlp.get_pipe("tagger").model.walk() if node.name == "softmax")
    del softmax.attrs["softmax_normalize"]
    softmax._func = lambda model, X, is_train: (X @ model.get_param("W").T, None)
    examples = read_corpus(nlp, corpora("tags"))
    examples = annotate(nlp, examples)
    found = find_decisions(nlp, "tagger", find_tasks(nlp)["tagger"], examples)
    assert found.probabilities is None
    assert all(decision.confidence is None for decision in found.decisions)


def test_exclusive_classes_are_scored_as_spacy_scores_them(decide):
    nlp, examples, found = decide("rnn_textcat", "reviews")
    scores = nlp.get_pipe("rnn_textcat").score(examples)
    micro, macro = score_all(found.decisions)
    assert micro.f == pytest.approx(scores["cats_micro_f"])
    assert macro.f == pytest.approx(scores["cats_macro_f"])
    assert 0.5 < micro.f < 1
    for row in score_labels(found.decisions):
        expected = scores["cats_f_per_type"][row.label]
        assert (row.precision, row.recall, row.f) == pytest.approx((expected["p"], expected["r"], expected["f"]))


def test_classes_that_do_not_exclude_each_other_are_scored_as_spacy_scores_them(decide):
    nlp, examples, found = decide("rnn_textcat_multilabel", "topics")
    scores = nlp.get_pipe("rnn_textcat_multilabel").score(examples)
    assert score_all(found.decisions)[0].f == pytest.approx(scores["cats_micro_f"])
    for row in score_labels(found.decisions):
        assert row.f == pytest.approx(scores["cats_f_per_type"][row.label]["f"])


def test_what_a_text_does_not_say_of_a_class_is_not_counted(decide):
    _, examples, found = decide("rnn_textcat_multilabel", "topics")
    said = [example for example in examples if "long" in example.reference.cats]
    assert len(said) < len(examples)
    assert sum(count_binary(found)["long"]) == len(said)
    assert sum(count_binary(found)["liked"]) == len(examples)
    assert len(found.probabilities) == len(said) + len(examples)


class Categorizer:
    """Stands for a component whose predictions are in the texts already."""

    labels = ("good", "bad")
    cfg = {"threshold": 0.5}


class Pipeline:
    """Stands for a pipeline of one such component."""

    def get_pipe(self, name):
        return Categorizer


def with_cats(gold, predicted):
    vocab = spacy.blank("xx").vocab
    example = Example(Doc(vocab, words=["a"]), Doc(vocab, words=["a"]))
    example.reference.cats, example.predicted.cats = gold, predicted
    return example


def test_texts_without_a_class_are_left_out():
    predicted = {"good": 0.8, "bad": 0.2}
    examples = [
        with_cats({}, predicted),
        with_cats({"good": 0.0, "bad": 0.0}, predicted),
        with_cats({"good": 0.0, "bad": 1.0}, predicted),
        with_cats({"unrelated": 1.0}, predicted),
    ]
    (decision,) = find_decisions(Pipeline(), "textcat", CLASS, examples).decisions
    assert decision == (2, 0, 0, "bad", "good", 0.8)
    with pytest.raises(ValueError, match="no gold annotation"):
        find_decisions(Pipeline(), "textcat", CLASS, examples[:2])


def test_a_class_is_predicted_from_the_threshold_on():
    examples = [
        with_cats({"good": 1.0, "bad": 0.0}, {"good": 0.5, "bad": 0.5}),
        with_cats({"bad": 1.0}, {"good": 0.9, "bad": 0.3}),
    ]
    found = find_decisions(Pipeline(), "textcat", CLASSES, examples)
    assert [decision[3:5] for decision in found.decisions] == [("good", "good"), (None, "bad"), ("bad", None)]
    assert [decision.confidence for decision in found.decisions] == [0.5, 0.5, 0.7]
    numpy.testing.assert_allclose(found.probabilities, [0.5, 0.5, 0.3])
    assert found.came_true.tolist() == [True, False, True]


def entities(words, *spans, vocab=None):
    doc = Doc(vocab or spacy.blank("xx").vocab, words=words)
    doc.ents = [Span(doc, *span) for span in spans]
    return doc


def test_entities_are_scored_as_spacy_scores_them():
    from spacy.scorer import get_ner_prf

    words = "Anna Lee met Bob in New York on Monday in May".split()
    gold = entities(words, (0, 2, "PERSON"), (3, 4, "PERSON"), (5, 7, "PLACE"), (8, 9, "DATE"))
    predicted = entities(words, (0, 1, "PERSON"), (3, 4, "PLACE"), (5, 7, "PLACE"), (10, 11, "DATE"), vocab=gold.vocab)
    silent = Example(entities(words, (0, 1, "DATE"), vocab=gold.vocab), Doc(gold.vocab, words=words))
    examples = [silent, Example(predicted, gold)]
    found = find_decisions(Pipeline(), "ner", ENTITIES, examples)
    pairs = {(decision.start, decision.gold, decision.predicted) for decision in found.decisions}
    assert pairs == {
        (0, None, "PERSON"),
        (0, "PERSON", None),
        (13, "PERSON", "PLACE"),
        (20, "PLACE", "PLACE"),
        (32, "DATE", None),
        (42, None, "DATE"),
    }
    assert {decision.text for decision in found.decisions} == {1}
    expected = get_ner_prf(examples)
    assert score_all(found.decisions)[0].f == pytest.approx(expected["ents_f"])
    for row in score_labels(found.decisions):
        of_type = expected["ents_per_type"][row.label]
        assert (row.precision, row.recall, row.f) == pytest.approx((of_type["p"], of_type["r"], of_type["f"]))


def test_an_entity_where_the_annotation_does_not_know_is_neither_right_nor_wrong():
    words = "Anna met Bob".split()
    gold = Doc(spacy.blank("xx").vocab, words=words)
    gold.set_ents([Span(gold, 0, 1, "PERSON")], missing=[gold[2:3]])
    predicted = entities(words, (0, 1, "PERSON"), (2, 3, "PERSON"), vocab=gold.vocab)
    found = find_decisions(Pipeline(), "ner", ENTITIES, [Example(predicted, gold)])
    assert [decision[3:5] for decision in found.decisions] == [("PERSON", "PERSON")]


def test_labels_are_scored_as_scikit_learn_scores_them(decide):
    _, examples, found = decide("rnn_textcat", "reviews")
    gold = [max(example.y.cats, key=example.y.cats.get) for example in examples]
    predicted = [max(example.x.cats, key=example.x.cats.get) for example in examples]
    expected = precision_recall_fscore_support(gold, predicted, labels=["negative", "positive"])
    rows = sorted(score_labels(found.decisions), key=lambda row: row.label)
    numpy.testing.assert_allclose([row[1:] for row in rows], numpy.transpose(expected))
